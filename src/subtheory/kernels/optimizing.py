"""Optimizers of optax on NumPy arrays of any shape, by one compiled program for all networks."""

from functools import lru_cache, partial
from typing import Any

import jax
import numpy as np
import optax
from jax import Array

from subtheory.numerics import float64
from subtheory.traces import TRACES

PIECE = 2**14
"""Entries of one call."""


@lru_cache(maxsize=32)
def entrywise(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """The same optimizer, for one that treats entries alike: ∇L and θ (...) are cut into pieces of one shape."""

    def init(theta: Any) -> list[Any]:
        with float64():
            return [jax.jit(optimizer.init)(np.zeros(PIECE))] * -(-theta.size // PIECE)

    def update(gradient: Any, memory: list[Any], theta: Any) -> tuple[Any, list[Any]]:
        with float64():
            found = [
                _moves(g, m, t, optimizer.update)
                for g, m, t in zip(_pieces(gradient), memory, _pieces(theta), strict=True)
            ]
        change = np.concatenate([np.asarray(change) for change, _ in found])
        return change[: theta.size].reshape(theta.shape), [m for _, m in found]

    return optax.GradientTransformation(init, update)


def _pieces(array: Any) -> np.ndarray:
    filled = np.zeros(-(-array.size // PIECE) * PIECE)
    filled[: array.size] = np.ravel(array)
    return filled.reshape(-1, PIECE)


@partial(jax.jit, static_argnums=3)
def _moves(gradient: Array, memory: Any, theta: Array, update: Any) -> tuple[Array, Any]:
    TRACES["optimizer"] += 1
    change, memory = update(gradient, memory, theta)
    return change, memory
