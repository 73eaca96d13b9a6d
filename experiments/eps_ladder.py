"""Is the alignment of a student with its teacher ε times ΔᵀGΔ, and only with a shared init?

The teacher takes a step εΔ away from θ0; the student imitates its outputs for one step of gradient
descent, and D(ε) is that step's inner product with Δ. The first-order law says D(ε) = εq + O(ε²) with
q = ΔᵀGΔ, so |D/(εq) − 1| falls like ε until rounding, which grows like 1/ε, takes over. A student with
an init of its own has D(0) ≠ 0, so its |D|/(εq) grows like 1/ε. How large the error is the next order says,
½εh″(0)/q. Nearly all of its time goes into compiling the kernels of its networks, which it shares with
`subtheory verify`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from subtheory.data.channels import channels_of
from subtheory.envelope import SHARP, envelope, fine
from subtheory.figure import blank, mark, style
from subtheory.instruments.first_order import FirstOrder, Measurement
from subtheory.networks import NETWORKS
from subtheory.networks.linen import LinenNetwork
from subtheory.numerics import LADDER_RATIO, extrapolation_constant
from subtheory.setting.setting import Setting, ladder
from subtheory.setting.student import Init, Redrawn, Shared
from subtheory.study.finding import Finding, farthest, rate
from subtheory.study.options import counted
from subtheory.theory.losses import SquaredError
from subtheory.verification.grid import QUICK
from subtheory.verification.plan import Progress

QUESTION = "Is alignment ε ΔᵀGΔ for a small teacher update, and does a student with its own init lack it?"
COMMAND = "subtheory run eps_ladder"
EXPECTED = (
    "With a shared init |D/(εq) − 1| falls like ε until it is below the rounding bound (at once for the "
    "linear network); with an independent init |D|/(εq) grows like 1/ε."
)

LOSS = SquaredError()
SEEDS, QUICK_SEEDS = 8, 2
RUNGS = 6
LARGEST = 0.1
STARTS = tuple(LARGEST * LADDER_RATIO ** (-RUNGS * k) for k in range(3))
"""Three ladders end to end, relative sizes 10⁻¹ to 6·10⁻¹²: each starts below the first kink of a ReLU network."""
INITS: dict[str, Init] = {"shared": Shared(), "independent": Redrawn()}

Row = dict[str, Any]


def tables(quick: bool = False, progress: Progress | None = None, *, seeds: int | None = None) -> dict[str, list[Row]]:
    """One row per network, init and relative size of the teacher's update; and the runs behind them."""
    networks = [network for name, network in NETWORKS.items() if not quick or name in QUICK]
    runs = ladder_runs(networks, range(counted(seeds, QUICK_SEEDS if quick else SEEDS)), progress)
    return {"eps_ladder": medians(runs), "runs": runs}


def ladder_rows(networks: Iterable[LinenNetwork], seeds: Sequence[int], progress: Progress | None = None) -> list[Row]:
    """The rows of some networks."""
    return medians(ladder_runs(networks, seeds, progress))


def ladder_runs(networks: Iterable[LinenNetwork], seeds: Sequence[int], progress: Progress | None = None) -> list[Row]:
    """One row per network, init, seed and ε, each ladder from its largest on."""
    chosen, rows = list(networks), list[Row]()
    for i, network in enumerate(chosen):
        for name, init in INITS.items():
            setting = Setting(network, LOSS, channels_of(network.task)[0]).but(init=init)
            several = [setting.but(eps=ladder(start, RUNGS)) for start in STARTS]
            found = [FirstOrder().records(one, seeds, (LOSS,))[LOSS.name] for one in several]
            for seed, ladders in zip(seeds, zip(*found, strict=True), strict=True):
                rows += [{"network": network.name, "init": name, "seed": seed, **row} for row in _run(ladders)]
        if progress:
            progress(i + 1, len(chosen), network.name)
    return rows


def _run(ladders: Sequence[Measurement]) -> list[Row]:
    """D/(εq) of one seed with its rounding, and what the next order adds to 1, ½εh″(0)/q."""
    # ε starts below the first kink of a ReLU network; the last ladder starts below every kink, so
    # that it tells the ε at which the relative size is 1.
    unit = ladders[-1].eps[0] / STARTS[-1]
    columns = {
        "relative_size": [m.eps / unit for m in ladders],
        "eps": [m.eps for m in ladders],
        "ratio": [m.alignment / (m.eps * m.leading) for m in ladders],
        "next_order": [m.eps / 2 * m.second_order / m.leading for m in ladders],
        "rounding_bound": [m.alignment_rounding / (m.eps * m.leading) for m in ladders],
    }
    values = zip(*map(np.concatenate, columns.values()), strict=True)
    return [dict(zip(columns, map(float, row), strict=True)) for row in values]


def medians(runs: Sequence[Row]) -> list[Row]:
    """Median and range over all runs of a network and init at one size, largest first."""
    rows = []
    for network, init in dict.fromkeys((run["network"], run["init"]) for run in runs):
        mine = _columns([run for run in runs if (run["network"], run["init"]) == (network, init)])
        rung = np.round(np.log(LARGEST / mine["relative_size"]) / np.log(LADDER_RATIO))
        for here in (rung == value for value in np.unique(rung)):
            ratio = mine["ratio"][here]
            rows.append(
                {
                    "network": network,
                    "init": init,
                    "relative_size": float(np.median(mine["relative_size"][here])),
                    "eps": float(np.median(mine["eps"][here])),
                    "predicted": 1.0,
                    "ratio": float(np.median(ratio)),
                    **_spread("size", np.abs(ratio)),
                    **_spread("error", np.abs(ratio - 1)),
                    "rounding_bound": float(np.median(mine["rounding_bound"][here])),
                    "runs": int(here.sum()),
                }
            )
    return rows


def _columns(rows: Sequence[Row]) -> dict[str, np.ndarray]:
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _spread(name: str, values: np.ndarray) -> Row:
    return {name: float(np.median(values)), f"{name}_low": float(values.min()), f"{name}_high": float(values.max())}


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
    return [_columns(group) for group in groups.values()]


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


SMALLEST = 1e-17
"""An exact zero is drawn here, below every rounding error."""


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Left: how far D/(εq) is from the predicted 1. Right: the control, a student with an init of its own."""
    rows = tables["eps_ladder"]
    names = list(dict.fromkeys(row["network"] for row in rows))
    with style():
        drawn = blank(columns=2, height=2.9)
        left, right = drawn.axes
        for i, name in enumerate(names):
            shared, own = ([row for row in rows if (row["network"], row["init"]) == (name, init)]
                           for init in ("shared", "independent"))  # fmt: skip
            _line(left, i, shared, "error")
            _line(right, i, shared, "size")
            _line(right, i, own, "size")
        for axes in (left, right):
            axes.set_xscale("log")
            axes.set_yscale("log")
            axes.set_xlabel("relative size of the teacher's update")
        _law(left, [row for row in rows if row["init"] == "shared"])
        _control(right)
        handles = [Line2D([], [], label=name, **mark(i)) for i, name in enumerate(names)]
        drawn.legend(handles=handles, loc="outside lower center", ncols=4, handlelength=3.2)
    return drawn


def _line(axes: Axes, i: int, rows: list[Row], field: str) -> None:
    """Median as a line, range as a band."""
    x = [row["relative_size"] for row in rows]
    y, low, high = (np.maximum([row[field + end] for row in rows], SMALLEST) for end in ("", "_low", "_high"))
    axes.fill_between(x, low, high, color=mark(i)["color"], alpha=0.13, linewidth=0)
    axes.plot(x, y, **mark(i))


def _law(axes: Axes, rows: list[Row]) -> None:
    """The rounding bound, and a guide of slope 1."""
    x = np.array([1e-12, 1.0])
    # The bound times the size hardly varies along a ladder: its largest value is every network's bound.
    bound = max(row["rounding_bound"] * row["relative_size"] for row in rows) / x
    axes.fill_between(x, SMALLEST, bound, color="#888888", alpha=0.14, linewidth=0, zorder=0)
    axes.plot(x, bound, color="#777777", linewidth=0.8, zorder=1)
    axes.text(4e-12, 3e-16, "below the rounding bound", color="#555555")
    guide = np.array([3e-7, 3e-2])
    axes.plot(guide, 3 * guide, color="black", linewidth=0.7, linestyle=(0, (4, 2)))
    axes.text(2e-5, 6e-4, r"$\propto\varepsilon$", ha="right")
    axes.set(xlim=(2e-12, 0.3), ylim=(SMALLEST, 1), ylabel=r"$|D(\varepsilon)\,/\,\varepsilon q - 1|$")
    axes.set_title("(a) Shared init: distance from the law")


def _control(axes: Axes) -> None:
    """A guide of slope −1, and names for the two bundles of lines."""
    guide = np.array([1e-11, 1e-3])
    axes.plot(guide, 300 / guide, color="black", linewidth=0.7, linestyle=(0, (4, 2)))
    axes.text(3e-7, 4e9, r"$\propto 1/\varepsilon$")
    axes.text(7e-12, 2e3, "independent init", ha="left", va="top")
    axes.text(7e-12, 0.4, "shared init: the predicted 1", ha="left", va="top")
    axes.set(xlim=(2e-12, 0.3), ylim=(1e-3, 1e14), ylabel=r"$|D(\varepsilon)|\,/\,\varepsilon q$")
    axes.set_title("(b) Control: an init of its own")
