"""The map as SVG: boxes with names in layers, a line for each edge, and every box a link to its place."""

from collections.abc import Callable, Mapping, Sequence

from markupsafe import Markup

from subtheory.atlas import layout
from subtheory.atlas.theory import CLAIM, COQ, EXPERIMENT, PLANNED, PROOF, Map, Node

PITCH, HEIGHT, LETTER, PAD = 19.0, 15.0, 6.5, 7.0
"""Rows, boxes, letters at 10.5 px (a wide font's mean), and the margin of a box, in px."""

HEAD = "part:"
"""Before the number of a part of the theory, whose name stands in the column of claims."""

Address = Callable[[Node], str]
"""Where a node is told of."""


def anchor(node: Node) -> str:
    """The id of a node on the page of the map."""
    return f"{node.kind}-{node.name}"


def address(node: Node, place: str = "map") -> str:
    """Where a node is told of, from a page that lies in some place.

    In the report a claim is at its own line there; in the docs claims and proofs have their own pages, and files of
    theorems. All else is on the map itself.
    """
    if node.kind == CLAIM and place == "report":
        return f"report.html#{node.name}"
    if place == "docs" and node.kind in (CLAIM, PLANNED, PROOF, COQ):
        return {
            CLAIM: f"claims/{node.name}.html",
            PLANNED: "theory.html",
            PROOF: f"proofs/{node.name}.html",
            COQ: f"proofs/coq/{node.name.split('.')[0]}.html",
        }[node.kind]
    return f"#{anchor(node)}"


def whole(known: Map, link: Address = address) -> Markup:
    """Experiments, claims, proofs and Coq theorems in four columns, in the order of the theory."""
    across = {
        key: [target for target in targets if known.nodes[target].kind != known.nodes[key].kind]
        for key, targets in known.uses.items()
    }
    kinds = ((EXPERIMENT,), (CLAIM, PLANNED), (PROOF,), (COQ,))
    layers = [[node.key for node in known.nodes.values() if node.kind in kind] for kind in kinds]
    rows = parts([known.nodes[key] for key in layers[1]])
    names = {f"{HEAD}{i}": text for i, text in enumerate(dict.fromkeys(known.nodes[key].group for key in layers[1]))}
    places = layout.columns([layers[0], list(rows), *layers[2:]], across, 1, rows)
    heads = ("experiments", "claims", "proofs", "Coq theorems")
    return drawn(known, across, places, link, "What is measured, claimed and proved", heads, names)


def parts(nodes: Sequence[Node]) -> dict[str, float]:
    """A row for each node, and one before the first of each part of the theory, called `HEAD` and its number."""
    found: dict[str, float] = {}
    groups = list(dict.fromkeys(node.group for node in nodes))
    for node in nodes:
        found.setdefault(f"{HEAD}{groups.index(node.group)}", float(len(found)))
        found[node.key] = float(len(found))
    return found


def among(known: Map, kind: str, link: Address = address) -> Markup:
    """The nodes of one kind, each to the left of what it rests on."""
    uses = {
        node.key: [other for other in known.uses[node.key] if known.nodes[other].kind == kind]
        for node in known.of(kind)
    }
    joined = layout.both_ways(uses)
    uses = {key: needs for key, needs in uses.items() if joined[key]}
    places = layout.layered(uses)
    last = max((layer for layer, _ in places.values()), default=0)
    named = {PROOF: "Which proof rests on which", COQ: "Which Coq theorem rests on which"}[kind]
    return drawn(known, uses, {key: (last - layer, y) for key, (layer, y) in places.items()}, link, named)


def drawn(
    known: Map, uses: Mapping[str, list[str]], places: Mapping[str, tuple[int, float]], link: Address, title: str,
    heads: tuple[str, ...] = (), names: Mapping[str, str] | None = None,
) -> Markup:  # fmt: skip
    """An SVG element of these nodes in columns, with the edges among them; `names` are texts without a box."""
    names = names or {}
    words = {key: names[key] if key in names else label(known.nodes[key]) for key in places}
    wide = {key: LETTER * len(text) + 2 * PAD for key, text in words.items()}
    count = 1 + max((column for column, _ in places.values()), default=0)
    widths = [max([wide[key] for key, (column, _) in places.items() if column == i] or [0.0]) for i in range(count)]
    gap = 120.0 if heads else 60.0
    left = [1 + sum(widths[:i]) + gap * i for i in range(count)]
    top = 24.0 if heads else 4.0
    x = {key: left[column] for key, (column, _) in places.items()}
    y = {key: top + PITCH * row for key, (_, row) in places.items()}
    width, height = left[-1] + widths[-1] + 2, max(y.values(), default=0.0) + HEIGHT + 4
    lines = [
        _line(a, b, (x[a] + wide[a], y[a] + HEIGHT / 2), (x[b], y[b] + HEIGHT / 2))
        for a in places for b in uses.get(a, ()) if b in places
    ]  # fmt: skip
    boxes = [
        _box(known.nodes[key], link(known.nodes[key]), words[key], x[key], y[key], wide[key])
        for key in places if key not in names
    ]  # fmt: skip
    titles = [
        Markup('<text class="head" x="{:.0f}" y="13">{}</text>').format(at, head)
        for at, head in zip(left, heads, strict=False)
    ] + [
        Markup('<text class="part" x="{:.0f}" y="{:.1f}">{}</text>').format(x[key], y[key] + 12, text)
        for key, text in names.items()
    ]
    return Markup(
        '<svg class="graph" viewBox="0 0 {w:.0f} {h:.0f}" width="{w:.0f}" height="{h:.0f}" role="group" '
        'aria-label="{title}">\n{parts}\n</svg>'
    ).format(w=width, h=height, title=title, parts=Markup("\n").join([*lines, *titles, *boxes]))


def label(node: Node) -> str:
    """The name in a box; a theorem without its file, which its title says."""
    return node.name.split(".")[-1] if node.kind == COQ else node.name


def _line(a: str, b: str, start: tuple[float, float], end: tuple[float, float]) -> Markup:
    middle = (start[0] + end[0]) / 2
    return Markup(
        '<path data-a="{}" data-b="{}" d="M{:.0f} {:.1f}C{:.0f} {:.1f} {:.0f} {:.1f} {:.0f} {:.1f}"/>'
    ).format(a, b, start[0], start[1], middle, start[1], middle, end[1], end[0], end[1])


def _box(node: Node, href: str, text: str, x: float, y: float, wide: float) -> Markup:
    says = f"{node.name}: {node.says}" + (f" ({node.status})" if node.status else "")
    return Markup(
        '<a href="{}" data-k="{}" class="{}"><title>{}</title>'
        '<rect x="{:.0f}" y="{:.1f}" width="{:.0f}" height="{:.0f}" rx="{}"/><text x="{:.0f}" y="{:.1f}">{}</text></a>'
    ).format(
        href, node.key, f"{node.kind} {node.status}".strip(), says, x, y, wide, HEIGHT, 7 if node.kind == CLAIM else 2,
        x + PAD, y + 11, text,
    )  # fmt: skip
