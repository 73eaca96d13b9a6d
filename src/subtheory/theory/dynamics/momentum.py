"""Descent with momentum, mode by mode of the channel's curvature: the companion matrix of both, and its powers."""

from collections.abc import Callable
from typing import Any

from subtheory.theory.losses import namespace


def powers(rate: Any, momentum: float, steps: int, values: Any) -> Any:
    """Cᵏ, C = ((1 − αλ, −αb), (λ, b)): what k steps m ← bm + λθ, θ ← θ − αm make of (θ, m), (..., n, 2, 2).

    λ are `values` (..., n); α is a number, or (..., 1) beside them. Source: prediction P33.
    """
    xp = namespace(values)
    one = xp.ones_like(values)
    rows = [[1 - rate * values, -rate * momentum * one], [values, momentum * one]]
    C = xp.stack([xp.stack(row, axis=-1) for row in rows], axis=-2)
    return xp.linalg.matrix_power(C, steps)


def companion(rate: float, momentum: float, steps: int) -> Callable[[Any], Any]:
    """λ ↦ the part of a mode that t steps with momentum leave: the first entry of Cᵗ(1, 0).

    C = ((1 − αλ, −αb), (λ, b)) moves (what is left, what is carried) of the mode; (1 − αλ)ᵗ for b = 0.
    """
    return lambda values: powers(rate, momentum, steps, values)[..., 0, 0]


def transplanted(rate: Any, momentum: float, steps: int) -> Callable[[Any], Any]:
    """λ ↦ δθ_k/δm, how far a moment of 1 at the cut has moved θ after k steps.

    0 at the cut, −αb after one step, and −α(b + b² + ... + bᵏ) at λ = 0 (prediction P33).
    """
    return lambda values: powers(rate, momentum, steps, values)[..., 0, 1]
