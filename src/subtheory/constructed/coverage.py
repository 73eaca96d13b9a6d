"""Channels of known eigenvalues, f = θ · x: where a cosine says least of what a student keeps."""

from functools import cache

import numpy as np
import optax
from jax import Array

from subtheory.constructed.formula import constructed
from subtheory.setting.setting import Setting
from subtheory.theory.network import Params


def _dot(theta: Params, x: Array) -> Array:
    return (theta @ x)[None]


def _seen(*eigenvalues: float) -> np.ndarray:
    """Inputs for which G = 2E[xxᵀ] is diagonal with these eigenvalues, one for each that is not 0."""
    rows = np.diag(np.sqrt(np.array(eigenvalues) * np.count_nonzero(eigenvalues) / 2))
    return rows[np.any(rows != 0, axis=1)]


@cache
def worst() -> tuple[Setting, ...]:
    """G = diag(1, 9), Δ = (3, 1): squared parts 9 : 1."""
    return (constructed("two-modes", _dot, np.zeros(2), np.array([3.0, 1.0]), x=_seen(1, 9)),)


@cache
def _rivals(*eigenvalues: float) -> tuple[Setting, ...]:
    """Δ = (4, 0, 3), and a trait that falls along (3, 1, 0)."""
    other = np.array([3.0, 1.0, 0.0])
    name = "modes-" + "-".join(f"{each:g}" for each in eigenvalues)
    own, x = np.array([4.0, 0.0, 3.0]), _seen(*eigenvalues)
    return (constructed(name, _dot, np.zeros(3), own, x=x, trait=lambda theta: -optax.tree.vdot(other, theta)),)


def pair() -> tuple[Setting, ...]:
    """G = diag(1, 9, 0)."""
    return _rivals(1, 9, 0)


def alike() -> tuple[Setting, ...]:
    """G = diag(9, 9, 0): one rate."""
    return _rivals(9, 9, 0)
