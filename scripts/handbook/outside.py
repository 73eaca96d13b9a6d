"""Files outside docs/ that pages link to: which page of the site shows each, and the links rewritten to that."""

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[2]
DOCS = PurePosixPath("docs")

COPIES = {
    "README.md": "docs/project/readme.md",
    "CHANGELOG.md": "docs/project/changelog.md",
    "CONTRIBUTING.md": "docs/project/contributing.md",
    "SECURITY.md": "docs/project/security.md",
    "proofs/README.md": "docs/proofs/index.md",
    "experiments/README.md": "docs/project/experiments.md",
    "examples/README.md": "docs/project/examples.md",
    "benchmarks/README.md": "docs/project/benchmarks.md",
}
"""Pages of the repository that are pages of the site too."""

_LINK = re.compile(r"(\]\()([^)\s#]*)(#[^)\s]*)?(\))")
_FENCE = re.compile(r"(^```.*?^```|^~~~.*?^~~~)", re.DOTALL | re.MULTILINE)


def places() -> dict[str, str]:
    """Every file of the repository that has a page, with its page."""
    proofs = {f"proofs/{path.name}": f"docs/proofs/{path.stem}.md" for path in (ROOT / "proofs").glob("[!_.]*.py")}
    coq = {f"proofs/coq/{path.name}": f"docs/proofs/coq/{path.stem}.md" for path in (ROOT / "proofs/coq").glob("*.v")}
    return proofs | coq | {file: page for file, page in COPIES.items() if (ROOT / file).is_file()}


def rewritten(text: str, file: str, page: str, known: Mapping[str, str]) -> str:
    """The Markdown of a file of the repository for the page that shows it: its links lead to pages, if there are such.

    What has no page is linked as a file, which the site then offers for download; folders, and files that are not
    there, lead nowhere on the site and stay words.
    """

    def link(found: re.Match[str]) -> str:
        target, anchor = found[2], found[3] or ""
        if not target or re.match(r"[a-z]+:", target):
            return found[0]
        path = os.path.normpath(PurePosixPath(file).parent / target)
        to = known.get(path, path)
        return f"{found[1]}{os.path.relpath(to, PurePosixPath(page).parent)}{anchor}{found[4]}"

    parts = _FENCE.split(text)
    return "".join(part if k % 2 else _LINK.sub(link, part) for k, part in enumerate(parts))


def copies(known: Mapping[str, str]) -> dict[str, str]:
    """The pages of the repository as pages of the site, by page."""
    return {
        page: rewritten((ROOT / file).read_text("utf-8"), file, page, known)
        for file, page in COPIES.items()
        if file in known
    }
