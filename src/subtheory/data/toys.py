"""Tasks of a size of one's own, with random labels: for searches and certificates, where only the size counts."""

from dataclasses import dataclass
from functools import lru_cache

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
        sample=_Sample(shape, classes, tokens),
        vocabulary=tuple(f"t{i}" for i in range(tokens)),
    )


@dataclass(frozen=True)
class _Sample:
    """n inputs, and labels that have nothing to do with them; compares by value, in whatever process."""

    shape: tuple[int, ...]
    classes: int
    tokens: int

    def __call__(self, key: Array, n: int) -> tuple[Array, Array]:
        a, b = jax.random.split(key)
        if self.tokens:
            x = jax.random.randint(a, (n, *self.shape), 0, self.tokens, dtype=jnp.int32)
        else:
            x = jax.random.normal(a, (n, *self.shape), jnp.float64)
        return x, jax.random.randint(b, (n,), 0, self.classes, dtype=jnp.int32)
