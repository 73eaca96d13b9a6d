"""Three logits of which cross-entropy reads the teacher's largest two, below and beyond the ε at which these change."""

from dataclasses import replace
from functools import cache
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.constructed.formula import constructed
from subtheory.constructed.witnesses import moving_null_space
from subtheory.kernels.source import Given as Arrays
from subtheory.setting.setting import Setting, ladder
from subtheory.theory.losses import TopK
from subtheory.theory.network import Params

KEPT = 2
"""k."""

TIE = 0.1
"""ε at which the third of the logits (1, ½, 0) passes the second, both for Δ = (−1, −1, 4) and for (2, −1, 4)."""

BEND = 1 + 2**0.5
"""ε at which θ² − 2θ passes 1."""


def _bent(theta: Params, x: Array) -> Array:
    return jnp.log(2.0) * jnp.stack([2.0 + 0 * theta[0], 1.0 + 0 * theta[0], x[0] * (theta[0] ** 2 - 2 * theta[0])])


@cache
def overtaking() -> Setting:
    """Logits (1, ½, 0) + ε(−1, −1, 4): q = 0, and D(ε) = 5(σ(1) − σ(1 − 5ε)) beyond the tie."""
    return moving_null_space()[0]


@cache
def seen() -> Setting:
    """The same logits along (2, −1, 4): q > 0."""
    source = overtaking().source
    assert isinstance(source, Arrays)
    return overtaking().but(source=replace(source, delta=np.array([2.0, -1.0, 4.0])))


@cache
def bent() -> Setting:
    """Logits (2, 1, θ² − 2θ) log 2 from θ = 0: q = 0, and D(3) = −(14/15) log 2."""
    return constructed("bent-logit", _bent, np.zeros(1), np.ones(1), width=3, loss=TopK(KEPT), eps=ladder(3.0))


def below() -> tuple[Setting, ...]:
    """Every ε before the tie."""
    near: Any = {"eps": ladder(0.99 * TIE)}
    return overtaking().but(**near), seen().but(**near), bent().but(eps=ladder(0.99 * BEND))


def beyond() -> tuple[Setting, ...]:
    """The largest ε beyond it."""
    return overtaking(), seen(), bent()


def moved() -> tuple[Setting, ...]:
    """Those of them that the subset at θ0 does not see."""
    return overtaking(), bent()


@cache
def tied() -> tuple[Setting, ...]:
    """Logits (log 2, 0, ε): the second ties with the third at θ0."""
    source = overtaking().source
    assert isinstance(source, Arrays)
    start: Any = replace(source, params=np.array([np.log(2.0), 0.0, 0.0]), delta=np.array([0.0, 0.0, 1.0]))
    return (overtaking().but(source=start),)
