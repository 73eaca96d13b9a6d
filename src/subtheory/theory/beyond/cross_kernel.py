"""What a teacher's update adds to a student that starts from another init: the control-subtracted cross-kernel.

A student at θ0_S of a teacher at θ0 + εΔ steps by Δθ_S(ε) = E[J_Sᵀ r(ε)], r(ε) = −∂_z l(f_S, y_ε), and its control,
the student of the untrained teacher, by Δθ_S(0), which is 0 only if f_S = f_T is a minimum. Subtracting it (P18),

    D(ε) − D(0) = ε E[(J_SΔ)ᵀ M (J_TΔ)] + ½ε²h″(0) + O(ε³),   M = −∂_y∂_z l at (z, y) = (f_S, f_T),

with J_S = J(θ0_S), J_T = J(θ0); at a shared init this is εq + ½ε²h″(0). Which init M is taken at depends on the loss:
forward KL, cross-entropy and every Bregman divergence at the teacher's, reverse KL at the student's, squared error
at neither, Jensen-Shannon at both (there M is not even symmetric). The laws are those of a student with a linear
rule, Δθ_S = A(−∇L_S) with a constant A = Aᵀ: the identity for plain descent, a diagonal for a student that is frozen
in part or carries its metric along. It has AΔ for Δ in J_SΔ. Outputs are (N, ..., V) and ε is (K,), as in
`distillation`.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from subtheory.theory.curvature import averaged
from subtheory.theory.distillation import (
    Distillation,
    expectation,
    labels,
    outputs,
    residual,
    ruled,
    student_update,
    trait_loss,
)
from subtheory.theory.linearize import TaylorModel, derivatives, taylor_model
from subtheory.theory.losses import Loss
from subtheory.theory.network import Params
from subtheory.theory.rule import Descent


class Pair(NamedTuple):
    """Student and teacher on the channel, at their inits; each (N, ..., V) but the Taylor model of the labels."""

    z: Array
    """f_S, the student's outputs."""
    u: Array
    """J_S AΔ, the student's output velocity along the teacher's direction, as far as it moves that way."""
    y: TaylorModel
    """Labels y_ε = z0 + εu + ½ε²v + O(ε³), z0 = view(f_T); exact for views that add a constant, as `Full` does."""


def pair(d: Distillation) -> Pair:
    """f_S, J_S AΔ and the Taylor model of the labels along θ0 + εΔ."""
    z, u = jax.jvp(lambda theta: outputs(d.network, theta, d.x), (d.student,), (_linear(d, d.delta),))
    taylor = taylor_model(d)
    return Pair(z, u, taylor._replace(z0=d.view.labels(taylor.z0, d.outputs)))


def _linear(d: Distillation, v: Params) -> Params:
    """A v; a rule that is not linear is taken for plain descent."""
    plain = d if d.rule.linear else replace(d, rule=Descent())
    return ruled(plain, lambda _: v)


def mixed_hessian(loss: Loss, z: Array, y: Array, v: Array, w: Array) -> Array:
    """M v with M_ij = −∂²l/∂z_i∂y_j at any (z, y), forward over reverse; shape of v (P18).

    z, y and v are (..., V), w is (V,). At the match z = y this is `loss.hessian`, away from it it need not be
    symmetric. A label-dependent subset of logits counts as fixed.
    """

    def pull(labels: Array) -> Array:
        return -jax.grad(lambda o: jnp.sum(loss.value(o, labels, w)))(z)

    return jax.jvp(pull, (y,), (v,))[1]


def _pulled(d: Distillation, p: Pair) -> Array:
    """M J_T Δ at (f_S, f_T), (N, ..., V)."""
    return mixed_hessian(d.loss, p.z, p.y.z0, p.y.u, d.outputs)


class Coefficients(NamedTuple):
    """D(ε) − D(0) = ε·kernel + ½ε²·second + O(ε³), and what errors are measured by; scalars."""

    kernel: Array
    """E[(J_SΔ)ᵀ M (J_TΔ)]."""
    scale: Array
    """E[‖J_SΔ‖ ‖M J_TΔ‖]."""
    second: Array
    """h″(0)."""


def cross_coefficients(d: Distillation, known: Pair | None = None) -> Coefficients:
    """Kernel, scale and h″(0) from one Taylor model of the labels, `pair(d)` unless known; see each (P18)."""
    p = known or pair(d)
    pulled = _pulled(d, p)

    def h(eps: Array) -> Array:
        y = p.y.z0 + eps * p.y.u + eps**2 / 2 * p.y.v
        return jnp.sum(residual(d, d.loss, p.z, y) * p.u)

    return Coefficients(
        kernel=expectation(d, jnp.sum(p.u * pulled, axis=-1)),
        scale=expectation(d, jnp.linalg.norm(p.u, axis=-1) * jnp.linalg.norm(pulled, axis=-1)),
        second=derivatives(h, jnp.zeros((), d.eps.dtype)).v,
    )


def cross_kernel(d: Distillation) -> Array:
    """E[(J_SΔ)ᵀ M (J_TΔ)], of either sign; scalar (P18). At a shared init this is q = ΔᵀGΔ ≥ 0."""
    p = pair(d)
    return expectation(d, jnp.sum(p.u * _pulled(d, p), axis=-1))


def cross_scale(d: Distillation) -> Array:
    """E[‖J_SΔ‖ ‖M J_TΔ‖] ≥ |cross_kernel|; scalar.

    Errors of the ε-law are measured by ε times it: between independent inits the kernel itself is about 0.
    """
    return cross_coefficients(d).scale


def cross_second_order(d: Distillation) -> Array:
    """h″(0) of h(ε) = D(ε) − D(0) = −E[(∂_z l(f_S, y_ε) − ∂_z l(f_S, y_0)) · J_SΔ]; scalar (P18, P41)."""
    return cross_coefficients(d).second


def cross_update(d: Distillation, known: Pair | None = None) -> Params:
    """A E[J_Sᵀ M J_TΔ], the limit of (Δθ_S(ε) − Δθ_S(0))/ε; a pytree like θ0. At a shared init this is GΔ."""
    p = known or pair(d)
    _, pullback = jax.vjp(lambda theta: outputs(d.network, theta, d.x), d.student)
    return _linear(d, pullback(averaged(d, _pulled(d, p)))[0])


def control_subtracted_update(d: Distillation, eps: Array) -> Params:
    """Δθ_S(ε) − Δθ_S(0) = A E[J_Sᵀ (r(ε) − r(0))]: what the teacher's update adds to the student's.

    Residuals are subtracted output by output, before the pullback: the O(1) control is never summed. Of a rule that
    is not linear the two steps are subtracted.
    """
    if not d.rule.linear:
        return optax.tree.sub(student_update(d, eps), student_update(d, jnp.zeros_like(eps)))
    z, pullback = jax.vjp(lambda theta: outputs(d.network, theta, d.x), d.student)
    untrained = residual(d, d.loss, z, labels(d, jnp.zeros_like(eps)))
    added = residual(d, d.loss, z, labels(d, eps)) - untrained
    return _linear(d, pullback(added)[0])


def control_subtracted_alignment(d: Distillation) -> Array:
    """D(ε) − D(0) = (Δθ_S(ε) − Δθ_S(0)) · Δ for every ε, measured; (K,) (P18)."""
    return jax.lax.map(lambda eps: optax.tree.vdot(control_subtracted_update(d, eps), d.delta), d.eps)


def predicted_control_subtracted_alignment(d: Distillation, order: int = 1) -> Array:
    """ε·`cross_kernel` (order 1), or that + ½ε²h″(0) (order 2), for every ε; (K,). For losses with order 1 only."""
    if order == 1:
        return d.eps * cross_kernel(d)
    c = cross_coefficients(d)
    return d.eps * c.kernel + d.eps**2 / 2 * c.second


def _control_end(d: Distillation, alpha: Array) -> Params:
    """θ0_S + αΔθ_S(0), where the student of the untrained teacher arrives."""
    return optax.tree.add_scale(d.student, alpha, student_update(d, jnp.zeros((), d.eps.dtype)))


def control_subtracted_trait_change(d: Distillation, alpha: Array) -> Array:
    """L_T(θ0_S + αΔθ_S(ε)) − L_T(θ0_S + αΔθ_S(0)) for every ε, measured; (K,).

    The raw change is `alignment.trait_change`. A difference of two losses: rounding leaves about u·L_T of it.
    """
    control = _control_end(d, alpha)
    before = trait_loss(d, control)

    def at(eps: Array) -> Array:
        return trait_loss(d, optax.tree.add_scale(control, alpha, control_subtracted_update(d, eps))) - before

    return jax.lax.map(at, d.eps)


def predicted_control_subtracted_trait_change(d: Distillation, alpha: Array, after_control: bool = False) -> Array:
    """αε ∇L_T(θ0_S) · E[J_Sᵀ M J_TΔ] for every ε, to first order in α and in ε; (K,) (P18).

    The error is O(αε²) + O(α²ε), because the control too has moved, by O(α). `after_control` takes ∇L_T where the
    control arrived, at θ0_S + αΔθ_S(0): then the error is O(αε²) at any fixed α.
    """
    at = _control_end(d, alpha) if after_control else d.student
    slope = jax.grad(lambda theta: trait_loss(d, theta))(at)
    return alpha * d.eps * optax.tree.vdot(slope, cross_update(d))


def approach(d: Distillation) -> Array:
    """Δθ_S · (θ_T − θ0_S), θ_T = θ0 + εΔ, for every ε: alignment with the teacher as the student sees it; (K,) (P17).

    Never negative if f_T − f_S = J_S(θ_T − θ0_S) on the channel (a network linear in θ) and l(y + t(z − y), y) does
    not decrease in t, which is all that convexity in z is needed for and holds for every built-in loss: then it is
    E[d/dt l] at t = 1. A network that is not linear in θ can make it negative. The raw D(ε) = Δθ_S · Δ is
    `alignment.alignment`; with mismatched inits it has either sign even if this one does not.
    """
    between = optax.tree.sub(d.theta0, d.student)

    def at(eps: Array) -> Array:
        return optax.tree.vdot(student_update(d, eps), optax.tree.add_scale(between, eps, d.delta))

    return jax.lax.map(at, d.eps)


def subtrees(params: Params) -> dict[str, Params]:
    """The top-level subtrees of a pytree by name; a bare array is its own, named ""."""
    children, _ = jax.tree_util.tree_flatten_with_path(params, is_leaf=lambda node: node is not params)
    return {jax.tree_util.keystr(key, simple=True): child for key, child in children}


def _by_layer(update: Params, delta: Params) -> dict[str, Array]:
    """Δθ_ℓ · Δ_ℓ for every layer ℓ."""
    along = subtrees(delta)
    return {name: optax.tree.vdot(part, along[name]) for name, part in subtrees(update).items()}


def alignment_by_layer(d: Distillation, control_subtracted: bool = False) -> dict[str, Array]:
    """D_ℓ(ε) = (Δθ_S)_ℓ · Δ_ℓ for every top-level subtree ℓ and every ε, measured; each (K,) (P35).

    Σ_ℓ D_ℓ = D; a single D_ℓ may be negative. `control_subtracted` gives D_ℓ(ε) − D_ℓ(0).
    """
    update = control_subtracted_update if control_subtracted else student_update
    return jax.lax.map(lambda eps: _by_layer(update(d, eps), d.delta), d.eps)


def predicted_alignment_by_layer(d: Distillation) -> dict[str, Array]:
    """ε Δ_ℓ · (E[J_Sᵀ M J_TΔ])_ℓ of D_ℓ(ε) − D_ℓ(0) for every ℓ and ε; each (K,) (P35).

    At a shared init this is ε Δ_ℓᵀ(GΔ)_ℓ and D_ℓ(0) = 0; the sum over ℓ is ε·`cross_kernel`.
    """
    return {name: d.eps * value for name, value in _by_layer(cross_update(d), d.delta).items()}
