"""A network as a handful of compiled functions of flat parameters, a loss as one: all that is compiled of them.

`Kernels` runs rows (θ, x) of any number through programs of one fixed shape, so that claims, controls, ablations and
experiments on a network share them, whatever their seeds, ε, losses and examples. Everything between is algebra on
arrays.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.kernels import devices, functions
from subtheory.kernels.functions import Terms, has_kinks, output_shape
from subtheory.numerics import float64
from subtheory.theory.layout import Layout
from subtheory.theory.linearize import TaylorModel
from subtheory.theory.losses import Loss
from subtheory.theory.network import Network, Params
from subtheory.traces import TRACES

BLOCK, SMALL_BLOCK, LARGE_BLOCK = 12, 32, 64
"""Examples of one row; more of them where a row costs more than its examples, or θ itself is much to read."""

ROWS, SMALL_ROWS, LARGE_ROWS = 32, 128, 4
"""Most rows of one call."""

LARGE = 2**15
"""Parameters from which a network is large."""

SMALL, ALONE = 2**8, 2**6
"""Parameters up to which a network is small; up to which one program does everything: compiling is all it costs."""

GROUP = 4
"""Cotangents that share a forward pass."""

POINTS, SOME = 1024, 128
"""Outputs (..., V) of one call of a loss, at most, and of one turn of its loop."""


# One row ------------------------------------------------------------------------------------------


def _grouped(network: Network, layout: Layout, theta: Array, cotangents: Array, x: Array) -> Array:
    """Pullbacks of cotangents (N, G, *positions, V), (G, P)."""
    return jax.vmap(functions.puller(network, layout, theta, x), in_axes=1)(cotangents)


def _everything(network: Network, layout: Layout, theta: Array, delta: Array, cotangent: Array, x: Array) -> Any:
    """z, u, v and Jᵀr: a Taylor model, and a pullback."""
    taylor = functions.taylor(network, layout, theta, delta, x)
    return *taylor, functions.pull(network, layout, theta, cotangent, x)


_ROW: dict[str, Callable[..., Any]] = {
    "values": functions.values,
    "taylor": functions.taylor,
    "pulls": functions.pull,
    "grouped pulls": _grouped,
    "kink": functions.kink,
    "everything": _everything,
}

_PARTS = {"values": slice(0, 1), "taylor": slice(0, 3), "pulls": slice(3, 4)}
"""Of what `_everything` returns."""


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
    return loop(partial(functions.scalar, function, layout), count, (theta,))


@partial(jax.jit, static_argnames="loss", compiler_options=COMPILING)
def _loss(count: Array, w: Array, *points: Array, loss: Loss) -> Terms:
    """Of z, y, u, v (n, SOME, V) the first `count`."""
    TRACES[f"loss {loss.name}"] += 1
    found: Terms = loop(lambda z, y, u, v: functions.terms(loss, z, y, w, u, v), count, points)
    return found


def loop(row: Any, count: Array, arrays: tuple[Array, ...]) -> Any:
    """row(*one of each array) for the first `count`: the length is no part of the program.

    A count of each device, (D,), has the rows laid over so many.
    """
    if count.ndim:
        return devices.each(lambda own, *rows: loop(row, own, rows), len(count))(count, *arrays)
    row = jax.jit(row, inline=True)  # traced once for its shapes and the loop
    shapes = jax.eval_shape(row, *(jax.eval_shape(lambda a: a[0], a) for a in arrays))
    empty = jax.tree.map(lambda s: jnp.zeros((arrays[0].shape[0], *s.shape), s.dtype), shapes)

    def body(i: Array, found: Any) -> Any:
        one = row(*(a[i] for a in arrays))
        return jax.tree.map(partial(jax.lax.dynamic_update_index_in_dim, index=i, axis=0), found, one)

    return jax.lax.fori_loop(0, count, body, empty)


class Rows(NamedTuple):
    """An array of rows of `rank` axes each; what stands in front broadcasts with that of other arrays."""

    array: np.ndarray
    rank: int

    @property
    def lead(self) -> tuple[int, ...]:
        """Axes in front of a row's own."""
        return self.array.shape[: self.array.ndim - self.rank]


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
        if self.layout.size <= SMALL:
            return SMALL_BLOCK
        return BLOCK if self.layout.size <= LARGE else LARGE_BLOCK

    @property
    def rows(self) -> int:
        """Most rows of a call."""
        if self.layout.size <= SMALL:
            return SMALL_ROWS
        return ROWS if self.layout.size <= LARGE else LARGE_ROWS

    def values(self, theta: Any, x: Any) -> np.ndarray:
        (z,), _ = self._blocks("values", (theta,), (x,), (self.example,))
        return z

    def taylor(self, theta: Any, delta: Any, x: Any) -> TaylorModel:
        found: list[Any] = self._blocks("taylor", (theta, delta), (x,), (self.example,))[0]
        return TaylorModel(*found)

    def pulls(self, theta: Any, cotangents: Any, x: Any) -> np.ndarray:
        theta, cotangents, x = (np.asarray(a) for a in (theta, cotangents, x))
        tail = output_shape(self.network, self.layout, *self._like(x))
        own = cotangents.shape[: cotangents.ndim - len(tail) - 1]
        rest = len(own) - _alone(own, theta.shape[:-1], x.shape[: self._axis(x)])
        count = int(np.prod(own[rest:]))
        if count < GROUP or self.layout.size <= ALONE:
            (found,), lead = self._blocks("pulls", (theta,), (cotangents, x), (tail, self.example))
            return np.sum(found, axis=lead)
        # One forward pass is enough for cotangents that pull at one θ and x: (..., count, N, *tail) in groups.
        theta, x = (_without(a, a.ndim - keep, len(own) - rest) for a, keep in ((theta, 1), (x, 1 + len(self.example))))
        groups = -(-count // GROUP)
        several = cotangents.reshape(-1, count, *cotangents.shape[len(own) :])
        several = np.stack([_filled(one, groups * GROUP, 0.0) for one in several])
        several = several.reshape(*own[:rest], groups, GROUP, *cotangents.shape[len(own) :])
        several = np.moveaxis(several, rest + 1, rest + 2)
        (found,), lead = self._blocks(
            "grouped pulls", (theta[..., None, :],), (several, np.expand_dims(x, self._axis(x))),
            ((GROUP, *tail), self.example),
        )  # fmt: skip
        summed = np.sum(found, axis=lead)  # (..., groups, GROUP, P)
        each = summed.reshape(*summed.shape[:-3], groups * GROUP, -1)[..., :count, :]
        return each.reshape(*each.shape[:-2], *own[rest:], -1)

    def kink(self, theta: Any, delta: Any, x: Any) -> np.ndarray:
        if not has_kinks(self.network, self.layout, *self._like(x)):
            return np.full(
                np.broadcast_shapes(np.shape(theta)[:-1], np.shape(delta)[:-1], np.shape(x)[: self._axis(x)]), np.inf
            )
        (found,), lead = self._blocks("kink", (theta, delta), (x,), (self.example,))
        return np.min(found, axis=lead)

    def scalar(self, function: Any, theta: Any) -> tuple[np.ndarray, np.ndarray]:
        theta = np.asarray(theta, np.float64)
        call = partial(_scalars, function=function, layout=self.layout)
        value, slope = _in_calls(call, [Rows(theta.reshape(-1, self.layout.size), 1)], self.rows)
        return value.reshape(theta.shape[:-1]), slope.reshape(theta.shape)

    def terms(self, loss: Loss, z: Any, y: Any, w: Any, u: Any = None, v: Any = None) -> Terms:
        given = [np.zeros(()) if a is None else a for a in (z, y, u, v)]
        return Terms(*on_points(partial(_loss, loss=loss), w, *given))

    def _axis(self, x: Any) -> int:
        """The axis of x that counts examples."""
        return np.ndim(x) - len(self.example) - 1

    def _like(self, x: Any) -> tuple[tuple[int, ...], str]:
        return self.example, np.asarray(x).dtype.str

    def _blocks(
        self, name: str, vectors: tuple[Any, ...], batches: tuple[Any, ...], tails: tuple[tuple[int, ...], ...]
    ) -> tuple[list[np.ndarray], int]:
        """A kernel on blocks of examples: outputs (*lead, N, ...), else (*lead, blocks, ...); and the rank of lead.

        `tails` are the shapes of one example of the batches, the last of which is x.
        """
        x = np.asarray(batches[-1])
        n, size = x.shape[self._axis(x)], self.block
        blocks = -(-n // size)
        rows = [Rows(np.asarray(v)[..., None, :], 1) for v in vectors]
        for batch, tail in zip(batches, tails, strict=True):
            own = np.shape(batch)[: np.ndim(batch) - len(tail) - 1]
            whole = np.broadcast_to(batch, (*own, n, *tail))
            if blocks * size > n:  # the last example again, which nothing pulls on
                more = np.repeat(np.take(whole, [-1], axis=len(own)), blocks * size - n, axis=len(own))
                whole = np.concatenate([whole, more if batch is batches[-1] else np.zeros_like(more)], axis=len(own))
            rows.append(Rows(whole.reshape(*own, blocks, size, *tail), 1 + len(tail)))
        lead = np.broadcast_shapes(*(each.lead for each in rows))[:-1]
        part, examples = slice(None), name in ("values", "taylor")
        if self.layout.size <= ALONE and name in _PARTS:
            rows, name, part = self._with_zeros(name, rows), "everything", _PARTS[name]
        call = partial(_rows, name=name, network=self.network, layout=self.layout)
        found = _in_calls(call, rows, self.rows, part)
        if examples:
            found = [each.reshape(-1, blocks * size, *each.shape[2:])[:, :n] for each in found]
            return [each.reshape(*lead, *each.shape[1:]) for each in found], len(lead)
        return [each.reshape(*lead, blocks, *each.shape[1:]) for each in found], len(lead)

    def _with_zeros(self, name: str, rows: list[Rows]) -> list[Rows]:
        """θ, Δ, cotangents and x of `_everything`; what a kernel has no use for is 0."""
        shape = output_shape(self.network, self.layout, *self._like(rows[-1].array))
        delta = rows[1] if name == "taylor" else Rows(np.zeros(self.layout.size), 1)
        cotangents = rows[1] if name == "pulls" else Rows(np.zeros((self.block, *shape)), 1 + len(shape))
        return [rows[0], delta, cotangents, rows[-1]]


def on_points(program: Any, w: Any, *points: Any) -> list[np.ndarray]:
    """A program of (count, w, *points (n, SOME, V)) on points (..., V) of any number: its results, (..., *own)."""
    given = [np.asarray(a) for a in points]
    shape = np.broadcast_shapes(*(a.shape for a in given))
    count, width = int(np.prod(shape[:-1])), shape[-1]
    turns = -(-count // SOME)
    filled = [_filled(np.broadcast_to(a, shape).reshape(-1, width), turns * SOME, 1.0) for a in given]
    w = np.asarray(w, np.float64)
    found = _in_calls(
        lambda n, *rows: program(n, w, *rows), [Rows(a.reshape(turns, SOME, width), 2) for a in filled], POINTS // SOME
    )
    return [part.reshape(-1, *part.shape[2:])[:count].reshape(shape[:-1] + part.shape[2:]) for part in found]


def _in_calls(call: Any, rows: list[Rows], most: int, part: slice = slice(None)) -> list[np.ndarray]:
    """A program on rows of any number, in calls of one shape: some of its results, with one axis for all rows."""
    found: list[Any] = []
    lead = np.broadcast_shapes(*(each.lead for each in rows))
    arrays = [np.broadcast_to(each.array, (*lead, *each.array.shape[len(each.lead) :])) for each in rows]
    total, several = int(np.prod(lead)), devices.count()
    one_call = partial(_over_devices, several) if several > 1 else _on_one
    with float64():
        for start in range(0, total, most * several):
            # Taken when they are needed: an array that serves many rows is never laid out for all of them.
            index = np.unravel_index(np.arange(start, min(start + most * several, total)), lead)
            some = [a[index] for a in arrays]
            found.append(one_call(call, some, most, part))
    return found[0] if len(found) == 1 else [np.concatenate(parts) for parts in zip(*found, strict=True)]


def _on_one(call: Any, rows: list[np.ndarray], most: int, part: slice) -> list[np.ndarray]:
    """Some results of a program on at most `most` rows."""
    count = len(rows[0])
    leaves = jax.tree.leaves(call(np.int32(count), *(_filled(a, most) for a in rows)))
    return [np.asarray(each)[:count] for each in leaves[part]]


def _over_devices(several: int, call: Any, rows: list[np.ndarray], most: int, part: slice) -> list[np.ndarray]:
    """The same on at most `most` rows of every device."""
    spread = devices.Spread(len(rows[0]), most, several)
    leaves = jax.tree.leaves(call(spread.placed(spread.counts), *map(spread.laid, rows)))
    return [spread.collected(each) for each in leaves[part]]


def _filled(rows: np.ndarray, most: int, fill: float | None = None) -> np.ndarray:
    """Rows at the beginning of an array of so many; without `fill`, what stands behind them is never looked at."""
    if len(rows) == most:
        return rows
    whole = np.empty((most, *rows.shape[1:]), rows.dtype)
    whole[: len(rows)] = rows
    if fill is not None:
        whole[len(rows) :] = fill
    return whole


def _alone(shape: tuple[int, ...], *others: tuple[int, ...]) -> int:
    """How many axes at the end of a shape others have not, or of length 1."""
    for i in range(1, len(shape) + 1):
        if any(len(other) >= i and other[-i] != 1 for other in others):
            return i - 1
    return len(shape)


def _without(array: np.ndarray, lead: int, axes: int) -> np.ndarray:
    """An array without so many axes (of length 1) at the end of its `lead` leading ones, as far as it has them."""
    gone = min(lead, axes)
    return array.reshape(*array.shape[: lead - gone], *array.shape[lead:])
