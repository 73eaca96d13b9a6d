"""Vectors of 10⁸ parameters: what is done to them piece by piece, without another vector for what lies between."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from subtheory.kernels.stack import SHAKE, generic

PIECE = 2**20
"""Entries of a piece; numbers without a pattern repeat behind so many."""


def pieces(size: int) -> Iterator[slice]:
    """0 ... size − 1, a piece at a time."""
    return (slice(begin, min(begin + PIECE, size)) for begin in range(0, size, PIECE))


@lru_cache(maxsize=1)
def _pattern() -> np.ndarray:
    """`kernels.stack.generic`, (PIECE,)."""
    return generic(np, PIECE)


ALIGNED = 64
"""Bytes to which a vector's address is a multiple: a program then reads it where it is, and takes no copy."""


def empty(size: int) -> np.ndarray:
    """A vector of float64, with any numbers in it."""
    room = np.empty(size + ALIGNED // 8)
    begin = -room.ctypes.data % ALIGNED // 8
    return room[begin : begin + size]


def copied(a: np.ndarray) -> np.ndarray:
    """The same numbers, aligned."""
    found = empty(a.size)
    found[:] = a
    return found


def norm(a: np.ndarray) -> float:
    """‖a‖."""
    return float(np.sqrt(a @ a))


def largest(a: np.ndarray) -> float:
    """max |a_i|."""
    return float(max(a.max(), -a.min()))


def moved(theta: np.ndarray, step: float, delta: np.ndarray) -> np.ndarray:
    """θ + step·Δ."""
    found = np.multiply(delta, step, out=empty(theta.size))
    found += theta
    return found


def shaken(theta: np.ndarray, turn: int) -> np.ndarray:
    """θ with each entry changed by up to `SHAKE` of itself: row `turn` of `kernels.stack.shaken`."""
    found, s = empty(theta.size), np.roll(_pattern(), -(turn * theta.size))
    for piece in pieces(theta.size):
        found[piece] = theta[piece] * (1.0 + SHAKE * s[: piece.stop - piece.start])
    return found


def signed(delta: np.ndarray) -> np.ndarray:
    """Δ ∘ s, s the `kernels.stack.generic_signs`."""
    found, s = empty(delta.size), np.where(_pattern() < 0, -1.0, 1.0)
    for piece in pieces(delta.size):
        found[piece] = delta[piece] * s[: piece.stop - piece.start]
    return found
