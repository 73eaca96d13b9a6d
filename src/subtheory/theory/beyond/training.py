"""The one training loop: any loss, any optax optimizer, a `lax.scan` over steps; and the order of its examples."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
import optax
from jax import Array

from subtheory.errors import InputError
from subtheory.theory.network import Params


def train(
    loss: Callable[[Params, Any], Array],
    params: Params,
    optimizer: optax.GradientTransformation,
    batches: Any,
) -> tuple[Params, Array]:
    """θ_{k+1} = θ_k + optimizer(∇loss(θ_k, batch_k)); returns the last θ and the loss before every step.

    `params` are θ_0; `batches` is a pytree whose leading axis counts the steps: a batch of data or just an index.
    Raises InputError for parts that do not fit each other.
    """

    def update(carry: tuple[Params, optax.OptState], batch: Any) -> tuple[tuple, Array]:
        theta, state = carry
        value, gradient = jax.value_and_grad(loss)(theta, batch)
        change, state = optimizer.update(gradient, state, theta)
        return (optax.apply_updates(theta, change), state), value

    (theta, _), losses = jax.lax.scan(update, (params, optimizer.init(params)), batches)
    return theta, losses


def orders(rng: np.random.Generator, count: int, steps: int, batch: int) -> np.ndarray:
    """Rows of every step, (steps, batch): epochs of `count` rows, each in a fresh order, one behind the other."""
    wanted = steps * batch
    epochs = [rng.permutation(count) for _ in range(-(-wanted // count))]
    return np.concatenate(epochs)[:wanted].reshape(steps, batch)


def require_schedule(rate: float, **counts: int) -> None:
    """InputError on "rate" unless it is positive, or on the first of the counts that is below 1."""
    if not rate > 0:
        raise InputError("rate", rate, "must be positive")
    for name, count in counts.items():
        if count < 1:
            raise InputError(name, count, "must be at least 1")
