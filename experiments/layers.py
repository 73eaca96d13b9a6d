"""Which layers carry the alignment, and do all of them point the teacher's way?

D(ε) = Σ_ℓ D_ℓ(ε) over layers, D_ℓ = (Δθ_S)_ℓ · Δ_ℓ = ε Δ_ℓ · (GΔ)_ℓ + O(ε²). The sum is not negative, a summand may
be: a layer is pulled by what all the others of the teacher did. A student that trains only layer ℓ has just D_ℓ; if
its teacher moved only that layer as well, Δ_ℓᵀG_ℓℓΔ_ℓ ≥ 0 returns the sign. With half of the parameters frozen at
random D = ε ΔᵀQGΔ, a sum of p_i = Δ_i(GΔ)_i over a random half, so that P(D < 0) ≈ Φ(−Σp_i/√Σp_i²). What makes it
large is a channel of few directions; so too for the layers of a random teacher. If G has rank one, D_ℓ has the sign
of a product of normals of correlation √κ_ℓ, κ_ℓ = ‖(GΔ)_ℓ‖²/‖GΔ‖², and P(D_ℓ < 0) = arccos(√κ_ℓ)/π. Bars,
measured beside predicted. Control: a student with an init of its own, for which they do not add up to one.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.flatten_util import ravel_pytree
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.stats import binomtest, norm

from subtheory.figure import COLOURS, MARKERS, WIDTH, style
from subtheory.init.sharing import layers
from subtheory.networks import MLP, ConvNet, LinenNetwork, Transformer
from subtheory.numerics import float64, to_numpy
from subtheory.options import counted
from subtheory.setting import Setting, distillations
from subtheory.theory.alignment import alignment, quadratic_form
from subtheory.theory.cross_kernel import alignment_by_layer, cross_update, predicted_alignment_by_layer
from subtheory.theory.cross_kernel import layers as cross_layers
from subtheory.theory.distillation import Distillation, student_update
from subtheory.theory.losses import SquaredError
from subtheory.theory.network import Params
from subtheory.verification import Progress

QUESTION = "Which layers carry the alignment, and can a layer, or half of the parameters, point away from the teacher?"
COMMAND = "subtheory run layers"
EXPECTED = (
    "Measured D_ℓ/(εq) as predicted, adding up to 1 for a shared init only; some below 0, most of all for random "
    "teachers; never with teacher and student restricted to the same parameters; half frozen, as the normal law says."
)

LOSS = SquaredError()
NETWORKS = (MLP(width=12), ConvNet(channels=(2, 4)), Transformer(width=8))
TEACHERS = ("gradient-descent", "random", "converged")
NARROW, APART = "random, 1 input", "independent"
"""A random teacher on a channel of one input and one output, and a student with an init of its own."""
EPS = (1e-2, 2.5e-3)
"""Relative sizes of the teacher's update; the tables show the smaller one, the larger gives the order of the error."""
EXAMPLES = 8
SEEDS, QUICK_SEEDS = 100, 4
MASKS = 400
"""Random halves for every init."""
CHANNELS = ("8 inputs", "1 input, 1 output")
"""As it is, and narrowed until G has next to no rank."""
HATCHES = ("", "////", "....")
CROSS: dict[str, Any] = {"color": "black", "marker": "x", "linestyle": "", "markersize": 4}
SAME = 1e-10
"""What counts as equal."""
CLOSE = 0.02
"""How far a share may be from the normal law: a sum over a random half of few large p_i is not quite normal."""

Row = dict[str, Any]


def tables(quick: bool = False, progress: Progress | None = None, *, seeds: int | None = None) -> dict[str, list[Row]]:
    """One row a layer; sums; frozen halves; and the summary."""
    each = tuple(range(counted(seeds, QUICK_SEEDS if quick else SEEDS, least=2)))
    bars, sums, frozen = list[Row](), list[Row](), list[Row]()
    for i, network in enumerate(NETWORKS):
        for case, d in cases(network, each).items():
            with float64():
                found = to_numpy(measured(d))
                halves = [to_numpy(halved(each)) for each in (d, narrow(d)) if case in TEACHERS]
            bars += layer_rows(
                network.name, case, layers(d.theta0), found, case == NARROW and not network.task.vocabulary
            )
            sums.append(sum_row(network.name, case, found))
            frozen += [frozen_row(network.name, case, channel, half) for channel, half in zip(CHANNELS, halves)]  # noqa: B905
        if progress:
            progress(i + 1, len(NETWORKS), network.name)
    return {"layers": bars, "sums": sums, "frozen": frozen, "summary": summary_rows(bars, sums, frozen)}


def cases(network: LinenNetwork, seeds: Sequence[int]) -> dict[str, Distillation]:
    """Stacked distillations: every teacher with a student of its own init, `NARROW`, and `APART`.

    `trainable` is a random half, as of a setting with `frozen`.
    """
    found = {}
    for case in (*TEACHERS, APART):
        setting = Setting(network, outputs="aux", eps=EPS, examples=EXAMPLES, frozen=True, independent=case == APART)
        setting = replace(setting, teacher=case if case in TEACHERS else TEACHERS[0])
        found[case] = replace(distillations(setting, tuple(seeds))[0], loss=LOSS)
    with float64():
        return found | {NARROW: narrow(found["random"])}


def narrow(d: Distillation) -> Distillation:
    """The channel's first input and the first distilled output alone: for images G has rank one."""
    weights = jnp.zeros_like(jnp.asarray(d.weights)).at[:, 0].set(1.0)
    first = jax.nn.one_hot(jnp.argmax(jnp.asarray(d.outputs) > 0, axis=1), d.outputs.shape[1], dtype=jnp.float64)
    return replace(d, weights=weights, outputs=first)


@jax.jit
def measured(d: Distillation) -> dict[str, Array]:
    """For every draw q, D, and, layer by layer at every ε, what `layer_rows` compares; nothing is frozen elsewhere."""

    def one(d: Distillation) -> dict[str, Array]:
        d = replace(d, trainable=optax.tree.ones_like(d.theta0))
        names = layers(d.theta0)
        ordered = lambda found: jnp.stack([found[name] for name in names])  # noqa: E731

        def restricted(mask: Params) -> dict[str, Array]:
            student = replace(d, trainable=mask)
            both = replace(student, delta=optax.tree.mul(mask, d.delta))
            return {"student": alignment(student), "both": alignment(both), "matched": d.eps * quadratic_form(both)}

        masks = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(only(d.theta0, name) for name in names))
        return {
            "eps": d.eps,
            "D": alignment(d),
            "q": quadratic_form(d),
            "raw": ordered(alignment_by_layer(d)),
            "subtracted": ordered(alignment_by_layer(d, control_subtracted=True)),
            "predicted": ordered(predicted_alignment_by_layer(d)),
            "pull": jnp.stack([optax.tree.norm(cross_layers(cross_update(d))[name], squared=True) for name in names]),
            **jax.lax.map(restricted, masks),
        }

    return jax.lax.map(one, d)


def only(theta: Params, name: str) -> Params:
    """1 in one layer, 0 elsewhere."""
    return {key: jax.tree.map(jnp.ones_like if key == name else jnp.zeros_like, part) for key, part in theta.items()}


@jax.jit
def halved(d: Distillation) -> dict[str, Array]:
    """For every draw at the smallest ε, over it: D of the frozen student, with its teacher frozen alike, and all p_i.

    "measured" holds (Δθ_S)_i Δ_i/ε of a student of which nothing is frozen, "predicted" Δ_i(GΔ)_i.
    """

    def one(d: Distillation) -> dict[str, Array]:
        whole = replace(d, trainable=optax.tree.ones_like(d.theta0))
        both = replace(d, delta=optax.tree.mul(d.trainable, d.delta))
        along = lambda v: ravel_pytree(optax.tree.mul(v, d.delta))[0]  # noqa: E731
        eps = d.eps[-1]
        return {
            "mask": ravel_pytree(d.trainable)[0],
            "frozen": alignment(d)[-1] / eps,
            "both": alignment(both)[-1] / eps,
            "matched": quadratic_form(both),
            "measured": along(student_update(whole, eps)) / eps,
            "predicted": along(cross_update(whole)),
        }

    return jax.lax.map(one, d)


def layer_rows(network: str, case: str, names: Sequence[str], found: Row, rank_one: bool) -> list[Row]:
    """One row a layer: D_ℓ/(εq) at the smallest ε, its prediction, and the same for restricted students.

    An independent student's D_ℓ is control-subtracted, D_ℓ(ε) − D_ℓ(0).
    """
    unit = (found["eps"] * found["q"][:, None])[:, None, -1]
    raw = found["subtracted" if case == APART else "raw"][..., -1]
    share = {name: found[name][..., -1] / unit for name in ("predicted", "student", "both", "matched")}
    law = np.arccos(np.sqrt(found["pull"] / found["pull"].sum(axis=1, keepdims=True))) / np.pi
    share |= {"measured": raw / unit, "own": found["raw"][..., -1] / unit}
    return [
        {
            "network": network, "case": case, "layer": layer, "draws": len(unit), "relative_size": EPS[-1],
            **_spread("measured", share["measured"][:, i]), **_spread("predicted", share["predicted"][:, i]),
            "difference": float(np.max(np.abs(share["measured"] - share["predicted"])[:, i])),
            **_share("negative", share["measured"][:, i] < 0),
            "negative_predicted": float(np.mean(share["predicted"][:, i] < 0)),
            "rank_one": rank_one, "rank_one_law": float(np.mean(law[:, i])),
            "restricted_difference": float(np.max(np.abs(share["student"] - share["own"])[:, i])),
            **_spread("matched", share["both"][:, i]), "matched_least": float(share["both"][:, i].min()),
            "matched_difference": float(np.max(np.abs(share["both"] - share["matched"])[:, i])),
        }
        for i, layer in enumerate(names)
    ]  # fmt: skip


def sum_row(network: str, case: str, found: Row) -> Row:
    """Whether the layers add up, how many point away, and how the prediction's error falls with ε."""
    unit = found["eps"] * found["q"][:, None]
    own = found["subtracted" if case == APART else "raw"]
    error = np.median(np.max(np.abs(own - found["predicted"]) / unit[:, None], axis=1), axis=0)
    return {
        "network": network, "case": case, "draws": len(unit),
        "layers_over_whole": float(np.max(np.abs(found["raw"].sum(axis=1) / found["D"] - 1))),
        **_spread("sum", own.sum(axis=1)[:, -1] / unit[:, -1]),
        **_spread("predicted_sum", found["predicted"].sum(axis=1)[:, -1] / unit[:, -1]),
        **_spread("raw_sum", found["D"][:, -1] / unit[:, -1]),
        "error_large": float(error[0]), "error": float(error[-1]),
        "slope": float(np.log(error[0] / error[-1]) / np.log(EPS[0] / EPS[-1])),
        **_share("any_negative", (own[..., -1] < 0).any(axis=1)),
        "sign_differs": int(np.sum((own[..., -1] < 0) != (found["predicted"][..., -1] < 0))),
    }  # fmt: skip


def frozen_row(network: str, case: str, channel: str, half: Row) -> Row:
    """Share of random halves with D < 0, beside the normal law; and one half a draw with a teacher frozen alike."""
    rng = np.random.default_rng(MASKS)
    p, predicted = half["measured"], half["predicted"]
    shares = [np.mean(rng.integers(0, 2, (MASKS, len(row))) @ row < 0) for row in p]
    law = norm.cdf(-predicted.sum(axis=1) / np.sqrt(np.sum(predicted**2, axis=1)))
    # Of the sum over masks, given the draws of everything else.
    error = np.sqrt(np.sum(law * (1 - law)) / MASKS) / len(law)
    return {
        "network": network, "case": case, "channel": channel, "draws": len(p), "masks": MASKS,
        "negative": float(np.mean(shares)), "predicted": float(np.mean(law)), "error": float(error),
        "draws_with_negative": float(np.mean(np.array(shares) > 0)),
        "mask_difference": largest(np.sum(half["mask"] * p, axis=1), half["frozen"], p),
        "matched_negative": float(np.mean(half["both"] < 0)), "matched_least": float(half["both"].min()),
        "matched_difference": largest(half["both"], half["matched"], p),
    }  # fmt: skip


def largest(a: np.ndarray, b: np.ndarray, p: np.ndarray) -> float:
    """max |a − b| over Σ|p_i|, the size of what cancels in them."""
    return float(np.max(np.abs(a - b) / np.sum(np.abs(p), axis=1)))


def _spread(name: str, values: np.ndarray) -> Row:
    """Mean with its standard error, and the middle 90 %."""
    low, high = np.quantile(values, (0.05, 0.95))
    error = np.std(values, ddof=1) / np.sqrt(len(values))
    return {name: float(np.mean(values)), f"{name}_error": float(error), f"{name}_low": float(low),
            f"{name}_high": float(high)}  # fmt: skip


def _share(name: str, yes: np.ndarray) -> Row:
    """A share and its exact 95 % interval."""
    ends = binomtest(int(yes.sum()), len(yes)).proportion_ci(0.95, "exact")
    return {name: float(np.mean(yes)), f"{name}_low": float(ends.low), f"{name}_high": float(ends.high)}


def summary_rows(bars: list[Row], sums: list[Row], frozen: list[Row]) -> list[Row]:
    """Differences, shares of draws and slopes, each beside what it must be."""
    values: list[tuple[str, float, str]] = []
    add = lambda *row: values.append(row)  # noqa: E731
    same = f"below {SAME:g}"
    add("largest |Σ D_ℓ/D − 1|", max(row["layers_over_whole"] for row in sums), same)
    add("student of one layer: largest |D − D_ℓ|/(εq)", max(row["restricted_difference"] for row in bars), same)
    least = min(row["matched_least"] for row in bars if row["case"] != APART)
    add("teacher and student of one layer: least D/(εq)", least, "not negative")
    for row in sums:
        name, alone = f"{row['network']}, {row['case']}", row["case"] == APART
        if alone:
            add(f"{name}: mean Σ D_ℓ/(εq), raw", row["raw_sum"], "not 1")
        wanted = f"{row['predicted_sum']:.3f}, not 1" if alone else "1"
        add(f"{name}: mean Σ D_ℓ/(εq)" + ", control-subtracted" * alone, row["sum"], wanted)
        add(f"{name}: slope of log error against log ε", row["slope"], "1")
        add(f"{name}: layers whose sign is not the predicted one", row["sign_differs"], "0")
        add(f"{name}: share of draws with a negative layer", row["any_negative"], "no bound")
    for row in bars:
        if row["case"] == NARROW:
            name = f"{row['network']}, {row['case']}, {row['layer']}"
            wanted = f"{row['rank_one_law']:.3f}" + ", were G of rank one" * (not row["rank_one"])
            add(f"{name}: share with D_ℓ < 0", row["negative"], wanted)
    for row in frozen:
        name = f"{row['network']}, {row['case']}, {row['channel']}, half frozen"
        add(f"{name}: share with D < 0", row["negative"], f"{row['predicted']:.4f} ± {CLOSE}")
        add(f"{name}, teacher alike: share with D < 0", row["matched_negative"], "0")
    return [{"quantity": name, "value": float(value), "predicted": wanted} for name, value, wanted in values]


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Bars of every network, one colour a teacher; the last panel, half frozen, measured against predicted."""
    bars, frozen = tables["layers"], tables["frozen"]
    names = list(dict.fromkeys(row["network"] for row in bars))
    teachers = [case for case in dict.fromkeys(row["case"] for row in bars) if case in TEACHERS]
    with style():
        drawn = Figure((WIDTH, 5.2), layout="constrained")
        panels = list(drawn.subplots(2, 2).flat)
        for axes, name, letter in zip(panels, names, "abc", strict=False):
            for i, teacher in enumerate(teachers):
                _bars(axes, i, [row for row in bars if (row["network"], row["case"]) == (name, teacher)])
            axes.set_ylim(bottom=min(axes.get_ylim()[0], -0.05))
            axes.axhline(0, color="black", linewidth=0.6)
            axes.set(title=f"({letter}) {name}", ylabel=r"$D_\ell/\varepsilon q$")
        axes = panels[-1]
        axes.plot([0, 0.5], [0, 0.5], color="black", linewidth=0.9, zorder=1)
        for row in frozen:
            i, full = teachers.index(row["case"]), row["channel"] == CHANNELS[0]
            look = {"color": COLOURS[i], "marker": MARKERS[names.index(row["network"])], "linestyle": ""}
            axes.plot(row["predicted"], row["negative"], **look, markerfacecolor=COLOURS[i] if full else "white")
        for row in bars:
            if row["rank_one"]:
                ends = [[row["negative"] - row["negative_low"]], [row["negative_high"] - row["negative"]]]
                axes.errorbar(row["rank_one_law"], row["negative"], ends, elinewidth=0.7, **CROSS)
        axes.set(
            title="(d) Half of the parameters, or a layer", xlabel=r"predicted $P(D<0)$", ylabel=r"measured $P(D<0)$"
        )
        drawn.legend(handles=_handles(teachers, names), loc="outside lower center", ncols=3, columnspacing=1.2)
    return drawn


def _bars(axes: Axes, i: int, rows: list[Row]) -> None:
    """Means with the middle 90 % of the draws, predictions, and the restricted pair of teacher and student."""
    width = 0.26
    x = np.arange(len(rows)) + width * (i - 1)
    middle, low, high = (np.array([row["measured" + end] for row in rows]) for end in ("", "_low", "_high"))
    axes.bar(x, middle, width, color=COLOURS[i], hatch=HATCHES[i], edgecolor="white", linewidth=0.4)
    ends = [np.maximum(middle - low, 0), np.maximum(high - middle, 0)]
    axes.errorbar(x, middle, ends, color="#444444", linestyle="", elinewidth=0.7)
    axes.plot(x, [row["predicted"] for row in rows], "_", color="black", markersize=6)
    axes.plot(x, [row["matched"] for row in rows], "D", color="black", markerfacecolor="white", markersize=2.6)
    axes.set_xticks(range(len(rows)), [row["layer"].replace("_", "\n") for row in rows])
    axes.grid(axis="x", visible=False)


def _handles(teachers: list[str], names: list[str]) -> list[Any]:
    """Teachers by colour, networks by marker, then what else is drawn."""
    handles: list[Any] = [
        Patch(facecolor=COLOURS[i], hatch=HATCHES[i], edgecolor="white", label=f"{teacher} teacher")
        for i, teacher in enumerate(teachers)
    ]
    grey = {"color": "#444444", "linestyle": "", "markersize": 4}
    handles += [Line2D([], [], marker=MARKERS[i], label=f"(d) {name}", **grey) for i, name in enumerate(names)]
    handles.append(Line2D([], [], marker="_", label="predicted", **grey | {"color": "black"}))
    matched = {"marker": "D", "markerfacecolor": "white", "label": "teacher and student of one layer"}
    handles.append(Line2D([], [], **grey | matched | {"markersize": 2.6}))
    handles.append(Line2D([], [], **grey | {"marker": "o", "markerfacecolor": "white", "label": f"(d) {CHANNELS[1]}"}))
    handles.append(Line2D([], [], **CROSS, label="(d) layers, random teacher, 1 input, 1 output"))
    return handles
