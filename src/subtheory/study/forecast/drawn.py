"""A row forecast as a picture: how the scores are spread, how they add up, and which rows weigh most."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subtheory.figure import COLOURS, WIDTH, axes_of, style
from subtheory.study.forecast.results import Forecast

BINS = 30
SHOWN = 8
"""Heaviest rows that are drawn."""


def figure(found: Forecast) -> Figure:
    """The distribution of row scores, the running sum with its interval, and the heaviest rows."""
    with style():
        drawn = Figure(figsize=(WIDTH, 2.4), layout="constrained")
        spread, total, heavy = drawn.subplots(1, 3)
        _spread(spread, found)
        running(found, total)
        total.set(title="(b) running sum")
        _heaviest(heavy, found)
    return drawn


def running(found: Forecast, ax: Any = None) -> Any:
    """Σ_{i<k} s_i/n in the order of the rows, the line to its end, and two deviations of the same of the init's labels.

    Labels of the init have independent scores of mean 0 and variance v_i ("information").
    """
    share, information = (np.array([row[name] for row in found.rows]) for name in ("share", "information"))
    sums, deviation = np.cumsum([0.0, *share]), np.sqrt(np.cumsum([0.0, *information])) / found.totals["labels"]
    k = np.arange(len(sums))
    with style():
        ax = axes_of(ax)
        ax.fill_between(k, -2 * deviation, 2 * deviation, color="#d0d0d0", linewidth=0, label="init's labels, ± 2σ")
        ax.plot(k, sums, color=COLOURS[0], label="rows")
        ax.plot([0, k[-1]], [0, sums[-1]], color="black", linestyle="--", linewidth=0.8, label="evenly")
        ax.set(xlabel="rows", ylabel=r"$\sum s_i/n$")
        # Where the sums are not, and on white over the grey.
        free = "lower left" if sums[-1] >= 0 else "upper left"
        ax.legend(loc=free, frameon=True, facecolor="white", framealpha=0.9, edgecolor="none")
    return ax


def _spread(axes: Axes, found: Forecast) -> None:
    score = np.array([row["score"] for row in found.rows])
    every = np.concatenate([score, found.control])
    bins = np.histogram_bin_edges(every, BINS).tolist()
    axes.hist(score, bins, color=COLOURS[0], alpha=0.6, label="rows", density=True)
    if found.control:
        axes.hist(found.control, bins, histtype="step", color=COLOURS[1], linestyle="--", label="control", density=True)
    axes.axvline(score.mean(), color="black", linewidth=0.8, linestyle="--", label="mean")
    axes.set(title="(a) row scores", xlabel=r"$s_i=\Delta\cdot\nabla\log p_0$", ylabel="density")
    axes.legend(loc="best")


def _heaviest(axes: Axes, found: Forecast) -> None:
    rows = found.heaviest(SHOWN)[::-1]
    values = np.array([row["share"] for row in rows])
    colours = [COLOURS[0] if value >= 0 else COLOURS[1] for value in values]
    bars = axes.barh(range(len(rows)), values, color=colours)
    for bar, value in zip(bars, values, strict=True):
        bar.set_hatch("" if value >= 0 else "///")
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set_yticks(range(len(rows)), [str(row["row"]) for row in rows])
    axes.set(title="(c) heaviest rows", xlabel=r"$s_i/n$", ylabel="row")
    axes.grid(axis="y", visible=False)
