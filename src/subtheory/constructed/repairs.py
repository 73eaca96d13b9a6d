"""A teacher that was moved and then repaired, on other data than its student's (`proofs/contextual_teacher.py`).

f = x · θ, k = (1, 1) the student's input and Δ₁ = (1, 0). The trait loss is −Δ₁ · θ: what the student does along Δ₁.
"""

from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.constructed.formula import constructed
from subtheory.setting.setting import Setting
from subtheory.theory.network import Params

FIRST = np.array([1.0, 0.0])
"""Δ₁."""


def _linear(theta: Params, x: Array) -> Array:
    return jnp.sum(theta * x, keepdims=True)


def _along_first(theta: Params) -> Any:
    return -jnp.dot(jnp.asarray(FIRST), theta)


def _repaired_by(*second: float) -> Setting:
    """The teacher at θ0 + ε(Δ₁ + Δ₂)."""
    return constructed("repaired", _linear, np.zeros(2), FIRST + second, x=((1.0, 1.0),), trait=_along_first)


@cache
def elsewhere() -> tuple[Setting, ...]:
    """Δ₂ = (0, −3) and (0, 1) leave no output on h = (1, 1/3) and h = (1, −1): k · (Δ₁ + Δ₂) = −2 and 2."""
    return _repaired_by(0.0, -3.0), _repaired_by(0.0, 1.0)


@cache
def in_parameters() -> tuple[Setting, ...]:
    """Δ₂ = −Δ₁: nothing is left."""
    return (_repaired_by(-1.0, 0.0),)


@cache
def on_the_channel() -> tuple[Setting, ...]:
    """Δ₂ = (0, −1) leaves no output on k itself."""
    return (_repaired_by(0.0, -1.0),)
