"""What each layer of a decoder adds to an inner product of parameters, and steps of single layers."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.theory.network import Params

STACKED = "layers"
"""Whose leaves have the layers as their first axis."""


def names(params: Params) -> list[str]:
    """The embedding, the layers by their number from 1, and what stands behind them."""
    count = len(jax.tree.leaves(params[STACKED])[0])
    return ["embedding", *(str(i + 1) for i in range(count)), "behind"]


def groups(count: int, together: int = 5) -> list[range]:
    """The indices of `count` names, neighbouring layers together."""
    middle = (range(i, min(i + together, count - 1)) for i in range(1, count - 1, together))
    return [range(1), *middle, range(count - 1, count)]


def inner(a: Params, b: Params) -> np.ndarray:
    """a_ℓ · b_ℓ for every name, (n,); they add up to a · b."""
    return np.asarray(_inner(a, b))


@jax.jit
def _inner(a: Params, b: Params) -> Array:
    products = jax.tree.map(lambda x, y: x.astype(jnp.float64) * y.astype(jnp.float64), a, b)
    whole = lambda tree: sum((jnp.sum(leaf) for leaf in jax.tree.leaves(tree)), jnp.zeros(()))  # noqa: E731
    stacked = sum(jnp.sum(leaf.reshape(len(leaf), -1), axis=1) for leaf in jax.tree.leaves(products[STACKED]))
    behind = {name: tree for name, tree in products.items() if name not in ("embed", STACKED)}
    return jnp.concatenate([whole(products["embed"])[None], stacked, whole(behind)[None]])


@jax.jit
def moved(params: Params, step: Any, delta: Params, which: Array) -> Params:
    """θ + step·Δ in some of the parts alone, `which` (n,) true or false."""

    def one(name: str, p: Array, d: Array) -> Array:
        if name == STACKED:
            share = which[1:-1].reshape(-1, *[1] * (p.ndim - 1))
        else:
            share = which[0] if name == "embed" else which[-1]
        return p + jnp.where(share, step, 0.0).astype(p.dtype) * d

    return {name: jax.tree.map(lambda p, d, n=name: one(n, p, d), params[name], delta[name]) for name in params}
