"""Standard normal parameters, for what chance decides."""

import jax
from jax import Array
from jax.flatten_util import ravel_pytree

from subtheory.theory.network import Params


def noise(key: Array, like: Params) -> Params:
    """Standard normal parameters of the shape of `like`, from one draw."""
    flat, unravel = ravel_pytree(like)
    return unravel(jax.random.normal(key, flat.shape, flat.dtype))
