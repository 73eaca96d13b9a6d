"""The drawing of the map of the theory on its page: every box leads to the page of the site that tells of it."""

from handbook import claims
from subtheory import atlas
from subtheory.atlas import drawing
from subtheory.atlas.theory import EXPERIMENT, Node
from subtheory.pages import report

PAGE, MARK = "map", "<!-- drawing -->"


def address(node: Node) -> str:
    """Of a node on the site; an experiment's is where the gallery, or another page, shows it."""
    if node.kind == EXPERIMENT:
        return claims.shown(node.name).removeprefix("../").replace(".md", ".html") or "gallery.html"
    return drawing.address(node, "docs")


def drawn() -> str:
    """A block of HTML without a blank line, which would end it: the drawing, in a box of its own that scrolls."""
    style = report.template("map.css").render().strip()
    svg = drawing.whole(atlas.read(), address)
    box = '<div class="map" tabindex="0" role="region" aria-label="The map of the theory">'
    return f"{box}<style>{style}</style>\n{svg}\n</div>"


def with_drawing(docname: str, text: str) -> str:
    """The page of the map with its drawing, any other as it is."""
    return text.replace(MARK, drawn()) if docname == PAGE else text
