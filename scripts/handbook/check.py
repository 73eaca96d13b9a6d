"""Look at pages as they were built: every link within them leads somewhere, and none asks another host for anything.

python scripts/handbook/check.py build/docs
"""

import re
import sys
from html import unescape
from pathlib import Path
from urllib.parse import unquote, urldefrag

_LINK = re.compile(r"<a\b[^>]*?\shref=\"([^\"]*)\"")
_FETCHED = re.compile(r"<(?:script|img|link|iframe|source)\b[^>]*?\s(?:src|href)=\"([^\"]*)\"")
_ANCHOR = re.compile(r"\sid=\"([^\"]*)\"")
_ELSEWHERE = re.compile(r"(?:[a-z]+:|//)")


def problems(folder: Path) -> list[str]:
    """What is wrong, a line each."""
    texts = {path: path.read_text("utf-8") for path in sorted(folder.rglob("*.html"))}
    anchors = {path: {unescape(one) for one in _ANCHOR.findall(text)} for path, text in texts.items()}
    found = []
    for path, text in texts.items():
        here = path.relative_to(folder)
        for address in _FETCHED.findall(text):
            if _ELSEWHERE.match(address) and not address.startswith("data:"):
                found.append(f"{here}: fetches {address}")
        for address in sorted(set(_LINK.findall(text))):
            target, anchor = urldefrag(unescape(address))
            if _ELSEWHERE.match(target):
                continue
            to = (path.parent / unquote(target)).resolve() if target else path.resolve()
            to = to / "index.html" if to.is_dir() else to
            if not to.is_file():
                found.append(f"{here}: no file {address}")
            elif (
                anchor
                and to.suffix == ".html"
                and unquote(anchor) not in anchors.get(folder / to.relative_to(folder), ())
            ):
                found.append(f"{here}: no anchor {address}")
    return found


def main(folder: Path) -> int:
    found = problems(folder.resolve())
    print("\n".join([*found, f"{len(list(folder.rglob('*.html')))} pages, {len(found)} links that lead nowhere"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
