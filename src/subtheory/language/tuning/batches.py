"""Batches of answered prompts: every one of the same shape, read at the answers alone, over some tokens or over all."""

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.language.texts import Texts
from subtheory.networks import Decoder
from subtheory.theory.network import Params


class Batch(NamedTuple):
    """n texts of T tokens with answers of at most A, over C of the V tokens."""

    x: Any
    """Tokens, (n, T)."""
    at: Any
    """Behind which of them an answer's tokens stand, (n, A)."""
    y: Any
    """Those tokens, as indices of the C, (n, A)."""
    w: Any
    """1 where there is one, (n, A); float32."""
    columns: Any = None
    """The C tokens of a restricted softmax; None for all V."""


def batch(said: Texts, columns: np.ndarray | None = None) -> Batch:
    """All texts as one batch."""
    first = np.argmax(said.mask > 0, axis=1)
    at = first[:, None] - 1 + np.arange(int(said.mask.sum(axis=1).max()))
    at = np.clip(at, 0, said.tokens.shape[1] - 2)
    w = np.take_along_axis(said.mask, at + 1, 1) * (np.arange(at.shape[1]) < said.mask.sum(axis=1)[:, None])
    y = np.take_along_axis(said.tokens, at + 1, 1)
    if columns is not None:
        y = np.clip(np.searchsorted(columns, y), 0, len(columns) - 1)
    return Batch(said.x, at.astype(np.int32), y.astype(np.int32), w.astype(np.float32), columns)


def cut(whole: Batch, size: int, order: np.ndarray | None = None) -> Iterator[Batch]:
    """Batches of `size` in an order; the last is filled up with texts that do not count."""
    order = np.arange(len(whole.x)) if order is None else order
    for begin in range(0, len(order), size):
        rows = order[begin : begin + size]
        filled = np.concatenate([rows, np.repeat(rows[-1:], size - len(rows))])
        counts = (np.arange(size) < len(rows))[:, None]
        x, at, y, w = (each[filled] for each in whole[:4])
        yield Batch(x, at, y, w * counts.astype(np.float32), whole.columns)


def outputs(network: Decoder, params: Params, batch: Batch) -> Array:
    """Logits of the answers' tokens, (n, A, C)."""
    one = lambda x, at: network.apply(params, x, at, batch.columns)  # noqa: E731
    return jax.vmap(one)(jnp.asarray(batch.x), jnp.asarray(batch.at))


@partial(jax.jit, static_argnums=0)
def law(network: Decoder, params: Params, batch: Batch) -> Array:
    """log p of each of the C tokens where the answers stand, (n, A, C)."""
    return jax.nn.log_softmax(outputs(network, params, batch))
