"""The alignment of a language model's student, from the velocities of its logits: no gradient is kept.

With p = softmax(f) at θ0, u = JΔ and v = d²f/dt² along Δ, each of M positions and V tokens, E the mean over positions,

    D(ε) = Δθ_S · Δ = E[(p_ε − p_S) · u_S] = εq + ½ε²h″ + O(ε³),   q = E Var_p(u),   h″ = E[(p″) · u],

p_S and u_S those of the student, θ0's own where the init is shared. Source: Lemma 1, prediction P41.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.theory.forecast import token_curvatures, token_divergences, token_informations
from subtheory.theory.linearize import TaylorModel
from subtheory.theory.losses import covariance


class Expected(NamedTuple):
    """Of every position, (M,): what D is made of."""

    first: Any
    """u_S · Mu, Var_p(u) for a shared init."""
    second: Any
    """u_S · p″, h″ for a shared init."""


@jax.jit
def expected(taylor: TaylorModel) -> Expected:
    """Var_p(u) and h″ at each position, of a shared init."""
    z, u, v = (each.astype(jnp.float64) for each in taylor)
    w = jnp.ones(z.shape[-1])
    return Expected(token_informations(z, u, w), token_curvatures(z, u, v, w))


@jax.jit
def turned(taylor: TaylorModel) -> tuple[Array, Array]:
    """p′ = Mu = p∘(u − E_p u) and p″ = p∘((u − E_p u)² − Var_p(u) + v − E_p v), (M, V) each."""
    z, u, v = taylor
    p = jax.nn.softmax(z)
    off = u - jnp.sum(p * u, axis=-1, keepdims=True)
    return covariance(p, u), covariance(p, off**2 + v)


@jax.jit
def crossed(taylor: TaylorModel, velocity: Array) -> Expected:
    """The same with a student whose logits have another velocity u_S along Δ."""
    first, second = turned(taylor)
    return Expected(jnp.sum(velocity * first, axis=-1), jnp.sum(velocity * second, axis=-1))


@jax.jit
def spread(z: Array, velocity: Array) -> Array:
    """Var_p(u) at each position, (M,)."""
    return token_informations(z, velocity, jnp.ones(z.shape[-1]))


@jax.jit
def aligned(z: Array, own: Array, velocity: Array) -> Array:
    """(p_z − p_own) · u_S at each position, (M,): what a student with logits `own` adds to D when it imitates z."""
    return jnp.sum(residual(z, own) * velocity.astype(jnp.float64), axis=-1)


@jax.jit
def residual(z: Array, own: Array) -> Array:
    """p_z − p_own, (M, V): the student's cotangent. Of logits that differ by rounding it is rounding."""
    return jax.nn.softmax(z.astype(jnp.float64)) - jax.nn.softmax(own.astype(jnp.float64))


@jax.jit
def divergence(own: Array, z: Array) -> Array:
    """KL(p_z ‖ p_own) at each position, (M,)."""
    return token_divergences(own.astype(jnp.float64), z.astype(jnp.float64), jnp.ones(z.shape[-1]))


def mean(values: Any, place: slice) -> float:
    """E over the positions of a channel."""
    return float(np.mean(np.asarray(values)[place]))


def placed(values: Array, place: slice) -> Array:
    """What a channel's mean pulls: values at its positions alone, over their number, (m, V)."""
    return values[place] / (place.stop - place.start)
