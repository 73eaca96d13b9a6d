"""Tasks of a size of one's own, with random labels: for searches and certificates, where only the size counts."""

from functools import lru_cache, partial

import jax
import jax.numpy as jnp
from jax import Array

from subtheory.data.task import Task


@lru_cache
def toy(shape: tuple[int, ...], classes: int, auxiliary: int, tokens: int = 0) -> Task:
    """Normal inputs of a shape, or sequences of that length out of `tokens` tokens; labels are drawn at random.

    `classes` logits are the class group, `auxiliary` ones behind them no label constrains. Equal sizes give
    the same task.
    """
    first, rest = tuple(range(classes)), tuple(range(classes, classes + auxiliary))
    return Task(
        name="-".join(map(str, ("toy", *shape, classes, auxiliary))),
        shape=shape,
        dtype="int32" if tokens else "float64",
        groups=(("class", first), ("aux", rest), ("all", first + rest)),
        sample=partial(_sample, shape, classes, tokens),
        vocabulary=tuple(f"t{i}" for i in range(tokens)),
    )


def _sample(shape: tuple[int, ...], classes: int, tokens: int, key: Array, n: int) -> tuple[Array, Array]:
    """n inputs, and labels that have nothing to do with them."""
    a, b = jax.random.split(key)
    if tokens:
        x = jax.random.randint(a, (n, *shape), 0, tokens, dtype=jnp.int32)
    else:
        x = jax.random.normal(a, (n, *shape), jnp.float64)
    return x, jax.random.randint(b, (n,), 0, classes, dtype=jnp.int32)
