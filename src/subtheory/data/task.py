"""A task is what a trait is about: the shape of one input, named groups of logits, labelled examples."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.errors import InputError


@dataclass(frozen=True)
class Task:
    """Inputs of one `shape` and `dtype`, outputs in `groups`, and trait examples to draw.

    `groups` names sets of logits ("class": the trait is read there; "aux": what the student
    imitates; "all"). `sample(key, n)` draws n labelled examples (x, y), where y indexes a logit
    of the class group. `vocabulary` names the tokens of an integer task.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    groups: tuple[tuple[str, tuple[int, ...]], ...]
    sample: Callable[[Array, int], tuple[Array, Array]]
    vocabulary: tuple[str, ...] = ()

    @property
    def outputs(self) -> int:
        """Number of logits."""
        return len(self.group("all"))

    @property
    def example(self) -> jax.ShapeDtypeStruct:
        """Shape and dtype of one input."""
        return jax.ShapeDtypeStruct(self.shape, np.dtype(self.dtype))

    def group(self, name: str) -> tuple[int, ...]:
        """Indices of the logits in a group; InputError on "outputs" for an unknown name."""
        groups = dict(self.groups)
        if name not in groups:
            raise InputError("outputs", repr(name), f"must be one of {', '.join(groups)}")
        return groups[name]

    def weights(self, outputs: str | tuple[int, ...]) -> np.ndarray:
        """0/1 vector over the logits, shape (outputs,), for a group name or a tuple of indices.

        Raises InputError on "outputs" for an unknown name, no index, or one out of range.
        """
        indices = self.group(outputs) if isinstance(outputs, str) else outputs
        if not indices or not all(0 <= i < self.outputs for i in indices):
            raise InputError("outputs", indices, f"must be indices from 0 to {self.outputs - 1}")
        weights = np.zeros(self.outputs, np.float64)
        weights[list(indices)] = 1.0
        return weights

    def labelled(self, key: Array, n: int) -> tuple[Array, Array, Array]:
        """Draw n i.i.d. trait examples: x (n, *shape), y int32 (n,), class weights (outputs,)."""
        x, y = self.sample(key, n)
        return x, y, jnp.asarray(self.weights("class"))

    def tokens(self, words: tuple[str, ...]) -> tuple[int, ...]:
        """Indices of words in the vocabulary; InputError on "task" if one is not a token."""
        missing = [word for word in words if word not in self.vocabulary]
        if missing:
            raise InputError("task", repr(self.name), f"must have the tokens {' '.join(missing)}")
        return tuple(self.vocabulary.index(word) for word in words)
