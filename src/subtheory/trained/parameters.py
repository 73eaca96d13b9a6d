"""Parameters of many models in one tree, leaves (K, ...), and as named arrays, which a record keeps.

>>> import numpy as np
>>> theta = stacked([{"head": {"bias": np.zeros(2)}}, {"head": {"bias": np.ones(2)}}])
>>> {name: array.shape for name, array in to_arrays(theta).items()}
{'head/bias': (2, 2)}
>>> pick(from_arrays(to_arrays(theta)), 1)
{'head': {'bias': array([1., 1.])}}
"""

from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np

from subtheory.errors import InputError
from subtheory.kernels.functions import shapes_of
from subtheory.networks import LinenNetwork
from subtheory.theory.network import Params


def single(params: Params) -> Params:
    """The parameters in float32."""
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), params)


def stacked(models: Sequence[Params]) -> Params:
    """K models as one, leaves (K, ...)."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *models)


def pick(params: Any, k: int) -> Any:
    """Model k of leaves (K, ...)."""
    return jax.tree.map(lambda leaf: leaf[k], params)


def leading(network: LinenNetwork, params: Params, count: int | None, field: str, keys: Any = None) -> tuple[int, ...]:
    """Axes in front of the network's own, the same for all leaves, `count` of them, the first as long as `keys`.

    Raises InputError on `field` for other parameters or axes, on "keys" for another number of them.
    """
    own = shapes_of(network)
    if str(jax.tree.structure(own)) != str(jax.tree.structure(params)):
        raise InputError(field, str(jax.tree.structure(params)), f"must be parameters of the {network.name}")
    shapes = [np.shape(leaf) for leaf in jax.tree.leaves(params)]
    wanted = [leaf.shape for leaf in jax.tree.leaves(own)]
    lead = shapes[0][: len(shapes[0]) - len(wanted[0])]
    if any(shape != (*lead, *each) for shape, each in zip(shapes, wanted, strict=True)):
        raise InputError(field, shapes, f"must be parameters of the {network.name} with the same axes in front")
    if count is not None and len(lead) != count:
        raise InputError(field, f"{len(lead)} axes in front", f"must have {count}")
    if keys is not None and (not keys.ndim or keys.shape != lead[:1]):
        raise InputError("keys", keys.shape, f"must be one for each of the first axis of {field}, {lead[:1]}")
    return lead


def to_arrays(params: Params) -> dict[str, np.ndarray]:
    """Leaves by the names on their way, as in "head/bias", in their own dtype: what `records.save` takes.

    Raises InputError on "params" unless it is dictionaries in dictionaries, of names without "/".
    """
    found = {}
    for path, leaf in jax.tree_util.tree_leaves_with_path(params):
        names = [part.key for part in path if isinstance(part, jax.tree_util.DictKey)]
        if not names or len(names) < len(path) or not all(isinstance(name, str) and "/" not in name for name in names):
            raise InputError("params", jax.tree_util.keystr(path), "must be a name in dictionaries, without /")
        found["/".join(names)] = np.asarray(leaf)
    return found


def from_arrays(arrays: Mapping[str, np.ndarray]) -> Params:
    """The parameters of `to_arrays`, bit for bit; InputError on "arrays" for a name that is on another's way."""
    params: dict[str, Any] = {}
    for path, leaf in arrays.items():
        *outer, last = path.split("/")
        at = params
        for name in outer:
            at = at.setdefault(name, {})
            if not isinstance(at, dict):
                raise InputError("arrays", repr(path), "must not be within another array")
        if last in at:
            raise InputError("arrays", repr(path), "must have no array within")
        at[last] = leaf
    return params
