"""Taylor model of the outputs along the teacher's segment θ0 + tΔ, and the first kink on it."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from subtheory.theory.distillation import Distillation, outputs, teacher
from subtheory.theory.network import Network, Params


class TaylorModel(NamedTuple):
    """φ(t) = f_{θ0 + tΔ}(x) at t = 0: value z0, velocity u = JΔ, acceleration v; each (N, ..., V)."""

    z0: Array
    u: Array
    v: Array


def derivatives(function: Callable[[Array], Array], at: Array) -> TaylorModel:
    """Value, first and second derivative of a function of one scalar, by nested jvp."""
    one = jnp.ones_like(at)

    def velocity(t: Array) -> tuple[Array, Array]:
        return jax.jvp(function, (t,), (one,))

    (value, first), (_, second) = jax.jvp(velocity, (at,), (one,))
    return TaylorModel(value, first, second)


def taylor_model(d: Distillation) -> TaylorModel:
    """z0, u = J(x)Δ and v = d²f/dt² on the channel, at the teacher's init."""
    zero = jnp.zeros((), d.eps.dtype)
    return derivatives(lambda t: outputs(d.network, teacher(d, t), d.x), zero)


def first_kink(network: Network, params: Params, direction: Params, x: Array, beyond: Any = False) -> Array:
    """min_j |h_j(x)|/|ḣ_j(x)| over pre-activations h: to first order, where a ReLU network first bends.

    Infinite for networks without kinks (those that report no `preactivations`). Between kinks a
    ReLU network is a polynomial in ε. `beyond` passes over kinks that θ0 itself sits on, instead of
    answering 0. Source: theory gap g1.
    """
    preactivations = getattr(network, "preactivations", None)
    if preactivations is None:
        return jnp.asarray(jnp.inf)

    def hidden(theta: Params) -> tuple[Array, ...]:
        return jax.vmap(lambda example: tuple(preactivations(theta, example)))(x)

    values, rates = jax.jvp(hidden, (params,), (direction,))
    nearest = [
        jnp.min(jnp.where((r == 0) | (beyond & (h == 0)), jnp.inf, jnp.abs(h) / jnp.where(r == 0, 1.0, jnp.abs(r))))
        for h, r in zip(values, rates, strict=True)
    ]
    return jnp.min(jnp.stack(nearest)) if nearest else jnp.asarray(jnp.inf)


def off_kinks(network: Network, params: Params, x: Array) -> Array:
    """Whether no input sits exactly on a kink; true of networks that report no `preactivations`."""
    preactivations = getattr(network, "preactivations", None)
    if preactivations is None:
        return jnp.asarray(True)
    hidden = jax.vmap(lambda example: tuple(preactivations(params, example)))(x)
    return jnp.all(jnp.stack([jnp.asarray(True), *(jnp.all(h != 0) for h in hidden)]))
