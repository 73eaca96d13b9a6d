"""Inits that training made: a fork of pre-training, and a stranger taught to behave like the base."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np

from subtheory.errors import InputError
from subtheory.init.path import Keys, Path, Start, column, generator
from subtheory.theory.beyond.training import orders, require_schedule
from subtheory.theory.trait import LabelledTrait, TargetTrait, Trait

Optimizer = Callable[[Any, np.ndarray, int], tuple[Any, np.ndarray]]
"""(state, gradient, number of the step from 1) ↦ state, the step for a rate of 1; the first state is (0, 0)."""


def sgd(state: Any, gradient: np.ndarray, count: int) -> tuple[Any, np.ndarray]:
    """The gradient itself."""
    return state, gradient


def adam(state: Any, gradient: np.ndarray, count: int) -> tuple[Any, np.ndarray]:
    """m̂/(√v̂ + 1e-8), β = (0.9, 0.999). Source: Kingma and Ba, arXiv 1412.6980, algorithm 1."""
    m, v = 0.9 * state[0] + 0.1 * gradient, 0.999 * state[1] + 0.001 * gradient**2
    return (m, v), m / (1 - 0.9**count) / (np.sqrt(v / (1 - 0.999**count)) + 1e-8)


OPTIMIZERS: dict[str, Optimizer] = {"sgd": sgd, "adam": adam}
"""Optimizers of a fork, by name."""


def trained(
    theta: np.ndarray, gradient: Callable[[np.ndarray, int], np.ndarray], optimizer: Optimizer, rate: float, steps: Any
) -> np.ndarray:
    """θ_{j+1} = θ_j − rate·optimizer(gradient(θ_j, j)), j < steps, which is a number or one for every row, (S, 1)."""
    state: Any = (0.0, 0.0)
    for j in range(int(np.max(steps))):
        state, step = optimizer(state, gradient(theta, j), j + 1)
        theta = np.where(j < steps, theta - rate * step, theta)
    return theta


@dataclass(frozen=True)
class Fork(Path):
    """Teacher and student share θ0 and the first k of `steps` batches; then each has an order of its own.

    θ_{j+1} = θ_j − optimizer(∇L_P on batch j), j < `steps`; k = steps − round(amount·steps). L_P is
    `start.pretraining`, by default the trait; an order is a fresh permutation of its examples in
    every epoch, cut into batches. Both θ0_T (`teacher`) and θ0_S are the ends. The optimizer's state is
    shared up to the fork. Raises InputError on "optimizer", "steps", "rate" or "batch" (a full batch
    has no order), and on "trait" for a loss without examples.
    """

    steps: int = 40
    rate: float = 0.05
    optimizer: str = "sgd"
    batch: int = 8
    name = "fork"
    says = "Teacher and student are pre-trained together, and apart for the last fraction of the steps."

    def __post_init__(self) -> None:
        if self.optimizer not in OPTIMIZERS:
            raise InputError("optimizer", repr(self.optimizer), f"must be one of {', '.join(OPTIMIZERS)}")
        require_schedule(self.rate, steps=self.steps, batch=self.batch)

    def require(self, start: Start) -> None:
        count = _examples(start).x.shape[1]
        if self.batch >= count:
            raise InputError("batch", self.batch, f"must be below the {count} examples, or there is but one order")

    def teacher(self, start: Start, amount: Any, keys: Keys) -> np.ndarray:
        return self._trained(start, self.orders(start, keys)[0])

    def __call__(self, start: Start, amount: Any, keys: Keys) -> np.ndarray:
        ours, theirs = self.orders(start, keys)
        shared = np.arange(self.steps) < self.steps - np.round(column(amount, keys) * self.steps)
        return self._trained(start, np.where(shared[..., None], ours, theirs))

    def orders(self, start: Start, keys: Keys) -> tuple[np.ndarray, np.ndarray]:
        """The teacher's and the student's rows of the data, (S, steps, batch) each."""
        self.require(start)
        count = _examples(start).x.shape[1]
        ours, theirs = (
            np.stack([orders(generator(key, use), count, self.steps, self.batch) for key in keys]) for use in (1, 2)
        )
        return ours, theirs

    def _trained(self, start: Start, order: np.ndarray) -> np.ndarray:
        data = _examples(start)

        def gradient(theta: np.ndarray, j: int) -> np.ndarray:
            return np.asarray(_batch(data, order[:, j]).gradient(start.functions, theta))

        theta0 = np.broadcast_to(start.theta0, (len(order), start.layout.size))
        return trained(theta0, gradient, OPTIMIZERS[self.optimizer], self.rate, self.steps)


@dataclass(frozen=True)
class BehaviourMatched(Path):
    """θ0_S is θ0' after round((1 − amount)·steps) full-batch Adam steps of distillation to f_θ0.

    The loss is E Σ_i (f_θ(x)_i − f_θ0(x)_i)² over all outputs, on the channel's inputs or the trait's
    (`on`). Amount 1 is θ0' itself, amount 0 the best match, which is not θ0: behaviour is shared,
    weights are not. Raises InputError on "on", "steps" or "rate", and on "trait" for one without
    inputs. Source: gap g10, "behaviourally matched" bases.
    """

    on: str = "channel"
    steps: int = 200
    rate: float = 1e-2
    reaches_start = False

    def __post_init__(self) -> None:
        if self.on not in ("channel", "trait"):
            raise InputError("on", repr(self.on), "must be channel or trait")
        require_schedule(self.rate, steps=self.steps)

    @property
    def name(self) -> str:
        return "behaviour-matched" if self.on == "channel" else "behaviour-matched-on-trait"

    @property
    def says(self) -> str:
        return f"An independent init, first distilled to behave like θ0 on the inputs of the {self.on}."

    def require(self, start: Start) -> None:
        if self.on == "trait":
            _examples(start, start.trait)

    def __call__(self, start: Start, amount: Any, keys: Keys) -> np.ndarray:
        self.require(start)
        f = start.functions
        x = start.x if self.on == "channel" else _examples(start, start.trait).x
        y = f.values(start.theta0, x)
        share = 2 / prod(y.shape[1:-1])  # a mean over examples and positions

        def gradient(theta: np.ndarray, _: int) -> np.ndarray:
            return f.pulls(theta, share * (f.values(theta, x) - y), x)

        other = np.broadcast_to(start.other, (len(keys), start.layout.size))
        return trained(other, gradient, adam, self.rate, np.round((1 - column(amount, keys)) * self.steps))


def _examples(start: Start, trait: Trait | None = None) -> LabelledTrait | TargetTrait:
    """The loss of pre-training (or the given one), if it is a mean over examples."""
    found = trait or start.pretraining or start.trait
    if not isinstance(found, LabelledTrait | TargetTrait):
        raise InputError("trait", type(found).__name__, "must be a mean over examples with inputs x")
    return found


def _batch(data: LabelledTrait | TargetTrait, rows: np.ndarray) -> LabelledTrait | TargetTrait:
    """The same loss on some of its examples, (S, batch)."""
    seeds = np.arange(len(data.x))[:, None]
    x: Any = data.x[seeds, rows]
    if isinstance(data, LabelledTrait):
        return replace(data, x=x, labels=data.labels[seeds, rows])
    return replace(data, x=x, targets=data.targets[seeds, rows])
