"""What a teacher and its students share: network, schedules, distilled logits, noise; and the images of the trait."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory.data import mnist
from subtheory.data.channels import Channel, UniformNoise
from subtheory.data.digits import DIGITS
from subtheory.data.images import digits
from subtheory.data.task import Task
from subtheory.errors import InputError
from subtheory.networks import MLP, LinenNetwork
from subtheory.theory.losses import KL, Loss

HELD_OUT = 400
"""Digits on which accuracy is measured: one of them is a quarter of a percent."""


NOISE = 12
"""What is folded into a seed's key for its noise."""


class Images(NamedTuple):
    """Labelled images: (n, ...) to train on, the rest held out; a label indexes a logit.

    Floats are taken as they are, uint8 as grey values that `pixels` scales to [−1, 1] when a batch is taken.
    """

    x: np.ndarray
    labels: np.ndarray
    test_x: np.ndarray
    test_labels: np.ndarray


def pixels(x: Any, dtype: Any) -> Any:
    """What a network is given for images, in a float dtype: grey values g as g/127.5 − 1, floats as they are."""
    scaled = x.astype(dtype)
    return scaled / 127.5 - 1 if x.dtype == np.uint8 else scaled


def digit_images(held_out: int = HELD_OUT, seed: int = 0) -> Images:
    """The built-in digits, float32 (n, 8, 8), shuffled once and split.

    Raises InputError on "held_out" unless both parts have an image.
    """
    grey, labels = digits()
    if not 0 < held_out < len(labels):
        raise InputError("held_out", held_out, f"must be between 1 and {len(labels) - 1}")
    order = np.random.default_rng(seed).permutation(len(labels))
    x, y = (grey[order] / 8.0 - 1.0).astype(np.float32), labels[order].astype(np.int32)
    return Images(x[held_out:], y[held_out:], x[:held_out], y[:held_out])


def mnist_images(where: Path | str) -> Images:
    """The MNIST digits, uint8 (n, 28, 28), with their own test images held out; InputError as `data.mnist.read`."""
    x, labels, test_x, test_labels = mnist.read(where)
    return Images(x, labels.astype(np.int32), test_x, test_labels.astype(np.int32))


def first_classes(images: Images, classes: int) -> Images:
    """The images of the first classes alone; InputError on "classes" below 2, or above what there is."""
    there = int(images.labels.max()) + 1
    if not 2 <= classes <= there:
        raise InputError("classes", classes, f"must be between 2 and {there}")
    if classes == there:
        return images
    train, test = images.labels < classes, images.test_labels < classes
    return Images(images.x[train], images.labels[train], images.test_x[test], images.test_labels[test])


def auxiliary(task: Task, m: int, classes: int | None = None) -> Task:
    """The task with m auxiliary logits behind its class logits, or behind the first `classes` of them.

    Raises InputError on "m" below 1, on "classes" unless there are so many.
    """
    if m < 1:
        raise InputError("m", m, "must be at least 1")
    there = len(task.group("class"))
    first = there if classes is None else classes
    if not 1 <= first <= there:
        raise InputError("classes", first, f"must be between 1 and {there}")
    groups = (
        ("class", tuple(range(first))),
        ("aux", tuple(range(first, first + m))),
        ("all", tuple(range(first + m))),
    )
    return replace(task, groups=groups)


def digit_network(
    width: int = 64, m: int = 3, activation: str = "relu", *,
    depth: int = 2, task: Task = DIGITS, classes: int | None = None,
) -> MLP:  # fmt: skip
    """The paper's network, on 8×8 digits or another task: two hidden layers, weights N(0, 1/fan_in), zero biases,
    and m auxiliary logits behind those of the (first) classes."""
    return MLP(width=width, depth=depth, activation=activation, bias_std=0.0, task=auxiliary(task, m, classes))


@dataclass(frozen=True)
class Schedule:
    """Epochs of minibatches under one optax optimizer, which is named and takes a rate alone.

    Every epoch has an order of its own; an incomplete last batch is left out. Raises InputError on
    "optimizer", "rate", "batch" or "epochs".
    """

    optimizer: str = "adam"
    rate: float = 3e-3
    batch: int = 128
    epochs: int = 5

    def __post_init__(self) -> None:
        if not self.rate > 0:
            raise InputError("rate", self.rate, "must be positive")
        for name in ("batch", "epochs"):
            if getattr(self, name) < 1:
                raise InputError(name, getattr(self, name), "must be at least 1")
        self.transformation()

    def transformation(self) -> optax.GradientTransformation:
        """The optimizer."""
        wanted = "must be an optax optimizer that takes a learning rate alone, such as adam or sgd"
        try:
            found = getattr(optax, self.optimizer)(self.rate)
        except (AttributeError, TypeError) as error:
            raise InputError("optimizer", repr(self.optimizer), wanted) from error
        if not isinstance(found, optax.GradientTransformation):
            raise InputError("optimizer", repr(self.optimizer), wanted)
        return found

    def steps(self, count: int) -> int:
        """Steps over `count` examples; InputError on "batch" if they do not fill one."""
        if self.batch > count:
            raise InputError("batch", self.batch, f"must be at most the {count} examples")
        return self.epochs * (count // self.batch)

    def batches(self, key: Array, count: int) -> Array:
        """Rows of every step, (steps, batch) int32: a fresh order in every epoch."""
        full = self.steps(count) // self.epochs * self.batch

        def order(k: Array) -> Array:
            return jnp.argsort(jax.random.uniform(k, (count,), jnp.float64))[:full].astype(jnp.int32)

        # One epoch after the other: all sorts at once would hold epochs × count keys.
        return jax.lax.map(order, jax.random.split(key, self.epochs)).reshape(-1, self.batch)


@dataclass(frozen=True)
class Workload:
    """An imitation on noise: hashable, so that equal workloads share their compiled programs.

    The student's inputs are rows 0 ... `rows` − 1 of the channel, row i drawn from a key of its own whenever it is
    needed and never stored. `outputs` names the distilled logits, a group of the task or indices. Raises
    InputError on "rows", "batch" or "outputs".
    """

    network: LinenNetwork = field(default_factory=digit_network)
    teacher: Schedule = Schedule(rate=1e-3, batch=64, epochs=10)
    student: Schedule = Schedule()
    rows: int = 16_000
    loss: Loss = KL(temperature=1.0)
    outputs: str | tuple[int, ...] = "aux"
    channel: Channel = UniformNoise()

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise InputError("rows", self.rows, "must be at least 1")
        self.student.steps(self.rows)
        self.weights("class")
        self.weights(self.outputs)

    def weights(self, outputs: str | tuple[int, ...]) -> np.ndarray:
        """0/1 over the logits, (V,) float32."""
        return self.network.task.weights(outputs).astype(np.float32)

    def noise(self, key: Array, rows: Array) -> Array:
        """Rows of a seed's noise by number, (len(rows), ...): row i from fold_in(fold_in(key, NOISE), i).

        Inside `float64()`.
        """
        seed = jax.random.fold_in(key, NOISE)

        def row(i: Array) -> Array:
            return self.channel.inputs(jax.random.fold_in(seed, i), 1, self.network.task)[0]

        return jax.vmap(row)(rows)
