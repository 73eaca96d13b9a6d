"""How much still crosses as the student's init leaves the teacher's: any paths, networks and losses, in one table.

One row a path, network, loss, seed and amount, with every measure of how alike the two inits are beside what one step
of the student does: alignment and change of the trait loss, raw, beyond the student of the untrained teacher, and as
predicted. The prediction is a cross-kernel of the two inits, D(ε) − D(0) = ε E[(J_SΔ)ᵀM(J_TΔ)] + ½ε²h″(0) + O(ε³), in
Jacobians alone; raw numbers are shown beside it, and not claimed. A path that a network has no units for, or a student
of another architecture that does not fit, is left out by name: table `skipped`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from subtheory.data import CHANNELS, Channel
from subtheory.errors import InputError
from subtheory.figure import COLOURS, WIDTH, mark, style
from subtheory.init import PATHS, Another, Path, checked
from subtheory.networks import NETWORKS
from subtheory.setting.setting import Setting
from subtheory.setting.spread import ORTHOGONAL
from subtheory.study.ablation import ELSEWHERE, SEEDS, SIZE, Row, ablate, fitting, known_paths, means, misfit, says
from subtheory.study.experiment import Progress, Tables, kept
from subtheory.study.finding import Finding, rate, shown
from subtheory.study.options import at_least
from subtheory.suggest import choose
from subtheory.theory.losses import LOSSES
from subtheory.verification.grid import OUTPUTS, SEEN

QUESTION = "How much still crosses as the student's init leaves the teacher's, along any path, on any network?"
COMMAND = "subtheory run ablation"
EXPECTED = (
    "What the teacher's update adds lies on the cross-kernel and its next order, off by less than the relative size of "
    "the update; at amount 0 it is that of the shared init; permuted units and flipped signs keep the trait change."
)
CAPTIONS = {
    "means": "Alignment and change of the trait loss beyond the student of the untrained teacher, over those of the "
    "shared init, on the prediction of the cross-kernel; below, how alike the inits are. At most six combinations of "
    "path, network and loss are drawn."
}

EVERY = "all"
"""Name that stands for every path that fits the network."""
KEY = ("path", "network", "loss")
"""Columns that name a combination."""

HALF = 0.5
"""Least share of rows that the control must spoil: nearly all do, but a cosine may be small by chance."""

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


class Job(NamedTuple):
    """A path by name, from a setting's network with a setting's loss, and how far along it."""

    name: str
    path: Path
    setting: Setting
    amounts: tuple[float, ...]

    @property
    def key(self) -> dict[str, str]:
        """The columns `KEY`."""
        return {"path": self.name, "network": self.setting.network.name, "loss": self.setting.loss.name}


@dataclass(frozen=True)
class Plan:
    """Names of paths, networks and losses, separated by commas; amounts likewise, or each path's own. The rest is what
    a setting has: `channel` the network's own if it is none, `eps` the relative size of the teacher's update.
    """

    path: str = "noise"
    network: str = "mlp"
    loss: str = "squared-error"
    channel: str | None = None
    outputs: str = "aux"
    teacher: str = "gradient-descent"
    amounts: str | None = None
    seeds: int = SEEDS
    eps: float = SIZE

    def __post_init__(self) -> None:
        at_least(self, seeds=1)


PLAN, QUICK = Plan(), Plan(seeds=4)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> Tables:
    """Means over seeds, all rows, and the paths that do not fit, if there are any."""
    settings = [one.but(eps=(plan.eps,)) for one in settings_of(plan)]
    jobs, skipped = planned(settings, names(plan.path), numbers(plan.amounts) if plan.amounts is not None else None)
    total, done = sum(len(job.amounts) for job in jobs), 0
    averages, rows = list[Row](), list[Row]()
    for job in jobs:
        part = " ".join(job.key.values())
        found = kept(part, partial(walked, job, plan.seeds, plan.eps, _onwards(progress, part, done, total)))
        averages += [job.key | mean for mean in means(found)]
        rows += [job.key | {"seed": row["seed"]} | row for row in found]
        done += len(job.amounts)
    return {"means": averages, "rows": rows} | ({"skipped": skipped} if skipped else {})


def walked(job: Job, seeds: int, size: float, progress: Progress | None) -> list[Row]:
    """The rows of one path."""
    return ablate(job.path, job.setting, job.amounts, seeds, size, progress).rows


def _onwards(progress: Progress | None, part: str, before: int, total: int) -> Progress | None:
    """The amounts of one path, counted on from those before."""
    return progress and (lambda done, _, __: progress(before + done, total, part))


# Options ------------------------------------------------------------------------------------------


def names(text: str) -> list[str]:
    """Names separated by commas, each once."""
    return list(dict.fromkeys(name.strip() for name in text.split(",")))


def numbers(text: str) -> tuple[float, ...]:
    """Numbers separated by commas, each once."""
    try:
        return tuple(dict.fromkeys(float(part) for part in text.split(",")))
    except ValueError:
        raise InputError("amounts", repr(text), "must be numbers separated by commas") from None


def settings_of(plan: Plan) -> list[Setting]:
    """One for every network and loss. Raises InputError, naming the option, for an unknown name or a misfit."""
    nets = [choose("network", name, NETWORKS) for name in names(plan.network)]
    regular = {name: loss for name, loss in LOSSES.items() if loss.order == 1}
    chosen = [choose("loss", name, regular) for name in names(plan.loss)]
    law: Channel | None = choose("channel", plan.channel, CHANNELS) if plan.channel else None
    group = choose("outputs", plan.outputs, {name: name for name in OUTPUTS})
    mover = choose("teacher", plan.teacher, {one.name: one for one in SEEN})
    for net in nets:
        if law is not None and not law.fits(net.task):
            raise InputError("channel", repr(law.name), f"must have the inputs of {net.name}")
    return [Setting(net, loss, law, group, mover) for net in nets for loss in chosen]


def planned(
    settings: Sequence[Setting], paths: Sequence[str], amounts: tuple[float, ...] | None
) -> tuple[list[Job], list[Row]]:
    """What there is to run, and a row for every path that was named and does not fit.

    Raises InputError for a name that is no path at all, for amounts that a path does not have, and if nothing fits.
    """
    for name in paths:
        choose("path", name, {**PATHS, **dict.fromkeys((*ELSEWHERE, EVERY))})
    jobs, skipped = list[Job](), dict[tuple[str, str], str]()
    for setting in settings:
        known, fit = known_paths(setting), fitting(setting)
        for name in dict.fromkeys([*(fit if EVERY in paths else ()), *(name for name in paths if name != EVERY)]):
            if name in fit:
                jobs.append(Job(name, fit[name], setting, _reached(name, fit[name], amounts)))
            else:
                none = f"there is no {setting.network.name} of another {name}"
                skipped[name, setting.network.name] = misfit(known[name], setting) if name in known else none
    if not jobs:
        nets = list(dict.fromkeys(setting.network.name for setting in settings))
        there = dict.fromkeys(name for setting in settings for name in fitting(setting))
        raise InputError("path", repr(",".join(paths)), f"must fit {' or '.join(nets)}: {', '.join(there)}")
    return jobs, [{"path": name, "network": net, "why": why} for (name, net), why in skipped.items()]


def _reached(name: str, path: Path, amounts: tuple[float, ...] | None) -> tuple[float, ...]:
    """The amounts of a path; of another architecture there is only far."""
    if amounts is None or isinstance(path, Another):
        return path.amounts
    try:
        checked(path, amounts)
    except InputError as error:
        raise InputError("amounts", f"{error.value} for {name}", error.wanted) from None
    return amounts


# Findings -----------------------------------------------------------------------------------------


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


# Figure -------------------------------------------------------------------------------------------


def figure(tables: Tables) -> Figure:
    """Alignment and trait change on their predictions, then how alike the inits are, against the amount."""
    averages, rows = combinations(tables["means"]), combinations(tables["rows"])
    with style():
        drawn = Figure(figsize=(WIDTH, 4.8), layout="constrained")
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
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=2, handlelength=3, columnspacing=1)


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
        point = {name: look[name] for name in ("color", "marker", "markeredgewidth")}
        for axes, name in zip(panels[0], CROSSING, strict=True):
            line = [mean[f"relative_predicted_{name}"] for mean in own]
            axes.plot(x, line, color=look["color"], linestyle=look["linestyle"])
            value, half = ([mean[f"relative_added_{name}{end}"] for mean in own] for end in ("", "_half"))
            axes.errorbar(x, value, half, linestyle="", elinewidth=0.8, **point)
        label = ", ".join(part for part, one in zip(key, same, strict=True) if not one)
        for axes, (title, name) in zip(panels[1], SEVERAL.items(), strict=True):
            axes.plot(x, [mean[name] for mean in own], label=label, **look)
            axes.set_title(title)
    here = ", ".join(part for part, one in zip(next(iter(some)), same, strict=True) if one)
    seeds, more = own[0]["seeds"], len(averages) - DRAWN
    text = f"a, b: lines predicted, markers beyond the control, means of {seeds} seeds with 95\u00a0% intervals."
    rest = f"{DRAWN} combinations of {len(averages)}: the table has {more} more." if more > 0 else ""
    return " ".join(filter(None, [here and f"{here}.", text, rest]))
