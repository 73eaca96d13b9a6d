"""Rules: how a student moves on its imitation loss. To add one, add one class; nothing else has to know it."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

from subtheory.theory.losses import namespace
from subtheory.theory.part import Part

Descend = Callable[[Any], Any]
"""θ ↦ −∇_θ L_S(θ), (..., P), on the parameters that the student trains."""


class Rule(Part):
    """Δθ_S from the student's init; the theorem's own is `Descent`."""

    linear: ClassVar[bool] = False
    """Whether Δθ_S is linear in the labels' pull: what two sets of labels add is then the step of their difference."""

    carried: ClassVar[bool] = False
    """Whether the step has a metric that the student's path carries along."""

    @abstractmethod
    def update(self, descend: Descend, theta: Any, metric: Any = None) -> Any:
        """Δθ_S = (θ_S − θ0_S)/α, (..., P), from θ = θ0_S; NumPy and JAX arrays alike."""

    def unclear(self, gradient: Any, faint: Any) -> Any:
        """Entries of a gradient whose effect a rounding of size `faint` would change altogether, (..., P) of 0 or 1."""
        return 0.0 * gradient


@dataclass(frozen=True)
class Descent(Rule):
    """Δθ_S = −∇L_S(θ0_S): exactly one full-expectation gradient step (Cloud, Le et al., App. C, Theorem 1)."""

    name = "descent"
    linear = True

    def update(self, descend: Descend, theta: Any, metric: Any = None) -> Any:
        return descend(theta)


@dataclass(frozen=True)
class Signs(Rule):
    """Δθ_S = −sign ∇L_S(θ0_S): Adam's first step (gap g6)."""

    name = "signs"

    def update(self, descend: Descend, theta: Any, metric: Any = None) -> Any:
        gradient = descend(theta)
        return namespace(gradient).sign(gradient)

    def unclear(self, gradient: Any, faint: Any) -> Any:
        return ((gradient != 0) & (abs(gradient) <= faint)) * 1.0


@dataclass(frozen=True)
class Carried(Rule):
    """Δθ_S = −TTᵀ∇L_S(θ0_S), θ0_S = Tθ0: the student's metric went along with its init (gap g10, prediction P19)."""

    name = "carried"
    linear = True
    carried = True

    def update(self, descend: Descend, theta: Any, metric: Any = None) -> Any:
        return descend(theta) if metric is None else metric * descend(theta)
