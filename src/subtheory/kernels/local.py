"""A loss near its match by autodiff of its value, and with that a loss of which nothing but the value is known."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.kernels.compiled import COMPILING, loop, on_points
from subtheory.theory.losses import namespace
from subtheory.traces import TRACES


class Valued(Protocol):
    """l(z, y) on the last axis of z and y; hashable."""

    def value(self, z: Array, y: Array, w: Array) -> Array: ...


class Local(NamedTuple):
    """l (...), ∂l/∂z (..., V) and ∂²l/∂z² u (..., V) at z."""

    value: Any
    gradient: Any
    curved: Any


def local(loss: Valued, z: Any, y: Any, w: Any, u: Any) -> Local:
    """A loss at points (..., V), by a program of one shape; NumPy."""
    return Local(*on_points(partial(_local, loss=loss), w, z, y, u))


def fourth(loss: Valued, y: Any, w: Any, u: Any) -> np.ndarray:
    """d⁴/dt⁴ l(y + tu, y) at t = 0, (...), as NumPy."""
    (found,) = on_points(partial(_fourth, loss=loss), w, y, u)
    return found


@partial(jax.jit, static_argnames="loss", compiler_options=COMPILING)
def _local(count: Array, w: Array, *points: Array, loss: Valued) -> Any:
    TRACES["loss near its match"] += 1
    return loop(lambda z, y, u: _at(loss, z, y, w, u), count, points)


@partial(jax.jit, static_argnames="loss", compiler_options=COMPILING)
def _fourth(count: Array, w: Array, *points: Array, loss: Valued) -> Any:
    TRACES["loss near its match"] += 1
    return (loop(lambda y, u: _bent(loss, y, w, u), count, points),)


def _at(loss: Valued, z: Array, y: Array, w: Array, u: Array) -> tuple[Array, Array, Array]:
    slope = jax.grad(lambda o: jnp.sum(loss.value(o, y, w)))
    return loss.value(z, y, w), *jax.jvp(slope, (z,), (u,))


def _bent(loss: Valued, y: Array, w: Array, u: Array) -> Array:
    line: Callable[[Array], Array] = lambda t: loss.value(y + t * u, y, w)  # noqa: E731
    for _ in range(4):
        line = partial(lambda f, t: jax.jvp(f, (t,), (jnp.ones_like(t),))[1], line)
    return line(jnp.zeros((), y.dtype))


@dataclass(frozen=True, eq=False)
class OfFunction:
    """l by a function of one example's outputs (V,); equal if the function is, so that it is compiled once.

    `kept` are the outputs that a function l(z, y) is given, all if None; one that is `weighted` is l(z, y, w).
    """

    function: Callable[..., Any]
    weighted: bool = False
    kept: tuple[int, ...] | None = None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OfFunction) and self._same == other._same

    def __hash__(self) -> int:
        return hash(self._same)

    @property
    def _same(self) -> tuple[Any, ...]:
        """The function, a partial one by its parts; which one it is where it has no hash."""
        f = self.function
        key: Any = (f.func, f.args, tuple(sorted(f.keywords.items()))) if isinstance(f, partial) else f
        try:
            hash(key)
        except TypeError:
            key = id(f)
        return key, self.weighted, self.kept

    def value(self, z: Array, y: Array, w: Array) -> Array:
        """l(z, y), shape z.shape[:-1]."""
        if self.weighted:
            return jnp.vectorize(lambda z, y: self.function(z, y, w), signature="(v),(v)->()")(z, y)
        some = slice(None) if self.kept is None else np.array(self.kept)
        return jnp.vectorize(self.function, signature="(v),(v)->()")(z[..., some], y[..., some])


@dataclass(frozen=True)
class Differentiated:
    """A `theory.losses.Loss` whose M = ∂²l/∂z² at z = y, and whose leading term, are derivatives of its value."""

    name: str
    of: OfFunction
    order: int = 1
    null_clause: bool = False

    def value(self, z: Array, y: Array, w: Array) -> Array:
        return self.of.value(z, y, w)

    def hessian(self, y: Any, v: Any, w: Any) -> Any:
        """M v, without a matrix."""
        return local(self.of, y, y, w, v).curved if namespace(y, v) is np else _at(self.of, y, y, w, v)[2]

    def leading(self, y: Any, u: Any, w: Any) -> Any:
        """uᵀMu; of order 3, −∂_z l(y, y + εu)·u = ε³/6 d⁴/dt⁴ l(y + tu, y) + O(ε⁴)."""
        if self.order == 1:
            return (u * self.hessian(y, u, w)).sum(axis=-1)
        return (fourth(self.of, y, w, u) if namespace(y, u) is np else _bent(self.of, y, w, u)) / 6
