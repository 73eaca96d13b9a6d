"""A grid of cells to walk through: choose network, channel, loss and path, move ε and the distance of the inits."""

import json
from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from subtheory import resources
from subtheory.files import write_atomic
from subtheory.init import PATHS
from subtheory.pages import scripted
from subtheory.pages.report import template

NAME = "explorer"

CHOSEN = ("network", "channel", "loss", "path")
"""Columns that name a walk, in the order in which they are chosen."""

SHOWN = {
    "alignment": "What the teacher's update adds, (D(ε) − D(0))/(εq)",
    "positive": "Share of students that step the teacher's way, P(D > 0)",
    "trait": "Change of the trait loss, over the first order of a shared init's",
}
"""Columns that are measured and predicted, and what they are."""

COLUMNS = (
    "alignment", "alignment_low", "alignment_high", "alignment_predicted", "alignment_raw",
    "positive", "positive_low", "positive_high", "positive_predicted",
    "trait", "trait_low", "trait_high", "trait_predicted", "trait_raw",
)  # fmt: skip
DIGITS = 4
"""Significant, of every number on the page."""

Grid = dict[str, Any]


def grid(rows: Sequence[Mapping[str, Any]]) -> Grid:
    """Rows of experiments/explorer.py as the page has them: a walk for each network, channel, loss and path.

    Each walk has its amounts, and for every column of `COLUMNS` a list over amounts of lists over ε; null is no number.
    """
    walks: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        walks.setdefault(tuple(row[name] for name in CHOSEN), []).append(row)
    eps = list(dict.fromkeys(row["eps"] for row in rows))
    return {
        "eps": eps,
        "seeds": rows[0]["seeds"],
        "walks": [dict(zip(CHOSEN, key, strict=True)) | _walk(own, len(eps)) for key, own in walks.items()],
    }


def _walk(rows: Sequence[Mapping[str, Any]], sizes: int) -> Grid:
    amounts = list(dict.fromkeys(row["amount"] for row in rows))
    assert len(rows) == len(amounts) * sizes, "a grid has every cell"
    columns = {
        name: [[_number(row[name]) for row in rows[a * sizes : (a + 1) * sizes]] for a in range(len(amounts))]
        for name in COLUMNS
    }
    return {"amounts": amounts} | columns


def _number(value: Any) -> float | None:
    return float(f"{value:.{DIGITS}g}") if value is not None and isfinite(value) else None


def stored() -> Grid:
    """The grid that comes with the package, of the default plan: explorer.json beside the tables of a run."""
    found: Grid = json.loads((resources.PACKAGE / "pages" / f"{NAME}.json").read_text("utf-8"))
    return found


def page(grid: Grid) -> str:
    """The page as HTML; it opens offline, asks for nothing, and without its script shows the first walk as a table."""
    code, first = scripted.script(NAME), grid["walks"][0]
    walked = [
        {"amount": amount, "eps": eps, **{name: first[name][a][k] for name in COLUMNS}}
        for a, amount in enumerate(first["amounts"])
        for k, eps in enumerate(grid["eps"])
    ]
    says = {walk["path"]: PATHS[walk["path"]].says for walk in grid["walks"]}
    return template(f"{NAME}.html").render(
        code=code, digest=scripted.digest(code), data=scripted.data(grid | {"says": says}), grid=grid, first=first,
        rows=walked, shown=SHOWN, chosen=CHOSEN,
    )  # fmt: skip


def write(folder: Path | str) -> Path:
    """Write explorer.html of the stored grid; its path. Raises InputError on "output" where that cannot be done."""
    return write_atomic(Path(folder) / f"{NAME}.html", page(stored()))
