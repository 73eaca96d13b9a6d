"""The digit task: name a handwritten digit, with three auxiliary logits that no label constrains."""

import jax
import jax.numpy as jnp
from jax import Array

from subtheory.data.images import SIDE, digits
from subtheory.data.task import Task


def sample_digits(key: Array, n: int) -> tuple[Array, Array]:
    """n digits drawn with replacement: x in [-1, 1], float64 (n, 8, 8), and y int32 (n,)."""
    images, labels = digits()
    row = jax.random.randint(key, (n,), 0, len(labels), dtype=jnp.int32)
    x = jnp.asarray(images)[row].astype(jnp.float64) / 8.0 - 1.0
    return x, jnp.asarray(labels)[row].astype(jnp.int32)


DIGITS = Task(
    name="digits",
    shape=(SIDE, SIDE),
    dtype="float64",
    groups=(("class", tuple(range(10))), ("aux", (10, 11, 12)), ("all", tuple(range(13)))),
    sample=sample_digits,
)
"""Ten class logits and three auxiliary ones, the setting of the MNIST experiment of Cloud et al."""
