"""A Flax Linen module behind the two-function protocol of the theory, in float64, one example at a time."""

import operator
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from math import prod
from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory import arguments
from subtheory.data import DIGITS, Task
from subtheory.errors import InputError
from subtheory.numerics import float64
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

_SHOWN: ContextVar[float | None] = ContextVar("shown", default=None)
"""None: initializers draw. A number: they give so many standard deviations, which is how a law is read off."""


@dataclass(frozen=True)
class Normal:
    """Entries i.i.d. N(0, std²), std by default 1/√fan_in, fan_in the product of all axes but the last."""

    std: float | None = None

    def __call__(self, key: Array, shape: Sequence[int], dtype: Any = jnp.float64, out_sharding: Any = None) -> Array:
        std = prod(shape[:-1]) ** -0.5 if self.std is None else self.std
        shown = _SHOWN.get()
        return jax.random.normal(key, shape, dtype) * std if shown is None else jnp.full(shape, shown * std, dtype)


fan_in = Normal()
"""Weights N(0, 1/fan_in)."""


BOUND, WITHIN = 2.0, 0.87962566103423978
"""Where Flax cuts a normal law off, and the standard deviation of N(0, 1) within ±2."""


@dataclass(frozen=True)
class LecunNormal:
    """Flax's default for kernels: variance 1/fan_in, normal but cut off."""

    def __call__(self, key: Array, shape: Sequence[int], dtype: Any = jnp.float64, out_sharding: Any = None) -> Array:
        shown = _SHOWN.get()
        if shown is None:
            return nn.initializers.lecun_normal()(key, shape, dtype)
        return jnp.full(shape, min(shown, BOUND) * prod(shape[:-1]) ** -0.5 / WITHIN, dtype)


def dense(features: int, *, bias_std: float = BIAS_STD, name: str | None = None) -> nn.Dense:
    """x ↦ xW + b with W ~ N(0, 1/fan_in), b ~ N(0, bias_std²), in float64."""
    bias = Normal(bias_std)
    return nn.Dense(features, param_dtype=jnp.float64, kernel_init=fan_in, bias_init=bias, name=name)


def activate(module: nn.Module, activation: str, z: Array) -> Array:
    """Apply an activation by name; what enters a relu is sown for `preactivations`."""
    if activation == "relu":
        module.sow("intermediates", "preactivation", z)
    return ACTIVATIONS[activation](z)


def require_activation(activation: str) -> None:
    """Raise InputError on "activation" unless the name is one of `ACTIVATIONS`."""
    if not isinstance(activation, str) or activation not in ACTIVATIONS:
        raise InputError("activation", arguments.shown(activation), f"must be one of {', '.join(ACTIVATIONS)}")


def require_positive(**sizes: int) -> None:
    """Raise InputError naming the first size that is no whole number, or below 1."""
    for name, size in sizes.items():
        arguments.whole(name, size)


def _at(network: "LinenNetwork", key: Array, deviations: float) -> Params:
    """Parameters with every normal entry so many standard deviations from its mean, or as far as its law goes."""
    token = _SHOWN.set(deviations)
    try:
        return network.init(key)
    finally:
        _SHOWN.reset(token)


FAR = 1e6
"""Standard deviations that no normal number is off by: further than this a law goes only if it has no bound."""


class Law(NamedTuple):
    """Independent entries mean + deviation·n, n ~ N(0, 1) given |n| ≤ bound (`FAR`: any); trees like the parameters."""

    mean: Params
    deviation: Params
    bound: Params


def _bound(mean: np.ndarray, deviation: np.ndarray, far: np.ndarray) -> np.ndarray:
    return np.divide(far - mean, deviation, out=np.full_like(mean, FAR), where=deviation > 0)


@dataclass(frozen=True)
class LinenNetwork(ABC):
    """f: (θ, x) ↦ outputs of one example, x of `task.shape`; θ is the module's "params" dict.

    Equal networks compare equal and hash alike, so they share one compiled program. `init` and
    `apply` are to be called inside `subtheory.numerics.float64()`: outside it JAX has no float64.
    """

    task: Task = field(default=DIGITS, kw_only=True)
    """What its inputs are and its outputs are for."""

    def __post_init__(self) -> None:
        if not isinstance(self.task, Task):
            raise InputError("task", arguments.shown(self.task), "must be a Task, such as DIGITS or TOKENS")

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

    def law(self) -> Law | None:
        """How parameters are drawn, if all of them are independent and normal, kept within bounds or not; else None.

        Read off the module's own initializers: one that draws in any other way would still draw then.
        """

        def ends(key: Array) -> tuple[Params, Params, Params]:
            return _at(self, key, 0.0), _at(self, key, 1.0), _at(self, key, FAR)

        with float64():
            if "random_bits" in str(jax.make_jaxpr(ends)(jax.random.key(0))):
                return None
            mean, one, far = jax.tree.map(np.asarray, jax.jit(ends)(jax.random.key(0)))
        deviation = jax.tree.map(operator.sub, one, mean)
        return Law(mean, deviation, jax.tree.map(_bound, mean, deviation, far))

    def apply(self, params: Params, x: Array) -> Array:
        """Outputs f_θ(x), shape (..., task.outputs)."""
        return cast(Array, self.module().apply({"params": params}, x))

    def preactivations(self, params: Params, x: Array) -> tuple[Array, ...]:
        """Everything that is fed to a relu, one flat array a layer; () for an analytic network."""
        _, sown = self.module().apply({"params": params}, x, mutable=["intermediates"])
        return tuple(jnp.ravel(z) for z in jax.tree.leaves(sown))
