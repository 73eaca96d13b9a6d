"""Mixtures of the teacher's init with an independent one: lines, arcs, and entries re-drawn."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from subtheory.init.path import Keys, Path, Start, column, generator, leafwise, mix


@dataclass(frozen=True)
class LinearInterpolation(Path):
    """θ0_S = (1 − t)θ0 + tθ0', t = amount; the norm dips to about 1/√2 half-way. Prediction P18."""

    name = "linear"
    says = "The straight line to an independent init."
    redraws = True

    def __call__(self, start: Start, amount: Any, keys: Keys) -> np.ndarray:
        return mix(column(amount, keys), start.theta0, start.other)


@dataclass(frozen=True)
class SphericalInterpolation(Path):
    """θ0_S = [sin((1 − t)ω)θ0 + sin(tω)θ0']/sin ω tensor by tensor, ω the angle between the two.

    Keeps the norm of a tensor that has the same norm at both ends. Where ω is 0 or π, or one end
    is zero, there is no arc, and the line is taken. Prediction P18.
    """

    name = "spherical"
    says = "The arc to an independent init, tensor by tensor."
    redraws = True

    def __call__(self, start: Start, amount: Any, keys: Keys) -> np.ndarray:
        return leafwise(start.layout, partial(slerp, column(amount, keys)), start.theta0, start.other)


@dataclass(frozen=True)
class Correlated(Path):
    """θ0_S = ρθ0 + √(1 − ρ²)θ0', ρ = 1 − amount: an init of the same normal law, of correlation ρ with θ0.

    The law is kept for weights that are normal with mean 0. Entries that are equal at both ends
    (a LayerNorm's gains, zero biases) stay. The student of the mean-field curve, prediction P44.
    """

    name = "correlated"
    says = "An init of the same law whose correlation with θ0 is one minus the amount."
    redraws = True

    def __call__(self, start: Start, amount: Any, keys: Keys) -> np.ndarray:
        amount = column(amount, keys)
        rho = 1 - amount
        rest = np.sqrt(amount * (1 + rho))  # 1 − ρ² without cancellation
        return np.where(start.theta0 == start.other, start.theta0, rho * start.theta0 + rest * start.other)


@dataclass(frozen=True)
class PartialReinit(Path):
    """round(amount·P) of the P entries, drawn without replacement, are replaced by those of θ0'.

    The sets of one key are nested: an entry that is re-drawn stays so at larger amounts.
    """

    name = "partial-reinit"
    says = "A random fraction of all weights takes the values of an independent init."
    redraws = True

    def __call__(self, start: Start, amount: Any, keys: Keys) -> np.ndarray:
        size = start.layout.size
        drawn = np.stack([generator(key).permutation(size) for key in keys])
        return np.where(drawn < np.round(column(amount, keys) * size), start.other, start.theta0)


def slerp(t: Any, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The point at t on the arc from a to b, (..., n), or on the line where no arc is defined."""
    norms = [np.linalg.norm(v, axis=-1, keepdims=True) for v in (a, b)]
    u, v = (leaf / np.where(norm > 0, norm, 1.0) for leaf, norm in zip((a, b), norms, strict=True))
    # Kahan's formula: accurate for small angles, where arccos is not.
    omega = 2 * np.arctan2(*(np.linalg.norm(w, axis=-1, keepdims=True) for w in (u - v, u + v)))
    sine = np.sin(omega)
    # A relative rounding u of the tensors is magnified by 1/sin ω: an arc needs sin ω well above u.
    arc = (norms[0] > 0) & (norms[1] > 0) & (sine > np.sqrt(np.finfo(sine.dtype).eps))
    safe = np.where(arc, sine, 1.0)
    first = np.where(arc, np.sin((1 - t) * omega) / safe, 1 - t)
    second = np.where(arc, np.sin(t * omega) / safe, t)
    return np.asarray(first * a + second * b)
