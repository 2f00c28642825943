// Runs before anything is drawn: where nobody chose colours, the device's own.
const root = document.documentElement;
// A small screen's menu is not drawn open before the rest of the script has closed it.
root.dataset.folding = "";
window.addEventListener("load", () => delete root.dataset.folding);
if (root.dataset.look === "auto") {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => {
    root.dataset.look = dark.matches ? "dark" : "light";
    root.dataset.bsTheme = root.dataset.look;
  };
  follow();
  dark.addEventListener("change", follow);
}
