"""Starts of paths between inits, of small networks and of one's own, and how far apart two are."""

from dataclasses import replace
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np

from subtheory.init import Start, fits, students, teachers
from subtheory.kernels.compiled import Kernels
from subtheory.networks import MLP, ConvNet, Transformer, VisionTransformer, adapt
from subtheory.theory.layout import Layout
from subtheory.theory.trait import FunctionTrait, LabelledTrait

TANH, RELU, SINE, GELU = (MLP(width=5, activation=a) for a in ("tanh", "relu", "sine", "gelu"))
CONV = ConvNet(channels=(2, 3))
CONV_RELU = ConvNet(channels=(2, 3), activation="relu")
DECODER, VIT = Transformer(width=4, blocks=2), VisionTransformer(width=4)
EXAMPLES = 3


@lru_cache
def made(network, seed=0, examples=EXAMPLES):
    """A start of one seed with every parameter, inputs and labels normal or uniform, gains and biases included."""
    rng = np.random.default_rng(seed)
    layout = Layout.of(jax.eval_shape(network.init, jax.random.key(0)))
    draw = lambda: rng.normal(size=(1, layout.size)) / 2  # noqa: E731
    size = network.task.outputs

    def inputs(n):
        shape = (n, *network.task.shape)
        if network.task.vocabulary:
            return rng.integers(0, size, shape).astype(np.int32)
        return rng.uniform(-1, 1, shape)

    theta0, other = draw(), draw()
    labels = rng.choice(network.task.group("class"), (1, 16)).astype(np.int32)
    trait = LabelledTrait(inputs(16)[None], labels, network.task.weights("class")[None])
    functions = Kernels(network, layout, network.task.shape)
    return Start(theta0, other, inputs(examples)[None], network.task.weights("aux"), trait, functions)


def own(network, theta0, x, w, other=None, **more):
    """A start of one seed with parameters, inputs and weights of one's own."""
    functions = Kernels.of(network, theta0, x[0])
    flat = [functions.layout.flatten(tree)[None] for tree in (theta0, theta0 if other is None else other)]
    return Start(*flat, x[None], w, FunctionTrait(np.sum), functions, **more)


def stacked(network, seeds=(0, 1, 2)):
    """Starts of several seeds."""
    starts = [made(network, seed) for seed in seeds]
    joined = lambda *leaves: np.concatenate(leaves)  # noqa: E731
    arrays = {name: joined(*(getattr(s, name) for s in starts)) for name in ("theta0", "other", "x")}
    return replace(starts[0], **arrays, trait=jax.tree.map(joined, *(s.trait for s in starts)))


def first(start, name="theta0"):
    """θ0 or θ0' of the first seed as a pytree."""
    return start.layout.unflatten(getattr(start, name)[0])


KEYS = (1, 2)


def grid(path):
    """Amount 0, one in the middle, and the last."""
    return (0.0, path.amounts[len(path.amounts) // 2], path.amounts[-1])


@lru_cache
def ran(path, network):
    """Students and teachers on the grid of a path."""
    start = made(network)
    return students(path, start, grid(path), KEYS), teachers(path, start, grid(path), KEYS)


@partial(jax.jit, static_argnames="network")
def values(network, params, x):
    return jax.vmap(lambda example: network.apply(params, example))(x)


def at(tree, *index):
    return jax.tree.map(lambda leaf: np.asarray(leaf)[index], tree)


def gap(a, b):
    return max(
        float(np.max(np.abs(np.asarray(x) - np.asarray(y)))) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True)
    )


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@lru_cache
def home(path):
    """The cheapest network that a path fits."""
    return next(network for network in (TANH, RELU, VIT) if fits(path, made(network)))


def sequence(n=2):
    """n outputs (T, V) = (2, 3) of 21 parameters, so that G averages over positions and its rank is clear."""
    rng = np.random.default_rng(5)
    draw = lambda: {"a": rng.normal(size=(4, 3)), "b": rng.normal(size=(3, 3))}  # noqa: E731
    network, theta0 = adapt(lambda theta, x: jnp.tanh(x @ theta["a"]) @ theta["b"], draw())
    return own(network, theta0, rng.normal(size=(n, 2, 4)), np.array([1.0, 0.5, 2.0]), draw())
