"""What chance decides of a run: inputs, trait data, inits, directions; one draw for every seed, as NumPy.

Where an initial law is normal, cut off or not, its parameters are NumPy's own draws; data and other laws are drawn by
their JAX functions in programs whose number of seeds is no part of them.
"""

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import jax
import numpy as np
from jax import Array

from subtheory.data import CHANNELS, Channel, Task, channels_of
from subtheory.kernels.compiled import COMPILING, loop
from subtheory.kernels.functions import shapes_of
from subtheory.kernels.source import FromTask, Given, Source
from subtheory.networks import Law, LinenNetwork
from subtheory.numerics import float64
from subtheory.theory.layout import Layout
from subtheory.theory.network import Network
from subtheory.theory.trait import Trait
from subtheory.traces import TRACES

DRAWS = 32
"""Seeds of one call of a program that draws."""

Seeds = tuple[int, ...]


@dataclass(frozen=True)
class _Draw:
    """source.method(*args, key) as a function of the key that compares by value."""

    source: FromTask
    method: str
    before: tuple[Any, ...] = ()
    after: tuple[Any, ...] = ()

    def __call__(self, key: Array) -> Any:
        return getattr(self.source, self.method)(*self.before, key, *self.after)


@dataclass(frozen=True)
class _Data:
    """Inputs from some channels of a task, and its trait, as a function of the key that compares by value."""

    source: FromTask
    channels: tuple[Channel, ...]
    examples: int
    trait_examples: int
    method = "data"

    def __call__(self, key: Array) -> tuple[tuple[Array, ...], Trait]:
        x = tuple(self.source.inputs(channel, key, self.examples) for channel in self.channels)
        return x, self.source.trait(key, self.trait_examples)


@partial(jax.jit, static_argnames="what", compiler_options=COMPILING)
def _draw(count: Array, keys: Array, what: _Draw | _Data) -> Any:
    TRACES[f"draw {what.method}"] += 1
    return loop(what, count, (keys,))


def drawn(what: _Draw | _Data, seeds: Seeds) -> Any:
    """what(key) for every seed, as NumPy with an axis for seeds in front."""
    found = []
    with float64():
        for start in range(0, len(seeds), DRAWS):
            some = seeds[start : start + DRAWS]
            keys = jax.vmap(jax.random.key)(np.asarray([*some, *[0] * (DRAWS - len(some))], np.uint32))
            part = _draw(np.int32(len(some)), keys, what)
            found.append(jax.tree.map(lambda leaf, some=some: np.asarray(leaf)[: len(some)], part))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves), *found)


def repeated(tree: Any, times: int) -> Any:
    """The same arrays for every seed."""
    return jax.tree.map(lambda leaf: np.broadcast_to(np.asarray(leaf), (times, *np.shape(leaf))), tree)


@lru_cache(maxsize=16)
def data(
    source: Source, channel: Channel | None, examples: int, trait_examples: int, seeds: Seeds
) -> tuple[Any, Trait]:
    """Channel inputs (S, N, *example) and the trait, for every seed; knows no network."""
    if isinstance(source, Given):
        each = [source.inputs(channel, seed, examples) for seed in seeds]
        return np.stack(each), repeated(source.given_trait, len(seeds))
    task: Any = source
    channel = channel or channels_of(task.task)[0]
    channels = siblings(channel, task.task)
    x, trait = _of_task(task, channels, examples, trait_examples, seeds)
    return x[channels.index(channel)], trait


@lru_cache(maxsize=8)
def _of_task(task: Any, channels: tuple[Channel, ...], examples: int, trait_examples: int, seeds: Seeds) -> Any:
    return drawn(_Data(task, channels, examples, trait_examples), seeds)


@lru_cache(maxsize=64)
def siblings(channel: Channel, task: Task) -> tuple[Channel, ...]:
    """The channels that share a program with this one: those built in that fit the task, or it alone."""
    fit = tuple(each for each in CHANNELS.values() if each.fits(task))
    return fit if channel in fit else (channel,)


@lru_cache(maxsize=64)
def outline(source: Source, channel: Channel | None, examples: int, trait_examples: int) -> tuple[Any, Trait]:
    """`data` of one seed with nothing but zeros in it: their shapes and dtypes; draws nothing."""
    if isinstance(source, Given):
        return data(source, channel, examples, trait_examples, (0,))
    task: Any = source
    with float64():
        x = jax.eval_shape(lambda: task.inputs(channel, jax.random.key(0), examples))
        found = x, jax.eval_shape(lambda: task.trait(jax.random.key(0), trait_examples))
    blank: tuple[Any, Trait] = jax.tree.map(lambda leaf: np.broadcast_to(leaf.dtype.type(0), (1, *leaf.shape)), found)
    return blank


@lru_cache(maxsize=64)
def layout_of(network: Network, source: Source) -> Layout:
    """How the parameters of a network lie; draws nothing."""
    if isinstance(source, Given):
        return Layout.of(source.params)
    return Layout.of(shapes_of(network))


@lru_cache(maxsize=64)
def normal_law(network: Network) -> Law | None:
    """The law of a network's init on flat parameters, (P,) each; None where some are drawn in another way."""
    law = network.law() if isinstance(network, LinenNetwork) else None
    return law and Law(*map(Layout.of(law.mean).flatten, law))


def _kept_within(rng: np.random.Generator, n: np.ndarray, bound: np.ndarray) -> np.ndarray:
    """Standard normal numbers, drawn again until |n| ≤ bound."""
    while (beyond := abs(n) > bound).any():
        n = np.where(beyond, rng.standard_normal(n.shape), n)
    return n


@lru_cache(maxsize=8)
def inits(network: Network, source: Source, seeds: Seeds) -> tuple[Layout, np.ndarray, np.ndarray]:
    """θ0 and an independent init, (S, P) each, and how they lie."""
    if isinstance(source, Given):
        layout = layout_of(network, source)
        theta0 = repeated(
            layout.flatten(jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), source.params)), len(seeds)
        )
        return layout, theta0, np.stack([layout.flatten(source.another(seed)) for seed in seeds])
    law = normal_law(network)
    if law is not None and type(source).start is FromTask.start:  # type: ignore[attr-defined]
        rngs = [np.random.default_rng((seed, 1)) for seed in seeds]
        n = np.stack([_kept_within(rng, rng.standard_normal((2, law.mean.size)), law.bound) for rng in rngs])
        layout, both = layout_of(network, source), np.moveaxis(law.mean + law.deviation * n, 1, 0)
        return layout, *(source.placed(layout, theta) for theta in both)  # type: ignore[attr-defined]
    task: Any = source
    both = drawn(_Draw(task, "start", (network,)), seeds)
    layout = Layout.of(jax.tree.map(lambda leaf: leaf[0], both[0]))
    return layout, *(task.placed(layout, layout.flatten(each)) for each in both)


@lru_cache(maxsize=4)
def normals(size: int, seeds: Seeds) -> np.ndarray:
    """Standard normal numbers, (S, 2, size): for a teacher's direction, and for a choice of parameters."""
    return np.stack([np.random.default_rng((seed, 4)).standard_normal((2, size)) for seed in seeds])


FOREIGN = 2**16
"""Added to a seed for the init of a student of another network."""


def foreign(network: Network, seeds: Seeds) -> tuple[Layout, np.ndarray]:
    """How the parameters of another network lie, and a draw from its own law for every seed, (S, P')."""
    moved = tuple((seed + FOREIGN) % 2**32 for seed in seeds)
    task = getattr(network, "task", None)
    if task is not None:
        return inits(network, FromTask(task), moved)[:2]
    with float64():
        each = [jax.tree.map(np.asarray, network.init(jax.random.key(seed))) for seed in moved]
    layout = Layout.of(each[0])
    return layout, np.stack([layout.flatten(params) for params in each])
