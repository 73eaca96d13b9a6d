"""Where a teacher goes: directions Δ, from one gradient step to the worst that one can choose.

Lemma 1 allows every direction; the theorem on the trait loss asks for Δ = −∇L_T(θ0). To add a teacher, add a class
and name it in `TEACHERS`.
"""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import optax

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.kernels.optimizing import entrywise
from subtheory.kernels.stack import Stack, averaged, inner, norm
from subtheory.kernels.whitened import product
from subtheory.theory.losses import SquaredError, namespace
from subtheory.theory.part import Part
from subtheory.theory.rule import Rule, Signs
from subtheory.theory.trains import All, Trains

TINY = float(np.finfo(np.float64).tiny)

Noise = Callable[[], Any]
"""Standard normal parameters, (..., P)."""


@dataclass(frozen=True)
class Teacher(Part):
    """A direction Δ away from θ0, on the parameters that the teacher moves."""

    moves: Trains = field(default=All(), kw_only=True)
    """What the teacher trains; its Δ is 0 elsewhere."""
    unseen: ClassVar[bool] = False
    """Whether the channel is meant not to see the direction: the theorem's zero branch."""

    def __post_init__(self) -> None:
        if not isinstance(self.moves, Trains):
            raise InputError("moves", arguments.shown(self.moves), f"must be one of {', '.join(Trains.kinds())}")

    @property
    def shown(self) -> str:
        return self.name if self.moves == All() else f"{self.name} of {self.moves.shown}"

    @abstractmethod
    def direction(self, s: Stack, drawn: Noise) -> Any:
        """Δ, (..., P), from θ0, the channel and the trait of a stack whose own Δ is not known yet."""


@dataclass(frozen=True)
class GradientDescent(Teacher):
    """Δ = −∇L_T(θ0): one full-batch step, the theorem's teacher."""

    name = "gradient-descent"

    def direction(self, s: Stack, drawn: Noise) -> Any:
        return -s.trait.gradient(s.functions, s.theta0)


@dataclass(frozen=True)
class Ruled(Teacher):
    """Δ = the step of a student's rule on L_T: −C∇L_T(θ0) in another metric, −sign ∇L_T(θ0) (gap g6, P31, P32).

    Raises InputError on "rule" for what is none, and for a rule whose metric a student's path would carry.
    """

    rule: Rule = Signs()
    name = "ruled"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.rule, Rule) or self.rule.carried:
            known = ", ".join(name for name, kind in Rule.kinds().items() if not kind.carried)
            raise InputError("rule", arguments.shown(self.rule), f"must be of a kind that needs no path: {known}")

    @property
    def shown(self) -> str:
        return f"{super().shown} by {self.rule.shown}"

    def direction(self, s: Stack, drawn: Noise) -> Any:
        return self.rule.update(lambda theta: -s.trait.gradient(s.functions, theta), s.theta0)


@dataclass(frozen=True)
class Random(Teacher):
    """Δ standard normal: a teacher that learned nothing in particular."""

    name = "random"

    def direction(self, s: Stack, drawn: Noise) -> Any:
        return drawn()


@dataclass(frozen=True)
class Adversarial(Teacher):
    """Δ that hides from the channel: (I − G/λ_max)^`steps` on a random draw shrinks ΔᵀGΔ/‖Δ‖².

    Knows θ0, the channel and the squared-error G; it can make q small, never negative. The first `power` rounds find
    λ_max by power iteration, the rest hide.
    """

    power: int = 20
    steps: int = 12
    name = "adversarial"

    def direction(self, s: Stack, drawn: Noise) -> Any:
        start = drawn()
        xp = namespace(start)

        def turn(i: Any, state: tuple[Any, Any, Any]) -> tuple[Any, Any, Any]:
            top, largest, hidden = state
            first = i < self.power
            v = xp.where(first, top, hidden)
            gv = product(s, SquaredError(), v)
            unit = gv / xp.maximum(norm(gv), TINY)[..., None]
            rayleigh = inner(v, gv) / xp.maximum(inner(v, v), TINY)
            hide = hidden - gv / xp.maximum(largest, TINY)[..., None]
            return (
                xp.where(first, unit, top), xp.where(first, rayleigh, largest), xp.where(first, hidden, hide),
            )  # fmt: skip

        state = (start, xp.ones(start.shape[:-1]), start)
        return repeated(xp, self.power + self.steps, turn, state)[2]


@dataclass(frozen=True)
class LogitShift(Teacher):
    """Δ that adds one constant to every logit: invisible to every softmax, visible to squared error.

    Among the parameter leaves with one entry per logit it takes the one whose unit step shifts all outputs of the
    channel by 1 (an output bias); all zeros when there is none.
    """

    name = "logit-shift"
    unseen = True

    def direction(self, s: Stack, drawn: Noise) -> Any:
        xp = namespace(s.theta0)
        best, miss = xp.zeros_like(s.theta0), xp.full(s.theta0.shape[:-1], xp.inf)
        for candidate in _leaves_of(s, int(s.outputs.shape[-1])):
            step = xp.broadcast_to(xp.asarray(candidate), s.theta0.shape)
            shift = s.functions.taylor(s.theta0, step, s.x).u
            off = abs(shift - 1.0).max(axis=tuple(range(s.theta0.ndim - 1, shift.ndim)))
            best = xp.where((off < miss)[..., None], step, best)
            miss = xp.minimum(off, miss)
        return xp.where((miss < 1e-12)[..., None], best, 0.0)


def _leaves_of(s: Stack, size: int) -> list[np.ndarray]:
    """Ones on each leaf of shape (size,), zeros elsewhere; each (P,)."""
    shapes = s.functions.layout.shapes
    zeros = [np.zeros(shape) for shape in shapes]
    return [
        np.concatenate([np.ravel(leaf + (i == j)) for j, leaf in enumerate(zeros)])
        for i, shape in enumerate(shapes)
        if shape == (size,)
    ]


@dataclass(frozen=True)
class Invisible(Teacher):
    """−∇L_T on those parameters only that no distilled output sees on the channel, 0 elsewhere.

    Seen means that the pullback of a generic cotangent on the distilled outputs is not exactly zero. Gives the zero
    branch on any network: parameters of undistilled outputs, weights behind dead inputs, embeddings of tokens that
    the channel never shows.
    """

    name = "invisible"
    unseen = True

    def direction(self, s: Stack, drawn: Noise) -> Any:
        f = s.functions
        z = f.values(s.theta0, s.x)
        xp, lead = namespace(z), s.theta0.ndim - 1
        one = z.shape[lead:]
        generic = xp.cos(1.0 + xp.arange(int(np.prod(one)), dtype=z.dtype)).reshape(one) * (s.outputs > 0)
        seen = f.pulls(s.theta0, averaged(s, xp.broadcast_to(generic, z.shape)), s.x)
        return xp.where(seen == 0, -s.trait.gradient(f, s.theta0), 0.0)


SHORT, STEPS = 8, 40
"""Steps of the teachers that stop early, and of the converged one."""


def _short(rate: float) -> optax.Schedule:
    """A constant learning rate that ends after `SHORT` steps."""
    return optax.piecewise_constant_schedule(rate, {SHORT: 0.0})


OPTIMIZERS: dict[str, optax.GradientTransformation] = {
    "momentum": optax.sgd(_short(0.05), momentum=0.9),
    "adam": optax.adam(_short(3e-3)),
    "converged": optax.adam(2e-2),
}
"""Teachers made by training; the last one to where its loss is small."""


class _Trained(Teacher):
    """Δ = θ_T − θ0 after full-batch training on L_T by an optimizer of `OPTIMIZERS`."""

    def direction(self, s: Stack, drawn: Noise) -> Any:
        return trained(s, OPTIMIZERS[self.name], STEPS if self.name == "converged" else SHORT) - s.theta0


@dataclass(frozen=True)
class Momentum(_Trained):
    """A few full-batch steps with momentum."""

    name = "momentum"


@dataclass(frozen=True)
class Adam(_Trained):
    """A few full-batch steps of Adam."""

    name = "adam"


@dataclass(frozen=True)
class Converged(_Trained):
    """Full-batch Adam to where the trait loss is small: not one gradient step (gap g5)."""

    name = "converged"


@dataclass(frozen=True)
class Given(Teacher):
    """The direction that the setting's source states."""

    name = "given"

    def direction(self, s: Stack, drawn: Noise) -> Any:
        raise NotImplementedError("a given direction is the source's own")


TEACHERS: dict[str, Teacher] = {
    teacher.name: teacher
    for teacher in (
        GradientDescent(), Random(), Adversarial(), LogitShift(), Invisible(), Momentum(), Adam(), Converged(),
    )
}  # fmt: skip
"""All built-in teachers by name; `Ruled` and `Given` ask for more than a name."""


# Loops that run on NumPy, and compile as one --------------------------------------------------------


def repeated(xp: Any, times: int, body: Callable[[Any, Any], Any], state: Any) -> Any:
    """body(i, state) for i = 0 ... times − 1: a compiled loop for JAX, a plain one for NumPy."""
    if xp is jnp:
        return jax.lax.fori_loop(0, times, body, state)
    for i in range(times):
        state = body(i, state)
    return state


def trained(s: Stack, optimizer: optax.GradientTransformation, steps: int) -> Any:
    """θ after full-batch steps of an optimizer on L_T, from θ0; (..., P)."""
    xp = namespace(s.theta0)
    used = optimizer if xp is jnp else entrywise(optimizer)

    def step(_: Any, state: tuple[Any, Any]) -> tuple[Any, Any]:
        theta, memory = state
        change, memory = used.update(s.trait.gradient(s.functions, theta), memory, theta)
        return theta + change, memory

    return repeated(xp, steps, step, (s.theta0, used.init(s.theta0)))[0]
