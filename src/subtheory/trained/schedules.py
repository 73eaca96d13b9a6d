"""How long, how fast and in which order of rows a model is trained: epochs at one rate, or steps along a cosine."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory.errors import InputError
from subtheory.theory.beyond.training import orders, require_schedule


@dataclass(frozen=True)
class Schedule:
    """Epochs of minibatches under one optax optimizer, which is named and takes a rate alone.

    Every epoch has an order of its own; an incomplete last batch is left out. Raises InputError on
    "optimizer", "rate", "batch" or "epochs".
    """

    optimizer: str = "adam"
    rate: float = 3e-3
    batch: int = 128
    epochs: int = 5

    def __post_init__(self) -> None:
        require_schedule(self.rate, batch=self.batch, epochs=self.epochs)
        self.transformation()

    def transformation(self) -> optax.GradientTransformation:
        """The optimizer."""
        wanted = "must be an optax optimizer that takes a learning rate alone, such as adam or sgd"
        try:
            found = getattr(optax, self.optimizer)(self.rate)
        except (AttributeError, TypeError) as error:
            raise InputError("optimizer", repr(self.optimizer), wanted) from error
        if not isinstance(found, optax.GradientTransformation):
            raise InputError("optimizer", repr(self.optimizer), wanted)
        return found

    def steps(self, count: int) -> int:
        """Steps over `count` examples; InputError on "batch" if they do not fill one."""
        if self.batch > count:
            raise InputError("batch", self.batch, f"must be at most the {count} examples")
        return self.epochs * (count // self.batch)

    def batches(self, key: Array, count: int) -> Array:
        """Rows of every step, (steps, batch) int32: a fresh order in every epoch; drawn inside a compiled program."""
        full = self.steps(count) // self.epochs * self.batch

        def order(k: Array) -> Array:
            return jnp.argsort(jax.random.uniform(k, (count,), jnp.float64))[:full].astype(jnp.int32)

        # One epoch after the other: all sorts at once would hold epochs × count keys.
        return jax.lax.map(order, jax.random.split(key, self.epochs)).reshape(-1, self.batch)


@dataclass(frozen=True)
class Fit:
    """Steps of Adam whose rate falls to 0 along a cosine; `body` leaves embedding, positions and head as they are.

    Nothing of it is in a compiled program, which takes rows and rates. Raises InputError on "steps", "batch" or "rate".
    """

    steps: int
    batch: int = 64
    rate: float = 3e-3
    body: bool = True

    def __post_init__(self) -> None:
        require_schedule(self.rate, steps=self.steps, batch=self.batch)

    def rows(self, seed: int, count: int) -> np.ndarray:
        """Rows of every step, int32 (steps, batch), an epoch of `count` behind the other."""
        return orders(np.random.default_rng(seed), count, self.steps, self.batch).astype(np.int32)

    def rates(self) -> np.ndarray:
        """Rate of every step t of n, ½(1 + cos(πt/n)) of the first, float32 (steps,)."""
        return (self.rate * 0.5 * (1 + np.cos(np.pi * np.arange(self.steps) / self.steps))).astype(np.float32)
