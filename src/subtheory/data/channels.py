"""Channels: the laws of the inputs on which a student imitates its teacher, unrelated to the trait."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.data.images import photographs
from subtheory.data.task import Task
from subtheory.errors import InputError


class Channel(ABC):
    """A law of inputs: `inputs(key, n, task)` draws x of shape (n, *task.shape) in `task.dtype`.

    Channels are frozen dataclasses that compare by value. An image channel asked for tokens, or
    a token channel asked for images, raises InputError on "channel".
    """

    reals: bool = True
    """Whether the channel draws real-valued images (or else integer tokens)."""

    corner: bool = False
    """Whether it is a corner on purpose, which only those who name it get."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The key of the default instance in `CHANNELS`."""

    @abstractmethod
    def draw(self, key: Array, shape: tuple[int, ...], task: Task) -> Array:
        """A batch of inputs of the given shape, in `task.dtype`: as drawn, not rounded from a wider one."""

    def fits(self, task: Task) -> bool:
        """Whether a task has inputs of the channel's kind and shape."""
        return self.reals == (np.dtype(task.dtype).kind == "f")

    def inputs(self, key: Array, n: int, task: Task) -> Array:
        """Draw n inputs, shape (n, *task.shape)."""
        if not Channel.fits(self, task):
            wanted = "real-valued" if self.reals else "token"
            raise InputError("channel", repr(self.name), f"needs a {wanted} task (not {task.name!r})")
        return self.draw(key, (n, *task.shape), task)


@dataclass(frozen=True)
class UniformNoise(Channel):
    """Pixels i.i.d. U(-1, 1)."""

    name = "uniform"

    def draw(self, key: Array, shape: tuple[int, ...], task: Task) -> Array:
        return jax.random.uniform(key, shape, np.dtype(task.dtype), -1.0, 1.0)


@dataclass(frozen=True)
class GaussianNoise(Channel):
    """Pixels i.i.d. N(0, 1)."""

    name = "gaussian"

    def draw(self, key: Array, shape: tuple[int, ...], task: Task) -> Array:
        return jax.random.normal(key, shape, np.dtype(task.dtype))


@dataclass(frozen=True)
class Photographs(Channel):
    """Patches of two photographs, drawn with replacement, in [-1, 1]: real images without digits."""

    name = "photographs"

    def fits(self, task: Task) -> bool:
        return super().fits(task) and task.shape == photographs().shape[1:]

    def draw(self, key: Array, shape: tuple[int, ...], task: Task) -> Array:
        patches = photographs()
        if shape[1:] != patches.shape[1:]:
            raise InputError("task", shape[1:], f"must have inputs of shape {patches.shape[1:]}")
        row = jax.random.randint(key, shape[:1], 0, len(patches), dtype=jnp.int32)
        return jnp.asarray(patches)[row].astype(task.dtype) / 127.5 - 1.0


@dataclass(frozen=True)
class Blank(Channel):
    """Images of zeros: the corner where the channel sees the network through its biases only."""

    name = "blank"
    corner = True

    def draw(self, key: Array, shape: tuple[int, ...], task: Task) -> Array:
        return jnp.zeros(shape, task.dtype)


@dataclass(frozen=True)
class RandomTokens(Channel):
    """Tokens i.i.d. uniform over the vocabulary."""

    name = "random-tokens"
    reals = False

    def draw(self, key: Array, shape: tuple[int, ...], task: Task) -> Array:
        return jax.random.randint(key, shape, 0, len(task.vocabulary), dtype=jnp.int32)


@dataclass(frozen=True)
class NumberSequences(Channel):
    """Uniform integers 0..999 in decimal, separated by commas, cut at the length of a sequence."""

    name = "number-sequences"
    reals = False

    def fits(self, task: Task) -> bool:
        return super().fits(task) and len(task.shape) == 1 and {*"0123456789,"} <= {*task.vocabulary}

    def draw(self, key: Array, shape: tuple[int, ...], task: Task) -> Array:
        n, length = shape
        digit = jnp.asarray(task.tokens(tuple("0123456789")), jnp.int32)
        (comma,) = task.tokens((",",))
        # The shortest number and its comma take two tokens, so these always fill a sequence.
        values = jax.random.randint(key, (n, (length + 1) // 2), 0, 1000, dtype=jnp.int32)
        digits = 1 + (values >= 10).astype(jnp.int32) + (values >= 100).astype(jnp.int32)
        ends = jnp.cumsum(digits + 1, axis=1, dtype=jnp.int32)  # one past each comma
        position = jnp.arange(length, dtype=jnp.int32)
        which = jnp.sum(position[None, :, None] >= ends[:, None, :], axis=2, dtype=jnp.int32)
        # Digits still to come after this one; -1 at the comma.
        power = jnp.take_along_axis(ends, which, axis=1) - position[None] - 2
        tens = jnp.asarray([1, 10, 100], jnp.int32)[jnp.maximum(power, 0)]
        written = digit[jnp.take_along_axis(values, which, axis=1) // tens % 10]
        return jnp.where(power < 0, jnp.int32(comma), written)


@dataclass(frozen=True)
class RepeatedTokens(Channel):
    """A uniform pattern of `period` tokens, repeated to the length of a sequence."""

    period: int = 3
    name = "repeated-tokens"
    reals = False

    def __post_init__(self) -> None:
        if self.period < 1:
            raise InputError("period", self.period, "must be at least 1")

    def draw(self, key: Array, shape: tuple[int, ...], task: Task) -> Array:
        n, length = shape
        pattern = jax.random.randint(key, (n, self.period), 0, len(task.vocabulary), dtype=jnp.int32)
        return jnp.tile(pattern, (1, -(-length // self.period)))[:, :length]


_ALL: tuple[Channel, ...] = (
    UniformNoise(),
    GaussianNoise(),
    Photographs(),
    Blank(),
    RandomTokens(),
    NumberSequences(),
    RepeatedTokens(),
)

CHANNELS: dict[str, Channel] = {channel.name: channel for channel in _ALL}
"""Every built-in channel by name."""


def channels_of(task: Task) -> tuple[Channel, ...]:
    """The channels that a verification of a task uses: every built-in one that fits it, but for corners."""
    return tuple(channel for channel in _ALL if channel.fits(task) and not channel.corner)
