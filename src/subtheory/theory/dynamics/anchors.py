"""Anchors that hold a student's outputs at its init, for good or for some steps, as the linear model has them."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from subtheory.numerics import UNIT


def share(rate: float, weights: Sequence[float]) -> Callable[[Any], Any]:
    """λ ↦ the share of a mode of εΔ that a student has made its own after a step of each weight.

    s ← s + αλ(1 − (1 + γ_t)s) from s = 0: for a constant γ it is (1 − (1 − α(1 + γ)λ)ᵗ)/(1 + γ), which tends to
    1/(1 + γ), and once the anchor is lifted 1 − s falls by 1 − αλ a step. Same inputs and outputs. Prediction P30.
    """

    def made(values: Any) -> Any:
        s = 0.0 * values
        for weight in weights:
            s = s + rate * values * (1 - (1 + weight) * s)
        return s

    return made


def displaced(B: Any, other: Any, delta: Any, rate: float, weights: Sequence[float]) -> Any:
    """(θ_S(t) − θ0)/ε of the linear model with an anchor on any inputs, (T + 1, P). Prediction P30.

    d ← d + α(G(Δ − d) − γ_t G′d), G = BᵀB of the channel, B (n, P), and G′ = B′ᵀB′ of the anchor's inputs.
    """
    d = 0.0 * delta
    found = [d]
    for weight in weights:
        d = d + rate * (B.T @ (B @ (delta - d)) - weight * other.T @ (other @ d))
        found.append(d)
    return np.stack(found)


def resting(B: Any, other: Any, delta: Any, weight: float) -> Any:
    """(G + γG′)⁺GΔ, where a student that started at θ0 comes to rest, over ε, (P,). Prediction P30.

    Singular values of (B, √γB′) whose squares are rounding, as in `spectrum.modes`, count as 0.
    """
    both = np.concatenate([B, np.sqrt(weight) * other])
    target = np.concatenate([B @ delta, np.zeros(len(other))])
    return np.linalg.lstsq(both, target, rcond=np.sqrt(2 * len(both) * UNIT))[0]
