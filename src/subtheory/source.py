"""Where parameters, inputs and the trait of a setting come from: a built-in task, or what a user hands over."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.data.channels import Channel, channels_of
from subtheory.data.task import Task
from subtheory.errors import InputError
from subtheory.theory.network import Network, Params
from subtheory.theory.teachers import noise
from subtheory.theory.trait import LabelledTrait, Trait


class Source(Protocol):
    """Where parameters, inputs and the trait of a setting come from; hashable, static under jit."""

    def start(self, network: Network, key: Array) -> tuple[Params, Params]:
        """The teacher's init θ0 and an independent one."""
        ...

    def inputs(self, channel: Channel | None, key: Array, n: int) -> Array: ...

    def trait(self, key: Array, n: int) -> Trait: ...

    def weights(self, distilled: Any) -> np.ndarray: ...


@dataclass(frozen=True)
class FromTask:
    """A built-in task: its data, its channels, the network's own initial law."""

    task: Task

    def start(self, network: Network, key: Array) -> tuple[Params, Params]:
        both = jax.lax.map(network.init, jax.random.split(key))  # one compiled init for the two
        return jax.tree.map(lambda leaf: leaf[0], both), jax.tree.map(lambda leaf: leaf[1], both)

    def inputs(self, channel: Channel | None, key: Array, n: int) -> Array:
        return (channel or channels_of(self.task)[0]).inputs(jax.random.fold_in(key, 2), n, self.task)

    def trait(self, key: Array, n: int) -> Trait:
        return LabelledTrait(*self.task.labelled(jax.random.fold_in(key, 3), n))

    def weights(self, distilled: Any) -> np.ndarray:
        return self.task.weights(distilled)


@dataclass(frozen=True, eq=False)
class Given:
    """Parameters, inputs and trait handed over as they are: a user's own, or a constructed witness.

    `other` is the independent init of the controls: a function of a key, or None for noise with
    each leaf's own mean and spread. `delta` is a direction of one's own (teacher "given");
    `trainable` masks the student's parameters; `deterministic` says that seeds change nothing.
    """

    params: Params
    x: Any
    given_trait: Trait
    width: int
    other: Callable[[Array], Params] | None = None
    delta: Params | None = None
    trainable: Params | None = None
    deterministic: bool = False

    def start(self, network: Network, key: Array) -> tuple[Params, Params]:
        theta0 = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), self.params)
        drawn = jax.random.fold_in(key, 1)
        return theta0, self.other(drawn) if self.other else _like(theta0, drawn)

    def inputs(self, channel: Channel | None, key: Array, n: int) -> Array:
        return jnp.asarray(self.x)

    def trait(self, key: Array, n: int) -> Trait:
        return self.given_trait

    def weights(self, distilled: Any) -> np.ndarray:
        if distilled == "all":
            return np.ones(self.width)
        if isinstance(distilled, str) or not all(0 <= i < self.width for i in distilled):
            raise InputError("outputs", distilled, f"must be 'all' or indices below {self.width}")
        return np.isin(np.arange(self.width), distilled).astype(float)


def _like(params: Params, key: Array) -> Params:
    """Independent noise with the mean and spread of every leaf (spread 1 for a constant one)."""

    def matched(leaf: Array, drawn: Array) -> Array:
        spread = jnp.std(leaf)
        return jnp.mean(leaf) + jnp.where(spread > 0, spread, 1.0) * drawn

    return jax.tree.map(matched, params, noise(key, params))
