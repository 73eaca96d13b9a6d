"""An ablation as a picture: what crosses on its prediction, and how alike the inits are, against the amount."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subtheory.figure import COLOURS, axes_of, below, mark, sheet, style
from subtheory.study.ablation import Row, says
from subtheory.study.experiment import Tables
from subtheory.study.judgement import combinations

BAND = (10, 90)
"""Percentiles over seeds that a band shows."""
SPREAD = 30
"""Amounts that span more than this factor are drawn on a logarithmic axis."""
AXIS = (-0.6, 1.7)
"""What is drawn of an amount relative to the shared init's; raw numbers lie far outside."""
DRAWN = 6
"""Most combinations in one figure."""

CROSSING = {
    "alignment": r"(a) alignment $\Delta\theta_S\cdot\Delta$",
    "trait_change": "(b) change of the trait loss",
}
LIKE = {
    "(c) distances": {
        "distance": "parameters", "matched_distance": "modulo permutations",
        "channel_distance": "outputs, channel", "trait_distance": "outputs, trait",
    },
    "(d) overlaps": {"ntk_overlap": "NTK", "cross_ntk_overlap": "cross-NTK", "cka": "CKA of outputs"},
}  # fmt: skip
"""What is drawn of one combination, by panel; of several it is one measure each."""
SEVERAL = {"(c) distance of the outputs": "channel_distance", "(d) overlap of tangent kernels": "ntk_overlap"}


def figure(tables: Tables) -> Figure:
    """Alignment and trait change on their predictions, then how alike the inits are, against the amount."""
    averages, rows = combinations(tables["means"]), combinations(tables["rows"])
    with style():
        drawn = sheet(4.8)
        panels = drawn.subplots(2, 2, sharex=True)
        for axes in panels.flat:
            _amount_axis(axes, [mean["amount"] for mean in tables["means"]])
        for axes, title in zip(panels[0], CROSSING.values(), strict=True):
            axes.axhline(0, color="#999999", linewidth=0.6)
            axes.set(title=title, ylabel="relative to the shared init", ylim=AXIS)
        if len(averages) == 1:
            ((key, own),) = averages.items()
            _one(panels, own, rows[key])
            title, legend = f"{', '.join(key)}. {says(key[0])}", panels[0, 0]
        else:
            title, legend = _several(panels, averages), panels[1, 0]
        drawn.legend(*legend.get_legend_handles_labels(), loc="outside lower center", ncols=2, handlelength=3)
        drawn.suptitle(title, fontsize=7.5, x=0.01, ha="left", wrap=True)
    return drawn


def crossing(tables: Tables, ax: Any = None) -> Any:
    """The alignment beyond the control on its prediction, relative to the shared init, against the amount, on one axes.

    A line and markers a path and loss, and a legend of several; on axes of pyplot's own where none are given.
    """
    averages = combinations(tables["means"])
    with style():
        ax = axes_of(ax)
        ax.axhline(0, color="#999999", linewidth=0.6)
        _amount_axis(ax, [mean["amount"] for mean in tables["means"]])
        same = [len(set(parts)) == 1 for parts in zip(*averages, strict=True)]
        for i, (key, own) in enumerate(averages.items()):
            _predicted(ax, own, "alignment", mark(i))
            label = ", ".join(part for part, one in zip(key, same, strict=True) if not one) or key[0]
            ax.plot([], [], label=label, **mark(i))
        ax.set(ylabel="alignment beyond control, relative", ylim=AXIS)
        if len(averages) > 1:
            ax.legend()
    return ax


def _predicted(axes: Axes, own: list[Row], name: str, look: dict[str, Any]) -> None:
    """The prediction as a line, and means beyond the control with their 95 % intervals as markers."""
    x = [mean["amount"] for mean in own]
    axes.plot(x, [mean[f"relative_predicted_{name}"] for mean in own], color=look["color"], linestyle=look["linestyle"])
    value, half = ([mean[f"relative_added_{name}{end}"] for mean in own] for end in ("", "_half"))
    point = {part: look[part] for part in ("color", "marker", "markeredgewidth")}
    axes.errorbar(x, value, half, linestyle="", elinewidth=0.8, **point)


def _amount_axis(axes: Axes, amounts: Sequence[float]) -> None:
    """A logarithmic axis beyond zero where the amounts span several decades."""
    each = np.unique(amounts)
    if len(each) == 1:
        axes.set(xlim=(each[0] - 0.5, each[0] + 0.5), xticks=each)
    beyond = each[each > 0]
    if len(beyond) and beyond.max() > SPREAD * beyond.min():
        axes.set_xscale("symlog", linthresh=float(beyond.min()), linscale=0.6)
        powers = 10.0 ** np.arange(np.ceil(np.log10(beyond.min())), np.floor(np.log10(beyond.max())) + 1)
        axes.set_xticks([0, *powers], ["0", *(f"{power:g}" for power in powers)])
    axes.set_xlabel("amount")
    axes.tick_params(labelbottom=True)


def _one(panels: Any, averages: list[Row], rows: list[Row]) -> None:
    """Bands and crosses of all seeds above, every measure of likeness below."""
    for axes, name in zip(panels[0], CROSSING, strict=True):
        _crossed(axes, averages, rows, name)
    for axes, (title, measures) in zip(panels[1], LIKE.items(), strict=True):
        for i, (name, label) in enumerate(measures.items()):
            axes.plot([mean["amount"] for mean in averages], [mean[name] for mean in averages], label=label, **mark(i))
        axes.set_title(title)
        # Below the axes, because a curve may pass anywhere inside.
        below(axes, ncols=2, handlelength=3, columnspacing=1)


def _crossed(axes: Axes, averages: list[Row], rows: list[Row], name: str) -> None:
    """Band and means beyond the control on the predicted line; crosses, one a seed, without the control."""
    x = np.array([mean["amount"] for mean in averages])
    added, raw = (
        np.array([[row[f"relative_{prefix}{name}"] for row in rows if row["amount"] == a] for a in x])
        for prefix in ("added_", "")
    )
    low, high = np.percentile(added, BAND, axis=1)
    rest: Row = {"color": "#8a8a8a", "marker": "x", "markersize": 2.6, "markeredgewidth": 0.6}
    axes.plot(np.repeat(x, raw.shape[1]), raw.ravel(), label="a, b: raw, one a seed", linestyle="", **rest)
    seeds = f"a, b: beyond the control, {BAND[0]} to {BAND[1]} % of seeds"
    axes.fill_between(x, low, high, color=COLOURS[0], alpha=0.22, linewidth=0, label=seeds)
    look: Row = {"color": COLOURS[0], "marker": "o", "linestyle": "", "elinewidth": 0.8, "zorder": 3}
    value, half = ([mean[f"relative_added_{name}{end}"] for mean in averages] for end in ("", "_half"))
    axes.errorbar(x, value, half, label="a, b: mean and its 95 % interval", **look)
    line = [mean[f"relative_predicted_{name}"] for mean in averages]
    axes.plot(x, line, color=COLOURS[1], zorder=4, label="a, b: predicted, mean", marker="_", markersize=7)
    outside = np.count_nonzero((raw < AXIS[0]) | (raw > AXIS[1]))
    if outside:
        axes.set_xlabel(f"amount ({outside} of {raw.size} crosses outside)")
    if np.isnan(added).all():
        axes.text(0.5, 0.5, "undefined", transform=axes.transAxes, ha="center", va="bottom")


def _several(panels: Any, averages: dict[tuple[str, ...], list[Row]]) -> str:
    """The first `DRAWN`, each with a look of its own; returns what they have in common, and how many more there are."""
    some = dict(list(averages.items())[:DRAWN])
    same = [len(set(parts)) == 1 for parts in zip(*some, strict=True)]
    for i, (key, own) in enumerate(some.items()):
        x, look = [mean["amount"] for mean in own], mark(i)
        for axes, name in zip(panels[0], CROSSING, strict=True):
            _predicted(axes, own, name, look)
        label = ", ".join(part for part, one in zip(key, same, strict=True) if not one)
        for axes, (title, name) in zip(panels[1], SEVERAL.items(), strict=True):
            axes.plot(x, [mean[name] for mean in own], label=label, **look)
            axes.set_title(title)
    here = ", ".join(part for part, one in zip(next(iter(some)), same, strict=True) if one)
    seeds, more = own[0]["seeds"], len(averages) - DRAWN
    text = f"a, b: lines predicted, markers beyond the control, means of {seeds} seeds with 95\u00a0% intervals."
    rest = f"{DRAWN} combinations of {len(averages)}: the table has {more} more." if more > 0 else ""
    return " ".join(filter(None, [here and f"{here}.", text, rest]))
