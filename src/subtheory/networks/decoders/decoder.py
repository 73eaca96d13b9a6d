"""What decoders of language models share: a text read from left to right, through scanned layers, with a cache.

Axes: T positions, C of a cache, D width, N query heads, K key heads, H width of a head, V vocabulary.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from subtheory.errors import InputError
from subtheory.networks.linen import LecunNormal, Normal, require_positive
from subtheory.theory.network import Params


class Cache(NamedTuple):
    """Keys and values of the positions that a text has so far, (layers, C, K, H) each; (C, K, H) of one layer."""

    keys: Array
    values: Array


def wide() -> Any:
    """The widest float that is enabled, in which parameters are drawn."""
    return jnp.result_type(float)


def dense(features: int, name: str, biased: bool = False) -> nn.Dense:
    """x ↦ xW, or xW + b."""
    return nn.Dense(features, use_bias=biased, param_dtype=wide(), kernel_init=LecunNormal(), name=name)


def steering(module: nn.Module, width: int) -> Array:
    """A vector of a layer's own, 0 at first, that is added to what enters it."""
    return cast(Array, module.param("steering", nn.initializers.zeros_init(), (width,), wide()))


def attended(
    q_TNH: Array, k_TKH: Array, v_TKH: Array, cache: Cache | None, at_T: Array, seen_TC: Array
) -> tuple[Array, Cache | None]:
    """Attention of T positions that stand at `at_T` to those that they see, (T, N·H), and the cache with them."""
    if cache is not None:
        begin = (at_T[0], 0, 0)
        k_TKH = jax.lax.dynamic_update_slice(cache.keys, k_TKH, begin)
        v_TKH = jax.lax.dynamic_update_slice(cache.values, v_TKH, begin)
        cache = Cache(k_TKH, v_TKH)
    group = q_TNH.shape[-2] // k_TKH.shape[-2]
    found = nn.dot_product_attention(
        q_TNH, jnp.repeat(k_TKH, group, axis=-2), jnp.repeat(v_TKH, group, axis=-2), mask=seen_TC[None]
    )
    return found.reshape(q_TNH.shape[0], -1), cache


class Whole(nn.Module):
    """Tokens (T,) ↦ logits of the next token, (T, V), or at positions `where` alone; with a cache, which then grows.

    Raises InputError on "text" for more tokens, or a longer cache, than there are learned positions.
    """

    net: "Decoder"

    @nn.compact
    def __call__(
        self, x_T: Array, cache: Cache | None = None, at: Any = 0, where: Any = None, columns: Any = None
    ) -> tuple[Array, Cache | None]:
        net = self.net
        embed = _table(net.vocabulary, net.width, "embed")
        at_T = at + jnp.arange(x_T.shape[0])
        context = x_T.shape[0] if cache is None else cache.keys.shape[1]
        if net.positions and context > net.positions:
            raise InputError("text", f"{context} tokens", f"must have at most {net.positions} for {net.name}")
        seen_TC = jnp.arange(context) <= at_T[:, None]
        h_TD = embed(x_T)
        if net.positions:
            h_TD = h_TD + _table(net.positions, net.width, "positions")(at_T)
        layer = nn.remat(net.layer, prevent_cse=False) if net.remat else net.layer
        layers = nn.scan(
            layer, variable_axes={"params": 0}, split_rngs={"params": True}, length=net.layers,
            in_axes=(0, nn.broadcast, nn.broadcast), out_axes=0,
        )(net, name="layers")  # fmt: skip
        h_TD, cache = layers(h_TD, cache, at_T, seen_TC)
        h_TD = net.norm(net.eps, name="norm")(h_TD if where is None else h_TD[where])
        if net.tied:
            return h_TD @ (embed.embedding if columns is None else embed.embedding[columns]).T, cache
        z_TV = dense(net.vocabulary, "head")(h_TD)
        return z_TV if columns is None else z_TV[:, columns], cache


def _table(rows: int, width: int, name: str) -> nn.Embed:
    return nn.Embed(rows, width, param_dtype=wide(), embedding_init=Normal(width**-0.5), name=name)


@dataclass(frozen=True)
class Decoder(ABC):
    """A language model as a network: parameters of a layer are stacked, (layers, ...).

    `tied`: the embedding is the head, too. `remat` computes a layer again for its derivative instead of keeping what is
    inside it. `steered` adds a vector of its own, 0 at first, to what enters each layer. Raises InputError on a size
    below 1.
    """

    layers: int = 2
    width: int = 16
    heads: int = 2
    hidden: int = 32
    vocabulary: int = 64
    eps: float = 1e-5
    tied: bool = True
    steered: bool = False
    remat: bool = True
    called: str = "decoder"

    layer: ClassVar[type[nn.Module]]
    """h (T, D), cache, positions (T,), what they see (T, C) ↦ h, cache."""
    norm: ClassVar[type[nn.Module]]

    def __post_init__(self) -> None:
        sizes = ("layers", "width", "heads", "hidden", "vocabulary")
        require_positive(**{name: getattr(self, name) for name in sizes})

    @property
    def name(self) -> str:
        return self.called

    @property
    def positions(self) -> int:
        """How many have a learned vector; 0: none has."""
        return 0

    @property
    @abstractmethod
    def cached(self) -> tuple[int, int]:
        """Key heads and the width of a head, (K, H)."""

    def module(self) -> nn.Module:
        """The Linen module, one text at a time."""
        return Whole(self)

    def init(self, key: Array) -> Params:
        """Draw float64 parameters, inside `subtheory.numerics.float64()`."""
        return self.module().init(key, jnp.zeros(1, jnp.int32))["params"]

    def apply(self, params: Params, x: Array, where: Any = None, columns: Any = None) -> Array:
        """Logits of the token behind each position of one text (T,), (T, V); `where`, and of `columns`, alone."""
        return cast(Array, self.module().apply({"params": params}, x, where=where, columns=columns)[0])

    def cache(self, context: int, dtype: Any) -> Cache:
        """Of no position yet, of one text."""
        shape = (self.layers, context, *self.cached)
        return Cache(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))

    def step(self, params: Params, x: Array, cache: Cache, at: Any, where: Any) -> tuple[Array, Cache]:
        """Logits (V,) at index `where` of tokens x (T,) that stand at `at` and after, and the cache with them."""
        found: Any = self.module().apply({"params": params}, x, cache, at, jnp.asarray(where)[None])
        return found[0][0], found[1]
