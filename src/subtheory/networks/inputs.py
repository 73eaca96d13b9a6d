"""Inputs of a network: an array, or a pytree of arrays with one leading axis as in `jax.vmap`, as one array of rows.

What stands behind a network's functions sees rows of one dtype. A structured input becomes such a row, exactly: its
parts one after the other as float64, and `Packed` takes it apart again in front of the network.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import prod
from numbers import Number
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.errors import InputError
from subtheory.theory.network import Network, Params

EXACT = 2**53
"""Whole numbers up to here are float64s."""

Accepts = Callable[[Any], bool]
"""Whether a network takes one example."""


@dataclass(frozen=True)
class Form:
    """Shape and dtype of every part of one example, and how they lie in one row of float64."""

    tree: Any
    shapes: tuple[tuple[int, ...], ...]
    dtypes: tuple[str, ...]

    @classmethod
    def of(cls, rows: Any) -> "Form":
        """Of arrays with one leading axis."""
        leaves, tree = jax.tree.flatten(rows)
        return cls(tree, tuple(tuple(leaf.shape[1:]) for leaf in leaves), tuple(leaf.dtype.str for leaf in leaves))

    @property
    def plain(self) -> bool:
        """Whether it is one array of numbers, which needs no other form."""
        return jax.tree_util.treedef_is_leaf(self.tree) and np.dtype(self.dtypes[0]).kind != "b"

    def pack(self, rows: Any) -> np.ndarray:
        """Rows of float64, (N, size)."""
        flat = [np.reshape(leaf, (len(leaf), -1)) for leaf in jax.tree.leaves(rows)]
        return np.concatenate(flat, axis=1, dtype=np.float64)

    def unpack(self, row: Array) -> Any:
        """One example from its row, with the dtypes that it had."""
        ends = np.cumsum([0, *map(prod, self.shapes)])
        parts = [row[a:b].reshape(shape) for a, b, shape in zip(ends, ends[1:], self.shapes, strict=False)]
        return jax.tree.unflatten(self.tree, [p.astype(d) for p, d in zip(parts, self.dtypes, strict=True)])

    @property
    def shown(self) -> str:
        """In words."""
        each = [f"{np.dtype(d)}{list(shape)}" for d, shape in zip(self.dtypes, self.shapes, strict=True)]
        return each[0] if jax.tree_util.treedef_is_leaf(self.tree) else str(jax.tree.unflatten(self.tree, each))

    @property
    def kinds(self) -> str:
        """Whole numbers, floats or truth values, a letter each part."""
        return "".join(np.dtype(d).kind for d in self.dtypes).replace("u", "i")


@dataclass(frozen=True)
class Packed:
    """A network of structured inputs as one of rows; equal if network and form are."""

    network: Network
    form: Form

    @property
    def name(self) -> str:
        return self.network.name

    def init(self, key: Array) -> Params:
        """Parameters of the network."""
        return self.network.init(key)

    def apply(self, params: Params, x: Array) -> Array:
        """Outputs of one row."""
        return self.network.apply(params, self.form.unpack(x))

    @property
    def preactivations(self) -> Any:
        """Those of the network, if it reports any."""
        own = getattr(self.network, "preactivations", None)
        return None if own is None else lambda params, x: own(params, self.form.unpack(x))


def rows_of(field: str, values: Any, accepts: Accepts = lambda example: True) -> Any:
    """Inputs as NumPy arrays with one leading axis: one array, or a pytree of them; floats in float64.

    A list of arrays, or of structures, is a list of examples, unless the network only takes such a list as one example
    (`accepts`). Raises InputError on `field`, naming the part, for what is no array of finite real numbers, for parts
    of other lengths, no example at all, tracers, and a list that may be read in both ways.
    """
    if isinstance(values, list) and not _numbers(values):
        return _listed(field, values, accepts)
    return _checked(field, values)


def example_of(rows: Any, i: int = 0) -> Any:
    """One example."""
    return jax.tree.map(lambda leaf: leaf[i], rows)


def _numbers(values: Any) -> bool:
    """Whether this is a number or a nest of lists and tuples of numbers: an array in Python's own words."""
    return isinstance(values, Number) or (isinstance(values, list | tuple) and all(map(_numbers, values)))


def _listed(field: str, values: list[Any], accepts: Accepts) -> Any:
    """A list of examples, or of parts."""
    readable, refused = [], None
    for reading in (_stacked, list):
        try:
            readable.append(_checked(field, reading(values)))
        except InputError as error:
            refused = refused or error
        except (TypeError, ValueError):  # they cannot be stacked
            continue
    if not readable:
        raise refused or InputError(field, type(values[0]).__name__, "must be an array, or a pytree of arrays")
    taken = [rows for rows in readable if accepts(example_of(rows))]
    if len(taken) > 1 or (taken and not isinstance(taken[0], list) and _deeper(taken[0], accepts)):
        wanted = "must be one array (np.stack) if it lists examples, or a tuple or dict if it lists the parts of them"
        raise InputError(field, f"a list of {len(values)} {type(values[0]).__name__}s", wanted)
    return (taken or readable)[0]


def _stacked(values: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *values)


def _deeper(rows: Any, accepts: Accepts) -> bool:
    """Whether a row of an example is taken for an example too, as by a network that broadcasts."""
    example = example_of(rows)
    if any(np.ndim(leaf) < 1 or len(leaf) == 0 for leaf in jax.tree.leaves(example)):
        return False
    return accepts(example_of(example))


def _checked(field: str, values: Any) -> Any:
    if _numbers(values):
        rows = _leaf(field, values)
    else:
        parts = jax.tree_util.tree_flatten_with_path(values)
        leaves = [_leaf(f"{field}{jax.tree_util.keystr(path)}", leaf) for path, leaf in parts[0]]
        rows = jax.tree.unflatten(parts[1], leaves)
    leaves = jax.tree.leaves(rows)
    lengths = [len(leaf) for leaf in leaves]
    if not leaves:
        raise InputError(field, repr(values), "must hold at least one input along its first axis")
    if len(set(lengths)) > 1:
        named = [f"{jax.tree_util.keystr(path)}: {len(leaf)}" for path, leaf in jax.tree.leaves_with_path(rows)]
        raise InputError(field, ", ".join(named), "must have one leading axis of one length in all its parts")
    if not sum(leaf.size for leaf in leaves):
        raise InputError(field, f"shape {leaves[0].shape}", "must hold at least one number an input")
    return rows


def _leaf(field: str, values: Any) -> np.ndarray:
    """One array of finite numbers with a leading axis."""
    if isinstance(values, jax.core.Tracer):
        raise InputError(field, "a tracer", "must be numbers: call this outside of jit, grad and vmap")
    if isinstance(values, np.ma.MaskedArray):
        raise InputError(field, "a masked array", "must be a plain array: a mask would be lost without a word")
    try:
        x = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(field, type(values).__name__, f"must be an array, or a pytree of arrays ({said})") from error
    if x.dtype.kind == "f" or jnp.issubdtype(x.dtype, jnp.floating):
        x = x.astype(np.float64)
    if x.dtype.kind not in "fiub":
        shown = type(values).__name__ if x.dtype.kind == "O" else f"dtype {x.dtype}"
        raise InputError(field, shown, "must hold numbers")
    if x.ndim < 1 or len(x) == 0:
        raise InputError(field, f"shape {x.shape}", "must hold at least one input along its first axis")
    if not np.isfinite(x).all():
        row = int(np.argwhere(~np.isfinite(x))[0][0])
        raise InputError(field, f"{x[~np.isfinite(x)].flat[0]} in row {row}", "must be finite")
    return x


def packed(network: Network, several: dict[str, Any]) -> tuple[Network, dict[str, np.ndarray]]:
    """A network and inputs by field as rows that its functions can take: as they are, or packed.

    The inputs of all fields have the same form but for the dtypes, of which the wider is taken. Raises InputError on
    the field whose form differs from that of the first, and for whole numbers that no float64 holds in a structure.
    """
    first, *others = several
    forms = {field: Form.of(rows) for field, rows in several.items()}
    form = forms[first]
    for field in others:
        own = forms[field]
        if (own.tree, own.shapes) != (form.tree, form.shapes):
            raise InputError(field, own.shown, f"must have inputs of the form of the {first}'s, {form.shown}")
        if own.kinds != form.kinds and not (own.plain and form.plain):
            raise InputError(field, own.shown, f"must have the dtypes of the {first}'s, {form.shown}")
        wider = [np.result_type(a, b).str for a, b in zip(own.dtypes, form.dtypes, strict=True)]
        form = Form(form.tree, form.shapes, tuple(wider))
    if all(one.plain for one in forms.values()):
        return network, several
    for field, rows in several.items():
        for leaf in jax.tree.leaves(rows):
            if leaf.dtype.kind in "iu" and leaf.size and max(abs(int(leaf.min())), abs(int(leaf.max()))) > EXACT:
                raise InputError(field, int(leaf.max()), f"must hold whole numbers up to {EXACT} in a structure")
    return Packed(network, form), {field: form.pack(rows) for field, rows in several.items()}
