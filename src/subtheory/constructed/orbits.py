"""Constructed settings on an orbit: a rescaling that reverses the trait, directions that are only scale."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.constructed.formula import constructed
from subtheory.init import Permutation, Place, ReluRescaling, Turn, Units
from subtheory.setting.setting import Setting, ladder
from subtheory.setting.student import Along, Redrawn
from subtheory.setting.teachers import GradientDescent
from subtheory.theory.network import Params

# A rescaling that reverses the trait ---------------------------------------------------------------


def _relu_pair(theta: Params, x: Array) -> Array:
    """b · relu(Ax), A (2, 2)."""
    return jnp.sum(theta["b"] * jax.nn.relu(theta["A"] @ x), keepdims=True)


PAIR = (Units("hidden", 2, (Place(("A",), 0),), (Place(("b",), 0),), "relu"),)


@dataclass(frozen=True)
class Doubling(ReluRescaling):
    """Weights into every ReLU times 2^amount, weights out of it divided by it."""

    spec: tuple[Units, ...] | None = PAIR
    name = "doubling"

    def turn(self, size: int, amount: Any, rng: Any) -> Turn:
        return Turn(np.arange(size), np.full(size, 2.0) ** amount)


@cache
def doubled() -> tuple[Setting, ...]:
    """A = 1, b = (1, 2), distilled at x = (2, −1); L_T = f(−1, 2); every unit doubled."""
    theta0 = {"A": np.ones((2, 2)), "b": np.array([1.0, 2.0])}
    other = np.array([-1.0, 2.0])
    trait = lambda theta: _relu_pair(theta, jnp.asarray(other))[0]  # noqa: E731
    base = constructed(
        "relu-pair", _relu_pair, theta0, None, ((2.0, -1.0),), trait, eps=ladder(1e-2), teacher=GradientDescent()
    )
    return (base.but(init=Along(Doubling(), 1.0)),)


@cache
def undoubled() -> tuple[Setting, ...]:
    """The same from θ0 itself."""
    return tuple(setting.but(init=Along(Doubling(), 0.0)) for setting in doubled())


@cache
def swapped() -> tuple[Setting, ...]:
    """The same with the two units swapped instead."""
    return tuple(setting.but(init=Along(Permutation(spec=PAIR), 1.0)) for setting in doubled())


# Directions that are only scale --------------------------------------------------------------------


def _norms(theta: Params, x: Array) -> Array:
    """V·(h − mean h)/√(var h), the same with var h + 0.1, and V·(h − mean h); h = Wx. Two logits each."""
    h = theta["W"] @ x
    centred, variance = h - jnp.mean(h), jnp.var(h)
    scales = jnp.stack([jnp.sqrt(variance), jnp.sqrt(variance + 0.1), jnp.ones(())])
    return (theta["V"] @ (centred[:, None] / scales)).T.ravel()


@cache
def radial() -> tuple[Setting, ...]:
    """LayerNorm distilled, Δ = W."""
    W = np.array([[1.0, -0.5], [0.25, 2.0], [-1.5, 0.75]])
    V = np.array([[1.0, 0.5, -2.0], [-1.0, 1.5, 0.25]])
    x = ((1.0, 0.5), (-0.75, 2.0), (0.25, -1.0))
    delta = {"W": W, "V": np.zeros_like(V)}
    return (constructed("layer-norm", _norms, {"W": W, "V": V}, delta, x, width=6, outputs=(0, 1)),)


@cache
def offset() -> tuple[Setting, ...]:
    """LayerNorm with δ = 0.1 in it, whose JW is fδ/(σ² + δ)."""
    return tuple(setting.but(outputs=(2, 3)) for setting in radial())


@cache
def unnormalised() -> tuple[Setting, ...]:
    """No norm: D = 2ε E‖V(h − mean h)‖²."""
    return tuple(setting.but(outputs=(4, 5)) for setting in radial())


@cache
def elsewhere() -> tuple[Setting, ...]:
    """The student has its own W: its step is across that one."""
    return tuple(setting.but(init=Redrawn()) for setting in radial())
