"""What differs: inputs of channels of one Gauss-Newton matrix, of teacher, anchor, generations; a step and its init."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.constructed.formula import constructed
from subtheory.errors import InputError
from subtheory.setting.setting import Setting, ladder
from subtheory.setting.teachers import Noise, Teacher
from subtheory.theory.network import Params
from subtheory.theory.rule import Anchored
from subtheory.theory.trait import TargetTrait
from subtheory.theory.views import InTurn

DELTA = np.array([2.0, -1.0])
"""Δ, with ‖Δ‖² = 5."""


def _bent(theta: Params, x: Array) -> Array:
    """a · θ + ½b(θ₀ + θ₁)² of inputs (a₀, a₁, b): at θ = 0 the Jacobian is a, whatever b."""
    return (x[:2] @ theta + x[2] * jnp.sum(theta) ** 2 / 2)[None]


def _channel(*inputs: tuple[float, float, float]) -> Setting:
    """Squared error on inputs of equal weight: G = 2 E[aaᵀ]."""
    return constructed("bent", _bent, np.zeros(2), DELTA, x=inputs, eps=ladder(1e-1))


ROOT2, ROOT3 = float(np.sqrt(2.0)), float(np.sqrt(3.0))


@cache
def one_form() -> tuple[Setting, ...]:
    """E[aaᵀ] = 1 on inputs along the axes, on diagonals, and at the corners of a triangle; each bent in its own way."""
    return (
        _channel((ROOT2, 0.0, 1.0), (0.0, ROOT2, 1.0)),
        _channel((1.0, 1.0, -2.0), (1.0, -1.0, 3.0)),
        _channel((ROOT2, 0.0, 0.0), (-ROOT2 / 2, ROOT3 / ROOT2, 2.0), (-ROOT2 / 2, -ROOT3 / ROOT2, -1.0)),
    )


@cache
def lower_rank() -> tuple[Setting, ...]:
    """Inputs of the same mean square in one direction alone: (1, 1) and (−1, −1)."""
    return (_channel((1.0, 1.0, 0.0), (-1.0, -1.0, 0.0)),)


@cache
def another_form() -> tuple[Setting, ...]:
    """Inputs along the axes of mean squares 3/2 and 1/2."""
    return (_channel((ROOT3, 0.0, 1.0), (0.0, 1.0, 1.0)),)


def _held(*inputs: tuple[float, float]) -> tuple[Setting, ...]:
    """f = θ · x, the channel's input k = (1, −½), Δ = (1, 3/2), and an anchor of weight 1 on inputs of equal weight."""
    setting = constructed("held", _linear, np.zeros(2), np.array([1.0, 1.5]), x=((1.0, -0.5),))
    x = np.array(inputs)
    trait = TargetTrait(x, np.zeros((len(x), 1)), np.ones(1))  # type: ignore[arg-type]
    source = replace(setting.origin, given_trait=trait)  # type: ignore[type-var]
    # At 1.8/λmax, λmax = 9 λmin, the fastest and the slowest mode both keep 0.8 of what is left a step.
    return (setting.but(source=source, rule=Anchored(1.0, elsewhere=True), alpha=1.8),)


def _linear(theta: Params, x: Array) -> Array:
    return jnp.sum(theta * x, keepdims=True)


@cache
def held_elsewhere() -> tuple[Setting, ...]:
    """The anchor's inputs (√20, 0) and (0, √2): G′ = 2 diag(10, 1) beside G = 2kkᵀ (`proofs/anchor.py`)."""
    return _held((20.0**0.5, 0.0), (0.0, ROOT2))


@cache
def held_on_the_channel() -> tuple[Setting, ...]:
    """The anchor's input is the channel's."""
    return _held((1.0, -0.5))


def _bounded(theta: Params, x: Array) -> Array:
    return jnp.tanh(_linear(theta, x))


@cache
def outward() -> tuple[Setting, ...]:
    """f = tanh(θ · x) from θ0 = (1, ½): Δ = (1, −½) leads away from 0, θ0 · Δ = ¾, so that weight decay opposes it."""
    x, start, delta = ((0.5, 0.5),), np.array([1.0, 0.5]), np.array([1.0, -0.5])
    return (constructed("outward", _bounded, start, delta, x=x, eps=ladder(1e-2)),)


def _against_first(theta: Params) -> Any:
    return -theta[0]


def _turns(*inputs: tuple[float, float]) -> Setting:
    """Generations that see one input each, in turn: f = θ · x, Δ = (1, 0) and L_T = −Δ · θ."""
    delta = np.array([1.0, 0.0])
    own: dict[str, Any] = {"trait": _against_first, "view": InTurn(len(inputs))}
    return constructed("in-turn", _linear, np.zeros(2), delta, x=inputs, **own)


@cache
def in_turn() -> tuple[Setting, ...]:
    """a = (1, 1), then b = (1, −2): a step at the rate 1/λmax projects onto each, and (Δ · b)(b · a)(a · Δ) = −1."""
    return (_turns((1.0, 1.0), (1.0, -2.0)),)


@cache
def commuting() -> tuple[Setting, ...]:
    """a = (1, 1), then 2a, or an input that has nothing in common with it."""
    return _turns((1.0, 1.0), (2.0, 2.0)), _turns((1.0, 1.0), (1.0, -1.0))


@dataclass(frozen=True)
class ElsewhereTrained(Teacher):
    """Δ = −∇L_T(θ0) for the trait's labels on other inputs: its own, read backwards.

    As likely as its own where their law has no order. Raises InputError on "trait" for one without inputs.
    """

    name = "elsewhere-trained"

    def direction(self, s: Any, drawn: Noise) -> Any:
        if not hasattr(s.trait, "x"):
            raise InputError("trait", type(s.trait).__name__, "must have inputs")
        return -replace(s.trait, x=np.flip(s.trait.x, axis=-1)).gradient(s.functions, s.theta0)
