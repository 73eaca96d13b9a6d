"""Anchors that hold a student's outputs at its init, for good or for some steps, as the linear model has them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.numerics import UNIT
from subtheory.theory.rule import Descend, Descent


@dataclass(frozen=True)
class Anchored(Descent):
    """Δθ_S(t) = −∇[L_S + γ_t A](θ), A the imitation loss of the student's own init: γ for `lifted` steps, then 0.

    A looks at the channel's inputs, or `elsewhere` at the trait's. It has no gradient at the init, so that the first
    step is descent's: what anchors do is seen by who takes more of them, `instruments.dynamics.anchored`. Raises
    InputError on "weight" for a γ < 0, on "lifted" for no number of steps, on "rule" where others take more steps, who
    know of no anchor. Prediction P30.
    """

    weight: float = 1.0
    lifted: int | None = None
    elsewhere: bool = False
    name = "anchored"

    def __post_init__(self) -> None:
        if not 0 <= (arguments.number(self.weight) or 0.0) < inf or arguments.number(self.weight) is None:
            raise InputError("weight", arguments.shown(self.weight), "must be a number, and not negative")
        if self.lifted is not None:
            object.__setattr__(self, "lifted", arguments.whole("lifted", self.lifted))
        object.__setattr__(self, "weight", float(self.weight))

    def update(self, descend: Descend, theta: Any, metric: Any = None) -> Any:
        if getattr(descend, "start", theta) is not theta:
            raise InputError("rule", self.shown, "pulls from the second step on, which are AnchoredTraining's to take")
        return descend(theta)

    def weights(self, steps: int) -> tuple[float, ...]:
        """γ_t of every step, (T,)."""
        until = steps if self.lifted is None else self.lifted
        return tuple(self.weight if t < until else 0.0 for t in range(steps))


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
