"""A small picture of all runs of a claim: the error over its tolerance, against ε; above the line a run fails."""

import math
from collections.abc import Iterable

import numpy as np
from markupsafe import Markup

from subtheory.claim import Verdict
from subtheory.pages.numbers import number
from subtheory.verification.results import ClaimResult

WIDTH, HEIGHT = 216, 76
LEFT, RIGHT, TOP, BOTTOM = 4.0, 212.0, 5.0, 52.0
"""Of the field of points, in units of the picture."""
LEAST, MOST = 1e-4, 10.0
"""Error over tolerance at the edges of the field: what is less or more is drawn there."""
GRID = 2.0
"""Runs that are nearer to each other than this are one point."""


def picture(result: ClaimResult) -> Markup:
    """An SVG of the runs, at most a few hundred points; empty for a claim without runs that say anything.

    A run's error over its tolerance is 1 − margin, at the ε where that is largest; runs without an ε stand side by
    side in their order.
    """
    runs = result.every.table
    tells = ~result.every.are(Verdict.VACUOUS) & ~np.isnan(runs["margin"])
    said = runs[tells]
    if not len(said):
        return Markup("")
    eps = said["eps"]
    along = bool(np.all(np.isfinite(eps) & (eps > 0)))
    x = np.log10(eps) if along else np.arange(len(said), dtype=float)
    used = np.clip(1 - said["margin"], LEAST, MOST)
    low, high = float(x.min()), float(x.max())
    across = (x - low) / (high - low) if high > low else np.full(len(x), 0.5)
    columns = LEFT + 3 + across * (RIGHT - LEFT - 6)
    paths = []
    for verdict in (Verdict.HOLDS, Verdict.UNDECIDED, Verdict.FAILS):
        mine = result.every.are(verdict)[tells]
        if mine.any():
            dots = _dots(zip(columns[mine], map(_row, used[mine]), strict=True))
            paths.append(Markup('<path class="{}" d="{}"/>').format(str(verdict), dots))
    worst = float(1 - said["margin"].min())
    label = f"{len(said)} runs, the largest error is {worst:.2g} of its tolerance"
    left, right = (_power(low), _power(high)) if along else ("", "")
    axis = (f"ε {left}" if left == right else f"ε from {left} to {right}") if along else "one run after the other"
    return Markup(
        '<svg class="runs" viewBox="0 0 {} {}" role="img" aria-label="{}"><line x1="{}" x2="{}" y1="{}" y2="{}"/>'
        '<text x="{}" y="{}">tolerance</text>{}<text x="{}" y="{}">{}</text></svg>'
    ).format(WIDTH, HEIGHT, f"{label}; {axis}", LEFT, RIGHT, *[f"{_row(1.0):g}"] * 2, LEFT, f"{_row(1.0) - 3:g}",
             Markup("").join(paths), LEFT, HEIGHT - 5, axis)  # fmt: skip


def _row(used: float) -> float:
    """Where such a share of the tolerance stands, from the top."""
    share = (math.log10(used) - math.log10(LEAST)) / (math.log10(MOST) - math.log10(LEAST))
    return BOTTOM - share * (BOTTOM - TOP)


def _dots(points: Iterable[tuple[float, float]]) -> str:
    """A path of points of no length, each once on a grid; round ends make dots of them."""
    placed = dict.fromkeys((round(x / GRID) * GRID, round(y / GRID) * GRID) for x, y in points)
    return "".join(f"M{x:g} {y:g}h0" for x, y in placed)


def _power(exponent: float) -> str:
    """A power of ten with one digit behind the point."""
    return number(10.0**exponent, 2)
