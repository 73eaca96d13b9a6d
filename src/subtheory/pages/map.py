"""The map of the theory as a page: a table of all claims, drawings of what rests on what, and every node told."""

from collections.abc import Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from subtheory import atlas, table
from subtheory.atlas import drawing
from subtheory.atlas.theory import CLAIM, COQ, EXPERIMENT, PROOF, Node, figures
from subtheory.files import write_atomic
from subtheory.pages import scripted
from subtheory.pages.report import template

NAME = "map"

SIGNS = {"proved": "●", "ready": "◐", "conjecture": "◇", "open": "○"}
VERDICTS = {name: said.split()[0] for name, said in table.VERDICTS.items()}


def write(folder: Path | str, verdicts: Mapping[str, str] | None = None, place: str = "map") -> list[Path]:
    """Write map.html, map.svg and map.csv; their paths. Equal code and verdicts give equal bytes.

    `verdicts` are those of a run, by claim. `place` says where the page lies: "report" beside report.html, which has
    the claims of these verdicts; otherwise every link stays on the page. Raises InputError on "output" for a place that
    cannot be written.
    """
    folder = Path(folder)
    return [
        write_atomic(folder / f"{NAME}.html", page(verdicts, place)),
        write_atomic(folder / f"{NAME}.svg", picture()),
        write_atomic(folder / f"{NAME}.csv", table.to_csv(plain())),
    ]


def page(verdicts: Mapping[str, str] | None = None, place: str = "map") -> str:
    """The page as HTML."""
    known, link = atlas.read(), linked(place, verdicts or {})
    code = scripted.script(NAME)
    nodes = list(known.nodes.values())
    return template(f"{NAME}.html").render(
        code=code, digest=scripted.digest(code), known=known, columns=atlas.COLUMNS, signs=SIGNS, status=atlas.STATUS,
        verdicts=verdicts or {}, verdict_signs=VERDICTS, groups=groups(), summary=summary(), anchor=drawing.anchor,
        link=link, counts=_counts(nodes), uses=_named(known.uses), used=_named(_reversed(known.uses)),
        proofs=[node for node in nodes if node.kind == PROOF], theorems=[node for node in nodes if node.kind == COQ],
        tests=[(node, figures(node.name)) for node in nodes if node.kind == EXPERIMENT],
        planned=[node for node in nodes if node.kind == "planned"], whole=drawing.whole(known),
        among_proofs=drawing.among(known, PROOF), among_theorems=drawing.among(known, COQ), open=_left_open(),
    )  # fmt: skip


def picture() -> str:
    """The drawing of everything as an SVG file of its own, light and dark; its links lead to map.html."""
    drawn = drawing.whole(atlas.read(), lambda node: f"{NAME}.html{drawing.address(node)}")
    style = template("map.css").render()
    return (
        str(drawn)
        .replace('<svg class="graph"', '<svg class="graph" xmlns="http://www.w3.org/2000/svg"', 1)
        .replace("\n", f"\n<style>{style}</style>\n", 1)
        + "\n"
    )


def linked(place: str, present: Collection[str]) -> drawing.Address:
    """The address of each node; the report has only the claims that were verified."""

    def link(node: Node) -> str:
        elsewhere = node.kind == CLAIM and place == "report" and node.name in present
        return drawing.address(node, place if elsewhere else NAME)

    return link


def groups() -> dict[str, list[atlas.Row]]:
    """The rows by part of the theory."""
    found: dict[str, list[atlas.Row]] = {}
    for row in atlas.read().rows:
        found.setdefault(row.group, []).append(row)
    return found


def summary() -> list[dict[str, Any]]:
    """How many claims of each part have an entry in each column, and of all."""
    parts = {**groups(), "all": list(atlas.read().rows)}
    return [
        {"part": name, "claims": len(rows)}
        | {column: sum(bool(r.entries[column]) for r in rows) for column in atlas.COLUMNS}
        for name, rows in parts.items()
    ]


def plain() -> list[dict[str, str]]:
    """The rows as text, for a CSV or for JSON."""
    return [
        {
            "claim": row.name,
            "status": row.status,
            **{column: "; ".join(words) for column, words in row.entries.items()},
        }
        for row in atlas.read().rows
    ]


def to_dict() -> dict[str, Any]:
    """Nodes, edges and rows as JSON has them."""
    known = atlas.read()
    return {
        "nodes": [asdict(node) for node in known.nodes.values()],
        "edges": [asdict(edge) for edge in known.edges],
        "claims": plain(),
    }


def _counts(nodes: list[Node]) -> dict[str, dict[str, int]]:
    """How many nodes of each kind have each status."""
    found: dict[str, dict[str, int]] = {}
    for node in nodes:
        each = found.setdefault(node.kind, {})
        each[node.status] = each.get(node.status, 0) + 1
    return found


def _named(uses: Mapping[str, tuple[str, ...]]) -> dict[str, list[Node]]:
    known = atlas.read().nodes
    return {key: [known[target] for target in targets] for key, targets in uses.items()}


def _reversed(uses: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {key: [] for key in uses}
    for key, targets in uses.items():
        for target in targets:
            found[target].append(key)
    return {key: tuple(sources) for key, sources in found.items()}


def _left_open() -> dict[str, str]:
    """What each proof leaves open, in its own words."""
    from subtheory.proof.statement import proofs

    return {name: proof.not_covered for name, proof in proofs().items()}
