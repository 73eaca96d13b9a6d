"""Fully connected networks: the linear one, where the theory is exact, and the MLP."""

from dataclasses import dataclass
from math import inf

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.networks.linen import (
    BIAS_STD,
    LinenNetwork,
    activate,
    dense,
    require_activation,
    require_positive,
)


class Perceptron(nn.Module):
    """x ↦ W_L φ(... φ(W_1 x + b_1)) + b_L with hidden layers of the given widths."""

    widths: tuple[int, ...]
    outputs: int
    activation: str
    bias_std: float

    @nn.compact
    def __call__(self, x: Array) -> Array:
        h = jnp.ravel(x)
        for width in self.widths:
            h = activate(self, self.activation, dense(width, bias_std=self.bias_std)(h))
        return dense(self.outputs, bias_std=self.bias_std, name="head")(h)


@dataclass(frozen=True)
class Linear(LinenNetwork):
    """f_θ(x) = Wx + b: linear in θ, so every expansion in θ ends after its first term."""

    name = "linear"

    def module(self) -> nn.Module:
        return Perceptron((), self.task.outputs, "tanh", BIAS_STD)


@dataclass(frozen=True)
class MLP(LinenNetwork):
    """`depth` hidden layers of `width` units; weights N(0, 1/fan_in), biases N(0, bias_std²).

    `bias_std=0` is the zero-bias initialisation. Raises InputError on "width", "depth",
    "activation" or "bias_std".
    """

    width: int = 24
    depth: int = 2
    activation: str = "tanh"
    bias_std: float = BIAS_STD

    def __post_init__(self) -> None:
        super().__post_init__()
        require_activation(self.activation)
        require_positive(width=self.width, depth=self.depth)
        spread = arguments.number(self.bias_std)
        if spread is None or not 0 <= spread < inf:
            raise InputError("bias_std", arguments.shown(self.bias_std), "must not be negative, but a number")

    @property
    def name(self) -> str:
        return "mlp" if self.activation == "tanh" else f"mlp-{self.activation}"

    def module(self) -> nn.Module:
        return Perceptron((self.width,) * self.depth, self.task.outputs, self.activation, self.bias_std)
