"""A Flax Linen module behind the two-function protocol of the theory, in float64, one example at a time."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from subtheory.data.digits import DIGITS
from subtheory.data.task import Task
from subtheory.errors import InputError
from subtheory.theory.network import Params

BIAS_STD = 0.1
"""Default standard deviation of initial biases; at 0 a blank input sits on every ReLU kink."""

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "tanh": jnp.tanh,
    "gelu": nn.gelu,
    "gelu-erf": partial(nn.gelu, approximate=False),
    "softplus": nn.softplus,
    "sigmoid": nn.sigmoid,
    "sine": jnp.sin,
    "relu": nn.relu,
}
"""Activations by name; all but relu are analytic, and "gelu" is its usual tanh form."""

fan_in = nn.initializers.variance_scaling(1.0, "fan_in", "normal")
"""Weights N(0, 1/fan_in)."""


def dense(features: int, *, bias_std: float = BIAS_STD, name: str | None = None) -> nn.Dense:
    """x ↦ xW + b with W ~ N(0, 1/fan_in), b ~ N(0, bias_std²), in float64."""
    bias = nn.initializers.normal(bias_std)
    return nn.Dense(features, param_dtype=jnp.float64, kernel_init=fan_in, bias_init=bias, name=name)


def activate(module: nn.Module, activation: str, z: Array) -> Array:
    """Apply an activation by name; what enters a relu is sown for `preactivations`."""
    if activation == "relu":
        module.sow("intermediates", "preactivation", z)
    return ACTIVATIONS[activation](z)


def require_activation(activation: str) -> None:
    """Raise InputError on "activation" unless the name is one of `ACTIVATIONS`."""
    if activation not in ACTIVATIONS:
        raise InputError("activation", repr(activation), f"must be one of {', '.join(ACTIVATIONS)}")


def require_positive(**sizes: int) -> None:
    """Raise InputError naming the first size below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise InputError(name, size, "must be at least 1")


@dataclass(frozen=True)
class LinenNetwork(ABC):
    """f: (θ, x) ↦ outputs of one example, x of `task.shape`; θ is the module's "params" dict.

    Equal networks compare equal and hash alike, so they share one compiled program. `init` and
    `apply` are to be called inside `subtheory.numerics.float64()`: outside it JAX has no float64.
    """

    task: Task = field(default=DIGITS, kw_only=True)

    @property
    @abstractmethod
    def name(self) -> str:
        """Kebab-case name."""

    @abstractmethod
    def module(self) -> nn.Module:
        """The Linen module, written for one example without a batch axis."""

    @property
    def example(self) -> jax.ShapeDtypeStruct:
        """Shape and dtype of one input."""
        return self.task.example

    def init(self, key: Array) -> Params:
        """Draw float64 parameters θ0."""
        x = jnp.zeros(self.example.shape, self.example.dtype)
        return self.module().init(key, x)["params"]

    def apply(self, params: Params, x: Array) -> Array:
        """Outputs f_θ(x), shape (..., task.outputs)."""
        return cast(Array, self.module().apply({"params": params}, x))

    def preactivations(self, params: Params, x: Array) -> tuple[Array, ...]:
        """Everything that is fed to a relu, one flat array a layer; () for an analytic network."""
        _, sown = self.module().apply({"params": params}, x, mutable=["intermediates"])
        return tuple(jnp.ravel(z) for z in jax.tree.leaves(sown))
