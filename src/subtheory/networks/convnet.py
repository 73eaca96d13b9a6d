"""A small convolutional network on grey images."""

from dataclasses import dataclass

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.networks.linen import (
    BIAS_STD,
    LinenNetwork,
    Normal,
    activate,
    dense,
    fan_in,
    require_activation,
)


def halve(h_HWC: Array) -> Array:
    """Means over 2×2 blocks, (H, W, C) ↦ (H/2, W/2, C).

    By reshaping, because `flax.linen.avg_pool` mixes dtypes and fails under strict promotion.
    """
    height, width, channels = h_HWC.shape
    return h_HWC.reshape(height // 2, 2, width // 2, 2, channels).mean(axis=(1, 3))


class Convolutions(nn.Module):
    """3×3 convolution, activation and 2×2 mean for each entry of `channels`, then a dense head."""

    channels: tuple[int, ...]
    outputs: int
    activation: str

    @nn.compact
    def __call__(self, x_HW: Array) -> Array:
        bias = Normal(BIAS_STD)
        h_HWC = x_HW[..., None]
        for channels in self.channels:
            conv = nn.Conv(channels, (3, 3), param_dtype=jnp.float64, kernel_init=fan_in, bias_init=bias)
            h_HWC = halve(activate(self, self.activation, conv(h_HWC)))
        return dense(self.outputs, name="head")(h_HWC.ravel())


@dataclass(frozen=True)
class ConvNet(LinenNetwork):
    """One convolution for each entry of `channels`; each halves the image.

    Raises InputError on "activation", or on "channels" if the image cannot be halved so often.
    """

    channels: tuple[int, ...] = (4, 8)
    activation: str = "tanh"

    name = "convnet"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_activation(self.activation)
        counts = self.channels if isinstance(self.channels, list | tuple) else [self.channels]
        object.__setattr__(self, "channels", tuple(arguments.integer(count) for count in counts))
        if not self.channels or any(count is None or count < 1 for count in self.channels):
            raise InputError("channels", arguments.shown(counts), "must be positive, at least one")
        shape, block = self.task.shape, 2 ** len(self.channels)
        if len(shape) != 2 or any(size % block for size in shape):
            raise InputError("channels", self.channels, f"must halve images of shape {shape} evenly")

    def module(self) -> nn.Module:
        return Convolutions(self.channels, self.task.outputs, self.activation)
