"""Weights of another model beside a base's: of a checkpoint, or of an .npz file of parameters by their names."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from subtheory import files
from subtheory.errors import InputError
from subtheory.language.checkpoint import Checkpoint, load
from subtheory.study.forecast import arranged, named_arrays
from subtheory.theory.network import Params

PACKED = 2
"""Times as many bytes as the base's own may a file of parameters have: those of float64, and its headers."""


def base(given: Checkpoint | str | Path) -> Checkpoint:
    """The checkpoint θ0. Raises InputError on "base" for what is none."""
    return given if isinstance(given, Checkpoint) else _loaded("base", given)


def beside(field: str, given: Any, own: Checkpoint) -> Params:
    """θ of a pytree, an .npz file, or a checkpoint, float32 and like the base's θ0.

    Raises InputError on `field`, naming the first tensor that is missing, unknown or of another shape, for another
    architecture, numbers that are not finite, and the base's own weights.
    """
    if isinstance(given, str | Path):
        found = arranged(field, _read(field, given, own), own.params)
    else:
        found = arranged(field, named_arrays(given), own.params)
    found = jax.tree.map(lambda leaf, like: np.asarray(leaf, like.dtype), found, own.params)
    if all(np.array_equal(*pair) for pair in zip(jax.tree.leaves(found), jax.tree.leaves(own.params), strict=True)):
        raise InputError(field, "the base's own weights", "must have moved away from them")
    return found


def _read(field: str, path: str | Path, own: Checkpoint) -> dict[str, np.ndarray]:
    if Path(path).suffix != ".npz":
        other = _loaded(field, path)
        arrays = named_arrays(other.params)
        arranged(field, arrays, own.params)  # a tensor says more than a size
        if replace(other.network, called="") != replace(own.network, called=""):
            raise InputError(field, str(path), f"must be of the base's architecture, {replace(own.network, called='')}")
        return arrays
    most = files.ROOM + PACKED * sum(leaf.size * 8 for leaf in jax.tree.leaves(own.params))
    try:
        return files.arrays(files.read(path, most), most)
    except files.BROKEN as error:
        raise InputError(field, repr(str(path)), f"must be an .npz file of arrays ({files.reason(error)})") from error


def _loaded(field: str, path: str | Path) -> Checkpoint:
    try:
        return load(path)
    except InputError as error:
        raise InputError(field if error.field == "model" else error.field, error.value, error.wanted) from error
