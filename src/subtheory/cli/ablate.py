"""`subtheory ablate init`: how much still crosses as the student's init leaves the teacher's along a path."""

from __future__ import annotations

import hashlib
import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from subtheory.cli import environment
from subtheory.cli.numbers import count, positive
from subtheory.cli.output import print_json, print_table, writable
from subtheory.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from subtheory.ablation import Ablation
    from subtheory.init import Path as InitPath
    from subtheory.plan import Progress
    from subtheory.setting import Setting

T = TypeVar("T")

EVERY = "all"
"""Name that stands for every path that fits the network."""

MOST_SEEDS = 10_000

BAND = (10, 90)
"""Percentiles over seeds that a band shows."""

SPREAD = 30
"""Amounts that span more than this factor are drawn on a logarithmic axis."""

AXIS = (-0.6, 1.7)
"""What is drawn of an amount relative to the shared init's; raw numbers lie far outside."""


def main(options: Namespace) -> int:
    """Run every chosen path on every chosen network; print the means, write tables and figures."""
    seeds = count("seeds", options.seeds, 1, MOST_SEEDS)
    size = positive("eps", options.eps)
    amounts = _amounts(options.amounts) if options.amounts is not None else None
    writable(options.out)
    environment.prepare(cache=not options.no_cache)

    from subtheory.cli.progress import progress

    chosen = [(setting, path) for setting in _settings(options) for path in _paths(setting, options.path or ["noise"])]
    for _, path in chosen:
        _within(path, amounts)
    found: list[dict[str, Any]] = []
    sizes = [len(path.amounts if amounts is None else amounts) for _, path in chosen]
    with progress("ablate") as report:
        for i, (setting, path) in enumerate(chosen):
            if not options.json:
                title = f"{_label(path, setting)}, {setting.network.name}, {setting.loss.name}"
                print(f"{title}: {path.says}", end="\n\n", flush=True)
            result, files = _run(path, setting, amounts, seeds, size, options, _part(report, sizes, i))
            found.append(_summary(result, files))
            if not options.json:
                _print(result)
                print("\n".join(files), end="\n\n", flush=True)
    if options.json:
        print_json({"ablated": options.subject, "seeds": seeds, "eps": size, "paths": found})
    return 0


def _part(report: Progress, sizes: Sequence[int], i: int) -> Progress:
    """The amounts of the i-th path, counted on from those before."""
    return lambda done, _, text: report(sum(sizes[:i]) + done, sum(sizes), text)


def _amounts(text: str) -> tuple[float, ...]:
    """Numbers separated by commas."""
    try:
        return tuple(dict.fromkeys(float(part) for part in text.split(",")))
    except ValueError:
        raise InputError("amounts", repr(text), "must be numbers separated by commas") from None


def _within(path: InitPath, amounts: tuple[float, ...] | None) -> None:
    from subtheory.init.path import checked

    try:
        checked(path, amounts or ())
    except InputError as error:
        raise InputError(
            "amounts", f"{error.value} for {path.name}", str(error).split(": ")[1].split(", got")[0]
        ) from None


def _settings(options: Namespace) -> list[Setting]:
    """One for every network."""
    from subtheory.data import CHANNELS
    from subtheory.data.channels import channels_of
    from subtheory.grid import SEEN
    from subtheory.networks import NETWORKS
    from subtheory.setting import Setting
    from subtheory.suggest import choose
    from subtheory.theory.losses import LOSSES

    networks = _each("network", options.network or ["mlp"], NETWORKS)
    (loss,) = _each("loss", options.loss or ["squared-error"], {k: v for k, v in LOSSES.items() if v.order == 1}, 1)
    channels = _each("channel", options.channel, CHANNELS, 1) if options.channel else [None]
    teacher = choose("teacher", options.teacher, {teacher.name: teacher for teacher in SEEN})
    for network in networks:
        if channels[0] is not None and channels[0] not in channels_of(network.task):
            raise InputError("channel", repr(channels[0].name), f"must have the inputs of {network.name}")
    return [Setting(n, loss, channels[0], options.outputs, teacher) for n in networks]


def _paths(setting: Setting, names: list[str]) -> list[InitPath]:
    """The chosen paths; `all` are those that fit."""
    from subtheory.ablation import fitting, known_paths
    from subtheory.suggest import choose

    known: dict[str, Any] = known_paths(setting)
    chosen = _names(names)
    for name in chosen:
        choose("path", name, {**known, EVERY: None})
    usable = fitting(setting, None if EVERY in chosen else chosen)
    for name in chosen:
        if name not in (*usable, EVERY):
            raise InputError("path", repr(name), f"must fit {setting.network.name}: {', '.join(fitting(setting))}")
    return list(usable.values())


def _names(given: list[str]) -> list[str]:
    return list(dict.fromkeys(name for several in given for name in several.split(",")))


def _each(field: str, given: list[str], known: dict[str, T], most: int | None = None) -> list[T]:
    """Things by name, names repeated or separated by commas."""
    from subtheory.suggest import choose

    names = _names(given)
    if most is not None and len(names) > most:
        raise InputError(field, ",".join(names), "must be one name")
    return [choose(field, name, known) for name in names]


def _run(
    path: InitPath, setting: Setting, amounts: Sequence[float] | None, seeds: int, size: float, options: Namespace,
    report: Progress,
) -> tuple[Ablation, list[str]]:  # fmt: skip
    """The rows of one path, stored or computed, and the files that hold them."""
    from subtheory import records, resources, table
    from subtheory._version import __version__
    from subtheory.ablation import Ablation, ablate
    from subtheory.figure import save
    from subtheory.provenance import provenance

    setting = setting.but(eps=(size,))
    channel = setting.channel.name if setting.channel else "default"
    source = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(resources.PACKAGE.rglob("*.py"))))
    identity = {
        "ablation": repr(path), "network": repr(setting.network), "loss": setting.loss.name, "channel": channel,
        "outputs": setting.outputs, "teacher": setting.teacher.name, "eps": size, "seeds": seeds,
        "amounts": list(path.amounts if amounts is None else amounts),
        "source": source.hexdigest(), "subtheory": __version__,
    }  # fmt: skip
    command = " ".join(["subtheory", *sys.argv[1:]]) if sys.argv else ""
    meta = {"id": records.cell_id(identity), **identity, "provenance": provenance(range(seeds), command)}
    parts = [_label(path, setting), setting.network.name, setting.loss.name, setting.outputs]
    parts += [part for part in (channel, setting.teacher.name) if part not in ("default", "gradient-descent")]
    folder = Path(options.out) / "ablate" / options.subject / "-".join(map(str, parts))

    def compute() -> records.Arrays:
        return records.columns(ablate(path, setting, amounts, seeds, size, report).rows)

    arrays, _ = records.computed(folder / "tables", "record", meta, compute)
    result = Ablation(path, setting, records.rows(arrays))
    tables = {"rows": result.rows, "means": result.means()}
    written = [
        records.write_atomic(folder / "tables" / f"{title}.csv", table.to_csv(rows)) for title, rows in tables.items()
    ]
    written += save(figure(result), folder / "figures", "ablation", tables["means"]).values()
    return result, [str(file) for file in written]


def _label(path: InitPath, setting: Setting) -> str:
    """The name by which the path was chosen."""
    from subtheory.ablation import known_paths

    return next(name for name, known in known_paths(setting).items() if known == path)


def _summary(result: Ablation, files: list[str]) -> dict[str, Any]:
    from subtheory.results import finite

    return {
        "path": _label(result.path, result.setting),
        "says": result.path.says,
        "network": result.setting.network.name,
        "loss": result.setting.loss.name,
        "means": finite(result.means()),
        "files": files,
    }


def _print(result: Ablation) -> None:
    """Two tables: how alike the inits are, and what crosses."""
    means = result.means()
    alike = {
        "distance": "distance", "modulo permutations": "matched_distance", "on the channel": "channel_distance",
        "on the trait": "trait_distance", "NTK overlap": "ntk_overlap", "cross-NTK": "cross_ntk_overlap", "CKA": "cka",
    }  # fmt: skip
    print_table("how alike", [{"amount": m["amount"], **{k: m[name] for k, name in alike.items()}} for m in means])
    print_table(
        "what crosses, relative to the shared init",
        [
            {
                "amount": m["amount"],
                "Δθ_S·Δ raw": m["relative_alignment"],
                "beyond control": _with_half(m, "relative_added_alignment"),
                "predicted": m["relative_predicted_alignment"],
                "Δθ_S·(θ_T − θ0_S)": m["approach"],
                "ΔL_T raw": m["relative_trait_change"],
                "ΔL_T beyond control": _with_half(m, "relative_added_trait_change"),
                "ΔL_T predicted": m["relative_predicted_trait_change"],
                "largest error": m["error"],
            }
            for m in means
        ],
    )


def _with_half(mean: dict[str, Any], name: str) -> str:
    return f"{mean[name]:.4f} ± {mean[f'{name}_half']:.4f}"


def figure(result: Ablation) -> Figure:
    """Alignment and trait change on their predictions, then distances and overlaps, against the amount."""
    from matplotlib.figure import Figure

    from subtheory.figure import WIDTH, style

    parts = {
        "alignment": r"(a) alignment $\Delta\theta_S\cdot\Delta$",
        "trait_change": "(b) change of the trait loss",
    }
    views = {
        "(c) distances": {
            "distance": "parameters", "matched_distance": "modulo permutations",
            "channel_distance": "outputs, channel", "trait_distance": "outputs, trait",
        },
        "(d) overlaps": {"ntk_overlap": "NTK", "cross_ntk_overlap": "cross-NTK", "cka": "CKA of outputs"},
    }  # fmt: skip
    with style():
        drawn = Figure(figsize=(WIDTH, 4.8), layout="constrained")
        panels = drawn.subplots(2, 2)
        for axes, (name, title) in zip(panels[0], parts.items(), strict=True):
            _crossed(axes, result, name)
            axes.set(title=title, ylabel="relative to the shared init")
        for axes, (title, names) in zip(panels[1], views.items(), strict=True):
            _likeness(axes, result, names)
            axes.set(title=title, xlabel="amount")
        handles, labels = panels[0, 0].get_legend_handles_labels()
        drawn.legend(handles, [f"a, b: {label}" for label in labels], loc="outside lower center", ncols=2)
        name = f"{_label(result.path, result.setting)}, {result.setting.network.name}, {result.setting.loss.name}"
        drawn.suptitle(f"{name}. {result.path.says}", fontsize=7.5, x=0.01, ha="left", wrap=True)
    return drawn


def _amount_axis(axes: Axes, result: Ablation) -> np.ndarray:
    """The amounts; a logarithmic axis beyond zero where they span several decades."""
    amounts = np.array(list(dict.fromkeys(row["amount"] for row in result.rows)))
    if len(amounts) == 1:
        axes.set(xlim=(amounts[0] - 0.5, amounts[0] + 0.5), xticks=amounts)
    beyond = amounts[amounts > 0]
    if len(beyond) and beyond.max() > SPREAD * beyond.min():
        axes.set_xscale("symlog", linthresh=float(beyond.min()), linscale=0.6)
        powers = 10.0 ** np.arange(np.ceil(np.log10(beyond.min())), np.floor(np.log10(beyond.max())) + 1)
        axes.set_xticks([0, *powers], ["0", *(f"{power:g}" for power in powers)])
    return amounts


def _crossed(axes: Axes, result: Ablation, name: str) -> None:
    """Band and means beyond the control on the predicted line; crosses, one a seed, without the control."""
    from subtheory.figure import COLOURS

    x, means = _amount_axis(axes, result), result.means()
    added, raw = (
        np.array([[row[f"relative_{prefix}{name}"] for row in result.rows if row["amount"] == a] for a in x])
        for prefix in ("added_", "")
    )
    low, high = np.percentile(added, BAND, axis=1)
    axes.axhline(0, color="#999999", linewidth=0.6)
    rest: dict[str, Any] = {"color": "#8a8a8a", "marker": "x", "markersize": 2.6, "markeredgewidth": 0.6}
    axes.plot(np.repeat(x, raw.shape[1]), raw.ravel(), label="raw, one a seed", linestyle="", **rest)
    seeds = f"beyond the control, {BAND[0]} to {BAND[1]} % of seeds"
    axes.fill_between(x, low, high, color=COLOURS[0], alpha=0.22, linewidth=0, label=seeds)
    half = [m[f"relative_added_{name}_half"] for m in means]
    look: dict[str, Any] = {"color": COLOURS[0], "marker": "o", "linestyle": "", "elinewidth": 0.8, "zorder": 3}
    axes.errorbar(x, [m[f"relative_added_{name}"] for m in means], half, label="mean and its 95 % interval", **look)
    line = [m[f"relative_predicted_{name}"] for m in means]
    axes.plot(x, line, color=COLOURS[1], zorder=4, label="predicted, mean", marker="_", markersize=7)
    outside = np.count_nonzero((raw < AXIS[0]) | (raw > AXIS[1]))
    axes.set(ylim=AXIS, xlabel=f"amount ({outside} of {raw.size} crosses lie outside)" if outside else "amount")
    if np.isnan(added).all():
        axes.text(0.5, 0.5, "undefined: other parameters", transform=axes.transAxes, ha="center", va="bottom")


def _likeness(axes: Axes, result: Ablation, names: dict[str, str]) -> None:
    """Means of some measures of likeness."""
    from subtheory.figure import mark

    x, means = _amount_axis(axes, result), result.means()
    for i, (name, label) in enumerate(names.items()):
        axes.plot(x, [m[name] for m in means], label=label, **mark(i))
    # Below the axes, because a curve may pass anywhere inside.
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.25), ncols=2, handlelength=3, columnspacing=1)
