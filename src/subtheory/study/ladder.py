"""The ladder of ε: alignment over its first-order law, and the control, for the report and the experiment.

`experiments/eps_ladder.py` runs it on every network and judges it; a verification draws it for its own networks.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from subtheory.data import channels_of
from subtheory.figure import blank, mark, style
from subtheory.instruments.first_order import FirstOrder, Measurement
from subtheory.ledger import parts
from subtheory.ledger.parts import Progress
from subtheory.networks import LinenNetwork
from subtheory.numerics import LADDER_RATIO
from subtheory.setting.setting import Setting, ladder
from subtheory.setting.student import Init, Redrawn, Shared
from subtheory.theory.losses import SquaredError

NAME = "eps_ladder"
"""Of the table and of the files of its figure."""
QUESTION = "Is alignment ε ΔᵀGΔ for a small teacher update, and does a student with its own init lack it?"
EXPECTED = (
    "With a shared init |D/(εq) − 1| falls like ε until it is below the rounding bound (at once for the "
    "linear network); with an independent init |D|/(εq) grows like 1/ε."
)

LOSS = SquaredError()
RUNGS = 6
LARGEST = 0.1
STARTS = tuple(LARGEST * LADDER_RATIO ** (-RUNGS * k) for k in range(3))
"""Three ladders end to end, relative sizes 10⁻¹ to 6·10⁻¹²: each starts below the first kink of a ReLU network."""
INITS: dict[str, Init] = {"shared": Shared(), "independent": Redrawn()}

Row = dict[str, Any]


def measured(networks: Iterable[LinenNetwork], seeds: Sequence[int], progress: Progress | None = None) -> list[Row]:
    """One row per network, init, seed and ε, each ladder from its largest on."""
    return parts.rows({network.name: partial(_of_network, network, seeds) for network in networks}, progress)


def _of_network(network: LinenNetwork, seeds: Sequence[int]) -> list[Row]:
    rows = list[Row]()
    for name, init in INITS.items():
        setting = Setting(network, LOSS, channels_of(network.task)[0]).but(init=init)
        several = [setting.but(eps=ladder(start, RUNGS)) for start in STARTS]
        found = [FirstOrder().records(one, seeds, (LOSS,))[LOSS.name] for one in several]
        for seed, ladders in zip(seeds, zip(*found, strict=True), strict=True):
            rows += [{"network": network.name, "init": name, "seed": seed, **row} for row in _run(ladders)]
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
        mine = columns([run for run in runs if (run["network"], run["init"]) == (network, init)])
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


def columns(rows: Sequence[Row]) -> dict[str, np.ndarray]:
    """Rows as arrays."""
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _spread(name: str, values: np.ndarray) -> Row:
    return {name: float(np.median(values)), f"{name}_low": float(values.min()), f"{name}_high": float(values.max())}


SMALLEST = 1e-17
"""An exact zero is drawn here, below every rounding error."""


def figure(rows: Sequence[Row]) -> Figure:
    """Of medians. Left: how far D/(εq) is from the predicted 1. Right: a student with an init of its own."""
    names = list(dict.fromkeys(row["network"] for row in rows))
    with style():
        drawn = blank(columns=2, height=2.9)
        left, right = drawn.panels
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
