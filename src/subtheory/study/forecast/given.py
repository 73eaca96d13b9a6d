"""What a forecast is given: parameters by their names, and rows of labels, from Python or from .npz files."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np

from subtheory import files
from subtheory.arguments import shown
from subtheory.errors import InputError
from subtheory.networks import parameters_of
from subtheory.setting.whole import require_like
from subtheory.theory.network import Params

PAIRS, TEXTS = ("x", "y"), ("tokens",)
"""Arrays of labelled inputs, or of whole texts; either may have a "mask" beside them."""


def named_arrays(params: Params) -> dict[str, np.ndarray]:
    """Every leaf of the parameters by its place in them, as in "hidden/kernel": what an .npz file of them holds.

    >>> sorted(named_arrays({"hidden": {"kernel": np.zeros((2, 3))}, "bias": np.zeros(3)}))
    ['bias', 'hidden/kernel']

    Raises InputError on "params" for leaves that are none.
    """
    name = partial(jax.tree_util.keystr, simple=True, separator="/")
    leaves = jax.tree_util.tree_leaves_with_path(params)
    return {name(path) or "params": _leaf(leaf) for path, leaf in leaves}


def _leaf(leaf: Any) -> np.ndarray:
    """An array of numbers that a file holds; bfloat16, which it does not, as float32."""
    try:
        found = np.asarray(leaf)
        return found if found.dtype.kind in "fiub" else found.astype(np.float32)
    except (TypeError, ValueError) as error:
        raise InputError("params", shown(leaf), "must be arrays of numbers") from error


def parameters(field: str, given: Any, theta0: Params, model: Any) -> Params:
    """Parameters like θ0, float64: a pytree, what the model's library has, or an .npz file of `named_arrays`.

    Raises InputError on `field`, naming the leaf, for a file that is none, leaves that are missing, unknown or of
    another shape, numbers that are not finite, and for those of θ0 itself.
    """
    if isinstance(given, str | Path):
        found = arranged(field, _read(field, given), theta0)
    else:
        found = parameters_of(model, given)
    require_like(field, found, theta0, "the model's parameters")
    found = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), found)
    if all(np.array_equal(*pair) for pair in zip(jax.tree.leaves(found), jax.tree.leaves(theta0), strict=True)):
        raise InputError(field, "the model's own parameters", "must have moved away from them")
    return found


def arranged(field: str, arrays: Mapping[str, np.ndarray], theta0: Params) -> Params:
    """Arrays by name, as a pytree like θ0.

    Raises InputError on `field`, naming the first leaf that is missing, unknown, of another shape or not finite.
    """
    own = named_arrays(theta0)
    for name in own:
        if name not in arrays:
            raise InputError(field, _names(arrays), f"must have an array {name!r}, of shape {own[name].shape}")
    for name, array in arrays.items():
        if name not in own:
            raise InputError(field, repr(name), f"must be a leaf of the model's parameters, {_names(own)}")
        if array.shape != own[name].shape or array.dtype.kind not in "fiu":
            got = f"{array.dtype}{list(array.shape)} at {name!r}"
            raise InputError(field, got, f"must be numbers of shape {own[name].shape}")
        if not np.isfinite(array).all():
            raise InputError(field, f"{array[~np.isfinite(array)][0]} at {name!r}", "must be finite")
    return jax.tree.unflatten(jax.tree.structure(theta0), [arrays[name] for name in own])


def _names(arrays: Mapping[str, Any]) -> str:
    return shown(", ".join(arrays) or "nothing", 200).strip("'\"")


def _read(field: str, path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, without pickle; InputError on `field` for anything else, or too much of it."""
    try:
        return files.arrays(files.read(path))
    except files.BROKEN as error:
        raise InputError(field, repr(str(path)), f"must be an .npz file of arrays ({files.reason(error)})") from error


@dataclass(frozen=True, eq=False)
class Data:
    """Rows: inputs x (N, *example), labels y (N, *positions), and a mask like y, 1 where a label counts."""

    x: np.ndarray
    y: np.ndarray
    mask: Any

    @property
    def counted(self) -> float:
        """n, the labels that count."""
        return float(self.mask.sum())

    def fit(self, field: str, shape: tuple[int, ...], w: np.ndarray) -> "Data":
        """The same with a mask, for outputs of that shape. Raises InputError on the part that does not fit them."""
        *places, width = shape
        if self.y.shape != tuple(places):
            raise InputError(f"{field}.y", f"labels of shape {self.y.shape}", f"must have shape {tuple(places)}")
        mask = np.ones(self.y.shape) if self.mask is None else self.mask
        if mask.shape != self.y.shape or not np.isin(mask, (0, 1)).all() or not mask.any():
            wanted = f"must be 0 or 1, of shape {self.y.shape}, and 1 somewhere"
            raise InputError(f"{field}.mask", shown(mask), wanted)
        counted = self.y[mask > 0]
        if (wrong := counted[(counted < 0) | (counted >= width)]).size:
            raise InputError(f"{field}.y", int(wrong[0]), f"must lie in 0 ... {width - 1}")
        if (hidden := counted[w[counted] == 0]).size:
            raise InputError(f"{field}.y", int(hidden[0]), "must be one of the distilled outputs")
        return Data(self.x, np.where(mask > 0, self.y, int(np.flatnonzero(w)[0])), mask.astype(float))


def rows_of(field: str, given: Any) -> Data:
    """Rows of a mapping of arrays, or of an .npz file of them: inputs "x" with labels "y", or whole texts as "tokens".

    A text is read at every position for its next token; "mask" says which labels count, of a text which tokens. Raises
    InputError on `field` for other arrays, and on the part for what are no finite numbers or no whole ones.
    """
    arrays = _read(field, given) if isinstance(given, str | Path) else given
    if not isinstance(arrays, Mapping):
        raise InputError(field, shown(given), "must be arrays by name, or the name of an .npz file of them")
    kind = next((kind for kind in (PAIRS, TEXTS) if set(arrays) - {"mask"} == set(kind)), None)
    if kind is None:
        raise InputError(field, _names(arrays), "must have x and y, or tokens, and at most a mask beside them")
    parts = {name: _array(f"{field}.{name}", arrays[name]) for name in arrays}
    mask = parts.get("mask")
    if kind == PAIRS:
        x, y = parts["x"], _whole(f"{field}.y", parts["y"])
        if len(x) != len(y):
            raise InputError(f"{field}.y", f"{len(y)} rows of labels", f"must be {len(x)}, one for each input")
        return Data(x, y, mask)
    tokens = _whole(f"{field}.tokens", parts["tokens"])
    if tokens.ndim != 2 or tokens.shape[1] < 2:
        raise InputError(f"{field}.tokens", f"shape {tokens.shape}", "must be texts of at least two tokens, (N, T)")
    mask = np.ones(tokens.shape) if mask is None else mask
    if mask.shape != tokens.shape:
        raise InputError(f"{field}.mask", f"shape {mask.shape}", f"must have shape {tokens.shape}")
    # Behind the last token nothing is said.
    return Data(tokens, np.roll(tokens, -1, axis=1), np.pad(mask[:, 1:], ((0, 0), (0, 1))))


def _array(field: str, value: Any) -> np.ndarray:
    found = np.asarray(value)
    if found.dtype.kind not in "fiub" or found.ndim < 1 or not len(found):
        raise InputError(field, shown(value), "must be an array of numbers, with at least one row")
    if not np.isfinite(found).all():
        raise InputError(field, found[~np.isfinite(found)][0], "must be finite")
    return found


def _whole(field: str, found: np.ndarray) -> np.ndarray:
    if found.dtype.kind not in "iu":
        raise InputError(field, f"{found.dtype} numbers", "must be whole numbers")
    return found.astype(np.int32)
