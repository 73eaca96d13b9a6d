"""One compiled program per network: all losses inside, everything else arrays, one record out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory.numerics import ROUNDINGS, UNIT, float64, widen
from subtheory.setting import Setting, distillations
from subtheory.theory import distillation as core
from subtheory.theory.alignment import leading, second_order
from subtheory.theory.curvature import averaged
from subtheory.theory.distillation import Distillation, outputs, trait_loss
from subtheory.theory.linearize import path
from subtheory.theory.losses import Loss, SquaredError
from subtheory.theory.network import Network, Params
from subtheory.theory.trait import LabelledTrait
from subtheory.traces import TRACES


@dataclass(frozen=True)
class Measurement:
    """What one loss did in one distillation; claims are functions of it. K values of ε."""

    loss: Loss
    eps: np.ndarray
    """ε, (K,), largest first."""
    alignment: np.ndarray
    """D(ε) = Δθ_S · Δ by the student's real update, (K,); NaN across architectures."""
    alignment_by_jvp: np.ndarray
    """⟨r(ε), J(θ0_S)Δ⟩, (K,)."""
    leading: float
    """Coefficient of ε^order; q = ΔᵀGΔ for losses of order 1."""
    second_order: float
    """h″(0)."""
    ggn_norm: float
    """‖GΔ‖."""
    update_norm: np.ndarray
    """‖Δθ_S(ε)‖, (K,)."""
    unclear: np.ndarray
    """Σ|Δ_i|, or E Σ w|u_i|, over the entries of which a student or a loss that takes signs cannot tell it, (K,)."""
    delta_norm: float
    """‖Δ‖."""
    alpha: float
    """The student's step size."""
    trait: float
    """L_T(θ0_S)."""
    trait_change: np.ndarray
    """L_T(θ0_S + αΔθ_S) − L_T(θ0_S), (K,)."""
    trait_slope: float
    """∇L_T(θ0) · GΔ: the trait change is αε times it, to first order."""
    visible: float
    """E‖JΔ‖² over all outputs on the reference inputs: Δ does something somewhere."""
    fastest: float
    """max |JΔ| over the channel."""
    rounding: float
    """Size of the rounding error of D that comes from the outputs."""
    distillation: Distillation | None = None
    """What was measured, for claims that ask more of it; None where many runs were measured at once."""

    @property
    def alignment_rounding(self) -> np.ndarray:
        """Size of the rounding error of D for every ε, (K,): outputs, and the inner product over parameters."""
        curved = 6 * (self.eps * self.fastest) ** 2 if self.loss.order == 3 else 1.0
        return self.rounding * curved + ROUNDINGS * UNIT * self.update_norm * self.delta_norm + 2 * self.unclear

    @property
    def trait_rounding(self) -> float:
        """Size of the rounding error of a change of L_T."""
        return ROUNDINGS * UNIT * (1.0 + abs(self.trait))

    @property
    def critical_step(self) -> np.ndarray:
        """Measured step 2εD/‖Δθ_S‖² at which the distance to the teacher stops falling, (K,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return 2 * self.eps * self.alignment / self.update_norm**2


def _rounding(d: Distillation, loss: Loss, taylor: Any) -> Array:
    """Bound on the rounding error of D: the outputs are off by ROUNDINGS·u relative to their largest."""
    size = 1.0 + jnp.max(jnp.abs(taylor.z0))
    return 2 * ROUNDINGS * UNIT * size * core.expectation(d, jnp.sum(_pulled(d, loss, taylor), axis=-1))


def _pulled(d: Distillation, loss: Loss, taylor: Any) -> Array:
    """|u| weighted by w, or by the curvature of the loss where that is larger."""
    u = jnp.abs(taylor.u)
    return jnp.maximum(d.outputs * u, jnp.abs(loss.hessian(taylor.z0, u, d.outputs)))


def _faint(d: Distillation, taylor: Any, eps: Array) -> Array:
    """E Σ w|u_i| over outputs that the teacher moved by less than their rounding: an L1 loss takes their sign."""
    size = ROUNDINGS * UNIT * (1.0 + jnp.max(jnp.abs(taylor.z0)))
    u = jnp.abs(taylor.u)
    return core.expectation(d, jnp.sum(d.outputs * u * (eps * u <= size), axis=-1))


def record_of(d: Distillation, reference: Array, losses: tuple[Loss, ...]) -> dict[str, Array]:
    """Everything the claims need, for every loss (L) and every ε (K)."""
    TRACES[f"measure {d.network.name}"] += 1
    taylor = path(d)
    _, pull0 = jax.vjp(lambda theta: outputs(d.network, theta, d.x), d.theta0)
    z, pullback = jax.vjp(lambda theta: outputs(d.network, theta, d.x), d.student)
    _, velocity = jax.jvp(lambda theta: outputs(d.network, theta, d.x), (d.student,), (d.delta,))
    _, seen = jax.jvp(lambda theta: outputs(d.network, theta, reference), (d.theta0,), (d.delta,))
    y = jax.lax.map(partial(core.labels, d), d.eps)

    r = jnp.stack([jax.vmap(lambda label, loss=loss: core.residual(d, loss, z, label))(y) for loss in losses])
    # GΔ = E[Jᵀ M u] for all losses by one pullback, and what it is to the trait.
    mu = jnp.stack([averaged(d, loss.hessian(taylor.z0, taylor.u, d.outputs)) for loss in losses])
    slope = jax.grad(partial(trait_loss, d))(d.theta0)
    norms, slopes = jax.vmap(lambda cotangent: _size_and_slope(pull0(cotangent)[0], slope))(mu)
    first = jnp.stack([leading(d, loss, taylor) for loss in losses])
    alpha = _step_sizes(d, losses, first, norms)
    updates = _updates(d, pullback, r, alpha, z)
    signs = jnp.asarray([[loss.order == 0] for loss in losses]) * jax.lax.map(partial(_faint, d, taylor), d.eps)
    return {
        "eps": d.eps,
        **(updates | {"unclear": updates["unclear"] + signs}),
        "alignment_by_jvp": jnp.sum(r * velocity, axis=tuple(range(2, r.ndim))),
        "leading": first,
        "second_order": jnp.stack([second_order(d, loss, taylor) for loss in losses]),
        "ggn_norm": norms,
        "delta_norm": optax.tree.norm(d.delta),
        "alpha": alpha,
        "trait_slope": slopes,
        "visible": jnp.mean(jnp.sum(seen.reshape(seen.shape[0], -1) ** 2, axis=-1)),
        "fastest": jnp.max(jnp.abs(taylor.u)),
        "rounding": jnp.stack([_rounding(d, loss, taylor) for loss in losses]),
    }


def _size_and_slope(v: Params, slope: Params) -> tuple[Array, Array]:
    """‖v‖ and slope · v."""
    return optax.tree.norm(v), optax.tree.vdot(slope, v)


def _step_sizes(d: Distillation, losses: tuple[Loss, ...], first: Array, norms: Array) -> Array:
    """α per loss, in units of q/‖GΔ‖²; a loss without a GGN borrows the first one's."""
    own = jnp.asarray([loss.order == 1 for loss in losses])
    usable = own & (norms > 0)
    units = jnp.where(usable, first / jnp.where(usable, norms, 1.0) ** 2, 0.0)
    return d.alpha * jnp.where(usable, units, jnp.where(units[0] > 0, units[0], 1.0))


def _unclear(d: Distillation, gradient: Params, r: Array, z: Array) -> Array:
    """Σ|Δ_i| over entries of the gradient that are rounding, where a student takes signs; else 0.

    r is off by ROUNDINGS·u of the outputs, and the gradient by as much of its largest entry. Exact
    zeros have a clear sign, 0.
    """
    largest = jnp.max(jnp.stack([jnp.max(jnp.abs(g)) for g in jax.tree.leaves(gradient)]))
    faint = ROUNDINGS * UNIT * (1.0 + jnp.max(jnp.abs(z))) * largest / jnp.maximum(jnp.max(jnp.abs(r)), UNIT**4)
    hidden = jax.tree.map(
        lambda g, delta, m: jnp.sum(jnp.abs(m * delta) * ((g != 0) & (jnp.abs(g) <= faint))),
        gradient, d.delta, d.trainable,
    )  # fmt: skip
    return d.sign * jax.tree.reduce(jnp.add, hidden)


def _updates(d: Distillation, pullback: Any, r: Array, alpha: Array, z: Array) -> dict[str, Array]:
    """The student's real updates for cotangents r (L, K, N, ..., V) and what they do to Δ and L_T."""
    before = trait_loss(d, d.student)

    def one(cotangent: Array, a: Array) -> dict[str, Array]:
        gradient = pullback(cotangent)[0]
        update = core.step(d, gradient)
        return {
            "alignment": optax.tree.vdot(update, d.delta),
            "update_norm": optax.tree.norm(update),
            "unclear": _unclear(d, gradient, cotangent, z),
            "trait_change": trait_loss(d, optax.tree.add_scale(d.student, a, update)) - before,
        }

    return jax.vmap(jax.vmap(one, (0, None)), (0, 0))(r, alpha) | {"trait": before}


@partial(jax.jit, static_argnames="losses")
def measure_batch(d: Distillation, reference: Array, losses: tuple[Loss, ...]) -> dict[str, Array]:
    """`record_of` for a stack of distillations (leading axis = seeds), one after the other."""
    return jax.lax.map(lambda each: record_of(each[0], each[1], losses), (d, reference))


@partial(jax.jit, static_argnames=("network", "losses"))
def measure_foreign(
    d: Distillation, keys: Array, alpha: Array, network: Network, losses: tuple[Loss, ...]
) -> dict[str, Array]:
    """What a student of another architecture does: only its trait loss can be compared, Δ lives elsewhere."""

    def one(args: tuple[Distillation, Array, Array]) -> dict[str, Array]:
        d, key, alpha = args
        TRACES[f"foreign {d.network.name} to {network.name}"] += 1
        student = network.init(key)
        y = jax.lax.map(partial(core.labels, d), d.eps)
        z, pullback = jax.vjp(lambda theta: outputs(network, theta, d.x), student)
        r = jnp.stack([jax.vmap(lambda label, loss=loss: core.residual(d, loss, z, label))(y) for loss in losses])
        before = d.trait.loss(network.apply, student)

        def change(cotangent: Array, a: Array) -> Array:
            moved = optax.tree.add_scale(student, a, pullback(cotangent)[0])
            return d.trait.loss(network.apply, moved) - before

        return {"trait_change": jax.vmap(jax.vmap(change, (0, None)), (0, 0))(r, alpha), "trait": before}

    return jax.lax.map(one, (d, keys, alpha))


PER_LOSS = ("alignment", "alignment_by_jvp", "leading", "second_order", "ggn_norm", "update_norm", "unclear", "alpha",
            "trait_change", "trait_slope", "rounding")  # fmt: skip
"""Fields of a record with an axis over losses; the others are shared."""


def record(setting: Setting, seeds: Sequence[int], losses: tuple[Loss, ...]) -> dict[str, np.ndarray]:
    """Everything that one run measures, leading axis = seeds, as NumPy arrays."""
    stacked, reference = distillations(setting, seeds)
    with float64():
        found = measure_batch(stacked, reference, losses)
        if setting.student_network is not None:
            keys = jnp.stack([jax.random.fold_in(jax.random.key(seed), 5) for seed in seeds])
            foreign = measure_foreign(stacked, keys, found["alpha"], setting.student_network, losses)
            undefined = {name: jnp.full_like(found[name], jnp.nan) for name in ("alignment", "update_norm", "unclear")}
            found = found | undefined | foreign
        return {name: np.asarray(value) for name, value in found.items()}


def measurements(setting: Setting, seeds: Sequence[int], losses: tuple[Loss, ...]) -> dict[str, list[Measurement]]:
    """One `Measurement` per loss name and seed; numbers that are not finite stay, and no claim holds on them."""
    found = record(setting, seeds, losses)
    by_seed = [{name: value[s] for name, value in found.items()} for s in range(len(seeds))]
    measured = {loss.name: [read_record(one, loss, i) for one in by_seed] for i, loss in enumerate(losses)}
    if getattr(setting.source, "deterministic", False) and setting.loss.name in measured:
        own = measured[setting.loss.name]
        own[0] = replace(own[0], distillation=setting.distillation(seeds[0]))
    return measured


def measure(d: Distillation) -> Measurement:
    """One distillation and its own loss, measured; NumPy or JAX leaves alike."""
    with float64():
        one = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], widen(replace(d, loss=SquaredError())))
        reference = one.trait.x if isinstance(one.trait, LabelledTrait) else one.x
        found = measure_batch(one, reference, (d.loss,))
        measured = read_record({name: np.asarray(value)[0] for name, value in found.items()}, d.loss, 0)
        return replace(measured, distillation=d)


def read_record(found: dict[str, np.ndarray], loss: Loss, index: int) -> Measurement:
    """The measurement of one seed and loss."""
    fields: dict[str, Any] = {name: value[index] if name in PER_LOSS else value for name, value in found.items()}
    plain: dict[str, Any] = {name: value if np.ndim(value) else float(value) for name, value in fields.items()}
    return Measurement(loss=loss, **plain)
