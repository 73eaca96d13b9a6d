"""Empirical neural tangent kernel between two sets of inputs, and its action on outputs."""

from collections.abc import Callable

import jax
from jax import Array

from subtheory.theory.distillation import outputs
from subtheory.theory.network import Network, Params


def ntk_product(network: Network, params: Params, x1: Array, x2: Array) -> Callable[[Array], Array]:
    """r ↦ K(x1, x2) r = J(x1) J(x2)ᵀ r: what a step along the cotangent r at x2 does to the outputs at x1.

    r has the shape of the outputs at x2; the result has the shape of the outputs at x1.
    """
    _, pullback = jax.vjp(lambda theta: outputs(network, theta, x2), params)

    def product(r: Array) -> Array:
        return jax.jvp(lambda theta: outputs(network, theta, x1), (params,), pullback(r))[1]

    return product


def ntk(network: Network, params: Params, x1: Array, x2: Array) -> Array:
    """K(x1, x2) with entries Σ_p ∂f_i(x)/∂θ_p ∂f_j(x')/∂θ_p, shape outputs(x1) + outputs(x2).

    Dense in the outputs (never in the parameters); for many inputs use `ntk_product`.
    """
    product = ntk_product(network, params, x1, x2)
    shape = jax.eval_shape(lambda: outputs(network, params, x2))
    basis = jax.numpy.eye(shape.size, dtype=shape.dtype).reshape(shape.size, *shape.shape)
    columns = jax.lax.map(lambda r: product(r), basis)
    return jax.numpy.moveaxis(columns, 0, -1).reshape(columns.shape[1:] + shape.shape)
