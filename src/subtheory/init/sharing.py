"""Sharing a part of the init: the first or last layers, body or heads, or any subtree."""

import re
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from subtheory.errors import InputError
from subtheory.init.path import Keys, Path, Start, column, mix, names_of
from subtheory.kernels.compiled import Kernels
from subtheory.numerics import float64
from subtheory.theory.network import Network, Params

_RANKS = (("Embed", 0), ("Conv", 1), ("Dense", 2), ("positions", 3), ("Block", 4), ("LayerNorm", 6), ("head", 7))
"""Order in which the built-in networks call their modules; a name of no such kind ranks 5."""

_VIEWS = ("convert_element_type", "reshape", "transpose", "broadcast_in_dim", "squeeze", "copy")
"""Operations that only look at a parameter and do not yet use it."""


def layers(params: Params) -> tuple[str, ...]:
    """Top-level names of θ in the order of the built-in networks: kind first, then number, "head" last.

    JAX sorts the keys of a dict, so that the order of the modules has to be read off their names.
    For a network with names of its own, `called` reads it off the program.
    """
    found = {_top(path) for path, _ in jax.tree_util.tree_flatten_with_path(params)[0]}

    def place(name: str) -> tuple[Any, ...]:
        rank = next((rank for kind, rank in _RANKS if re.fullmatch(rf"{kind}(_\d+)?", name)), 5)
        return rank, [int(part) if part.isdigit() else -1 for part in re.split(r"(\d+)", name)], name

    return tuple(sorted(found, key=place))


def used(network: Network, params: Params, x: Any) -> tuple[int, ...]:
    """Numbers of the leaves of θ in the order in which f_θ(x) first uses them; those that it does not are left out."""
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(np.shape(leaf), leaf.dtype), (params, x))
    with float64():
        closed = jax.make_jaxpr(network.apply)(*shapes)
    leaves = dict(zip(closed.jaxpr.invars, range(len(jax.tree.leaves(params))), strict=False))
    return tuple(dict.fromkeys(_uses(closed.jaxpr, leaves)))


def called(network: Network, params: Params, x: Any) -> tuple[str, ...]:
    """Top-level names of θ in the order in which f_θ(x) first uses them, for any network; x is one example.

    Read off the traced program; the last one is the head. A name that is never used comes first.
    """
    paths = [path for path, _ in jax.tree_util.tree_flatten_with_path(params)[0]]
    order = list(dict.fromkeys(_top(paths[leaf]) for leaf in used(network, params, x)))
    unused = sorted({_top(path) for path in paths} - set(order))
    return (*unused, *order)


def _uses(jaxpr: Any, leaves: dict[Any, int]) -> list[int]:
    """Indices of leaves in the order of their use; calls are entered, views are followed."""
    found: list[int] = []
    for equation in jaxpr.eqns:
        known = [None if hasattr(v, "val") else leaves.get(v) for v in equation.invars]
        inner = _called_program(equation)
        if inner is not None:
            passed = {v: leaf for v, leaf in zip(inner.invars, known, strict=True) if leaf is not None}
            found += _uses(inner, passed)
        elif equation.primitive.name in _VIEWS and len(known) == 1 and known[0] is not None:
            leaves[equation.outvars[0]] = known[0]
        else:
            found += [leaf for leaf in known if leaf is not None]
    return found


def _called_program(equation: Any) -> Any:
    """The program that an operation calls with its own operands, if there is one."""
    for value in equation.params.values():
        inner = getattr(value, "jaxpr", value)
        if hasattr(inner, "eqns") and len(inner.invars) == len(equation.invars):
            return inner
    return None


class Sharing(Path):
    """θ0_S = θ0 on the shared part and (1 − a)θ0 + aθ0' elsewhere, a = amount: re-drawn at 1."""

    redraws = True

    @abstractmethod
    def shared(self, start: Start) -> Params:
        """True where an entry is shared; a pytree like θ0, of arrays that broadcast to its leaves."""

    def require(self, start: Start) -> None:
        self.shared(start)

    def __call__(self, start: Start, amount: Any, keys: Keys) -> np.ndarray:
        moved = mix(column(amount, keys), start.theta0, start.other)
        return np.where(self.entries(start), start.theta0, moved)

    def entries(self, start: Start) -> np.ndarray:
        """Where parameters are shared, (P,) of True and False."""
        every = jax.tree.map(lambda mask, leaf: np.broadcast_to(mask, leaf.shape), self.shared(start), _empty(start))
        return np.asarray(start.layout.flatten(every))


@dataclass(frozen=True)
class ShareFirst(Sharing):
    """The first k layers, in the order of `called`, are shared.

    Raises InputError on "k" if it is negative or above the number of layers. Prediction P18.
    """

    k: int = 1

    def __post_init__(self) -> None:
        _require_count(self.k)

    @property
    def name(self) -> str:
        return f"share-first-{self.k}"

    @property
    def says(self) -> str:
        return f"The first {self.k} layers are shared, the others move to an independent init."

    def shared(self, start: Start) -> Params:
        return _of_layers(start, _ordered(start, self.k)[: self.k])


@dataclass(frozen=True)
class ShareLast(Sharing):
    """The last k layers, the head among them, are shared; otherwise as `ShareFirst`."""

    k: int = 2

    def __post_init__(self) -> None:
        _require_count(self.k)

    @property
    def name(self) -> str:
        return f"share-last-{self.k}"

    @property
    def says(self) -> str:
        return f"The last {self.k} layers are shared, the others move to an independent init."

    def shared(self, start: Start) -> Params:
        names = _ordered(start, self.k)
        return _of_layers(start, names[len(names) - self.k :])


@dataclass(frozen=True)
class ShareSubtree(Sharing):
    """Leaves below one of the `prefixes` are shared, each a tuple of names such as ("Block_0", "Dense_0").

    Raises InputError on "prefixes" for one with no leaf below it.
    """

    prefixes: tuple[tuple[str, ...], ...]

    @property
    def name(self) -> str:
        return "share-" + "-and-".join("/".join(prefix) for prefix in self.prefixes)

    @property
    def says(self) -> str:
        return "A subtree of the parameters is shared, the others move to an independent init."

    def shared(self, start: Start) -> Params:
        every = [names_of(path) for path, _ in jax.tree_util.tree_flatten_with_path(_empty(start))[0]]
        for prefix in self.prefixes:
            if not any(names[: len(prefix)] == prefix for names in every):
                raise InputError("prefixes", "/".join(prefix), "must name a leaf or a subtree of the parameters")
        return _where(start, lambda names: any(names[: len(prefix)] == prefix for prefix in self.prefixes))


@dataclass(frozen=True)
class ShareParts(Sharing):
    """Any of body, distilled head and silent head is shared: the 2×2×2 table of head compatibility.

    The head is the last layer of `called`. Its distilled part are the weights of outputs with
    w > 0 (the auxiliary logits), its silent part those of the others (the class logits): entries
    along a last axis of V entries, or along a first one if the last has another length. Leaves of
    the last layer without such an axis are shared if both parts are. Source: arXiv 2605.23645, gap g10.
    """

    body: bool = False
    distilled: bool = False
    silent: bool = False

    @property
    def name(self) -> str:
        heads = "heads" if self.distilled and self.silent else ""
        heads = heads or ("distilled-head" if self.distilled else "silent-head" if self.silent else "")
        return "share-" + ("-and-".join(filter(None, ("body" if self.body else "", heads))) or "nothing")

    @property
    def says(self) -> str:
        return f"What is shared: {self.name[6:].replace('-', ' ')}; the rest moves to an independent init."

    def shared(self, start: Start) -> Params:
        head = _order(start)[-1]
        size = len(start.outputs)
        columns = np.where(start.outputs > 0, self.distilled, self.silent)

        def part(path: Any, leaf: np.ndarray) -> np.ndarray:
            if _top(path) != head:
                return np.asarray(self.body)
            if leaf.ndim and leaf.shape[-1] == size:
                return columns
            if leaf.ndim and leaf.shape[0] == size:
                return columns.reshape((size,) + (1,) * (leaf.ndim - 1))
            return np.asarray(self.distilled and self.silent)

        return jax.tree_util.tree_map_with_path(part, _empty(start))


def _require_count(k: int) -> None:
    if k < 0:
        raise InputError("k", k, "must not be negative")


def _ordered(start: Start, k: int) -> tuple[str, ...]:
    names = _order(start)
    if k > len(names):
        raise InputError("k", k, f"must be at most the number of layers, {len(names)}")
    return names


def _order(start: Start) -> tuple[str, ...]:
    return _called(start.functions, start.x.dtype.str)


@lru_cache(maxsize=256)
def _called(functions: Kernels, dtype: str) -> tuple[str, ...]:
    """`called` of a network that is known by its functions."""
    params = functions.layout.unflatten(np.zeros(functions.layout.size))
    return called(functions.network, params, np.zeros(functions.example, dtype))


def _of_layers(start: Start, shared: tuple[str, ...]) -> Params:
    return _where(start, lambda names: (names[0] if names else "") in shared)


def _where(start: Start, predicate: Callable[[tuple[str, ...]], bool]) -> Params:
    """True or False for every leaf, by its names."""
    return jax.tree_util.tree_map_with_path(lambda path, _: np.asarray(predicate(names_of(path))), _empty(start))


def _empty(start: Start) -> Params:
    """Parameters of one seed, for their names and shapes."""
    return start.layout.unflatten(np.zeros(start.layout.size))


def _top(path: Any) -> str:
    names = names_of(path)
    return names[0] if names else ""
