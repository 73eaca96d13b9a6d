"""Is the alignment of a student with its teacher ε times ΔᵀGΔ, and only with a shared init?

The teacher takes a step εΔ away from θ0; the student imitates its outputs for one step of gradient
descent, and D(ε) is that step's inner product with Δ. The first-order law says D(ε) = εq + O(ε²) with
q = ΔᵀGΔ, so |D/(εq) − 1| falls like ε until rounding, which grows like 1/ε, takes over. A student with
an init of its own has D(0) ≠ 0, so its |D|/(εq) grows like 1/ε. How large the error is the next order says,
½εh″(0)/q. Nearly all of its time goes into compiling the kernels of its networks, which it shares with
`subtheory verify`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from subtheory.envelope import SHARP, envelope, fine
from subtheory.networks import NETWORKS, LinenNetwork
from subtheory.numerics import LADDER_RATIO, extrapolation_constant
from subtheory.study import ladder
from subtheory.study.experiment import Progress
from subtheory.study.finding import Finding, farthest, rate
from subtheory.study.ladder import INITS, NAME, Row
from subtheory.study.options import at_least
from subtheory.verification import grid

QUESTION, EXPECTED = ladder.QUESTION, ladder.EXPECTED
COMMAND = "subtheory run eps_ladder"
CAPTIONS = {
    "eps_ladder": "Alignment D(ε) of a student's step with its teacher's update εΔ, from large ε down to rounding, "
    "for {eps_ladder.network:list}: medians over {eps_ladder.runs:one} inits, bands their range. (a) Shared init: "
    "|D/(εq) − 1| with q = ΔᵀGΔ is predicted to fall like ε (dashed) down to the bound on rounding (shaded). (b) "
    "|D|/(εq), predicted 1 for a shared init; for a student with an init of its own it grows like 1/ε (dashed).",
}


@dataclass(frozen=True)
class Plan:
    """Networks, and seeds of each."""

    networks: tuple[LinenNetwork, ...] = tuple(NETWORKS.values())
    seeds: int = 8

    def __post_init__(self) -> None:
        at_least(self, seeds=1)


PLAN, QUICK = Plan(), Plan(tuple(NETWORKS[name] for name in grid.QUICK), seeds=2)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> dict[str, list[Row]]:
    """One row per network, init and relative size of the teacher's update; and the runs behind them."""
    runs = ladder.measured(plan.networks, range(plan.seeds), progress)
    return {NAME: ladder.medians(runs), "runs": runs}


def findings(tables: dict[str, list[Row]]) -> list[Finding]:
    """P1 in every run with a shared init, order and constant of what is left, and how far off the control is."""
    shared, own = (_runs(tables["runs"], init) for init in INITS)
    found = [
        # The envelope of the claims: Λ·C·ε, C the largest |D/(εq) − 1|/ε at the three largest ε, and rounding.
        Finding("P1: |D/(εq) − 1| over its envelope O(ε), at most", _extreme(np.max, shared), 0, 1),
        _farthest("P1: log-log slope of |D/(εq) − 1| against ε, farthest", shared, error_slope),
        _farthest("P41: (D/(εq) − 1) / (½εh″(0)/q), farthest", shared, constant),
        _farthest("P1 control, independent init: log-log slope of |D| against ε, farthest", own, growth),
        # What is of lower order than ε outgrows the envelope by the ladder's ratio at every finer ε.
        Finding("P1 control, independent init: |D/(εq) − 1| over that envelope, at least",
                _extreme(np.min, own), LADDER_RATIO / extrapolation_constant()),
    ]  # fmt: skip
    linear = [row for row in tables["runs"] if (row["network"], row["init"]) == ("linear", "shared")]
    if linear:
        rounding = [abs(row["ratio"] - 1) <= row["rounding_bound"] for row in linear]
        found.append(rate("P1: share of ε with |D/(εq) − 1| below rounding, linear network", rounding))
    return found


Run = dict[str, np.ndarray]
Known = tuple[float, float, float]
"""A number, its prediction, and how far off it may be."""


def _runs(rows: Sequence[Row], init: str) -> list[Run]:
    """The columns of every run of one init."""
    groups: dict[Any, list[Row]] = {}
    for row in rows:
        if row["init"] == init:
            groups.setdefault((row["network"], row["seed"]), []).append(row)
    return [ladder.columns(group) for group in groups.values()]


def _extreme(which: Callable[[Any], Any], runs: Sequence[Run]) -> float:
    """The largest or smallest of all runs' largest |D/(εq) − 1| over its envelope; nan if any number is."""
    largest = [np.max(fine(np.abs(run["ratio"] - 1) / _envelope(run["ratio"] - 1, run, 1))) for run in runs]
    return float(which(largest or [np.nan]))


def _envelope(remainder: np.ndarray, run: Run, power: int) -> np.ndarray:
    return envelope(remainder, run["eps"], power, run["rounding_bound"])


def _farthest(says: str, runs: Sequence[Run], judge: Callable[[Run], Known | None]) -> Finding:
    """Of the runs that can be judged, the one that is off by most of what it may be."""
    known = [one for one in map(judge, runs) if one is not None] or [(np.nan, np.nan, np.nan)]
    found, wanted, bound = np.array(known).T
    return farthest(says, found, wanted - bound, wanted + bound)


def constant(run: Run) -> Known | None:
    """(D/(εq) − 1)/(½εh″(0)/q), which is 1 + O(ε), at the ε with the narrowest envelope; None if none is narrow."""
    width = _next_width(run)
    at = int(np.argmin(width))
    return None if width[at] >= SHARP else ((run["ratio"] - 1)[at] / run["next_order"][at], 1.0, width[at])


def error_slope(run: Run) -> Known | None:
    """d log |D/(εq) − 1| / d log ε where the next order is known, which is 1."""
    return _slope(run["eps"], run["ratio"] - 1, 1.0, _next_width(run))


def growth(run: Run) -> Known | None:
    """d log |D| / d log ε, 0 if D(0) ≠ 0: D = D(0)(1 + η), with η = O(ε) in the envelope of D less its last value."""
    d, rounding = run["ratio"] * run["eps"], run["rounding_bound"] * run["eps"]
    bound = envelope(d - d[-1], run["eps"], 1, rounding)
    return _slope(run["eps"], d, 0.0, _judged((bound + bound[-1]) / np.abs(d[-1])))


def _next_width(run: Run) -> np.ndarray:
    """How far (D/(εq) − 1)/(½εh″(0)/q) may be off 1."""
    bound, size = _envelope(run["ratio"] - 1 - run["next_order"], run, 2), np.abs(run["next_order"])
    return _judged(np.where(size > 0, bound / np.where(size > 0, size, 1.0), np.inf))


def _judged(width: np.ndarray) -> np.ndarray:
    """inf at the largest ε, which set the envelope."""
    return np.concatenate([np.full(len(width) - len(fine(width)), np.inf), fine(width)])


def _slope(eps: np.ndarray, values: np.ndarray, wanted: float, width: np.ndarray) -> Known | None:
    """By least squares, and how far values that are off a power law by `width` can turn it; None below two such."""
    clear = ~(width >= SHARP)
    if clear.sum() < 2:
        return None
    x, y = np.log(eps[clear]), np.log(np.abs(values[clear]))
    weight = (x - x.mean()) / np.sum((x - x.mean()) ** 2)
    return float(weight @ y), wanted, float(np.abs(weight) @ -np.log1p(-width[clear]))


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Left: how far D/(εq) is from the predicted 1. Right: the control, a student with an init of its own."""
    return ladder.figure(tables[NAME])
