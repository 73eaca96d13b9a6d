"""The one training loop: any loss, any optax optimizer, a `lax.scan` over steps."""

from collections.abc import Callable

import jax
import optax
from jax import Array

from subtheory.theory.network import Params


def train(
    loss: Callable[[Params, Array], Array],
    params: Params,
    optimizer: optax.GradientTransformation,
    batches: Array,
) -> tuple[Params, Array]:
    """θ_{k+1} = θ_k + optimizer(∇loss(θ_k, batch_k)); returns the last θ and the loss before every step.

    `batches` is a pytree whose leading axis counts the steps: a batch of data or just an index.
    """

    def update(carry: tuple[Params, optax.OptState], batch: Array) -> tuple[tuple, Array]:
        theta, state = carry
        value, gradient = jax.value_and_grad(loss)(theta, batch)
        change, state = optimizer.update(gradient, state, theta)
        return (optax.apply_updates(theta, change), state), value

    (theta, _), losses = jax.lax.scan(update, (params, optimizer.init(params)), batches)
    return theta, losses
