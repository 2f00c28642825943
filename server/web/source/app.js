import "htmx.org";

// A message of what was not done is read out and in sight, whatever was being looked at.
document.addEventListener("htmx:afterSwap", (event) => {
  if (event.target.id === "problem") event.target.focus();
});

// Nobody looks: nothing is asked.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.id === "live" && document.visibilityState !== "visible") event.preventDefault();
});

// What was said of the last thing is not true of the next one.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.id !== "live") document.getElementById("problem")?.replaceChildren();
});

// On a small screen the menu is closed until somebody opens it.
const closeMenu = () => {
  const menu = document.querySelector(".side-menu");
  if (menu) menu.open = !matchMedia("(max-width: 991px)").matches;
  delete document.documentElement.dataset.folding;
};
document.addEventListener("DOMContentLoaded", closeMenu);
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.target === document.body && event.detail.shouldSwap) document.documentElement.dataset.folding = "";
});
document.addEventListener("htmx:afterSettle", (event) => {
  if (event.target === document.body) closeMenu();
});
matchMedia("(max-width: 991px)").addEventListener("change", closeMenu);

// Buttons that ask before they do.
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.ask ?? event.target.dataset.ask;
  if (question && !window.confirm(question)) {
    event.preventDefault();
    event.stopImmediatePropagation();
  }
}, true);

// A file that is too large is refused before it travels: the server would hang up on it.
document.addEventListener("change", (event) => {
  const most = Number(event.target.dataset?.bytesMax ?? 0);
  if (!most) return;
  const file = event.target.files[0];
  event.target.setCustomValidity(file && file.size > most ? event.target.dataset.tooLarge : "");
  event.target.reportValidity();
});

// The server cannot be reached: nothing else would say so.
document.addEventListener("htmx:sendError", (event) => {
  const problem = document.getElementById("problem");
  if (event.detail.elt.id === "live" || !problem?.dataset.unreachable) return;
  const said = document.createElement("div");
  said.className = "said said-problem";
  said.textContent = problem.dataset.unreachable;
  problem.replaceChildren(said);
  problem.focus();
});
