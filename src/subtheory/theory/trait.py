"""The trait loss L_T: any differentiable function of the parameters that made the teacher."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax import Array

from subtheory.theory.losses import log_softmax
from subtheory.theory.network import Params

Apply = Callable[[Params, Array], Array]


class Trait(Protocol):
    """A pytree that knows L_T(θ) for a network given by its `apply`."""

    def loss(self, apply: Apply, params: Params) -> Array:
        """L_T(θ), scalar."""
        ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LabelledTrait:
    """L_T(θ) = −E log σ(f_θ(x))_label over the trait's own outputs, as in the paper's digit experiment.

    x: (n, ...), labels: (n,) int, outputs: (V,) with 1 on the logits that the softmax runs over.
    Sequence models are read at their last position.
    """

    x: Array
    labels: Array
    outputs: Array

    def loss(self, apply: Apply, params: Params) -> Array:
        z = jax.vmap(lambda example: apply(params, example))(self.x)
        log_p = log_softmax(z.reshape(z.shape[0], -1, z.shape[-1])[:, -1], self.outputs)
        return -jnp.mean(jnp.take_along_axis(log_p, self.labels[:, None], axis=-1))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TargetTrait:
    """L_T(θ) = E Σ_i w_i (f_θ(x)_i − t_i)²: a regression on some of the outputs.

    x: (n, ...), targets t: (n, V), outputs w: (V,). Sequence models are read at their last position.
    """

    x: Array
    targets: Array
    outputs: Array

    def loss(self, apply: Apply, params: Params) -> Array:
        z = jax.vmap(lambda example: apply(params, example))(self.x)
        off = z.reshape(z.shape[0], -1, z.shape[-1])[:, -1] - self.targets
        return jnp.mean(jnp.sum(self.outputs * off**2, axis=-1))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class FunctionTrait:
    """L_T given by the user as a function of the parameters alone."""

    function: Callable[[Any], Any] = field(metadata={"static": True})

    def loss(self, apply: Apply, params: Params) -> Array:
        return jnp.asarray(self.function(params))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Bowl:
    """L_T(θ) = ½ Σ_i h_i (θ_i − b_i)²: curvatures h > 0 and the minimum b, both pytrees like θ."""

    curvature: Params
    bottom: Params

    def loss(self, apply: Apply, params: Params) -> Array:
        terms = jax.tree.map(lambda h, b, p: jnp.sum(h * (p - b) ** 2), self.curvature, self.bottom, params)
        return jax.tree.reduce(jnp.add, terms) / 2
