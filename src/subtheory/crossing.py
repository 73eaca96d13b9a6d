"""One program per network for students that start elsewhere: what the teacher's update adds, layer by layer."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory.numerics import ROUNDINGS, UNIT, float64, widen
from subtheory.setting import Setting, distillations, to_numpy_leaves
from subtheory.theory import distillation as core
from subtheory.theory.alignment import leading
from subtheory.theory.cross_kernel import Pair, cross_coefficients, cross_update, layers, pair
from subtheory.theory.curvature import averaged
from subtheory.theory.distillation import Distillation, labels, outputs, residual, trait_loss
from subtheory.theory.losses import Loss, SquaredError
from subtheory.theory.network import Params
from subtheory.traces import TRACES


@dataclass(frozen=True)
class Crossing:
    """What one loss did between a teacher at θ0 and a student at θ0_S, with and without the teacher's update.

    K values of ε. A control is the student of the untrained teacher; "added" means minus that control.
    """

    loss: Loss
    eps: np.ndarray
    """ε, (K,), largest first."""
    kernel: float
    """E[(J_SΔ)ᵀ M (J_TΔ)], the coefficient of ε in what is added."""
    at_teacher: float
    """E[(J_SΔ)ᵀ M (J_TΔ)] with the M of a match at the teacher's init, z = y = f_T."""
    at_student: float
    """The same with the M of a match at the student's init, z = y = f_S."""
    scale: float
    """E[‖J_SΔ‖ ‖M J_TΔ‖], what errors are measured by."""
    second: float
    """h″(0) of what is added."""
    shared: float
    """q = ΔᵀGΔ of the student at θ0: the kernel at a shared init."""
    alignment: np.ndarray
    """D(ε) = Δθ_S · Δ, raw, (K,)."""
    added: np.ndarray
    """D(ε) − D(0), (K,)."""
    approach: np.ndarray
    """Δθ_S · (θ_T − θ0_S), the alignment with the teacher as the student sees it, (K,)."""
    gap: np.ndarray
    """⟨r(ε), f_T − f_S⟩, which the approach is for a network linear in its parameters, (K,)."""
    approach_rounding: np.ndarray
    """Size of the rounding error of the approach, (K,)."""
    cosine: np.ndarray
    """cos(Δθ_S(ε), Δ), raw, (K,)."""
    alpha: float
    """The student's step size, in the same units as at a shared init."""
    trait: float
    """L_T(θ0_S)."""
    trait_change: np.ndarray
    """L_T(θ0_S + αΔθ_S(ε)) − L_T(θ0_S), raw, (K,)."""
    added_trait: np.ndarray
    """L_T(θ0_S + αΔθ_S(ε)) − L_T(θ0_S + αΔθ_S(0)), (K,)."""
    trait_slope: float
    """∇L_T(θ0_S + αΔθ_S(0)) · E[J_Sᵀ M J_TΔ]: the added trait change is αε times it, to first order in ε."""
    rounding: np.ndarray
    """Size of the rounding error of what is added, (K,)."""
    by_layer: dict[str, np.ndarray] = field(default_factory=dict)
    """(Δθ_S(ε) − Δθ_S(0))_ℓ · Δ_ℓ for every top-level subtree ℓ, each (K,)."""
    predicted_by_layer: dict[str, float] = field(default_factory=dict)
    """Δ_ℓ · (E[J_Sᵀ M J_TΔ])_ℓ, each the coefficient of ε."""
    distillation: Distillation | None = None
    """What was measured, as NumPy leaves, for claims that ask more of it."""


def record_of(d: Distillation, losses: tuple[Loss, ...]) -> dict[str, Any]:
    """Everything of a `Crossing`, for every loss (L) and every ε (K)."""
    TRACES[f"cross {d.network.name}"] += 1
    p = pair(d)
    z, pullback = jax.vjp(lambda theta: outputs(d.network, theta, d.x), d.student)
    y = jax.lax.map(partial(labels, d), jnp.concatenate([d.eps, jnp.zeros_like(d.eps[:1])]))
    _, start = jax.vjp(lambda theta: outputs(d.network, theta, d.x), d.theta0)
    between = optax.tree.sub(d.theta0, d.student)
    units = jnp.stack([_unit(d, loss, p, start) for loss in losses])
    found = []
    for loss, unit in zip(losses, units, strict=True):
        one = replace(d, loss=loss)
        c = cross_coefficients(one, p)
        found.append(
            {
                **c._asdict(),
                "at_teacher": core.expectation(d, jnp.sum(p.u * loss.hessian(p.y.z0, p.y.u, d.outputs), axis=-1)),
                "at_student": core.expectation(d, jnp.sum(p.u * loss.hessian(p.z, p.y.u, d.outputs), axis=-1)),
                "shared": leading(d, loss, p.y),
                "alpha": d.alpha * unit,
                "crossed": cross_update(one, p),
                "r": jax.vmap(partial(residual, d, loss, z))(y),
            }
        )
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *found)
    crossed, r = stacked.pop("crossed"), stacked.pop("r")

    def per_loss(args: tuple[Params, Array, Array]) -> dict[str, Any]:
        crossed, r, alpha = args
        control = core.step(d, pullback(r[-1])[0])
        end = optax.tree.add_scale(d.student, alpha, control)
        before, slope = jax.value_and_grad(partial(trait_loss, d))(end)
        trait = trait_loss(d, d.student)

        def at(args: tuple[Array, Array, Array]) -> dict[str, Any]:
            eps, r_eps, y_eps = args
            update = core.step(d, pullback(r_eps)[0])
            # Residuals are subtracted output by output: the O(1) control is never summed. Signs have to be taken first.
            plain = optax.tree.mul(d.trainable, pullback(r_eps - r[-1])[0])
            signed = optax.tree.sub(update, control)
            added = jax.tree.map(lambda a, b: jnp.where(d.sign > 0, b, a), plain, signed)
            size = optax.tree.norm(update) * optax.tree.norm(d.delta)
            aligned = optax.tree.vdot(update, d.delta)
            ahead = optax.tree.add_scale(between, eps, d.delta)
            return {
                "alignment": aligned,
                "added": optax.tree.vdot(added, d.delta),
                "approach": optax.tree.vdot(update, ahead),
                "approach_rounding": optax.tree.norm(update) * optax.tree.norm(ahead),
                "gap": jnp.sum(r_eps * (y_eps - z)),
                "cosine": aligned / jnp.where(size > 0, size, 1.0),
                "trait_change": trait_loss(d, optax.tree.add_scale(d.student, alpha, update)) - trait,
                "added_trait": trait_loss(d, optax.tree.add_scale(end, alpha, added)) - before,
                "by_layer": _by_layer(added, d.delta),
                "rounding": optax.tree.norm(added) * optax.tree.norm(d.delta),
            }

        measured = jax.lax.map(at, (d.eps, r[:-1], y[:-1]))
        return measured | {
            "trait": trait,
            "trait_slope": optax.tree.vdot(slope, crossed),
            "predicted_by_layer": _by_layer(crossed, d.delta),
        }

    measured = jax.lax.map(per_loss, (crossed, r, stacked["alpha"]))
    # Outputs are off by their rounding, which what reads them sees; then comes the product over the parameters.
    size = 1.0 + jnp.maximum(jnp.max(jnp.abs(z)), jnp.max(jnp.abs(y)))
    seen = lambda a: 4 * size * core.expectation(d, jnp.sum(jnp.maximum(d.outputs, 1.0) * jnp.abs(a), axis=-1))  # noqa: E731
    rounding = {"rounding": seen(p.u), "approach_rounding": seen(y[0] - z)}
    return stacked | measured | {name: ROUNDINGS * UNIT * (measured[name] + off) for name, off in rounding.items()}


def _unit(d: Distillation, loss: Loss, p: Pair, start: Any) -> Array:
    """q/‖GΔ‖² at the shared init, as `measurement` has it; 1 where the loss has no GGN."""
    q = leading(d, loss, p.y)
    norm = optax.tree.norm(start(averaged(d, loss.hessian(p.y.z0, p.y.u, d.outputs)))[0])
    usable = (loss.order == 1) & (norm > 0) & (q > 0)
    return jnp.where(usable, q / jnp.where(usable, norm, 1.0) ** 2, 1.0)


def _by_layer(update: Params, delta: Params) -> dict[str, Array]:
    """Δθ_ℓ · Δ_ℓ for every layer ℓ."""
    along = layers(delta)
    return {name: optax.tree.vdot(part, along[name]) for name, part in layers(update).items()}


@partial(jax.jit, static_argnames="losses")
def cross_batch(d: Distillation, losses: tuple[Loss, ...]) -> dict[str, Any]:
    """`record_of` for a stack of distillations (leading axis), one after the other."""
    return jax.lax.map(lambda each: record_of(each, losses), d)


def crossings(setting: Setting, seeds: Sequence[int], losses: tuple[Loss, ...] = ()) -> dict[str, list[Crossing]]:
    """One `Crossing` per loss name (by default the setting's own loss) and seed."""
    wanted = losses or (setting.loss,)
    stacked, _ = distillations(setting, seeds)
    found = crossings_of(stacked, wanted)
    if not setting.uncontrolled:
        return found
    return {name: [replace(c, added=c.alignment) for c in several] for name, several in found.items()}


def crossings_of(stacked: Distillation, losses: tuple[Loss, ...]) -> dict[str, list[Crossing]]:
    """The same of any stack of distillations, (S, ...), with squared error as their static loss."""
    with float64():
        found = jax.tree.map(np.asarray, cross_batch(stacked, losses))
    whole = to_numpy_leaves(stacked)
    return {
        loss.name: [
            _read(_at(found, s), loss, i, replace(_at(whole, s), loss=loss))
            for s in range(len(stacked.eps))
        ]
        for i, loss in enumerate(losses)
    }  # fmt: skip


def cross(d: Distillation) -> Crossing:
    """One distillation and its own loss."""
    with float64():
        one = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], widen(replace(d, loss=SquaredError())))
    return crossings_of(one, (d.loss,))[d.loss.name][0]


def _read(found: dict[str, Any], loss: Loss, i: int, d: Distillation) -> Crossing:
    own = jax.tree.map(lambda leaf: leaf[i] if leaf.ndim > 1 else float(leaf[i]), found)
    return Crossing(loss=loss, eps=np.asarray(d.eps), distillation=d, **own)


def _at(tree: Any, s: int) -> Any:
    return jax.tree.map(lambda leaf: leaf[s], tree)
