"""Is it the same weights that a student needs, or the same function with the same metric?

T leaves the function as it is, f_Tθ = f_θ, and the student starts at Tθ0. If T is orthogonal (hidden units, channels
or heads change places, tanh units change sign) then Δθ_S becomes TΔθ_S: the trait loss changes exactly as from θ0, and
the raw cosine with Δ says nothing until T is undone. A rescaling T is not orthogonal. In the coordinates of θ0 its
student steps by T⁻¹T⁻ᵀΔθ_S, so that the trait loss may rise; a student whose metric is carried along, Δθ_S ↦ T Tᵀ Δθ_S,
changes it as from θ0 again, and so does a natural gradient, if null(G) holds nothing but directions of such a
symmetry. Every row says how far the change is from its first order. Control: a re-drawn init, raw, after subtracting
the student of the untrained teacher, and after its units have been matched with those of θ0.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.flatten_util import ravel_pytree
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from scipy.stats import binomtest

from subtheory.figure import WIDTH, mark, style
from subtheory.init import GainRescaling, HeadPermutation, Permutation, ReluRescaling, SignFlip
from subtheory.init.measures import match
from subtheory.init.path import Start, begin
from subtheory.init.symmetry import Rescaling, StreamRescaling, Symmetry, Turn, Units, act
from subtheory.networks import MLP, ConvNet, LinenNetwork, Transformer
from subtheory.numerics import ROUNDINGS, UNIT, float64, to_numpy
from subtheory.options import counted
from subtheory.setting import at_rest, scales
from subtheory.theory.alignment import trait_change
from subtheory.theory.cross_kernel import control_subtracted_trait_change, control_subtracted_update
from subtheory.theory.curvature import ggn
from subtheory.theory.distillation import Distillation, outputs, student_update, trait_loss
from subtheory.theory.losses import CrossEntropy, Loss, SquaredError
from subtheory.theory.network import Params
from subtheory.verification import Progress

QUESTION = "Does a student need the teacher's weights, or the same function with the same metric?"
COMMAND = "subtheory run orbit"
EXPECTED = (
    "Permuted or sign-flipped students change the trait loss as the shared init does, to 1e-10, whatever their raw "
    "cosine; undoing T restores it. Rescaled ones may raise the trait loss, and none does with a carried metric."
)

LOSS, EXAMPLES = CrossEntropy(), 8
EPS = 5e-2
"""Relative size of the teacher's update."""
STEP, SMALL = 1.0, 0.01
"""The student's step in units of q/‖GΔ‖², half the critical one; that of rescaled students, which T stretches."""
DRAWS, QUICK_DRAWS = 100, 6
"""Inits, each with data and a T of its own."""
FRACTIONS = (0.25, 0.5, 0.75, 1.0)
STRETCHES = (0.2, 0.5, 1.0, 1.5)
"""Standard deviations of log factors."""
SAME = 1e-10
"""What counts as equal, of quantities of which rounding leaves u·L_T/|ΔL_T|, about 1e-11."""
CONTROLS = (("permuted", "ratio", r"$\Delta L_T$"), ("permuted", "matched_ratio", "cosine, units matched"),
            ("re-drawn", "ratio", r"$\Delta L_T$"), ("re-drawn", "matched_ratio", "cosine, units matched"))  # fmt: skip
NORMAL, ASIDE = 3.0, 1.03
"""Standard errors that a mean may be off; ratio of neighbours in the figure that stand for one amount."""
CUT = 1e-12  # of the largest eigenvalue of G, below which one is null: between rounding and the least of the others

CASES: dict[str, tuple[LinenNetwork, tuple[Symmetry, ...]]] = {
    "tanh MLP": (MLP(width=12), (Permutation(), SignFlip())),
    "ReLU MLP": (MLP(width=12, activation="relu"), (Permutation(), ReluRescaling())),
    "ReLU convnet": (ConvNet(channels=(4, 6), activation="relu"), (Permutation(), ReluRescaling())),
    "transformer": (Transformer(8, 4), (Permutation(), HeadPermutation(), GainRescaling(), StreamRescaling())),
}
NATURAL = MLP(width=3, depth=1, activation="relu")
NATURAL_CASES = {"rich channel": ("all", 400), "few inputs": ("all", 40), "auxiliary outputs": ("aux", 400)}
"""Distilled outputs and noise images; null(G) holds only rescalings of the units in the first, more in the others."""

Row = dict[str, Any]
Pairs = tuple[Start, Distillation, Distillation, Array]
"""What a path may depend on, students of the shared and of a re-drawn init, and the step α, for every draw."""


class EveryPermutation(Permutation):
    """Hidden units, channels and heads all change places."""

    kinds = ("hidden", "heads")


def each(function: Callable[..., Any]) -> Callable[..., Any]:
    """One program that calls a function of pytrees for every draw, their leading axis, one after the other."""
    return jax.jit(lambda *args: jax.lax.map(lambda draw: function(*draw), args))


def tables(quick: bool = False, progress: Progress | None = None, *, seeds: int | None = None) -> dict[str, list[Row]]:
    """One row a network, symmetry and amount; the control; natural gradients; and the summary."""
    cells, control, count = list[Row](), list[Row](), counted(seeds, QUICK_DRAWS if quick else DRAWS, least=2)
    with float64():
        which, keys = jnp.arange(count), jax.random.split(jax.random.key(count), count)
        for i, (case, (network, paths)) in enumerate(CASES.items()):
            arrays = pairs(which, network)
            cells += [row for path in paths for row in path_rows(case, path, arrays, keys)]
            control += control_rows(case, arrays, keys)
            if progress:
                progress(i + 1, len(CASES) + 1, case)
        natural = [natural_row(what, which, keys) for what in NATURAL_CASES]
    return {"orbit": cells, "control": control, "natural": natural, "summary": summary_rows(cells, control, natural)}


@partial(jax.jit, static_argnames=("network", "distilled", "loss", "examples"))
def pairs(
    seeds: Array, network: LinenNetwork, distilled: str = "aux", loss: Loss = LOSS, examples: int = EXAMPLES
) -> Pairs:  # fmt: skip
    """Starts, shared and re-drawn students with the inits of a `Setting`'s seeds, and α = `STEP` q/‖GΔ‖² of the former.

    Unlike a setting's, ε does not end before the first kink: T keeps the function on either side of it.
    """

    def one(seed: Array) -> Pairs:
        key = jax.random.key(seed)
        start = begin(network, key, outputs=distilled, loss=loss, examples=examples)
        d = at_rest(network, start.theta0, start.x, start.outputs, start.trait)
        delta = jax.tree.map(jnp.negative, jax.grad(lambda theta: trait_loss(d, theta))(d.theta0))
        d = replace(d, delta=delta, eps=EPS * scales(d, delta)[0][None], loss=loss)
        g_delta = ggn(d)(d.delta)
        alpha = STEP * optax.tree.vdot(d.delta, g_delta) / optax.tree.norm(g_delta, squared=True)
        return start, d, replace(d, student=start.other), alpha

    return jax.lax.map(one, seeds)


@partial(jax.jit, static_argnames="path")
def placed(path: Symmetry, starts: Start, amount: Array, key: Array) -> tuple[Params, Params, Params]:
    """Tθ0 for every draw, and T = F P itself: the diagonal F, and which parameter P brings to each place, from 1."""

    def one(start: Start, key: Array) -> tuple[Params, Params, Params]:
        theta, unravel = ravel_pytree(start.theta0)
        columns = jnp.stack([theta, jnp.ones_like(theta), 1.0 + jnp.arange(theta.size, dtype=theta.dtype)])
        moved = jax.vmap(lambda v: path(replace(start, theta0=unravel(v)), amount, key))(columns)
        student, factor, number = (jax.tree.map(lambda leaf, i=i: leaf[i], moved) for i in range(3))
        return student, factor, jax.tree.map(lambda n, f: jnp.rint(n / f), number, factor)

    return jax.vmap(one)(starts, key)


@partial(jax.jit, static_argnames="path")
def undone(path: Symmetry, starts: Start, amount: Array, key: Array, updates: Params) -> Params:
    """T⁻¹Δθ_S for every draw."""
    return jax.vmap(lambda start, key, update: path.undo(start, amount, key, update))(starts, key, updates)


@each
def foreseen(factor: Params, origin: Params, v: Params, slope: Params, delta: Params) -> dict[str, Array]:
    """What the shared student's v = Δθ_S says of the one at Tθ0.

    "predicted" is ∇L_T(θ0) · T⁻¹T⁻ᵀv = Σ_i s_π(i) v_π(i)/f_i²; "stays" is Σ_i T_ii v_i Δ_i over v·Δ, the share of the
    alignment that is left if the units that come to each other's places have nothing in common.
    """
    f, order, v, s, Delta = (ravel_pytree(tree)[0] for tree in (factor, origin, v, slope, delta))
    order = order.astype(int) - 1
    T_ii = jnp.where((order == jnp.arange(f.size)) & (jnp.abs(f) == 1), f, 0.0)
    return {"predicted": jnp.sum((s * v)[order] / f**2), "stays": jnp.sum(T_ii * v * Delta) / (v @ Delta)}


@each
def measured(d: Distillation, alpha: Array, factor: Params) -> dict[str, Any]:
    """Δθ_S; ΔL_T by `trait_change`, to first order, and of the carried step T Tᵀ Δθ_S = F²Δθ_S; L_T, ∇L_T, and f_S.

    f_S are the outputs on the channel's and on the trait's inputs.
    """
    loss, slope = jax.value_and_grad(lambda theta: trait_loss(d, theta))(d.student)
    update = student_update(d, d.eps[0])
    end = jax.tree.map(lambda theta, f, u: theta + alpha * f**2 * u, d.student, factor, update)
    f_S = [outputs(d.network, d.student, x).ravel() for x in (d.x, d.trait.x)]  # type: ignore[attr-defined]
    found = {"update": update, "slope": slope, "loss": loss, "first": alpha * optax.tree.vdot(slope, update)}
    change, carried = trait_change(d, alpha)[0], trait_loss(d, end) - loss
    return found | {"change": change, "carried": carried, "outputs": jnp.concatenate(f_S)}


@each
def subtracted(d: Distillation, alpha: Array) -> tuple[Params, Array]:
    """Δθ_S(ε) − Δθ_S(0), and the change of L_T that it adds."""
    return control_subtracted_update(d, d.eps[0]), control_subtracted_trait_change(d, alpha)[0]


@each
def cosines(a: Params, b: Params) -> Array:
    """cos(a, b)."""
    return optax.tree.vdot(a, b) / (optax.tree.norm(a) * optax.tree.norm(b))


def path_rows(case: str, path: Symmetry, arrays: Pairs, keys: Array) -> list[Row]:
    """One row for every amount of one symmetry."""
    starts, shared, _, alpha = arrays
    amounts, step = (STRETCHES, SMALL) if isinstance(path, Rescaling) else (FRACTIONS, STEP)
    alpha = alpha * step / STEP
    base = measured(shared, alpha, jax.tree.map(jnp.ones_like, shared.theta0))
    base |= {"cosine": cosines(base["update"], shared.delta), "step": step}
    rows = []
    for amount in jnp.asarray(amounts, jnp.float64):
        student, factor, origin = placed(path, starts, amount, keys)
        found = measured(replace(shared, student=student), alpha, factor)
        found |= foreseen(factor, origin, base["update"], base["slope"], shared.delta)
        found["predicted"] = alpha * found["predicted"]
        found["cosine"] = cosines(found["update"], shared.delta)
        found["undone"] = cosines(undone(path, starts, amount, keys, found["update"]), shared.delta)
        rows.append(_row(case, path, float(amount), to_numpy(base), to_numpy(found)))
    return rows


def _row(case: str, path: Symmetry, amount: float, base: Row, found: Row) -> Row:
    """Means, medians and the middle 90 % of the draws, and the largest differences from the shared student."""
    off = np.abs(found["outputs"] - base["outputs"]).max(axis=1) / np.abs(base["outputs"]).max(axis=1)
    mean = lambda yes: float(np.mean(yes))  # noqa: E731
    lost = np.abs(found["carried"] - base["change"]) / (UNIT * base["loss"])
    return {
        "network": case, "path": path.name, "orthogonal": not isinstance(path, Rescaling), "amount": amount,
        "draws": len(off), "relative_size": EPS, "step": base["step"], "shared_cosine": mean(base["cosine"]),
        "beyond_first_order": float(np.median(np.abs(found["change"] / found["first"] - 1))),
        "sign_differs": mean((found["change"] > 0) != (found["first"] > 0)), "function_difference": float(np.max(off)),
        "rounding": float(np.max(UNIT * base["loss"] / np.abs(base["change"]))),
        **_spread("cosine_ratio", found["cosine"] / base["cosine"]), "stays": mean(found["stays"]),
        "cosine_difference": largest(found["undone"], base["cosine"]),
        **_spread("ratio", found["change"] / base["change"]), "difference": largest(found["change"], base["change"]),
        "predicted_ratio": float(np.median(found["predicted"] / base["first"])),
        "predicted_difference": largest(found["first"], found["predicted"]), "carried_roundings": float(lost.max()),
        "carried_difference": largest(found["carried"], base["change"]), "carried_rises": mean(found["carried"] > 0),
        **_share("rises", found["change"] > 0), "predicted_rises": mean(found["predicted"] > 0),
    }  # fmt: skip


def largest(a: np.ndarray, b: np.ndarray) -> float:
    """max |a/b − 1|."""
    return float(np.max(np.abs(a / b - 1)))


def _spread(name: str, values: np.ndarray) -> Row:
    """Median, mean, and the middle 90 %."""
    found = {f"{name}{end}": float(np.quantile(values, p)) for end, p in (("", 0.5), ("_low", 0.05), ("_high", 0.95))}
    return found | {f"{name}_mean": float(np.mean(values))}


def _share(name: str, yes: np.ndarray) -> Row:
    """A share and its exact 95 % interval."""
    low, high = binomtest(int(yes.sum()), len(yes)).proportion_ci(0.95, "exact")
    return {name: float(np.mean(yes)), f"{name}_low": float(low), f"{name}_high": float(high)}


def control_rows(case: str, arrays: Pairs, keys: Array) -> list[Row]:
    """A permuted and a re-drawn init, before and after units are matched without being told T; raw and subtracted."""
    starts, shared, redrawn, alpha = arrays
    path, plain, rows = EveryPermutation(), jax.tree.map(jnp.ones_like, shared.theta0), list[Row]()
    base = measured(shared, alpha, plain)
    reference, change = (np.asarray(a) for a in (cosines(base["update"], shared.delta), base["change"]))
    groups = path.groups(jax.tree.map(lambda leaf: leaf[0], starts))
    permuted = replace(shared, student=placed(path, starts, jnp.ones(()), keys)[0])
    for init, d in (("permuted", permuted), ("re-drawn", redrawn)):
        raw, added = measured(d, alpha, plain), subtracted(d, alpha)
        turns = matchings(groups, shared.theta0, d.student)
        for what, v, found in (("raw", raw["update"], raw["change"]), ("control-subtracted", *added)):
            cosine, matched = (np.asarray(cosines(w, shared.delta)) for w in (v, turned(groups, turns, v)))
            ratio = np.asarray(found) / change
            rows.append({
                "network": case, "init": init, "what": what, "draws": len(ratio), **_spread("ratio", ratio),
                "ratio_error": float(np.std(ratio, ddof=1) / np.sqrt(len(ratio))),
                "difference": largest(np.asarray(found), change), **_share("rises", np.asarray(found) > 0),
                **_spread("cosine", cosine), **_spread("cosine_ratio", cosine / reference),
                **_spread("matched_ratio", matched / reference), "matched_difference": largest(matched, reference),
            })  # fmt: skip
    return rows


@partial(jax.jit, static_argnames="groups")
def turned(groups: tuple[Units, ...], turns: tuple[Turn, ...], updates: Params) -> Params:
    """Every draw's update with its units in the order of its turns."""
    return jax.vmap(lambda turns, update: act(groups, turns, update))(turns, updates)


def matchings(groups: tuple[Units, ...], theta0: Params, student: Params) -> tuple[Turn, ...]:
    """The units of every draw's student that fit those of θ0 best, as turns with a leading axis of draws."""
    members = [(*group.incoming, *group.outgoing) for group in groups]
    draw = lambda tree, i: jax.tree.map(lambda leaf: np.asarray(leaf)[i], tree)  # noqa: E731
    draws = range(len(jax.tree.leaves(theta0)[0]))
    orders = [match(draw(theta0, i), draw(student, i), members).permutations for i in draws]
    stacked = [jnp.asarray(np.stack(order)) for order in zip(*orders, strict=True)]
    return tuple(Turn(order, jnp.ones(order.shape)) for order in stacked)


@each
def natural(d: Distillation) -> dict[str, Array]:
    """ΔL_T of a step `STEP` G⁺Δθ_S with G at the student's init, its first order, and G's spectrum at the cut."""
    here = replace(d, theta0=d.student)
    flat, unravel = ravel_pytree(d.student)
    G = jax.vmap(lambda v: ravel_pytree(ggn(here)(unravel(v)))[0])(jnp.eye(flat.size))
    eigenvalue, vector = jnp.linalg.eigh((G + G.T) / 2)
    kept = eigenvalue > CUT * eigenvalue[-1]
    inverse = jnp.where(kept, 1 / jnp.where(kept, eigenvalue, 1.0), 0.0)
    update = unravel(vector @ (inverse * (vector.T @ ravel_pytree(student_update(d, d.eps[0]))[0])))
    loss, slope = jax.value_and_grad(lambda theta: trait_loss(d, theta))(d.student)
    change = trait_loss(d, optax.tree.add_scale(d.student, STEP, update)) - loss
    least, first = jnp.min(jnp.where(kept, eigenvalue, jnp.inf)), STEP * optax.tree.vdot(slope, update)
    return {"change": change, "first": first, "null": jnp.sum(~kept), "least": least / eigenvalue[-1]}


def natural_row(what: str, seeds: Array, keys: Array) -> Row:
    """Natural gradients on a tiny ReLU network, from a shared and a rescaled init."""
    distilled, examples = NATURAL_CASES[what]
    starts, shared, *_ = pairs(seeds, NATURAL, distilled, SquaredError(), examples)
    student = placed(ReluRescaling(), starts, jnp.ones(()), keys)[0]
    base, found = (to_numpy(natural(d)) for d in (shared, replace(shared, student=student)))
    least, null = (np.array([base[name], found[name]]) for name in ("least", "null"))
    return {
        "what": what, "outputs": distilled, "examples": examples, "amount": 1.0, "draws": len(seeds),
        "null_low": int(null.min()), "null_high": int(null.max()), "rounding": float(ROUNDINGS * UNIT / least.min()),
        "first_order_difference": largest(found["first"], base["first"]),
        "difference": largest(found["change"], base["change"]), "rises": float(np.mean(found["first"] > 0)),
    }  # fmt: skip


def summary_rows(cells: list[Row], control: list[Row], natural: list[Row]) -> list[Row]:
    """The largest relative differences from the shared student, and shares of draws, each beside what it must be."""
    values: list[tuple[str, float, str]] = []
    add = lambda *row: values.append(row)  # noqa: E731
    same, exact = f"below {SAME:g}", [row for row in cells if row["path"] != StreamRescaling.name]
    turns, scaled = ([row for row in exact if row["orthogonal"] is yes] for yes in (True, False))
    worst = lambda rows, name: max((row[name] for row in rows), default=np.nan)  # noqa: E731
    add("orthogonal T: difference of ΔL_T", worst(turns, "difference"), same)
    add("orthogonal T: difference of the cosine, T undone", worst(turns, "cosine_difference"), same)
    add("rescaling: difference of ΔL_T", worst(scaled, "difference"), "not small")
    add("rescaling: difference of its first order from ∇L_T · T⁻¹T⁻ᵀΔθ_S", worst(scaled, "predicted_difference"), same)
    add("rescaling, carried metric: difference of ΔL_T", worst(scaled, "carried_difference"), "as the next line")
    add("the same in units of u·L_T", worst(scaled, "carried_roundings"), f"below {ROUNDINGS}")
    for row in cells:
        name = f"{row['network']}, {row['path']} by {row['amount']:g}"
        if row["orthogonal"] and row["amount"] == 1:
            wanted = f"{row['stays']:.3f} if units have nothing in common"
            add(f"{name}: mean raw cosine over the shared one's", row["cosine_ratio_mean"], wanted)
        if not row["orthogonal"]:
            wanted = f"{row['predicted_rises']:.3f} to first order, {row['carried_rises']:.3f} with a carried metric"
            add(f"{name}: share of draws in which L_T rises", row["rises"], wanted)
        if row["path"] == StreamRescaling.name:
            add(f"{name}: difference of f", row["function_difference"], "not 0, by the LayerNorm's 1e-6")
            add(f"{name}, carried metric: difference of ΔL_T", row["carried_difference"], "likewise")
    for row in control:
        name, far = f"{row['network']}, {row['init']}, {row['what']}", row["init"] == "re-drawn"
        add(f"{name}: difference of the cosine, units matched", row["matched_difference"], "not small" if far else same)
        if far and row["what"] == "control-subtracted":
            add(f"{name}: mean ΔL_T", row["ratio_mean"], f"0 ± {NORMAL * row['ratio_error']:.3f}")
            add(f"{name}: share with a rise", row["rises"], f"0.5 ± {NORMAL / 2 / row['draws'] ** 0.5:.3f}")
    for i, row in enumerate(natural):
        wanted = "not small" if i else f"below {row['rounding']:.1g}, what G⁺ makes of rounding"
        add(f"natural gradient, {row['what']}: difference of ΔL_T, first order", row["first_order_difference"], wanted)
    return [{"quantity": name, "value": float(value), "predicted": wanted} for name, value, wanted in values]


def figure(tables: dict[str, list[Row]]) -> Figure:
    """Raw cosines under orthogonal T; the control; trait changes under rescalings, and how often they are rises."""
    lines: dict[Any, list[Row]] = {}
    for row in tables["orbit"]:
        lines.setdefault((row["network"], row["path"]), []).append(row)
    with style():
        drawn = Figure((WIDTH, 6.2), layout="constrained")
        (turns, control), (ratios, shares) = drawn.subplots(2, 2)
        for i, (kind, rows) in enumerate(lines.items()):
            look = mark(i) | {"label": ", ".join(kind)}
            x = np.array([row["amount"] for row in rows])
            if rows[0]["orthogonal"]:
                turns.plot(x, [row["cosine_ratio_mean"] for row in rows], **look | {"linestyle": ""})
                turns.plot([0, *x], [1, *(row["stays"] for row in rows)], **look | {"marker": "", "label": None})
                continue
            shares.plot(x, [row["predicted_rises"] for row in rows], **look | {"marker": "", "label": None})
            x *= ASIDE ** (i - 0.8 * len(lines))
            _bars(ratios, x, rows, "ratio", **look)
            _bars(shares, x, rows, "rises", **look | {"linestyle": ""})
        for i, (init, name, label) in enumerate(CONTROLS):
            rows = [r for r in tables["control"] if r["init"] == init and r["what"] == "control-subtracted"]
            x = np.arange(len(rows)) + 0.16 * (i - 1.5)
            _bars(control, x, rows, name, **mark(i) | {"linestyle": "", "label": f"{init}, {label}"})
        control.set_xticks(range(len(rows)), [row["network"].replace(" ", "\n") for row in rows])
        for axes, at in ((turns, 1), (control, 0), (ratios, 1)):
            axes.axhline(at, color="black", linewidth=0.9, zorder=1)
            axes.set_ylabel("over the shared student's")
        turns.set(title="(a) Raw cosine; black: T undone", xlabel="share of the units moved")
        control.set_title("(b) Control-subtracted")
        ratios.set(title="(c) $\\Delta L_T$, rescaled; black: carried metric", yscale="symlog")
        shares.set(title="(d) How often $L_T$ rises; line: first order", ylim=(-0.02, None), ylabel="share of draws")
        for axes in (ratios, shares):
            axes.set(xlabel="log factors' standard deviation", xscale="log")
            axes.set_xticks(STRETCHES, [f"{tick:g}" for tick in STRETCHES])
            axes.xaxis.set_minor_formatter(NullFormatter())
        for axes in drawn.axes:
            axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))
    return drawn


def _bars(axes: Axes, x: np.ndarray, rows: list[Row], name: str, **look: Any) -> None:
    """A value of every row with its interval."""
    middle, low, high = (np.array([row[name + end] for row in rows]) for end in ("", "_low", "_high"))
    axes.errorbar(x, middle, [np.maximum(middle - low, 0), np.maximum(high - middle, 0)], elinewidth=0.8, **look)
