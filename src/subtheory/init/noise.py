"""Noise on the teacher's init: isotropic, per tensor, hidden from the channel, or seen by it."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import jax
import jax.numpy as jnp
import optax
from jax import Array

from subtheory.errors import InputError
from subtheory.init.path import Path, Start
from subtheory.theory.distillation import outputs
from subtheory.theory.network import Params
from subtheory.theory.teachers import noise

LARGEST_GRAM = 8192
"""Most scalar outputs N·T·V of a channel for which G is split: the work grows as their cube."""

SCALES = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Default amounts of noise, relative to θ0."""


class Noise(Path):
    """θ0_S = θ0 + δ with ‖δ‖ = amount·‖θ0‖ and a direction drawn by the key."""

    amounts = SCALES
    largest = inf

    @abstractmethod
    def direction(self, start: Start, key: Array) -> Params:
        """The direction of δ, of any length."""

    def __call__(self, start: Start, amount: Array, key: Array) -> Params:
        direction = self.direction(start, key)
        size = amount * optax.tree.norm(start.theta0) / optax.tree.norm(direction)
        moved = optax.tree.add_scale(start.theta0, size, direction)
        # Amount 0 is θ0 even where there is no direction to go.
        return jax.tree.map(lambda a, b: jnp.where(amount > 0, b, a), start.theta0, moved)


@dataclass(frozen=True)
class IsotropicNoise(Noise):
    """δ uniform on the sphere of radius r = amount·‖θ0‖ in R^P.

    P(D > 0) = Φ(ε√P ΔᵀGΔ/(r‖GΔ‖)) to first order in ε and r, up to O(1/P) (prediction P16).
    """

    name = "noise"
    says = "Isotropic noise whose norm is the amount times the norm of θ0."

    def direction(self, start: Start, key: Array) -> Params:
        return noise(key, start.theta0)


@dataclass(frozen=True)
class TensorNoise(Path):
    """δ_l ~ N(0, (amount·RMS(θ0_l))²) for every entry of tensor l; a tensor of zeros stays."""

    name = "tensor-noise"
    says = "Normal noise on every tensor, of the amount times its root mean square."
    amounts = SCALES
    largest = inf

    def __call__(self, start: Start, amount: Array, key: Array) -> Params:
        def shake(leaf: Array, drawn: Array) -> Array:
            return leaf + amount * jnp.sqrt(jnp.mean(leaf**2)) * drawn

        return jax.tree.map(shake, start.theta0, noise(key, start.theta0))


@dataclass(frozen=True)
class NullNoise(Noise):
    """δ in null(G), G = E[JᵀMJ] of the channel: J(x)δ in the null space of M(x) for every x.

    Harmless to first order at any r: δᵀGΔ = 0 (prediction P16, its control). NaN where G has no
    null space. Raises InputError on "x" above `LARGEST_GRAM` outputs.
    """

    name = "null-noise"
    says = "Noise in null(G), which the channel does not see to first order."

    def direction(self, start: Start, key: Array) -> Params:
        return split(start)(noise(key, start.theta0))[0]


@dataclass(frozen=True)
class SeenNoise(Noise):
    """δ in the orthogonal complement of null(G): all of it is seen by the channel.

    NaN where G = 0. Raises InputError on "x" above `LARGEST_GRAM` outputs. Prediction P16.
    """

    name = "seen-noise"
    says = "Noise in the complement of null(G), all of which the channel sees."

    def direction(self, start: Start, key: Array) -> Params:
        return split(start)(noise(key, start.theta0))[1]


def split(start: Start) -> Callable[[Params], tuple[Params, Params]]:
    """v ↦ (v − G⁺Gv, G⁺Gv), the parts of v in null(G) and in its orthogonal complement.

    With G = BᵀB, B = E^{1/2}M^{1/2}J, the second is Bᵀ(BBᵀ)⁺Bv: dense in the n = N·T·V outputs,
    never in the P parameters. Eigenvalues of BBᵀ below n·2⁻⁵²·λ_max, the rounding of BBᵀ, count
    as zero. The first part is NaN if the rank is P, the second if it is 0.
    """
    forward, backward, n = whitened(start)
    if n > LARGEST_GRAM:
        raise InputError("x", f"{n} channel outputs", f"must have at most {LARGEST_GRAM} to be split by G")
    gram = jax.lax.map(lambda e: forward(backward(e)), jnp.eye(n), batch_size=min(n, 64))
    values, vectors = jnp.linalg.eigh((gram + gram.T) / 2)
    kept = values > n * jnp.finfo(values.dtype).eps * values[-1]
    inverse = jnp.where(kept, 1 / jnp.where(kept, values, 1.0), 0.0)
    rank = jnp.sum(kept)
    total = sum(leaf.size for leaf in jax.tree.leaves(start.theta0))

    def hidden(v: Params) -> Params:
        seen = backward(vectors @ (inverse * (vectors.T @ forward(v))))
        return optax.tree.sub(v, seen)

    def parts(v: Params) -> tuple[Params, Params]:
        null = hidden(hidden(v))  # the second pass takes out what the rounding of the first left
        none, nothing = jnp.where(rank < total, 1.0, jnp.nan), jnp.where(rank > 0, 1.0, jnp.nan)
        return optax.tree.scale(none, null), optax.tree.scale(nothing, optax.tree.sub(v, null))

    return parts


def whitened(start: Start) -> tuple[Callable[[Params], Array], Callable[[Array], Params], int]:
    """v ↦ Bv, its transpose, and n: B = M^{1/2}J/√(N·T), so that G = BᵀB; Bv is flat, (n,)."""

    def f(theta: Params) -> Array:
        return outputs(start.network, theta, start.x)

    z0, jacobian = jax.linearize(f, start.theta0)
    transpose = jax.linear_transpose(jacobian, start.theta0)
    units = jnp.eye(z0.shape[-1], dtype=z0.dtype)
    columns = jax.vmap(lambda e: start.loss.hessian(z0, jnp.broadcast_to(e, z0.shape), start.outputs))(units)
    values, vectors = jnp.linalg.eigh(jnp.moveaxis(columns, 0, -1))
    size = jnp.sqrt(jnp.maximum(values, 0.0) * z0.shape[-1] / z0.size)
    root = jnp.einsum("...ik,...k,...jk->...ij", vectors, size, vectors)

    def apply_root(u: Array) -> Array:
        return jnp.einsum("...ij,...j->...i", root, u)

    def forward(v: Params) -> Array:
        return apply_root(jacobian(v)).ravel()

    def backward(c: Array) -> Params:
        return transpose(apply_root(c.reshape(z0.shape)))[0]

    return forward, backward, z0.size
