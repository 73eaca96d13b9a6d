"""The documentation as a Sphinx extension: pages made of claims, proofs and docstrings, and links that lead to them.

What is made lies in folders of docs/ that git ignores, and is made anew by every build; a page that did not change
keeps its time, so that a second build only reads what did.
"""

from collections.abc import Mapping
from pathlib import Path

from sphinx.application import Sphinx

from handbook import claims, links, mapped, mathml, outside, proofs, reference
from subtheory.pages import explorer

FOLDERS = ("claims", "proofs", "reference", "project")
"""Of docs/, made by a build."""


def everything() -> dict[str, str]:
    """Every page that is made, by its place in the repository."""
    known = outside.places()
    return {**outside.copies(known), **claims.pages(), **proofs.pages(), **reference.pages()}


def write(root: Path, pages: Mapping[str, str]) -> None:
    """Write what changed, and remove what is no longer made."""
    for folder in FOLDERS:
        for path in (root / "docs" / folder).rglob("*.md"):
            if path.relative_to(root).as_posix() not in pages:
                path.unlink()
    for name, text in pages.items():
        path = root / name
        if not path.is_file() or path.read_text("utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8")


def made(app: Sphinx) -> None:
    write(outside.ROOT, everything())


def read(app: Sphinx, docname: str, source: list[str]) -> None:
    """Links of a written page to files outside docs lead to the pages that show them; the map gets its drawing."""
    if docname.split("/")[0] not in FOLDERS or "/" not in docname:
        page = f"docs/{docname}.md"
        source[0] = mapped.with_drawing(docname, outside.rewritten(source[0], page, page, outside.places()))


def shown(app: Sphinx, error: Exception | None) -> None:
    """Pages with a script of their own lie beside those of Sphinx."""
    if error is None and app.builder.format == "html":
        explorer.write(app.outdir)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", made)
    app.connect("source-read", read)
    app.connect("build-finished", shown)
    links.setup(app)
    mathml.setup(app)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
