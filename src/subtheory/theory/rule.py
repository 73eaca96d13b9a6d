"""Rules: how a student moves on its imitation loss. To add one, add one class; nothing else has to know it."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import Any, ClassVar

import numpy as np

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.theory.losses import namespace
from subtheory.theory.part import Part

Descend = Callable[[Any], Any]
"""θ ↦ −∇_θ L_S(θ), (..., P), on the parameters that the student trains."""


@dataclass(frozen=True, eq=False)
class Pull:
    """A `Descend` that knows the teacher's direction."""

    function: Descend
    delta: Any
    """Δ on the parameters that the student trains, (..., P)."""

    def __call__(self, theta: Any) -> Any:
        return self.function(theta)


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

    def lowered(self, v: Any) -> Any:
        """C⁻¹v, (..., P): v in the rule's own metric; v itself of a rule that has none."""
        return v

    @property
    def memory(self) -> float:
        """b ≥ 0 in m ← bm + update, θ ← θ + αm: the share of one step that the next one keeps."""
        return 0.0


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
class HeavyBall(Rule):
    """m ← bm − ∇L_S(θ), θ ← θ + αm: from m = 0 the first step is descent's, later ones have momentum (prediction P33).

    Raises InputError on "decay" for a b that is not in (0, 1).
    """

    decay: float = 0.9
    name = "heavy-ball"
    linear = True

    def __post_init__(self) -> None:
        if not 0 < (arguments.number(self.decay) or 0.0) < 1:
            raise InputError("decay", arguments.shown(self.decay), "must lie between 0 and 1")
        object.__setattr__(self, "decay", float(self.decay))

    @property
    def memory(self) -> float:
        return self.decay

    def update(self, descend: Descend, theta: Any, metric: Any = None) -> Any:
        return descend(theta)


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


@dataclass(frozen=True)
class Carried(Rule):
    """Δθ_S = −TTᵀ∇L_S(θ0_S), θ0_S = Tθ0: the student's metric went along with its init (gap g10, prediction P19)."""

    name = "carried"
    linear = True
    carried = True

    def update(self, descend: Descend, theta: Any, metric: Any = None) -> Any:
        return descend(theta) if metric is None else metric * descend(theta)


@dataclass(frozen=True)
class Orthogonal(Rule):
    """Δθ_S = −(1 − ΔΔᵀ/‖Δ‖²)∇L_S: without its part along the teacher's direction (prediction P22, a defence).

    Raises InputError on "rule" where there is no such direction: for a teacher, and in another network's parameters.
    """

    name = "orthogonal"
    linear = True

    def update(self, descend: Descend, theta: Any, metric: Any = None) -> Any:
        step, delta = descend(theta), getattr(descend, "delta", None)
        if delta is None:
            raise InputError("rule", self.name, "needs the teacher's direction, which is not known here")
        size = (delta**2).sum(axis=-1, keepdims=True)
        share = (step * delta).sum(axis=-1, keepdims=True) / namespace(size).where(size > 0, size, 1.0)
        return step - share * delta


# Fixed preconditioners ------------------------------------------------------------------------------


class Preconditioned(Rule):
    """Δθ_S = −C∇L_S(θ0_S), C = Cᵀ ≻ 0 fixed in advance (gap g6, prediction P31)."""

    linear = True

    @abstractmethod
    def raised(self, v: Any) -> Any:
        """Cv, (..., P)."""

    def update(self, descend: Descend, theta: Any, metric: Any = None) -> Any:
        return self.raised(descend(theta))


@dataclass(frozen=True)
class Scaled(Preconditioned):
    """C = diag(entries), as 1/√s of frozen second moments s.

    Raises InputError on "entries" for numbers that are not positive, or another number of them than P.
    """

    entries: tuple[float, ...]
    name = "scaled"

    def __post_init__(self) -> None:
        several = arguments.entries(self.entries) or [None]
        object.__setattr__(self, "entries", tuple(arguments.positive("entries", each) for each in several))

    @property
    def shown(self) -> str:
        low, high = min(self.entries), max(self.entries)
        return f"{self.name} by {len(self.entries)} numbers from {low:.3g} to {high:.3g}"

    def _diagonal(self, v: Any) -> np.ndarray:
        if v.shape[-1] != len(self.entries):
            wanted = f"must be {v.shape[-1]}, one for each parameter"
            raise InputError("entries", f"{len(self.entries)} numbers", wanted)
        return np.asarray(self.entries)

    def raised(self, v: Any) -> Any:
        return self._diagonal(v) * v

    def lowered(self, v: Any) -> Any:
        return v / self._diagonal(v)


@dataclass(frozen=True)
class DrawnMetric(Preconditioned):
    """C = R e^{`spread` diag(n)} R, n standard normal and R a random reflection: fixed by `key` and P, not diagonal.

    Raises InputError on "key" for what is no whole number ≥ 0, on "spread" for what is not positive.
    """

    key: int = 0
    spread: float = 1.0
    name = "drawn-metric"

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", arguments.whole("key", self.key, 0))
        object.__setattr__(self, "spread", arguments.positive("spread", self.spread))

    def raised(self, v: Any) -> Any:
        return self._power(v, 1.0)

    def lowered(self, v: Any) -> Any:
        return self._power(v, -1.0)

    def _power(self, v: Any, power: float) -> Any:
        """Cᵖv: R is its own inverse."""
        logs, axis = _drawn(self.key, v.shape[-1])
        reflected = lambda a: a - 2 * (a * axis).sum(axis=-1, keepdims=True) * axis  # noqa: E731
        return reflected(np.exp(power * self.spread * logs) * reflected(v))


@lru_cache(maxsize=64)
def _drawn(key: int, size: int) -> tuple[np.ndarray, np.ndarray]:
    """log-eigenvalues at spread 1 and the unit normal of a reflection, (P,) each."""
    logs, axis = np.random.default_rng((key, size)).standard_normal((2, size))
    return logs, axis / np.linalg.norm(axis)
