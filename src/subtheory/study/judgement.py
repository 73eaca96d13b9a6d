"""What theory says of the rows of an ablation, each a number and where it must fall."""

from collections.abc import Callable, Sequence

import numpy as np

from subtheory.init import PATHS
from subtheory.setting.spread import ORTHOGONAL
from subtheory.study.ablation import Row
from subtheory.study.experiment import Tables
from subtheory.study.finding import Finding, rate, shown

KEY = ("path", "network", "loss")
"""Columns that name a combination."""


HALF = 0.5
"""Least share of rows that the control must spoil: nearly all do, but a cosine may be small by chance."""


def findings(tables: Tables) -> list[Finding]:
    """P18 to its next order, at the shared init, and without the control that it needs; P19 where units are turned.

    Students of another architecture have no alignment; where a channel sees nothing of Δ there is nothing to judge.
    """
    rows = [row for row in tables["rows"] if row["path"] in PATHS]
    seen = [row for row in rows if row["unit"] != 0]
    start = [row for row in seen if row["amount"] == 0 and PATHS[row["path"]].reaches_start]
    turned = [row for row in seen if row["amount"] != 0 and row["path"] in ORTHOGONAL]
    moved = [row for row in seen if row["channel_distance"] > row["eps"]]
    size = float(np.max([row["eps"] for row in tables["rows"]]))
    judged = [
        _farthest("P18: added alignment off the cross-kernel and its next order, over ε·scale", rows, off, size),
        _farthest("P18, amount 0: added alignment off the shared init's, over its rounding", start, unlike, 1.0),
        _farthest(
            "P19, units turned: added trait change off the shared init's, over its rounding", turned, changed, 1.0
        ),
    ]
    if moved:
        # D(0) is about their distance over ε, times a cosine that would have to be below ε² over that distance.
        came = [off(row, "alignment") > size for row in moved]
        judged.append(rate("P18 control, nothing subtracted: share that is off by more, where f_S moves", came, HALF))
    return [one for one in judged if one] + (_shown(seen) if seen else []) + _slopes(tables["rows"])


def off(row: Row, name: str = "added_alignment") -> float:
    """|D(ε) − D(0) − ε·kernel − ½ε²h″(0)| beyond rounding, over ε·scale: O(ε²), and so below ε itself."""
    apart = np.abs(row[name] - row["predicted_alignment"] - row["curvature"])
    beyond = float(np.maximum(apart - row["rounding"], 0.0))
    if beyond == 0 or row["unit"] == 0:
        return 0.0 if beyond == 0 else float("inf")
    return beyond / row["unit"]


def unlike(row: Row) -> float:
    """How far D(ε) − D(0) is from the shared init's, in units of what rounding allows the two."""
    return abs((row["relative_added_alignment"] - 1) * row["added_alignment"]) / (2 * row["rounding"])


def changed(row: Row) -> float:
    """The same of the added trait change."""
    return abs((row["relative_added_trait_change"] - 1) * row["added_trait_change"]) / (2 * row["trait_rounding"])


def _farthest(what: str, rows: Sequence[Row], measure: Callable[[Row], float], high: float) -> Finding | None:
    """The worst of all rows, with its place; what is not a number is worse. None without a row that it speaks of."""
    if not rows:
        return None
    values = np.array([measure(row) for row in rows])
    worst = int(np.argmax(np.where(np.isnan(values), np.inf, values)))
    return Finding(f"{what}, at most ({_place(rows[worst])})", float(values[worst]), 0.0, high)


def _place(row: Row) -> str:
    return ", ".join(row[name] for name in KEY)


def _shown(rows: Sequence[Row]) -> list[Finding]:
    """The first order alone, and raw alignments beside it."""
    raw, predicted, error = (
        np.array([row[name] for row in rows]) for name in ("alignment", "predicted_alignment", "error")
    )
    size = np.sum(predicted**2)
    scatter = np.sqrt(np.sum((raw - predicted) ** 2) / size) if size > 0 else np.nan
    return [
        shown("largest error of the first order alone, over ε·scale", float(np.max(error))),
        shown("share of raw alignments of another sign than predicted", np.mean(np.sign(raw) != np.sign(predicted))),
        shown("rms of raw alignment − predicted, over that of the predicted", scatter),
    ]


def _slopes(rows: Sequence[Row]) -> list[Finding]:
    """The slope of the added trait change on its prediction that is farthest from 1: steps along ∇L_T are not small."""
    values = {}
    for key, own in combinations(rows).items():
        y, x = (np.array([row[f"{name}_trait_change"] for row in own]) for name in ("added", "predicted"))
        values[key] = float(np.sum(x * y) / np.sum(x * x)) if np.any(x) else np.nan
    values = {key: value for key, value in values.items() if np.isfinite(value)}
    if not values:
        return []
    worst = max(values, key=lambda key: abs(values[key] - 1))
    return [shown(f"slope of added on predicted trait change, farthest from 1 ({', '.join(worst)})", values[worst])]


def combinations(rows: Sequence[Row]) -> dict[tuple[str, ...], list[Row]]:
    """Rows by path, network and loss."""
    found: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        found.setdefault(tuple(row[name] for name in KEY), []).append(row)
    return found
