"""Noise on the teacher's init: isotropic, per tensor, hidden from the channel, or seen by it."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from math import inf, prod
from typing import Any, ClassVar

import numpy as np

from subtheory.errors import InputError
from subtheory.init.path import Key, Keys, Path, Start, column, leafwise, normal
from subtheory.kernels.whitened import root

LARGEST_GRAM = 8192
"""Most scalar outputs N·T·V of a channel for which G is split: the work grows as their cube."""

SCALES = (0.0, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)
"""Default amounts of noise, relative to θ0."""


class Noise(Path):
    """θ0_S = θ0 + δ with ‖δ‖ = amount·‖θ0‖ and a direction drawn by the key."""

    amounts = SCALES
    largest = inf

    @abstractmethod
    def kept(self, start: Start, drawn: np.ndarray) -> np.ndarray:
        """The directions of δ, of any length, that normal numbers lead to, (S, P); a start of one seed serves all."""

    def direction(self, start: Start, keys: Keys) -> np.ndarray:
        """The directions of δ of some keys, (S, P)."""
        return self.kept(start, normal(start, keys))

    def __call__(self, start: Start, amount: Any, keys: Keys) -> np.ndarray:
        self.require(start)
        amount, direction = column(amount, keys), self.direction(start, keys)
        norm = np.linalg.norm(direction, axis=-1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            moved = start.theta0 + amount * np.linalg.norm(start.theta0, axis=-1, keepdims=True) / norm * direction
        # Amount 0 is θ0 even where there is no direction to go.
        return np.where(amount > 0, moved, start.theta0)


@dataclass(frozen=True)
class IsotropicNoise(Noise):
    """δ uniform on the sphere of radius r = amount·‖θ0‖ in R^P.

    P(D > 0) = Φ(ε√P ΔᵀGΔ/(r‖GΔ‖)) to first order in ε and r, up to O(1/P) (prediction P16).
    """

    name = "noise"
    says = "Isotropic noise whose norm is the amount times the norm of θ0."

    def kept(self, start: Start, drawn: np.ndarray) -> np.ndarray:
        return drawn


@dataclass(frozen=True)
class TensorNoise(Path):
    """δ_l ~ N(0, (amount·RMS(θ0_l))²) for every entry of tensor l; a tensor of zeros stays."""

    name = "tensor-noise"
    says = "Normal noise on every tensor, of the amount times its root mean square."
    amounts = SCALES
    largest = inf

    def __call__(self, start: Start, amount: Any, keys: Keys) -> np.ndarray:
        def shake(leaf: np.ndarray, drawn: np.ndarray) -> np.ndarray:
            return leaf + column(amount, keys) * np.sqrt(np.mean(leaf**2, axis=-1, keepdims=True)) * drawn

        return leafwise(start.layout, shake, start.theta0, normal(start, keys))


class _Split(Noise):
    """Noise in one of the two parts that G splits R^P into."""

    def require(self, start: Start) -> None:
        n = start.x.shape[1] * prod(start.shape)
        if n > LARGEST_GRAM:
            raise InputError("x", f"{n} channel outputs", f"must have at most {LARGEST_GRAM} to be split by G")

    part: ClassVar[int]
    empty: ClassVar[str]
    """Why there is no direction to go, where there is none."""

    def kept(self, start: Start, drawn: np.ndarray) -> np.ndarray:
        return _both(start, drawn)[self.part]

    def direction(self, start: Start, keys: Keys) -> np.ndarray:
        found = _parts(start, tuple(keys))[self.part]
        if np.isnan(found).any():
            rank = start.layout.size if self.part == 0 else 0
            raise InputError("path", f"{self.name} where G has rank {rank} of {start.layout.size}", self.empty)
        return found


@dataclass(frozen=True)
class NullNoise(_Split):
    """δ in null(G), G = E[JᵀMJ] of the channel: J(x)δ in the null space of M(x) for every x.

    Harmless to first order at any r: δᵀGΔ = 0 (prediction P16, its control). Raises InputError on "path" where G has no
    null space, and on "x" above `LARGEST_GRAM` outputs.
    """

    name = "null-noise"
    says = "Noise in null(G), which the channel does not see to first order."
    part = 0
    empty = "must leave a direction that the channel does not see: fewer inputs or outputs than parameters"


@dataclass(frozen=True)
class SeenNoise(_Split):
    """δ in the orthogonal complement of null(G): all of it is seen by the channel.

    Raises InputError on "path" where G = 0, and on "x" above `LARGEST_GRAM` outputs. Prediction P16.
    """

    name = "seen-noise"
    says = "Noise in the complement of null(G), all of which the channel sees."
    part = 1
    empty = "must see a direction at all"


@lru_cache(maxsize=8)
def _parts(start: Start, keys: tuple[Key, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Both parts of one draw, (S, P) each: the same for all amounts."""
    return _both(start, normal(start, keys))


def _both(start: Start, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    null, seen = np.empty_like(drawn), np.empty_like(drawn)
    for seed, rows in _runs(start, len(drawn)):
        null[rows], seen[rows] = split(start, seed)(drawn[rows])
    for part in (null, seen):
        part.setflags(write=False)
    return null, seen


def _runs(start: Start, count: int) -> list[tuple[int, slice]]:
    """A seed of the start and the rows that have its θ0 and x, for rows that repeat the one before."""
    if len(start.theta0) == 1:
        return [(0, slice(count))]
    same = [
        np.array_equal(start.theta0[i], start.theta0[i - 1]) and np.array_equal(start.x[i], start.x[i - 1])
        for i in range(1, count)
    ]
    first = [0, *(i for i, repeats in enumerate(same, 1) if not repeats), count]
    return [(a, slice(a, b)) for a, b in pairwise(first)]


def split(start: Start, seed: int = 0) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """v ↦ (v − G⁺Gv, G⁺Gv), the parts of v in null(G) and in its orthogonal complement, for v (..., P).

    With G = BᵀB, B = E^{1/2}M^{1/2}J, the second is Bᵀ(BBᵀ)⁺Bv: dense in the n = N·T·V outputs, or in the P
    parameters where these are fewer. Eigenvalues of BBᵀ (which are those of G) below n·2⁻⁵²·λ_max, its rounding, count
    as zero. The first part is NaN if the rank is P, the second if it is 0.
    """
    B = whitened(start, seed)
    n, total = B.shape
    values, vectors = np.linalg.eigh(B @ B.T if n <= total else B.T @ B)
    kept = values > n * np.finfo(values.dtype).eps * values[-1]
    rank, basis = np.count_nonzero(kept), vectors[:, kept].T
    if n <= total:  # eigenvectors of G from those of BBᵀ
        basis = (basis / np.sqrt(values[kept])[:, None]) @ B

    def hidden(v: np.ndarray) -> np.ndarray:
        return np.asarray(v - (v @ basis.T) @ basis)

    def parts(v: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        null = hidden(hidden(v))  # the second pass takes out what the rounding of the first left
        none, nothing = 1.0 if rank < total else np.nan, 1.0 if rank > 0 else np.nan
        return none * null, nothing * (v - null)

    return parts


def whitened(start: Start, seed: int = 0) -> np.ndarray:
    """B = M^{1/2}J/√(N·T) of one seed, (n, P), so that G = BᵀB: one pullback for each of the n = N·T·V outputs."""
    x = start.x[seed]
    alike = np.full(len(x), 1 / len(x))
    return root(start.functions, start.loss, start.theta0[seed], x, alike, start.outputs)
