"""Curvature and the tangent kernel as functions v ↦ Gv, r ↦ Kr: products by jvp and vjp, no matrix."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import Array

from subtheory.theory.distillation import Distillation, outputs, trait_loss
from subtheory.theory.losses import Loss
from subtheory.theory.network import Network, Params


def averaged(d: Distillation, cotangent: Array) -> Array:
    """Cotangent of E_x: every example's share of the expectation, weights over positions."""
    positions = cotangent.size // (cotangent.shape[0] * cotangent.shape[-1])
    weights = d.weights.reshape((-1,) + (1,) * (cotangent.ndim - 1))
    return cotangent * weights / positions


def ggn(d: Distillation, loss: Loss | None = None) -> Callable[[Params], Params]:
    """v ↦ Gv, G = E_x[J(x)ᵀ M(x) J(x)] at the teacher's init, M the loss's output Hessian at the match.

    v, Gv: pytrees like θ0. G is the Hessian of the self-distillation loss at its global minimum (theory §1.4);
    `loss` is that of d unless another is given. Raises InputError for what is no distillation or loss, or another v.
    """
    loss = d.loss if loss is None else loss

    def f(theta: Params) -> Array:
        return outputs(d.network, theta, d.x)

    z0, jacobian = jax.linearize(f, d.theta0)
    transpose = jax.linear_transpose(jacobian, d.theta0)

    def product(v: Params) -> Params:
        return transpose(averaged(d, loss.hessian(z0, jacobian(v), d.outputs)))[0]

    return product


def hessian(function: Callable[[Params], Array], params: Params) -> Callable[[Params], Params]:
    """v ↦ Hv, H = ∇²F(θ) of any scalar function F of the parameters at `params`, forward over reverse.

    v and Hv are pytrees like `params`. Raises InputError for an F that is no scalar, and for another v.
    """

    def product(v: Params) -> Params:
        return jax.jvp(jax.grad(function), (params,), (v,))[1]

    return product


def trait_hessian(d: Distillation) -> Callable[[Params], Params]:
    """v ↦ ∇²L_T(θ0) v, pytrees like θ0. Raises InputError for what is no distillation, and for another v."""
    return hessian(lambda theta: trait_loss(d, theta), d.theta0)


def ntk_product(network: Network, params: Params, x1: Array, x2: Array) -> Callable[[Array], Array]:
    """r ↦ K(x1, x2) r = J(x1) J(x2)ᵀ r: what a step along the cotangent r at x2 does to the outputs at x1.

    J is the Jacobian of a `network` in its parameters at `params`. r has the shape of the outputs at x2, the result
    that of the outputs at x1. Raises InputError for what is no network, and for inputs or an r that do not fit.
    """
    _, pullback = jax.vjp(lambda theta: outputs(network, theta, x2), params)

    def product(r: Array) -> Array:
        return jax.jvp(lambda theta: outputs(network, theta, x1), (params,), pullback(r))[1]

    return product


def ntk(network: Network, params: Params, x1: Array, x2: Array) -> Array:
    """The empirical neural tangent kernel K(x1, x2), of shape outputs(x1) + outputs(x2).

    Its entries are Σ_p ∂f_i(x)/∂θ_p ∂f_j(x')/∂θ_p, f the `network` at `params`. Dense in the outputs (never in the
    parameters); for many inputs use `ntk_product`. Raises InputError for what is no network, or inputs that do not fit.
    """
    product = ntk_product(network, params, x1, x2)
    shape = jax.eval_shape(lambda: outputs(network, params, x2))
    basis = jnp.eye(shape.size, dtype=shape.dtype).reshape(shape.size, *shape.shape)
    columns = jax.lax.map(lambda r: product(r), basis)
    return jnp.moveaxis(columns, 0, -1).reshape(columns.shape[1:] + shape.shape)
