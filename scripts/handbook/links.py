"""Words that name something are links to it: a claim anywhere, a public name behind `st.` or `subtheory.`."""

import re

from docutils import nodes
from sphinx.application import Sphinx

from handbook.reference import home
from subtheory import _PUBLIC
from subtheory.claims import CLAIMS, OVER_READINGS


def target(word: str, docname: str) -> tuple[str, str] | None:
    """Page and anchor of what a code span names, seen from a page."""
    if word in CLAIMS or word in OVER_READINGS:
        return f"claims/{word}", ""
    name = re.match(r"(st\.|subtheory\.)?(\w+)", word)
    if not (name and name[2] in _PUBLIC and re.fullmatch(r"(\(.*\))?", word[name.end() :])):
        return None
    meant = name[1] or docname.startswith("reference/")
    return (home(name[2]), f"subtheory.{name[2]}") if meant else None


def resolve(app: Sphinx, doctree: nodes.document, docname: str) -> None:
    """Put the links in, except where there is one already, in headings, and to the page itself."""
    for literal in list(doctree.findall(nodes.literal)):
        parent: nodes.Node | None = literal.parent
        while parent is not None and not isinstance(parent, nodes.reference | nodes.title):
            parent = parent.parent
        found = None if parent is not None else target(literal.astext(), docname)
        if found is None or found[0] == docname:
            continue
        uri = app.builder.get_relative_uri(docname, found[0])
        link = nodes.reference(refuri=f"{uri}#{found[1]}" if found[1] else uri, internal=True)
        literal.replace_self(link)
        link += literal


def setup(app: Sphinx) -> None:
    app.connect("doctree-resolved", resolve)
