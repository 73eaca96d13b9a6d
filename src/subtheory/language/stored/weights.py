"""Weights by the names that a file gives them, as the parameters of a network: none missing, none left over."""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from subtheory.errors import InputError
from subtheory.networks import Decoder
from subtheory.theory.network import Params

Names = Mapping[str, str]
"""What a file calls each parameter; {} stands for the layer, whose parameters are stacked here."""

LARGEST = 2**20
"""A size that a model may have: each of them is a claim of the file, and their products have to fit in an integer."""


def filled(
    network: Decoder, names: Names, present: Collection[str], tensor: Callable[[str], np.ndarray], outputs_first: bool
) -> Params:
    """Parameters of the network, float32: each tensor is checked before room is made for more.

    `outputs_first`: matrices are stored (outputs, inputs), and turned here; an embedding (V, D) is as it is. Raises
    InputError on "model" for the first tensor that is missing, has no place, has another shape than the network's, or
    has numbers that are not finite in float32.
    """
    if network.layers > len(present):  # before their names are made
        raise InputError("model", f"{len(present)} tensors", f"must have those of {network.layers} layers")
    wanted, structure = _shapes(network)
    stored = {key: _stored(names[key], network.layers) for key in wanted}
    places = dict.fromkeys(name for some in stored.values() for name in some)
    if missing := next((name for name in places if name not in present), ""):
        raise InputError("model", network.name, f"must have a tensor {missing}")
    if extra := next((name for name in present if name not in places), ""):
        raise InputError("model", network.name, f"has a tensor {extra}, which is not computed here")

    def one(name: str, shape: tuple[int, ...], turned: bool) -> np.ndarray:
        with np.errstate(over="ignore"):  # of float64, which is looked at below
            found = np.asarray(tensor(name), np.float32)
        found = found.T if turned else found
        if found.shape != shape:
            said = f"must have a tensor {name} of shape {shape[::-1] if turned else shape}"
            raise InputError("model", str(found.T.shape if turned else found.shape), said)
        if not np.isfinite(found).all():
            raise InputError("model", "NaN or infinity", f"must have finite numbers in its tensor {name}")
        return found

    def leaf(key: str, shape: tuple[int, ...]) -> np.ndarray:
        turned = outputs_first and key.endswith("kernel")
        if "{}" not in names[key]:
            return np.ascontiguousarray(one(names[key], shape, turned))
        first = one(stored[key][0], shape[1:], turned)
        found = np.empty(shape, np.float32)
        for layer, name in enumerate(stored[key]):
            found[layer] = one(name, shape[1:], turned) if layer else first
        return found

    return jax.tree_util.tree_unflatten(structure, [leaf(key, shape) for key, shape in wanted.items()])


@lru_cache(16)
def _shapes(network: Decoder) -> tuple[dict[str, tuple[int, ...]], Any]:
    """Shapes of the parameters by name, such as layers.q.kernel, and the tree that they are."""
    leaves, structure = jax.tree_util.tree_flatten_with_path(jax.eval_shape(network.init, jax.random.key(0)))
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf.shape for path, leaf in leaves}, structure


def _stored(pattern: str, layers: int) -> list[str]:
    return [pattern.format(layer) for layer in range(layers)] if "{}" in pattern else [pattern]
