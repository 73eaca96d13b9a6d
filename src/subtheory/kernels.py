"""A network as a handful of compiled functions of flat parameters, a loss as one: all that is compiled of them.

`Kernels` runs rows (θ, x) of any number through programs of one fixed shape, so that claims, controls, ablations and
experiments on a network share them, whatever their seeds, ε, losses and examples. `Traced` is the same as plain JAX
functions, for what has to be differentiated or compiled as a whole. Everything between is algebra on arrays.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from importlib.metadata import version
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.numerics import float64
from subtheory.theory.layout import Layout
from subtheory.theory.linearize import Path, derivatives, first_kink
from subtheory.theory.losses import Loss
from subtheory.theory.network import Network, Params
from subtheory.traces import TRACES

BLOCK, LARGE_BLOCK = 8, 64
"""Examples of one row; more of them where θ itself is much to read."""

ROWS, LARGE_ROWS = 32, 4
"""Most rows of one call."""

LARGE = 2**15
"""Parameters from which a network is large."""

POINTS = 1024
"""Outputs (..., V) of one call of a loss."""


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

    def taylor(self, theta: Any, delta: Any, x: Any) -> Path:
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


# One row ------------------------------------------------------------------------------------------


def _outputs(network: Network, layout: Layout, theta: Array, x: Array) -> Array:
    return _applied(network, layout.unflatten(theta), x)


def _applied(network: Network, params: Params, x: Array) -> Array:
    return jax.vmap(lambda example: network.apply(params, example))(x)


def _taylor(network: Network, layout: Layout, theta: Array, delta: Array, x: Array) -> Path:
    return derivatives(lambda t: _outputs(network, layout, theta + t * delta, x), jnp.zeros((), theta.dtype))


def _pull(network: Network, layout: Layout, theta: Array, cotangent: Array, x: Array) -> Array:
    return _puller(network, layout, theta, x)(cotangent)


def _puller(network: Network, layout: Layout, theta: Array, x: Array) -> Callable[[Array], Array]:
    # By leaves: the transpose of slices of θ is a sum of as many vectors as there are leaves.
    pull = jax.vjp(lambda params: _applied(network, params, x), layout.unflatten(theta))[1]
    return lambda cotangent: layout.flatten(pull(cotangent)[0])


def _pulls(network: Network, layout: Layout, theta: Array, cotangents: Array, x: Array) -> Array:
    return jax.lax.map(_puller(network, layout, theta, x), cotangents)


def _kink(network: Network, layout: Layout, theta: Array, delta: Array, x: Array) -> Array:
    return first_kink(network, layout.unflatten(theta), layout.unflatten(delta), x)


def _scalar(function: Any, layout: Layout, theta: Array) -> tuple[Array, Array]:
    return jax.value_and_grad(lambda theta: jnp.asarray(function(layout.unflatten(theta))))(theta)


def _terms(loss: Loss, z: Array, y: Array, w: Array, u: Array, v: Array) -> Terms:
    def pull(eps: Array) -> Array:
        labels = y + eps * u + eps**2 / 2 * v
        return -jax.grad(lambda o: jnp.sum(loss.value(o, labels, w)))(z)

    return Terms(*derivatives(pull, jnp.zeros((), z.dtype)))


_ROW: dict[str, Callable[..., Any]] = {"values": _outputs, "taylor": _taylor, "pulls": _pull, "kink": _kink}


# Rows in programs of one shape --------------------------------------------------------------------

# Compiling is most of the time: level 0 would compile faster still, but slows convolutions down by far; the newer
# emitters of 0.10 take half as long again, and later releases have no choice.
COMPILING: dict[str, bool | int] = {"xla_backend_optimization_level": 1}
if version("jaxlib").startswith("0.10."):
    COMPILING["xla_cpu_use_fusion_emitters"] = False


@partial(jax.jit, static_argnames=("name", "network", "layout"), compiler_options=COMPILING)
def _rows(count: Array, *arrays: Array, name: str, network: Network, layout: Layout) -> Any:
    """The first `count` rows of a kernel: a loop whose length is no part of the program."""
    TRACES[f"{name} {network.name}"] += 1
    return loop(partial(_ROW[name], network, layout), count, arrays)


@partial(jax.jit, static_argnames=("function", "layout"), compiler_options=COMPILING)
def _scalars(count: Array, theta: Array, *, function: Any, layout: Layout) -> Any:
    TRACES["function of the parameters"] += 1
    return loop(partial(_scalar, function, layout), count, (theta,))


@partial(jax.jit, static_argnames="loss", compiler_options=COMPILING)
def _loss(z: Array, y: Array, w: Array, u: Array, v: Array, *, loss: Loss) -> Terms:
    TRACES[f"loss {loss.name}"] += 1
    return _terms(loss, z, y, w, u, v)


def loop(row: Any, count: Array, arrays: tuple[Array, ...]) -> Any:
    """row(*one of each array) for the first `count`: the length is no part of the program."""
    shapes = jax.eval_shape(row, *(jax.eval_shape(lambda a: a[0], a) for a in arrays))
    empty = jax.tree.map(lambda s: jnp.zeros((arrays[0].shape[0], *s.shape), s.dtype), shapes)

    def body(i: Array, found: Any) -> Any:
        one = row(*(a[i] for a in arrays))
        return jax.tree.map(lambda all_of_them, leaf: all_of_them.at[i].set(leaf), found, one)

    return jax.lax.fori_loop(0, count, body, empty)


@dataclass(frozen=True)
class Kernels:
    """`Functions` on NumPy arrays, by compiled programs of one shape; equal networks share them."""

    network: Network
    layout: Layout
    example: tuple[int, ...]

    @classmethod
    def of(cls, network: Network, params: Params, x: Any) -> "Kernels":
        """Of a network with these parameters (or their shapes), for inputs like one example x."""
        return cls(network, Layout.of(params), tuple(np.shape(x)))

    @property
    def block(self) -> int:
        """Examples of a row."""
        return BLOCK if self.layout.size <= LARGE else LARGE_BLOCK

    @property
    def rows(self) -> int:
        """Most rows of a call."""
        return ROWS if self.layout.size <= LARGE else LARGE_ROWS

    def values(self, theta: Any, x: Any) -> np.ndarray:
        (z,), _ = self._blocks("values", (theta,), (x,))
        return z

    def taylor(self, theta: Any, delta: Any, x: Any) -> Path:
        found: list[Any] = self._blocks("taylor", (theta, delta), (x,))[0]
        return Path(*found)

    def pulls(self, theta: Any, cotangents: Any, x: Any) -> np.ndarray:
        (found,), lead = self._blocks("pulls", (theta,), (cotangents, x))
        return np.sum(found, axis=lead)

    def kink(self, theta: Any, delta: Any, x: Any) -> np.ndarray:
        if not has_kinks(self.network, self.layout, *self._like(x)):
            return np.full(
                np.broadcast_shapes(np.shape(theta)[:-1], np.shape(delta)[:-1], np.shape(x)[: self._axis(x)]), np.inf
            )
        (found,), lead = self._blocks("kink", (theta, delta), (x,))
        return np.min(found, axis=lead)

    def scalar(self, function: Any, theta: Any) -> tuple[np.ndarray, np.ndarray]:
        theta = np.asarray(theta, np.float64)
        call = partial(_scalars, function=function, layout=self.layout)
        value, slope = _in_calls(call, [theta.reshape(-1, self.layout.size)], self.rows)
        return value.reshape(theta.shape[:-1]), slope.reshape(theta.shape)

    def terms(self, loss: Loss, z: Any, y: Any, w: Any, u: Any = None, v: Any = None) -> Terms:
        given = [np.zeros(()) if a is None else np.asarray(a) for a in (z, y, u, v)]
        shape = np.broadcast_shapes(*(a.shape for a in given))
        points = [np.broadcast_to(a, shape).reshape(-1, shape[-1]) for a in given]
        w = np.asarray(w, np.float64)
        found = _in_calls(lambda _, z, y, u, v: _loss(z, y, w, u, v, loss=loss), points, POINTS)
        return Terms(*(part.reshape(shape) for part in found))

    def _axis(self, x: Any) -> int:
        """The axis of x that counts examples."""
        return np.ndim(x) - len(self.example) - 1

    def _like(self, x: Any) -> tuple[tuple[int, ...], str]:
        return self.example, np.asarray(x).dtype.str

    def _blocks(self, name: str, vectors: tuple[Any, ...], batches: tuple[Any, ...]) -> tuple[list[np.ndarray], int]:
        """A kernel on blocks of examples: outputs (*lead, N, ...), else (*lead, blocks, ...); and the rank of lead."""
        x = np.asarray(batches[-1])
        tails = [output_shape(self.network, self.layout, *self._like(x)), self.example][-len(batches) :]
        n, size = x.shape[self._axis(x)], self.block
        blocks = -(-n // size)
        lead = np.broadcast_shapes(
            *(np.shape(v)[:-1] for v in vectors),
            *(np.shape(b)[: np.ndim(b) - len(tail) - 1] for b, tail in zip(batches, tails, strict=True)),
        )
        rows = [np.broadcast_to(v, (*lead, np.shape(v)[-1])).reshape(-1, np.shape(v)[-1]) for v in vectors]
        rows = [np.repeat(v, blocks, axis=0) if blocks > 1 else v for v in rows]
        for batch, tail in zip(batches, tails, strict=True):
            whole = np.broadcast_to(batch, (*lead, n, *tail)).reshape(-1, n, *tail)
            if blocks * size > n:  # the last example again, which nothing pulls on
                more = np.repeat(whole[:, -1:], blocks * size - n, axis=1)
                whole = np.concatenate([whole, more if batch is batches[-1] else np.zeros_like(more)], axis=1)
            rows.append(whole.reshape(-1, size, *tail))
        found = _in_calls(partial(_rows, name=name, network=self.network, layout=self.layout), rows, self.rows)
        if name in ("values", "taylor"):
            found = [part.reshape(-1, blocks * size, *part.shape[2:])[:, :n] for part in found]
            return [part.reshape(*lead, *part.shape[1:]) for part in found], len(lead)
        return [part.reshape(*lead, blocks, *part.shape[1:]) for part in found], len(lead)


def _in_calls(call: Any, rows: list[np.ndarray], most: int) -> list[np.ndarray]:
    """A program on rows of any number, in calls of one shape."""
    found: list[Any] = []
    with float64():
        for start in range(0, len(rows[0]), most):
            some = [a[start : start + most] for a in rows]
            count = len(some[0])
            full = [_filled(a, most) for a in some]
            found.append([np.asarray(part)[:count] for part in jax.tree.leaves(call(np.int32(count), *full))])
    return found[0] if len(found) == 1 else [np.concatenate(parts) for parts in zip(*found, strict=True)]


def _filled(rows: np.ndarray, most: int) -> np.ndarray:
    """Rows at the beginning of an array of so many; what stands behind them is never looked at."""
    if len(rows) == most:
        return rows
    whole = np.empty((most, *rows.shape[1:]), rows.dtype)
    whole[: len(rows)] = rows
    return whole


@lru_cache(maxsize=256)
def output_shape(network: Network, layout: Layout, example: tuple[int, ...], dtype: str) -> tuple[int, ...]:
    """Shape of the outputs of one example; computes nothing."""
    with float64():
        theta = jax.ShapeDtypeStruct((layout.size,), jnp.float64)
        x = jax.ShapeDtypeStruct((1, *example), np.dtype(dtype))
        return tuple(jax.eval_shape(partial(_outputs, network, layout), theta, x).shape[1:])


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


# The same as plain functions ----------------------------------------------------------------------


@dataclass(frozen=True)
class Traced:
    """`Functions` on JAX arrays, traceable and differentiable: a loop over rows, to compile as a whole."""

    network: Network
    layout: Layout
    example: tuple[int, ...]

    def values(self, theta: Any, x: Any) -> Any:
        return _mapped(partial(_outputs, self.network, self.layout), (theta, x), (1, self._rank(x)))

    def taylor(self, theta: Any, delta: Any, x: Any) -> Path:
        found = _mapped(partial(_taylor, self.network, self.layout), (theta, delta, x), (1, 1, self._rank(x)))
        return Path(*found)

    def pulls(self, theta: Any, cotangents: Any, x: Any) -> Any:
        shape = jax.eval_shape(
            partial(_outputs, self.network, self.layout),
            jax.ShapeDtypeStruct((self.layout.size,), jnp.float64),
            jax.ShapeDtypeStruct(x.shape[x.ndim - self._rank(x) :], x.dtype),
        ).shape
        row = partial(_pull, self.network, self.layout)
        ranks = (1, len(shape), self._rank(x))
        own = [a.shape[: a.ndim - rank] for a, rank in zip((theta, cotangents, x), ranks, strict=True)]
        if not own[1] or any(lead[-1:] not in ((), (1,)) for lead in (own[0], own[2])):
            return _mapped(row, (theta, cotangents, x), ranks)
        # Cotangents along the last axis pull at one θ and x: one forward pass is enough for them.
        theta, x = (a.reshape(*lead[:-1], *a.shape[len(lead) :]) for a, lead in ((theta, own[0]), (x, own[2])))
        several = partial(_pulls, self.network, self.layout)
        return _mapped(several, (theta, cotangents, x), (1, 1 + len(shape), self._rank(x)))

    def puller(self, theta: Any, x: Any) -> Callable[[Any], Any]:
        """r ↦ Σ_x J(x)ᵀ r(x) at one θ (P,) and inputs (N, *example): the forward pass is done once."""
        return _puller(self.network, self.layout, theta, x)

    def kink(self, theta: Any, delta: Any, x: Any) -> Any:
        row = partial(_kink, self.network, self.layout)
        return _mapped(row, (theta, delta, x), (1, 1, self._rank(x)))

    def scalar(self, function: Any, theta: Any) -> tuple[Any, Any]:
        return _mapped(partial(_scalar, function, self.layout), (theta,), (1,))

    def terms(self, loss: Loss, z: Any, y: Any, w: Any, u: Any = None, v: Any = None) -> Terms:
        given = [jnp.zeros(()) if a is None else a for a in (z, y, u, v)]
        z, y, u, v = jnp.broadcast_arrays(*given)
        return _terms(loss, z, y, w, u, v)

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
