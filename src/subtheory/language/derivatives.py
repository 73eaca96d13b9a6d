"""A language model as a function of its parameters: its logits where it is asked, and their derivatives.

What is asked of N texts is flat: M positions of them, whose logits are (M, V), each of the same weight. θ and tangents
are pytrees of the network; programs take them as arguments, one a network and shape of what is read.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.language.texts import Texts
from subtheory.networks import Decoder
from subtheory.numerics import float64
from subtheory.theory.linearize import TaylorModel
from subtheory.theory.network import Params


class Read(NamedTuple):
    """Texts, and the M positions of them at which a model is asked what comes next."""

    x: Any
    """Tokens, (N, T)."""
    row: Any
    """Of which text, (M,)."""
    at: Any
    """Behind which of its tokens, (M,)."""

    @classmethod
    def of(cls, texts: Texts) -> "Read":
        """What `texts` ask for, text by text."""
        row, at = np.nonzero(texts.asked)
        return cls(texts.x, row.astype(np.int32), at.astype(np.int32))


def labels(texts: Texts) -> np.ndarray:
    """The tokens that are there at the positions of `Read.of`, (M,)."""
    return texts.y[np.nonzero(texts.asked)]


def outputs(network: Decoder, params: Params, read: Read) -> Array:
    """f_θ: logits at the positions that are read, (M, V)."""
    if len(read.row) <= len(read.x):  # such as one of each text: the head, a large matrix, is spared the others
        x, at = jnp.asarray(read.x)[read.row], jnp.asarray(read.at)
        return jax.vmap(lambda x, at: network.apply(params, x, at[None])[0])(x, at)
    z = jax.vmap(lambda x: network.apply(params, x))(jnp.asarray(read.x))
    return z[read.row, read.at]


@partial(jax.jit, static_argnums=0)
def values(network: Decoder, params: Params, read: Read) -> Array:
    """f_θ, (M, V)."""
    return outputs(network, params, read)


@partial(jax.jit, static_argnums=0)
def jvp(network: Decoder, params: Params, delta: Params, read: Read) -> tuple[Array, Array]:
    """f_θ and J_θ Δ, (M, V) each."""
    return jax.jvp(lambda p: outputs(network, p, read), (params,), (delta,))


@partial(jax.jit, static_argnums=0)
def taylor(network: Decoder, params: Params, delta: Params, read: Read) -> TaylorModel:
    """f, u = d/dt and v = d²/dt² of f_{θ + tΔ} at t = 0, (M, V) each."""

    def along(p: Params) -> tuple[Array, Array]:
        return jax.jvp(lambda q: outputs(network, q, read), (p,), (delta,))

    (z, u), (_, v) = jax.jvp(along, (params,), (delta,))
    return TaylorModel(z, u, v)


@partial(jax.jit, static_argnums=0)
def pull(network: Decoder, params: Params, cotangent: Array, read: Read) -> Params:
    """J_θᵀ r of r (M, V), like θ."""
    return jax.vjp(lambda p: outputs(network, p, read), params)[1](cotangent)[0]


# Vectors of parameters -------------------------------------------------------------------------------


@jax.jit
def _inner(a: Params, b: Params) -> Any:
    pairs = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return sum(jnp.sum(x.astype(jnp.float64) * y.astype(jnp.float64)) for x, y in pairs)


def inner(a: Params, b: Params) -> float:
    """a · b, summed in float64: of 10⁸ entries in float32 the sum would be off by percents."""
    with float64():
        return float(_inner(a, b))


@jax.jit
def moved(params: Params, step: Any, delta: Params) -> Params:
    """θ + step·Δ."""
    return jax.tree.map(lambda p, d: p + jnp.asarray(step, p.dtype) * d, params, delta)


def norm(a: Params) -> float:
    """‖a‖."""
    return float(np.sqrt(inner(a, a)))
