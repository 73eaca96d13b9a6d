"""The trait loss L_T: any differentiable function of the parameters that made the teacher.

Each is stated once as a function of a parameter pytree, `loss`, and once for many flat parameters θ (..., P) of a
network that is known by its outputs and pullbacks (`subtheory.kernels.functions`): `value` and `gradient`. The leaves
of a trait may then have the leading axes of θ, or the first of them.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod
from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jax import Array

from subtheory.theory.losses import log_softmax, namespace, softmax
from subtheory.theory.network import Params

Apply = Callable[[Params, Array], Array]


class Trait(Protocol):
    """A pytree that knows L_T(θ) for a network given by its `apply`."""

    def loss(self, apply: Apply, params: Params) -> Array:
        """L_T(θ), scalar."""
        ...

    def value(self, functions: Any, theta: Any) -> Any:
        """L_T(θ) for every θ, (...)."""
        ...

    def gradient(self, functions: Any, theta: Any) -> Any:
        """∇L_T(θ) for every θ, (..., P)."""
        ...


def _beside(leaf: Any, own: int, theta: Any) -> Any:
    """A leaf with `own` axes of its own behind its leading ones, set beside all leading axes of θ."""
    lead = leaf.ndim - own
    return leaf.reshape(*leaf.shape[:lead], *(1,) * (theta.ndim - 1 - lead), *leaf.shape[lead:])


def _last(z: Any, x_rank: int) -> tuple[Any, tuple[int, ...]]:
    """Logits at the last position, (..., n, V), and the shape of all of them behind the leading axes."""
    lead = x_rank
    return z.reshape(*z.shape[: lead + 1], -1, z.shape[-1])[..., -1, :], z.shape[lead + 1 : -1]


def _at_last(cotangent: Any, positions: tuple[int, ...]) -> Any:
    """A cotangent of the logits at the last position as one of all logits."""
    if not positions:
        return cotangent
    xp = namespace(cotangent)
    *lead, n, width = cotangent.shape
    count = prod(positions)
    zeros = xp.zeros((*lead, n, count - 1, width), cotangent.dtype)
    return xp.concatenate([zeros, cotangent[..., None, :]], axis=-2).reshape(*lead, n, *positions, width)


class _OfOutputs:
    """A loss that is a mean over examples of a function of the logits at the last position."""

    x: Any
    outputs: Any

    def of_logits(self, z: Any, theta: Any) -> Any:
        """L_T from logits (..., n, V)."""
        raise NotImplementedError

    def slope(self, z: Any, theta: Any) -> Any:
        """∂L_T/∂z at logits (..., n, V)."""
        raise NotImplementedError

    def _logits(self, functions: Any, theta: Any) -> tuple[Any, Any, tuple[int, ...]]:
        x = _beside(self.x, self.x.ndim - self.lead(), theta)
        z, positions = _last(functions.values(theta, x), theta.ndim - 1)
        return x, z, positions

    def lead(self) -> int:
        """Leading axes of the leaves."""
        raise NotImplementedError

    def value(self, functions: Any, theta: Any) -> Any:
        return self.of_logits(self._logits(functions, theta)[1], theta)

    def gradient(self, functions: Any, theta: Any) -> Any:
        x, z, positions = self._logits(functions, theta)
        return functions.pulls(theta, _at_last(self.slope(z, theta), positions), x)


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class LabelledTrait(_OfOutputs):
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

    def lead(self) -> int:
        return self.labels.ndim - 1

    def of_logits(self, z: Any, theta: Any) -> Any:
        log_p = log_softmax(z, _beside(self.outputs, 1, theta)[..., None, :])
        xp = namespace(log_p)
        labels = xp.broadcast_to(_beside(self.labels, 1, theta)[..., None], (*z.shape[:-1], 1))
        return -xp.take_along_axis(log_p, labels, axis=-1)[..., 0].mean(axis=-1)

    def slope(self, z: Any, theta: Any) -> Any:
        w = _beside(self.outputs, 1, theta)[..., None, :]
        hot = namespace(z).arange(z.shape[-1]) == _beside(self.labels, 1, theta)[..., None]
        return (softmax(z, w) - (hot & (w > 0))) / z.shape[-2]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class TargetTrait(_OfOutputs):
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

    def lead(self) -> int:
        return self.targets.ndim - 2

    def of_logits(self, z: Any, theta: Any) -> Any:
        w = _beside(self.outputs, 1, theta)[..., None, :]
        return (w * (z - _beside(self.targets, 2, theta)) ** 2).sum(axis=-1).mean(axis=-1)

    def slope(self, z: Any, theta: Any) -> Any:
        w = _beside(self.outputs, 1, theta)[..., None, :]
        return 2 * w * (z - _beside(self.targets, 2, theta)) / z.shape[-2]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class FunctionTrait:
    """L_T given by the user as a function of the parameters alone."""

    function: Callable[[Any], Any] = field(metadata={"static": True})

    def loss(self, apply: Apply, params: Params) -> Array:
        return jnp.asarray(self.function(params))

    def value(self, functions: Any, theta: Any) -> Any:
        return functions.scalar(self.function, theta)[0]

    def gradient(self, functions: Any, theta: Any) -> Any:
        return functions.scalar(self.function, theta)[1]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Bowl:
    """L_T(θ) = ½ Σ_i h_i (θ_i − b_i)²: curvatures h > 0 and the minimum b, both pytrees like θ."""

    curvature: Params
    bottom: Params

    def loss(self, apply: Apply, params: Params) -> Array:
        terms = jax.tree.map(lambda h, b, p: jnp.sum(h * (p - b) ** 2), self.curvature, self.bottom, params)
        return jax.tree.reduce(jnp.add, terms) / 2

    def value(self, functions: Any, theta: Any) -> Any:
        h, off = self._from_bottom(functions, theta)
        return (h * off**2).sum(axis=-1) / 2

    def gradient(self, functions: Any, theta: Any) -> Any:
        h, off = self._from_bottom(functions, theta)
        return h * off

    def _from_bottom(self, functions: Any, theta: Any) -> tuple[Any, Any]:
        h, b = (_beside(functions.layout.flatten(tree), 1, theta) for tree in (self.curvature, self.bottom))
        return h, theta - b


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Margin(_OfOutputs):
    """L_T(θ) = −m(θ), m = E[f_θ(x)_label − mean_k f_θ(x)_k]: linear in the outputs, the mean over those with w > 0.

    x: (n, ...), labels: (n,) int, outputs: (V,). Sequence models are read at their last position.
    """

    x: Array
    labels: Array
    outputs: Array

    def loss(self, apply: Apply, params: Params) -> Array:
        z = jax.vmap(lambda example: apply(params, example))(self.x)
        z, on = z.reshape(z.shape[0], -1, z.shape[-1])[:, -1], self.outputs > 0
        own = jnp.take_along_axis(z, self.labels[:, None], axis=-1)[:, 0]
        return jnp.mean(jnp.sum(z * on, axis=-1) / jnp.sum(on) - own)

    def lead(self) -> int:
        return self.labels.ndim - 1

    def of_logits(self, z: Any, theta: Any) -> Any:
        return (self.slope(z, theta) * z).sum(axis=(-2, -1))

    def slope(self, z: Any, theta: Any) -> Any:
        on = (_beside(self.outputs, 1, theta)[..., None, :] > 0) * 1.0
        hot = namespace(z).arange(z.shape[-1]) == _beside(self.labels, 1, theta)[..., None]
        return (on / on.sum(axis=-1, keepdims=True) - hot) / self.labels.shape[-1]

    def gradient(self, functions: Any, theta: Any) -> Any:
        # The slope is the same at all outputs, whose shape one θ tells.
        x, lead = _beside(self.x, self.x.ndim - self.lead(), theta), self.lead()
        z, positions = _last(functions.values(theta[(0,) * (theta.ndim - 1)], self.x[(0,) * lead]), 0)
        return functions.pulls(theta, _at_last(self.slope(z, theta), positions), x)
