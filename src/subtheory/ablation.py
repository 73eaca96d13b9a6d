"""How much still crosses as the student's init leaves the teacher's along a path: every measure side by side.

One row for every amount and seed: how alike the two inits are, and what one step of the student does to the teacher's
direction and to the trait, raw, with the student of the untrained teacher subtracted, and as predicted (P16 to P20).
`relative_` columns are divided by the value at the shared init of the same seed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from inspect import unwrap
from math import nan
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from scipy.stats import t as student_t

from subtheory.crossing import Crossing, crossings_of
from subtheory.errors import InputError
from subtheory.init import PATHS, others
from subtheory.init.measures import cka, distance, functional_distance, matched_distance
from subtheory.init.path import Another, Path, Start, begin, checked, fits
from subtheory.init.symmetry import units
from subtheory.numerics import float64
from subtheory.setting import Setting, distillations
from subtheory.theory.cross_kernel import mixed_hessian, pair
from subtheory.theory.curvature import averaged
from subtheory.theory.distillation import Distillation, labels, outputs, residual
from subtheory.theory.losses import Loss, SquaredError
from subtheory.theory.network import Network, Params
from subtheory.theory.trait import LabelledTrait, TargetTrait
from subtheory.traces import TRACES

SIZE = 1e-3
"""Default relative size of the teacher's update."""

SEEDS = 20

CONFIDENCE = 0.95
"""Of the interval of a mean over seeds."""

ROWS = 512
"""Most scalar outputs whose tangent kernels are compared; inputs beyond them are left out."""

PERMUTED = ("hidden", "heads")
"""Kinds of units that may be renamed: permuting the gains of a LayerNorm alone would change the function."""

LIKENESS = (
    "distance", "matched_distance", "channel_distance", "trait_distance", "ntk_overlap", "cross_ntk_overlap", "cka",
)  # fmt: skip
"""‖θ0_S − θ0‖/‖θ0‖; the same modulo permutations; outputs on the channel (those distilled) and on the trait's inputs
(those that L_T reads); tangent kernels; Jacobians in shared coordinates; centred outputs on the channel."""

CROSSED = (
    "alignment", "approach", "added_alignment", "predicted_alignment",
    "trait_change", "added_trait_change", "predicted_trait_change",
)  # fmt: skip
"""Δθ_S·Δ; Δθ_S·(θ_T − θ0_S); D(ε) − D(0) and ε·kernel; the change of L_T raw, beyond the control, and predicted."""

Row = dict[str, Any]
Progress = Callable[[int, int, str], None]
"""Called with amounts done, amounts in all, and what was just measured."""


@dataclass(frozen=True)
class Ablation:
    """One path: `rows`, one an amount and seed, with the columns `LIKENESS`, `CROSSED`, `relative_*`, `error`."""

    path: Path
    setting: Setting
    rows: list[Row]

    def means(self) -> list[Row]:
        """One row an amount: means over seeds, and `*_half`, half of the mean's 95 % interval (Student's t).

        `error` is the largest over seeds instead. A column that is undefined for one seed is so in the mean.
        """
        found = []
        for amount in dict.fromkeys(row["amount"] for row in self.rows):
            own = [row for row in self.rows if row["amount"] == amount]
            names = [*LIKENESS, *CROSSED, *map(_relative, CROSSED)]
            values = {name: np.array([row[name] for row in own]) for name in names}
            mean: Row = {"amount": amount, "seeds": len(own)}
            for name, value in values.items():
                mean |= {name: float(np.mean(value)), f"{name}_half": half_interval(value)}
            found.append(mean | {"error": max(row["error"] for row in own)})
        return found


def half_interval(values: np.ndarray) -> float:
    """Half of the 95 % interval of a mean, t·s/√n; nan for one value."""
    n = len(values)
    if n < 2:
        return nan
    return float(student_t.ppf((1 + CONFIDENCE) / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n))


def known_paths(setting: Setting) -> dict[str, Path]:
    """Every path by name: `PATHS`, and students of another "width", "depth", "activation" or "family"."""
    elsewhere = others(setting.network) if setting.source is None else {}  # type: ignore[arg-type]
    return {**PATHS, **elsewhere}


def fitting(setting: Setting, names: Sequence[str] | None = None) -> dict[str, Path]:
    """Those of `known_paths` (or of some of their names) that can leave from the setting's network; only traced."""
    s, known = setting, known_paths(setting)

    def start(key: Array) -> Start:
        return begin(
            s.network, key, source=s.source, channel=s.channel, outputs=s.outputs,
            examples=s.examples, trait_examples=s.trait_examples,
        )  # fmt: skip

    with float64():
        shapes = jax.eval_shape(start, jax.random.key(0))
        return {name: known[name] for name in (known if names is None else names) if fits(known[name], shapes)}


def begun(setting: Setting, seeds: Sequence[int]) -> tuple[Start, Distillation]:
    """The start and the shared distillation of every seed, stacked: what all paths have in common."""
    plain = replace(setting, path=None, independent=False, student_network=None)
    shared, _ = distillations(plain, seeds)
    stranger, _ = distillations(replace(plain, independent=True), seeds)
    start = Start(shared.theta0, stranger.student, shared.x, shared.outputs, shared.trait, setting.network)
    return start, shared


@partial(jax.jit, static_argnames="path")
def _inits(path: Path, starts: Start, amounts: Array, keys: Array) -> Params:
    """θ0_S of every seed (S) and amount (A), (S, A, ...); what does not depend on the amount is computed once."""
    TRACES[f"ablate {path.name}"] += 1

    def one(args: tuple[Start, Array]) -> Params:
        start, key = args
        return jax.vmap(lambda amount: path(start, amount, key))(amounts)

    return jax.lax.map(one, (starts, keys))


def students(path: Path, setting: Setting, amounts: Sequence[float], seeds: Sequence[int]) -> list[Distillation]:
    """The distillations of all seeds, stacked, at the shared init and then at every amount.

    They are those of `Setting(..., path=path, amount=amount)`, with all inits made in one program.
    """
    starts, shared = begun(setting, seeds)
    if type(path).teacher is not Path.teacher:  # the teacher starts elsewhere too, wherever the student does
        shared, _ = distillations(replace(setting, path=path, amount=0.0), seeds)
    with float64():
        keys = jnp.stack([jax.random.fold_in(jax.random.key(seed), 6) for seed in seeds])
        inits = _inits(path, starts, jnp.asarray(checked(path, amounts)), keys)
        at = [replace(shared, student=jax.tree.map(lambda leaf, a=a: leaf[:, a], inits)) for a in range(len(amounts))]
    return [shared, *at]


def ablate(
    path: Path, setting: Setting, amounts: Sequence[float] | None = None, seeds: int = SEEDS, size: float = SIZE,
    progress: Progress | None = None,
) -> Ablation:  # fmt: skip
    """The rows of one path at the given amounts (by default its own) and seeds 0 ... `seeds` − 1.

    `size` is the relative size of the teacher's update, the setting's own sizes are not used. A student of another
    architecture (`init.others`) has rows of NaN but for functions, tangent kernels and the trait. Raises InputError on
    "seeds" below 1, "amount" outside the path's range, "loss" for one whose alignment is not of order ε, "teacher"
    for one whose update the channel is meant not to see, and what a path raises that does not fit the network.
    """
    chosen = tuple(path.amounts if amounts is None else amounts)
    if seeds < 1:
        raise InputError("seeds", seeds, "must be at least 1")
    if not chosen:
        raise InputError("amounts", "none", "must be at least one")
    checked(path, chosen)
    if setting.loss.order != 1:
        raise InputError("loss", repr(setting.loss.name), "must have an alignment of order ε")
    if setting.zero_branch:
        raise InputError("teacher", repr(setting.teacher), "must move in a direction that the channel sees")
    setting, numbers = replace(setting, eps=(size,)), tuple(range(seeds))
    if isinstance(path, Another):
        return Ablation(path, setting, _foreign_rows(path, setting, chosen, numbers, progress))
    return Ablation(path, setting, _rows(path, setting, chosen, numbers, progress))


def _rows(path: Path, setting: Setting, amounts: Sequence[float], seeds: Sequence[int],
          progress: Progress | None) -> list[Row]:  # fmt: skip
    loss, name = setting.loss, setting.loss.name
    shared, *along = students(path, setting, amounts, seeds)
    base, rows = crossings_of(shared, (loss,))[name], []
    for a, (amount, stacked) in enumerate(zip(amounts, along, strict=True)):
        found, alike = crossings_of(stacked, (loss,))[name], likeness(stacked)
        for s, seed in enumerate(seeds):
            rows.append(_row(amount, seed, alike[s], crossed(found[s]), crossed(base[s]), error_of(found[s])))
        if progress:
            progress(a + 1, len(amounts), f"{path.name} {amount:g}")
    return rows


def _row(amount: float, seed: int, alike: Row, found: Row, base: Row, error: float) -> Row:
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = {_relative(name): float(np.divide(found[name], base[name])) for name in CROSSED}
    return {"amount": float(amount), "seed": seed, **alike, **found, **relative, "error": error}


def _relative(name: str) -> str:
    return f"relative_{name}"


def crossed(c: Crossing, k: int = 0) -> Row:
    """The columns `CROSSED`, at one ε."""
    eps = float(c.eps[k])
    return {
        "alignment": float(c.alignment[k]),
        "approach": float(c.approach[k]),
        "added_alignment": float(c.added[k]),
        "predicted_alignment": eps * c.kernel,
        "trait_change": float(c.trait_change[k]),
        "added_trait_change": float(c.added_trait[k]),
        "predicted_trait_change": c.alpha * eps * c.trait_slope,
    }


def error_of(c: Crossing, k: int = 0) -> float:
    """|D(ε) − D(0) − ε·kernel|/(ε·scale), at one ε."""
    return float(np.abs(c.added[k] - c.eps[k] * c.kernel) / (c.eps[k] * c.scale))


# How alike ----------------------------------------------------------------------------------------


def likeness(stacked: Distillation, other: Network | None = None) -> list[Row]:
    """The columns `LIKENESS` for every seed; `other` is the student's own architecture, if it has one."""
    chosen = tuple(int(i) for i in np.flatnonzero(np.asarray(stacked.outputs)[0]))
    with float64():
        found = {name: np.asarray(value) for name, value in _views(stacked, other or stacked.network, chosen).items()}
    f_T, f_S = found.pop("f_T"), found.pop("f_S")
    seeds = range(len(f_T))
    theta0, student = (jax.tree.map(np.asarray, each) for each in (stacked.theta0, stacked.student))
    rows = []
    for s in seeds:
        parameters = {"distance": nan, "matched_distance": nan}
        if other is None:
            first, second = (jax.tree.map(lambda leaf, s=s: leaf[s], each) for each in (theta0, student))
            parameters = {
                "distance": distance(first, second),
                "matched_distance": matched(stacked.network, first, second),
            }
        varied = {name: float(value[s]) for name, value in found.items()}
        rows.append({name: (parameters | varied | {"cka": _cka(f_T[s], f_S[s])})[name] for name in LIKENESS})
    return rows


def matched(network: Network, theta0: Params, student: Params) -> float:
    """The distance modulo permutations of hidden units and heads; nan for a network whose units are not known."""
    try:
        known = units(network, theta0)
    except InputError:
        return nan
    groups = [[*u.incoming, *u.outgoing] for u in known if u.kind in PERMUTED]
    return matched_distance(theta0, student, groups)


def _cka(first: np.ndarray, second: np.ndarray) -> float:
    """nan where one of them does not vary."""
    try:
        return cka(first, second)
    except InputError:
        return nan


@partial(jax.jit, static_argnames=("other", "chosen"))
def _views(stacked: Distillation, other: Network, chosen: tuple[int, ...]) -> dict[str, Array]:
    """What both inits do on the same inputs, for every seed; `chosen` are the distilled outputs."""
    TRACES[f"likeness {stacked.network.name} to {other.name}"] += 1
    far = unwrap(functional_distance)

    def one(d: Distillation) -> dict[str, Array]:
        f_T, f_S = (
            outputs(network, theta, d.x)[..., jnp.array(chosen)]
            for network, theta in ((d.network, d.theta0), (other, d.student))
        )
        rows = int(np.prod(f_T.shape[1:]))
        x = d.x[: max(1, ROWS // rows)]
        J_T, J_S = _jacobian(d.network, d.theta0, x, chosen), _jacobian(other, d.student, x, chosen)
        K_T, K_S = J_T @ J_T.T, J_S @ J_S.T
        shared = J_T.shape == J_S.shape and other == d.network
        across = jnp.sum(J_S * J_T) / jnp.sqrt(jnp.trace(K_S) * jnp.trace(K_T)) if shared else jnp.array(nan)
        on_trait = jnp.array(nan)
        if isinstance(d.trait, LabelledTrait | TargetTrait):
            on_trait = jnp.asarray(far(d.network, d.theta0, d.student, d.trait.x, d.trait.outputs, other))
        return {
            "f_T": f_T,
            "f_S": f_S,
            "channel_distance": jnp.asarray(far(d.network, d.theta0, d.student, d.x, d.outputs, other)),
            "trait_distance": on_trait,
            "ntk_overlap": jnp.sum(K_S * K_T) / jnp.sqrt(jnp.sum(K_S**2) * jnp.sum(K_T**2)),
            "cross_ntk_overlap": across,
        }

    return jax.lax.map(one, stacked)


def _jacobian(network: Network, params: Params, x: Array, chosen: tuple[int, ...]) -> Array:
    """∂f/∂θ of the chosen outputs, dense, (rows, P): example by example, because each moves its own outputs alone."""

    def of(example: Array) -> Array:
        rows = jax.jacrev(lambda theta: network.apply(theta, example)[..., jnp.array(chosen)].ravel())(params)
        return jnp.concatenate([leaf.reshape(leaf.shape[0], -1) for leaf in jax.tree.leaves(rows)], axis=1)

    rows = jax.vmap(of)(x)
    return rows.reshape(-1, rows.shape[-1])


# Another architecture -----------------------------------------------------------------------------


def _foreign_rows(path: Another, setting: Setting, amounts: Sequence[float], seeds: Sequence[int],
                  progress: Progress | None) -> list[Row]:  # fmt: skip
    """The same rows for a student whose parameters live elsewhere: only its function can be compared."""
    starts, shared = begun(setting, seeds)
    first = jax.tree.map(lambda leaf: leaf[0], starts)
    with float64():
        path(first, jnp.ones(()), jax.random.key(0))  # raises InputError where inputs or outputs differ
    loss, other = setting.loss, path.network
    base = crossings_of(shared, (loss,))[loss.name]
    with float64():
        keys = jnp.stack([jax.random.fold_in(jax.random.key(seed), 6) for seed in seeds])
        inits = jax.jit(lambda keys: jax.lax.map(other.init, keys))(keys)
        alpha = jnp.asarray([c.alpha for c in base])
        trait = {name: np.asarray(v) for name, v in _foreign(shared, inits, alpha, other, loss).items()}
        alike = likeness(replace(shared, student=inits), other)
    undefined = dict.fromkeys(CROSSED, nan)
    rows = []
    for a, amount in enumerate(amounts):
        for s, seed in enumerate(seeds):
            found = undefined | {name: float(value[s]) for name, value in trait.items()}
            rows.append(_row(amount, seed, alike[s], found, crossed(base[s]), nan))
        if progress:
            progress(a + 1, len(amounts), path.name)
    return rows


@partial(jax.jit, static_argnames=("other", "loss"))
def _foreign(d: Distillation, inits: Params, alpha: Array, other: Network, loss: Loss) -> dict[str, Array]:
    """The change of L_T by a student of another architecture, (S,): raw, beyond its control, and predicted."""

    def one(args: tuple[Distillation, Params, Array]) -> dict[str, Array]:
        d, theta, alpha = args
        TRACES[f"foreign {d.network.name} to {other.name}"] += 1
        y = pair(d).y
        z, pullback = jax.vjp(lambda theta: outputs(other, theta, d.x), theta)
        trait = partial(d.trait.loss, other.apply)
        eps = d.eps[0]
        r, r0 = (residual(d, loss, z, labels(d, size)) for size in (eps, jnp.zeros_like(eps)))
        end = optax.tree.add_scale(theta, alpha, pullback(r0)[0])
        before, slope = jax.value_and_grad(trait)(end)
        after = optax.tree.add_scale(end, alpha, pullback(r - r0)[0])
        crossing = pullback(averaged(d, mixed_hessian(loss, z, y.z0, y.u, d.outputs)))[0]
        return {
            "trait_change": trait(optax.tree.add_scale(theta, alpha, pullback(r)[0])) - trait(theta),
            "added_trait_change": trait(after) - before,
            "predicted_trait_change": alpha * eps * optax.tree.vdot(slope, crossing),
        }

    return jax.lax.map(one, (replace(d, loss=SquaredError()), inits, alpha))
