"""Mixtures of the teacher's init with an independent one: lines, arcs, and entries re-drawn."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jax import Array
from jax.flatten_util import ravel_pytree

from subtheory.init.path import Path, Start, mix, ranks
from subtheory.theory.network import Params


@dataclass(frozen=True)
class LinearInterpolation(Path):
    """θ0_S = (1 − t)θ0 + tθ0', t = amount; the norm dips to about 1/√2 half-way. Prediction P18."""

    name = "linear"
    says = "The straight line to an independent init."

    def __call__(self, start: Start, amount: Array, key: Array) -> Params:
        return mix(amount, start.theta0, start.other)


@dataclass(frozen=True)
class SphericalInterpolation(Path):
    """θ0_S = [sin((1 − t)ω)θ0 + sin(tω)θ0']/sin ω tensor by tensor, ω the angle between the two.

    Keeps the norm of a tensor that has the same norm at both ends. Where ω is 0 or π, or one end
    is zero, there is no arc, and the line is taken. Prediction P18.
    """

    name = "spherical"
    says = "The arc to an independent init, tensor by tensor."

    def __call__(self, start: Start, amount: Array, key: Array) -> Params:
        return jax.tree.map(lambda a, b: slerp(amount, a, b), start.theta0, start.other)


@dataclass(frozen=True)
class Correlated(Path):
    """θ0_S = ρθ0 + √(1 − ρ²)θ0', ρ = 1 − amount: an init of the same normal law, of correlation ρ with θ0.

    The law is kept for weights that are normal with mean 0. Entries that are equal at both ends
    (a LayerNorm's gains, zero biases) stay. The student of the mean-field curve, prediction P44.
    """

    name = "correlated"
    says = "An init of the same law whose correlation with θ0 is one minus the amount."

    def __call__(self, start: Start, amount: Array, key: Array) -> Params:
        rho = 1 - amount
        rest = jnp.sqrt(amount * (1 + rho))  # 1 − ρ² without cancellation
        mixed = lambda a, b: jnp.where(a == b, a, rho * a + rest * b)  # noqa: E731
        return jax.tree.map(mixed, start.theta0, start.other)


@dataclass(frozen=True)
class PartialReinit(Path):
    """round(amount·P) of the P entries, drawn without replacement, are replaced by those of θ0'.

    The sets of one key are nested: an entry that is re-drawn stays so at larger amounts.
    """

    name = "partial-reinit"
    says = "A random fraction of all weights takes the values of an independent init."

    def __call__(self, start: Start, amount: Array, key: Array) -> Params:
        theta0, unravel = ravel_pytree(start.theta0)
        other, _ = ravel_pytree(start.other)
        drawn = ranks(key, theta0.size)
        return unravel(jnp.where(drawn < jnp.round(amount * theta0.size), other, theta0))


def slerp(t: Array, a: Array, b: Array) -> Array:
    """The point at t on the arc from a to b, or on the line where no arc is defined."""
    norms = jnp.sqrt(jnp.sum(a**2)), jnp.sqrt(jnp.sum(b**2))
    u, v = (leaf / jnp.where(norm > 0, norm, 1.0) for leaf, norm in zip((a, b), norms, strict=True))
    # Kahan's formula: accurate for small angles, where arccos is not.
    omega = 2 * jnp.arctan2(jnp.sqrt(jnp.sum((u - v) ** 2)), jnp.sqrt(jnp.sum((u + v) ** 2)))
    sine = jnp.sin(omega)
    # A relative rounding u of the tensors is magnified by 1/sin ω: an arc needs sin ω well above u.
    arc = (norms[0] > 0) & (norms[1] > 0) & (sine > jnp.sqrt(jnp.finfo(sine.dtype).eps))
    safe = jnp.where(arc, sine, 1.0)
    first = jnp.where(arc, jnp.sin((1 - t) * omega) / safe, 1 - t)
    second = jnp.where(arc, jnp.sin(t * omega) / safe, t)
    return first * a + second * b
