"""Makes what the pages' style sheet is built from: colours of `terminal/theme.py`, and the few signs that pages use.

Called by scripts/assets with the directory of the pages. Of the font of signs only those of source/icons.txt stay.
"""

import re
import sys
from pathlib import Path

from fontTools import subset

from terminal.theme import css

FONT = "node_modules/@tabler/icons-webfont/dist/fonts/tabler-icons.ttf"
CODES = "node_modules/@tabler/icons-webfont/dist/tabler-icons.min.css"


def main(web: Path) -> None:
    """Write source/made/."""
    made = web / "source" / "made"
    made.mkdir(exist_ok=True)
    (made / "tokens.css").write_text(css().replace('[data-look="light"]', ':root, [data-look="light"]', 1))
    names = (web / "source" / "icons.txt").read_text().split()
    codes = dict(re.findall(r'\.ti-([a-z0-9-]+):before\{content:"\\?([0-9a-f]+|.)"\}', (web / CODES).read_text()))
    codes = {name: code if re.fullmatch("[0-9a-f]{4,5}", code) else f"{ord(code):x}" for name, code in codes.items()}
    if missing := [name for name in names if name not in codes]:
        raise SystemExit(f"assets: no sign is called {', '.join(missing)}")
    options = subset.Options(flavor="woff2", layout_features=[], drop_tables=["GSUB"], hinting=False)
    font = subset.load_font(str(web / FONT), options)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=[int(codes[name], 16) for name in names])
    cutter.subset(font)
    subset.save_font(font, str(made / "icons.woff2"), options)
    face = (
        '@font-face { font-family: "fanka-icons"; src: url("./icons.woff2") format("woff2"); font-display: block; }\n'
    )
    rules = "".join(f'.icon-{name}::before {{ content: "\\{codes[name]}"; }}\n' for name in names)
    (made / "icons.css").write_text(face + rules)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
