"""Is the alignment of a student with its teacher ε times ΔᵀGΔ, and only with a shared init?

The teacher takes a step εΔ away from θ0; the student imitates its outputs for one step of gradient
descent, and D(ε) is that step's inner product with Δ. The first-order law says D(ε) = εq + O(ε²) with
q = ΔᵀGΔ, so |D/(εq) − 1| falls like ε until rounding, which grows like 1/ε, takes over. A student with
an init of its own has D(0) ≠ 0, so its |D|/(εq) grows like 1/ε. Nearly all of its time goes into compiling the
kernels of its networks, which it shares with `subtheory verify`.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from subtheory.data.channels import channels_of
from subtheory.figure import blank, mark, style
from subtheory.grid import QUICK
from subtheory.instruments.first_order import FirstOrder, Measurement
from subtheory.networks import NETWORKS
from subtheory.networks.linen import LinenNetwork
from subtheory.numerics import LADDER_RATIO
from subtheory.options import counted
from subtheory.plan import Progress
from subtheory.setting import Setting, ladder
from subtheory.student import Init, Redrawn, Shared
from subtheory.theory.losses import SquaredError

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
    """One row per network, init and relative size of the teacher's update."""
    networks = [network for name, network in NETWORKS.items() if not quick or name in QUICK]
    return {"eps_ladder": ladder_rows(networks, range(counted(seeds, QUICK_SEEDS if quick else SEEDS)), progress)}


def ladder_rows(networks: Iterable[LinenNetwork], seeds: Sequence[int], progress: Progress | None = None) -> list[Row]:
    """The rows of some networks."""
    chosen, rows = list(networks), list[Row]()
    for i, network in enumerate(chosen):
        for name, init in INITS.items():
            setting = Setting(network, LOSS, channels_of(network.task)[0]).but(init=init)
            several = [setting.but(eps=ladder(start, RUNGS)) for start in STARTS]
            rows += _rows(network, name, [FirstOrder().records(one, seeds, (LOSS,))[LOSS.name] for one in several])
        if progress:
            progress(i + 1, len(chosen), network.name)
    return rows


def _rows(network: LinenNetwork, init: str, ladders: Sequence[Sequence[Measurement]]) -> list[Row]:
    """Median and range over all runs at one size, largest first."""
    # ε starts below the first kink of a ReLU network; the last ladder starts below every kink, so
    # that it tells the ε at which the relative size is 1.
    unit = [m.eps[0] / STARTS[-1] for m in ladders[-1]]
    runs = [(m, m.eps / unit[seed]) for measured in ladders for seed, m in enumerate(measured)]
    relative = np.concatenate([size for _, size in runs])
    eps = np.concatenate([m.eps for m, _ in runs])
    ratio = np.concatenate([m.alignment / (m.eps * m.leading) for m, _ in runs])
    bound = np.concatenate([m.alignment_rounding / (m.eps * m.leading) for m, _ in runs])
    rung = np.round(np.log(LARGEST / relative) / np.log(LADDER_RATIO))
    return [
        {
            "network": network.name,
            "init": init,
            "relative_size": float(np.median(relative[here])),
            "eps": float(np.median(eps[here])),
            "predicted": 1.0,
            "ratio": float(np.median(ratio[here])),
            **_spread("size", np.abs(ratio[here])),
            **_spread("error", np.abs(ratio[here] - 1)),
            "rounding_bound": float(np.median(bound[here])),
            "runs": int(here.sum()),
        }
        for here in (rung == value for value in np.unique(rung))
    ]


def _spread(name: str, values: np.ndarray) -> Row:
    return {name: float(np.median(values)), f"{name}_low": float(values.min()), f"{name}_high": float(values.max())}


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
