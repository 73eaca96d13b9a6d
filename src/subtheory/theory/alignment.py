"""Measured and predicted alignment D(ε) = Δθ_S · Δ, its limit cosine, and what it does to the trait.

The predictions (Cloud, Le et al., App. C; theory §1.2), G = E[JᵀMJ], q = ΔᵀGΔ = E[uᵀMu]:
D(ε) = εq + ½ε²h″(0) + O(ε³),  cos(Δθ_S, Δ) → q/(‖GΔ‖‖Δ‖),  ΔL_T = −αεq + o(ε) if Δ = −∇L_T.
"""

import jax
import jax.numpy as jnp
import optax
from jax import Array

from subtheory.theory.curvature import ggn
from subtheory.theory.distillation import (
    Distillation,
    expectation,
    labels,
    outputs,
    residual,
    student_update,
    trait_loss,
)
from subtheory.theory.linearize import TaylorModel, derivatives, taylor_model
from subtheory.theory.losses import Loss


def alignment(d: Distillation) -> Array:
    """D(ε) = Δθ_S · Δ for every ε, from the student's real update; (K,)."""
    return jax.lax.map(lambda eps: optax.tree.vdot(student_update(d, eps), d.delta), d.eps)


def alignment_by_jvp(d: Distillation) -> Array:
    """D(ε) = ⟨r(ε), J(θ0_S)Δ⟩ for every ε: one jvp for the whole grid and one forward per ε; (K,).

    Exact for plain descent on all parameters (proof step 1); a frozen or sign-taking student breaks it.
    """
    z, velocity = jax.jvp(lambda theta: outputs(d.network, theta, d.x), (d.student,), (d.delta,))

    def at(eps: Array) -> Array:
        return jnp.sum(residual(d, d.loss, z, labels(d, eps)) * velocity)

    return jax.lax.map(at, d.eps)


def leading(d: Distillation, loss: Loss, taylor: TaylorModel) -> Array:
    """c in D(ε) = c ε^order + ...; for order 1 this is q = E[uᵀMu]."""
    return expectation(d, loss.leading(taylor.z0, taylor.u, d.outputs))


def quadratic_form(d: Distillation) -> Array:
    """q = ΔᵀGΔ = E_x[uᵀMu] ≥ 0, u = JΔ, M in closed form; scalar."""
    u = taylor_model(d)
    return expectation(d, jnp.sum(u.u * d.loss.hessian(u.z0, u.u, d.outputs), axis=-1))


def second_order(d: Distillation, loss: Loss, taylor: TaylorModel) -> Array:
    """h″(0) of h(ε) = D(ε): the derivative of −E[∂_z l(z0, z0 + εu + ½ε²v) · u] along the teacher's segment."""

    def h(eps: Array) -> Array:
        y = taylor.z0 + eps * taylor.u + eps**2 / 2 * taylor.v
        return jnp.sum(residual(d, loss, taylor.z0, y) * taylor.u)

    return derivatives(h, jnp.zeros((), d.eps.dtype)).v


def predicted_alignment(d: Distillation, order: int = 1) -> Array:
    """εq (order 1) or εq + ½ε²h″(0) (order 2), for every ε; (K,). For losses with order 1 only."""
    taylor = taylor_model(d)
    first = d.eps * leading(d, d.loss, taylor)
    return first if order == 1 else first + d.eps**2 / 2 * second_order(d, d.loss, taylor)


def cosine(d: Distillation) -> Array:
    """cos(Δθ_S, Δ) for every ε; (K,)."""

    def at(eps: Array) -> Array:
        update = student_update(d, eps)
        return optax.tree.vdot(update, d.delta) / (optax.tree.norm(update) * optax.tree.norm(d.delta))

    return jax.lax.map(at, d.eps)


def cosine_limit(d: Distillation) -> Array:
    """ΔᵀGΔ/(‖GΔ‖‖Δ‖), the ε → 0 limit of the cosine (theory §1.3); scalar."""
    g_delta = ggn(d)(d.delta)
    return optax.tree.vdot(d.delta, g_delta) / (optax.tree.norm(g_delta) * optax.tree.norm(d.delta))


def critical_step(d: Distillation) -> Array:
    """α_c = 2ΔᵀGΔ/ΔᵀG²Δ: the linearised distance to the teacher falls iff α < α_c (P45); scalar."""
    g_delta = ggn(d)(d.delta)
    return 2 * optax.tree.vdot(d.delta, g_delta) / optax.tree.norm(g_delta, squared=True)


def distance_change(d: Distillation, alpha: Array) -> Array:
    """‖αΔθ_S − εΔ‖² − ‖εΔ‖² = α²‖Δθ_S‖² − 2αεD(ε), measured, for every ε; (K,).

    α is `alpha`, a plain number; a shared init is assumed.
    """

    def at(eps: Array) -> Array:
        update = student_update(d, eps)
        squared = alpha**2 * optax.tree.norm(update, squared=True)
        return squared - 2 * alpha * eps * optax.tree.vdot(update, d.delta)

    return jax.lax.map(at, d.eps)


def trait_change(d: Distillation, alpha: Array) -> Array:
    """L_T(θ0_S + αΔθ_S) − L_T(θ0_S), measured, for every ε, with α = `alpha`, a plain number; (K,)."""
    before = trait_loss(d, d.student)

    def at(eps: Array) -> Array:
        return trait_loss(d, optax.tree.add_scale(d.student, alpha, student_update(d, eps))) - before

    return jax.lax.map(at, d.eps)


def predicted_trait_change(d: Distillation, alpha: Array) -> Array:
    """αε ∇L_T(θ0)·GΔ, which is −αεq for a teacher Δ = −∇L_T, for every ε, with α = `alpha`, a plain number; (K,)."""
    slope = optax.tree.vdot(jax.grad(lambda theta: trait_loss(d, theta))(d.theta0), ggn(d)(d.delta))
    return alpha * d.eps * slope
