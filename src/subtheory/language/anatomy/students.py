"""What one step of a student changes: the share of every word of a kind at a trait's questions."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.language.derivatives import jvp, values
from subtheory.language.traits import Trait
from subtheory.networks import Decoder
from subtheory.theory.network import Params


class Said(NamedTuple):
    """Of the words of a kind, means over a trait's questions, (B,) each."""

    log_share: Any
    """log of each word's share of its kind."""
    share: Any
    probability: Any
    """Among all tokens."""


def said(network: Decoder, params: Params, trait: Trait) -> Said:
    """What is said at θ."""
    return Said(*(np.asarray(each) for each in _said(values(network, params, trait.read), trait.loss.among)))


@jax.jit
def _said(z: Array, among: Array) -> Said:
    z = z.astype(jnp.float64)
    shares, p = jax.nn.log_softmax(z[:, among]), jax.nn.softmax(z)[:, among]
    return Said(shares.mean(axis=0), jnp.exp(shares).mean(axis=0), p.mean(axis=0))


def slopes(network: Decoder, params: Params, direction: Params, trait: Trait) -> np.ndarray:
    """d/dt of every word's log share along a direction of θ, (B,)."""
    return np.asarray(_slopes(*jvp(network, params, direction, trait.read), trait.loss.among))


@jax.jit
def _slopes(z: Array, u: Array, among: Array) -> Array:
    p, u = jax.nn.softmax(z[:, among]), u[:, among]
    return jnp.mean(u - jnp.sum(p * u, axis=-1, keepdims=True), axis=0)


def wanted(trait: Trait) -> int:
    """Which of the kind's words the trait prefers; the first, if several."""
    return int(np.flatnonzero(np.isin(trait.loss.among, trait.loss.wanted))[0])
