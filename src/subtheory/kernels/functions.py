"""What is known of a network, as functions of flat parameters: its outputs, their Taylor model, and pullbacks.

`Functions` says what others may ask, `Traced` answers in plain JAX, for what has to be differentiated or compiled as
a whole; `subtheory.kernels.compiled` answers by compiled programs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.numerics import float64
from subtheory.theory.layout import Layout
from subtheory.theory.linearize import TaylorModel, derivatives, first_kink
from subtheory.theory.losses import Loss
from subtheory.theory.network import Network, Params


class Terms(NamedTuple):
    """r(ε) = −∂_z l(z, y + εu + ½ε²v) at ε = 0 and its derivatives r′ = Mu, M = −∂_z∂_y l, and r″; each (..., V)."""

    r: Any
    first: Any
    second: Any


class Functions(Protocol):
    """What is known of a network: its outputs, their Taylor model along a line, and pullbacks.

    θ and Δ are (..., P), inputs x (..., N, *example), outputs and cotangents (..., N, *positions, V); leading axes
    broadcast.
    """

    @property
    def network(self) -> Network: ...
    @property
    def layout(self) -> Layout: ...
    @property
    def example(self) -> tuple[int, ...]:
        """Shape of one input."""
        ...

    def values(self, theta: Any, x: Any) -> Any:
        """z = f_θ(x)."""
        ...

    def taylor(self, theta: Any, delta: Any, x: Any) -> TaylorModel:
        """z, u = JΔ and v = d²f_{θ+tΔ}/dt² at t = 0."""
        ...

    def pulls(self, theta: Any, cotangents: Any, x: Any) -> Any:
        """Σ_x J(x)ᵀ r(x), (..., P)."""
        ...

    def kink(self, theta: Any, delta: Any, x: Any) -> Any:
        """Where the line θ + tΔ first meets a kink, (...); infinite without kinks."""
        ...

    def scalar(self, function: Any, theta: Any) -> tuple[Any, Any]:
        """F(θ) and ∇F(θ) of a function of the network's own parameters, (...) and (..., P)."""
        ...

    def terms(self, loss: Loss, z: Any, y: Any, w: Any, u: Any = None, v: Any = None) -> Terms:
        """The loss's pull on z by labels that move along y + εu + ½ε²v."""
        ...


# One row, θ (P,) and x (N, *example) --------------------------------------------------------------


def values(network: Network, layout: Layout, theta: Array, x: Array) -> Array:
    return applied(network, layout.unflatten(theta), x)


def applied(network: Network, params: Params, x: Array) -> Array:
    return jax.vmap(lambda example: network.apply(params, example))(x)


def taylor(network: Network, layout: Layout, theta: Array, delta: Array, x: Array) -> TaylorModel:
    return derivatives(lambda t: values(network, layout, theta + t * delta, x), jnp.zeros((), theta.dtype))


def pull(network: Network, layout: Layout, theta: Array, cotangent: Array, x: Array) -> Array:
    return puller(network, layout, theta, x)(cotangent)


def puller(network: Network, layout: Layout, theta: Array, x: Array) -> Callable[[Array], Array]:
    # By leaves: the transpose of slices of θ is a sum of as many vectors as there are leaves.
    pull = jax.vjp(lambda params: applied(network, params, x), layout.unflatten(theta))[1]
    return lambda cotangent: layout.flatten(pull(cotangent)[0])


def pulled(network: Network, layout: Layout, theta: Array, cotangents: Array, x: Array) -> Array:
    return jax.lax.map(puller(network, layout, theta, x), cotangents)


def kink(network: Network, layout: Layout, theta: Array, delta: Array, x: Array) -> Array:
    return first_kink(network, layout.unflatten(theta), layout.unflatten(delta), x)


def scalar(function: Any, layout: Layout, theta: Array) -> tuple[Array, Array]:
    return jax.value_and_grad(lambda theta: jnp.asarray(function(layout.unflatten(theta))))(theta)


def terms(loss: Loss, z: Array, y: Array, w: Array, u: Array, v: Array) -> Terms:
    def pull(eps: Array) -> Array:
        labels = y + eps * u + eps**2 / 2 * v
        return -jax.grad(lambda o: jnp.sum(loss.value(o, labels, w)))(z)

    return Terms(*derivatives(pull, jnp.zeros((), z.dtype)))


@lru_cache(maxsize=256)
def shapes_of(network: Network) -> Params:
    """Shapes of a network's parameters, float64; computes nothing."""
    with float64():
        return jax.eval_shape(lambda: network.init(jax.random.key(0)))


@lru_cache(maxsize=256)
def output_shape(network: Network, layout: Layout, example: tuple[int, ...], dtype: str) -> tuple[int, ...]:
    """Shape of the outputs of one example; computes nothing."""
    with float64():
        theta = jax.ShapeDtypeStruct((layout.size,), jnp.float64)
        x = jax.ShapeDtypeStruct((1, *example), np.dtype(dtype))
        return tuple(jax.eval_shape(partial(values, network, layout), theta, x).shape[1:])


@lru_cache(maxsize=256)
def has_kinks(network: Network, layout: Layout, example: tuple[int, ...], dtype: str) -> bool:
    """Whether a network reports pre-activations of kinks; computes nothing."""
    preactivations = getattr(network, "preactivations", None)
    if preactivations is None:
        return False
    with float64():

        def hidden(theta: Array, x: Array) -> Any:
            return preactivations(layout.unflatten(theta), x)

        theta = jax.ShapeDtypeStruct((layout.size,), jnp.float64)
        return bool(jax.eval_shape(hidden, theta, jax.ShapeDtypeStruct(example, np.dtype(dtype))))


@dataclass(frozen=True)
class Traced:
    """`Functions` on JAX arrays, traceable and differentiable: a loop over rows, to compile as a whole."""

    network: Network
    layout: Layout
    example: tuple[int, ...]

    def values(self, theta: Any, x: Any) -> Any:
        return _mapped(partial(values, self.network, self.layout), (theta, x), (1, self._rank(x)))

    def taylor(self, theta: Any, delta: Any, x: Any) -> TaylorModel:
        found = _mapped(partial(taylor, self.network, self.layout), (theta, delta, x), (1, 1, self._rank(x)))
        return TaylorModel(*found)

    def pulls(self, theta: Any, cotangents: Any, x: Any) -> Any:
        shape = jax.eval_shape(
            partial(values, self.network, self.layout),
            jax.ShapeDtypeStruct((self.layout.size,), jnp.float64),
            jax.ShapeDtypeStruct(x.shape[x.ndim - self._rank(x) :], x.dtype),
        ).shape
        row = partial(pull, self.network, self.layout)
        ranks = (1, len(shape), self._rank(x))
        own = [a.shape[: a.ndim - rank] for a, rank in zip((theta, cotangents, x), ranks, strict=True)]
        if not own[1] or any(lead[-1:] not in ((), (1,)) for lead in (own[0], own[2])):
            return _mapped(row, (theta, cotangents, x), ranks)
        # Cotangents along the last axis pull at one θ and x: one forward pass is enough for them.
        theta, x = (a.reshape(*lead[:-1], *a.shape[len(lead) :]) for a, lead in ((theta, own[0]), (x, own[2])))
        several = partial(pulled, self.network, self.layout)
        return _mapped(several, (theta, cotangents, x), (1, 1 + len(shape), self._rank(x)))

    def puller(self, theta: Any, x: Any) -> Callable[[Any], Any]:
        """r ↦ Σ_x J(x)ᵀ r(x) at one θ (P,) and inputs (N, *example): the forward pass is done once."""
        return puller(self.network, self.layout, theta, x)

    def kink(self, theta: Any, delta: Any, x: Any) -> Any:
        row = partial(kink, self.network, self.layout)
        return _mapped(row, (theta, delta, x), (1, 1, self._rank(x)))

    def scalar(self, function: Any, theta: Any) -> tuple[Any, Any]:
        return _mapped(partial(scalar, function, self.layout), (theta,), (1,))

    def terms(self, loss: Loss, z: Any, y: Any, w: Any, u: Any = None, v: Any = None) -> Terms:
        given = [jnp.zeros(()) if a is None else a for a in (z, y, u, v)]
        z, y, u, v = jnp.broadcast_arrays(*given)
        return terms(loss, z, y, w, u, v)

    def _rank(self, x: Any) -> int:
        return 1 + len(self.example)


def _mapped(row: Any, arrays: tuple[Any, ...], ranks: tuple[int, ...]) -> Any:
    """A function of one row for all leading axes."""
    lead = jnp.broadcast_shapes(*(a.shape[: a.ndim - rank] for a, rank in zip(arrays, ranks, strict=True)))
    flat = [
        jnp.broadcast_to(a, (*lead, *a.shape[a.ndim - rank :])).reshape(-1, *a.shape[a.ndim - rank :])
        for a, rank in zip(arrays, ranks, strict=True)
    ]
    found = jax.lax.map(lambda each: row(*each), tuple(flat))
    return jax.tree.map(lambda leaf: leaf.reshape(*lead, *leaf.shape[1:]), found)
