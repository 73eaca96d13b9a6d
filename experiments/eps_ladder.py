"""Is the alignment of a student with its teacher ε times ΔᵀGΔ, and only with a shared init?

The teacher takes a step εΔ away from θ0; the student imitates its outputs for one step of gradient
descent, and D(ε) is that step's inner product with Δ. The first-order law says D(ε) = εq + O(ε²) with
q = ΔᵀGΔ, so D/(εq) − 1 falls like ε until rounding, which grows like 1/ε, takes over. A student with an
init of its own has D(0) ≠ 0, so D/(εq) grows like 1/ε.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from subtheory.data.channels import channels_of
from subtheory.figure import blank, mark, style
from subtheory.grid import QUICK
from subtheory.measurement import Measurement, measurements
from subtheory.networks import NETWORKS
from subtheory.networks.linen import LinenNetwork
from subtheory.numerics import LADDER_RATIO
from subtheory.setting import Setting, ladder
from subtheory.theory.losses import LOSSES, SquaredError

QUESTION = "Is alignment ε ΔᵀGΔ for a small teacher update, and does a student with its own init lack it?"
COMMAND = "subtheory reproduce eps_ladder"
EXPECTED = (
    "|D/(εq) − 1| falls like ε down to the rounding bound (at once for the linear network); with an "
    "independent init |D|/(εq) grows like 1/ε. About two minutes on two cores."
)

LOSS = SquaredError()
SEEDS, QUICK_SEEDS = 8, 2
RUNGS = 6
STARTS = tuple(0.1 * LADDER_RATIO ** (-RUNGS * k) for k in range(3))
"""Three ladders end to end, relative changes of 10⁻¹ to 6·10⁻¹²; equally long, so one compiled program runs all."""

Row = dict[str, Any]


def tables(quick: bool = False, progress: Callable[[int, int, str], None] | None = None) -> dict[str, list[Row]]:
    """One row per network, init and ε: median and range over the seeds."""
    networks = [network for name, network in NETWORKS.items() if not quick or name in QUICK]
    return {"eps_ladder": ladder_rows(networks, range(QUICK_SEEDS if quick else SEEDS), progress)}


def ladder_rows(
    networks: list[LinenNetwork], seeds: range, progress: Callable[[int, int, str], None] | None = None
) -> list[Row]:
    """The rows of several networks."""
    rows: list[Row] = []
    for done, network in enumerate(networks, start=1):
        for independent in (False, True):
            rows += _network_rows(network, independent, seeds)
        if progress:
            progress(done, len(networks), network.name)
    return rows


def _network_rows(network: LinenNetwork, independent: bool, seeds: range) -> list[Row]:
    """All ladders of one network and init, largest ε first."""
    base = Setting(network, channel=channels_of(network.task)[0], independent=independent)
    found = [_measured(base, start, seeds) for start in STARTS]
    # Where a ReLU has a kink, ε starts below it: the relative change is what ε is in units of the
    # smallest ladder's, which no kink limits.
    unit = np.array([m.eps[0] for m in found[-1]])[:, None] / STARTS[-1]
    rows = []
    for ms in found:
        eps = np.stack([m.eps for m in ms])
        scale = eps * np.array([m.leading for m in ms])[:, None]
        ratio = np.stack([m.alignment for m in ms]) / scale
        floor = np.stack([m.alignment_rounding for m in ms]) / scale
        for k in range(RUNGS):
            rows.append(
                {
                    "network": network.name,
                    "init": "independent" if independent else "shared",
                    "relative_change": float(np.median((eps / unit)[:, k])),
                    "eps": float(np.median(eps[:, k])),
                    "predicted": 1.0,
                    "ratio": float(np.median(ratio[:, k])),
                    **_spread("size", np.abs(ratio[:, k])),
                    **_spread("error", np.abs(ratio[:, k] - 1)),
                    "rounding": float(np.median(floor[:, k])),
                    "seeds": len(ms),
                }
            )
    return sorted(rows, key=lambda row: -row["relative_change"])


def _measured(base: Setting, start: float, seeds: range) -> list[Measurement]:
    """One ladder; all losses are measured, as in `subtheory verify`, to share its compiled programs."""
    setting = Setting(
        base.network, channel=base.channel, independent=base.independent, eps=ladder(start, RUNGS)
    )
    return measurements(setting, list(seeds), tuple(LOSSES.values()))[LOSS.name]


def _spread(name: str, values: np.ndarray) -> dict[str, float]:
    """Median and range over seeds."""
    return {name: float(np.median(values)), f"{name}_low": float(values.min()), f"{name}_high": float(values.max())}


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Left: how far D/(εq) is from the predicted 1. Right: the control, a student with an init of its own."""
    rows = tables["eps_ladder"]
    with style():
        drawn = blank(columns=2, height=2.9)
        left, right = drawn.axes
        for i, name in enumerate(dict.fromkeys(row["network"] for row in rows)):
            shared, own = (
                [row for row in rows if (row["network"], row["init"]) == (name, init)]
                for init in ("shared", "independent")
            )
            _line(left, i, shared, "error")
            _line(right, i, shared, "size")
            _line(right, i, own, "size")
        _decorate(left, right, rows)
        handles = [
            Line2D([], [], label=name, **mark(i))
            for i, name in enumerate(dict.fromkeys(row["network"] for row in rows))
        ]
        drawn.legend(handles=handles, loc="outside lower center", ncols=4, handlelength=2.6)
    return drawn


SMALLEST = 1e-17
"""An exact zero is drawn here, below every rounding error."""


def _line(axes: Axes, i: int, rows: list[Row], field: str) -> None:
    x = np.array([row["relative_change"] for row in rows])
    y, low, high = (
        np.maximum([row[field + end] for row in rows], SMALLEST) for end in ("", "_low", "_high")
    )
    look = mark(i)
    axes.fill_between(x, low, high, color=look["color"], alpha=0.15, linewidth=0)
    axes.plot(x, y, **look)


def _decorate(left: Axes, right: Axes, rows: list[Row]) -> None:
    """Guides, the rounding bound, labels."""
    shared = [row for row in rows if row["init"] == "shared"]
    x = np.array(sorted({row["relative_change"] for row in shared}))
    # rounding·x hardly varies along a ladder: its largest value bounds every network's.
    bound = max(row["rounding"] * row["relative_change"] for row in shared) / x
    left.fill_between(x, SMALLEST, bound, color="#888888", alpha=0.13, linewidth=0, zorder=0)
    left.plot(x, bound, color="#666666", linewidth=0.7, zorder=1)
    for axes in (left, right):
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.invert_xaxis()
        axes.set_xlabel("relative change of the teacher, falling →")
    left.set_ylabel(r"$|D(\varepsilon)/(\varepsilon q) - 1|$")
    right.set_ylabel(r"$|D(\varepsilon)|/(\varepsilon q)$")
    left.set_title("(a) Shared init: first-order law")
    right.set_title("(b) Control: an init of its own")
