"""Where parameters, inputs and the trait of a setting come from: a built-in task, or what a user hands over."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import numpy as np
from jax import Array

from subtheory.data import Channel, Task, channels_of
from subtheory.errors import InputError
from subtheory.numerics import alike, float64
from subtheory.theory.layout import Layout
from subtheory.theory.network import Network, Params
from subtheory.theory.trait import LabelledTrait, Trait


class Source(Protocol):
    """Where parameters, inputs and the trait of a setting come from; hashable."""

    def inputs(self, channel: Channel | None, key: Any, n: int) -> Any:
        """n inputs for a key, (n, *example)."""
        ...

    def weights(self, distilled: Any) -> np.ndarray:
        """1 on the outputs that are distilled, else 0, (V,)."""
        ...

    def __hash__(self) -> int: ...


@dataclass(frozen=True)
class FromTask:
    """A built-in task: its data, its channels, the network's own initial law."""

    task: Task

    def start(self, network: Network, key: Array) -> tuple[Params, Params]:
        """The teacher's init θ0 and an independent one."""
        both = jax.lax.map(network.init, jax.random.split(key))  # one compiled init for the two
        return jax.tree.map(lambda leaf: leaf[0], both), jax.tree.map(lambda leaf: leaf[1], both)

    def placed(self, layout: Layout, theta: Any) -> Any:
        """Parameters where a run starts, of those that the network draws, (S, P) each."""
        return theta

    def inputs(self, channel: Channel | None, key: Array, n: int) -> Array:
        return (channel or channels_of(self.task)[0]).inputs(jax.random.fold_in(key, 2), n, self.task)

    def trait(self, key: Array, n: int) -> Trait:
        """The trait of a key, on n examples."""
        return LabelledTrait(*self.task.labelled(jax.random.fold_in(key, 3), n))

    def weights(self, distilled: Any) -> np.ndarray:
        return self.task.weights(distilled)


@dataclass(frozen=True, eq=False)
class Given:
    """Parameters, inputs and trait handed over as they are: a user's own, or a constructed witness.

    `other` is the independent init of the controls: a function of a key, or None for noise with each leaf's own mean
    and spread. `delta` is a direction of one's own (teacher "given"); `deterministic` says that seeds change nothing.
    """

    params: Params
    x: Any
    given_trait: Trait
    width: int
    other: Callable[[Array], Params] | None = None
    delta: Params | None = None
    deterministic: bool = False
    held: tuple[bool, ...] = ()
    """Of every leaf of the parameters, whether each independent init leaves it as it is; none does where empty."""
    fixed: str = ""
    """Why there is no independent init; empty where there is one."""
    units: tuple[Any, ...] = ()
    """Hidden units of the network (`subtheory.init.Units`), of which symmetries then move and rescale some."""

    def another(self, seed: int) -> Params:
        """An independent init, as NumPy."""
        if self.other is not None:
            with float64():
                return jax.tree.map(np.asarray, self.other(jax.random.fold_in(jax.random.key(seed), 1)))
        rng = np.random.default_rng((seed, 1))

        def like(leaf: Any) -> np.ndarray:
            """Noise with the mean and spread of a leaf (spread 1 for a constant one)."""
            mean = np.mean(leaf)
            spread = 1.0 if alike(leaf, mean) else np.std(leaf)
            return mean + spread * rng.standard_normal(np.shape(leaf))

        return jax.tree.map(like, self.params)

    def inputs(self, channel: Channel | None, seed: int, n: int) -> np.ndarray:
        return np.asarray(self.x)

    def weights(self, distilled: Any) -> np.ndarray:
        if distilled == "all":
            return np.ones(self.width)
        if isinstance(distilled, str) or not all(0 <= i < self.width for i in distilled):
            raise InputError("outputs", distilled, f"must be 'all' or indices below {self.width}")
        return np.isin(np.arange(self.width), distilled).astype(float)
