"""Outputs that are processed on their way to the student: a loss that models what is done, and a swap unmodelled.

A model that says i with probability p(i) is seen through a function b(i) of the label (`proofs/data_processing.py`).
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory import arguments
from subtheory.constructed.formula import constructed
from subtheory.setting.setting import Setting, ladder
from subtheory.theory.losses import OFF, CrossEntropy, log_softmax, namespace, softmax
from subtheory.theory.network import Params
from subtheory.theory.views import Full, Recoded


@dataclass(frozen=True)
class Pushforward:
    """l = −Σ_b r_y(b) log r_z(b), r(b) = Σ_{i in b} p(i): cross-entropy of what comes out, i in group `groups`[i].

    M v = p (E[v | b] − E[v]), the covariance of the group means; null space: v with equal means in all groups.
    """

    groups: tuple[int, ...] = ()
    name: str = "pushforward"
    order: int = 1
    null_clause: bool = True

    @property
    def fault(self) -> str:
        """What is wrong with its own groups; empty if nothing is."""
        known = [arguments.integer(each) for each in arguments.entries(self.groups) or ()]
        fits = known and all(each is not None and 0 <= each < len(known) for each in known)
        return "" if fits else "must have groups, a number below the number of outputs for each of them"

    @property
    def members(self) -> np.ndarray:
        """K(b | i), 1 where i is in group b, (V, B)."""
        return np.asarray(self.groups)[:, None] == np.arange(max(self.groups) + 1)

    def value(self, z: Array, y: Array, w: Array) -> Array:
        log_r = jax.nn.logsumexp(jnp.where(self.members, log_softmax(z, w)[..., None], OFF), axis=-2)
        return -jnp.sum(softmax(y, w) @ self.members * log_r, axis=-1)

    def hessian(self, y: Array, v: Array, w: Array) -> Array:
        xp, K = namespace(y, v), self.members.astype(float)
        p = softmax(y, w)
        r = p @ K
        mean = (p * v) @ K / xp.where(r > 0, r, 1.0)
        return p * (mean @ K.T - (p * v).sum(axis=-1, keepdims=True))

    def leading(self, y: Array, u: Array, w: Array) -> Array:
        return (u * self.hessian(y, u, w)).sum(axis=-1)


# A swap ---------------------------------------------------------------------------------------------


def _logits(theta: Params, x: Array) -> Array:
    return theta * x


def _two_outcomes(**changes: Any) -> tuple[Setting, ...]:
    """p = (½, ½), logits that move by s = (1, −1)."""
    parts: dict[str, Any] = {"loss": CrossEntropy(), "view": Recoded((1, 0)), "eps": ladder(1e-1)}
    parts |= {"x": ((1.0, 1.0),), "width": 2} | changes
    return (constructed("two-outcomes", _logits, np.zeros(2), np.array([1.0, -1.0]), **parts),)


@cache
def swapped() -> tuple[Setting, ...]:
    """What the teacher says more often the student is shown less often: D = −ε + O(ε³)."""
    return _two_outcomes()


@cache
def as_said() -> tuple[Setting, ...]:
    """The same teacher without the swap."""
    return _two_outcomes(view=Full())


@cache
def swapped_and_modelled() -> tuple[Setting, ...]:
    """The same swap, and a student that fits what comes out of it: its labels are what its own outputs become."""
    return _two_outcomes(view=Full(), loss=Pushforward((1, 0)))
