"""Inits that training made: a fork of pre-training, and a stranger taught to behave like the base."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import jax
import jax.numpy as jnp
import optax
from jax import Array

from subtheory.errors import InputError
from subtheory.init.path import Path, Start, ranks
from subtheory.theory.distillation import outputs
from subtheory.theory.network import Params
from subtheory.theory.training import train
from subtheory.theory.trait import LabelledTrait, TargetTrait, Trait

OPTIMIZERS: dict[str, Callable[[float], optax.GradientTransformation]] = {"sgd": optax.sgd, "adam": optax.adam}
"""Optimizers of a fork, by name: learning rate ↦ optimizer."""


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
        _require_training(self.steps, self.rate)
        if self.batch < 1:
            raise InputError("batch", self.batch, "must be at least 1")

    def teacher(self, start: Start, amount: Array, key: Array) -> Params:
        return self._trained(start, self.orders(start, key)[0])

    def __call__(self, start: Start, amount: Array, key: Array) -> Params:
        ours, theirs = self.orders(start, key)
        shared = jnp.arange(self.steps) < self.steps - jnp.round(amount * self.steps)
        return self._trained(start, jnp.where(shared[:, None], ours, theirs))

    def orders(self, start: Start, key: Array) -> tuple[Array, Array]:
        """The teacher's and the student's rows of the data, (steps, batch) each."""
        count = _examples(start).x.shape[0]
        if self.batch >= count:
            raise InputError("batch", self.batch, f"must be below the {count} examples, or there is but one order")
        epochs = -(-self.steps * self.batch // count)

        def order(key: Array) -> Array:
            rows = jax.vmap(lambda k: ranks(k, count))(jax.random.split(key, epochs))
            return rows.ravel()[: self.steps * self.batch].reshape(self.steps, self.batch)

        first, second = jax.random.split(key)
        return order(first), order(second)

    def _trained(self, start: Start, order: Array) -> Params:
        data = _examples(start)

        def loss(theta: Params, rows: Array) -> Array:
            return _batch(data, rows).loss(start.network.apply, theta)

        return train(loss, start.theta0, OPTIMIZERS[self.optimizer](self.rate), order)[0]


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
        _require_training(self.steps, self.rate)

    @property
    def name(self) -> str:
        return "behaviour-matched" if self.on == "channel" else "behaviour-matched-on-trait"

    @property
    def says(self) -> str:
        return f"An independent init, first distilled to behave like θ0 on the inputs of the {self.on}."

    def __call__(self, start: Start, amount: Array, key: Array) -> Params:
        x = start.x if self.on == "channel" else _examples(start, start.trait).x
        y = outputs(start.network, start.theta0, x)
        taken = jnp.round((1 - amount) * self.steps)

        def loss(theta: Params, _: Array) -> Array:
            return jnp.mean(jnp.sum((outputs(start.network, theta, x) - y) ** 2, axis=-1))

        # A rate of 0 ends the training: the number of steps may be traced, that of a scan may not.
        optimizer = optax.adam(lambda count: jnp.where(count < taken, self.rate, 0.0))
        return train(loss, start.other, optimizer, jnp.arange(self.steps))[0]


def _require_training(steps: int, rate: float) -> None:
    if steps < 1:
        raise InputError("steps", steps, "must be at least 1")
    if not rate > 0:
        raise InputError("rate", rate, "must be positive")


def _examples(start: Start, trait: Trait | None = None) -> LabelledTrait | TargetTrait:
    """The loss of pre-training (or the given one), if it is a mean over examples."""
    found = trait or start.pretraining or start.trait
    if not isinstance(found, LabelledTrait | TargetTrait):
        raise InputError("trait", type(found).__name__, "must be a mean over examples with inputs x")
    return found


def _batch(data: LabelledTrait | TargetTrait, rows: Array) -> Trait:
    """The same loss on some of its examples."""
    if isinstance(data, LabelledTrait):
        return replace(data, x=data.x[rows], labels=data.labels[rows])
    return cast(Trait, replace(data, x=data.x[rows], targets=data.targets[rows]))
