"""The Llama family: RMSNorm, rotary positions, grouped queries, a gated MLP; one scanned layer, whatever the depth.

Axes: T positions, C of a cache, D width, N query heads, K key heads, H width of a head, F hidden units, V vocabulary.
Source: Touvron et al., arXiv 2302.13971; RoPE, arXiv 2104.09864; grouped queries, arXiv 2305.13245.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from subtheory.errors import InputError
from subtheory.networks.linen import LecunNormal, Normal, require_positive
from subtheory.theory.network import Params


def _wide() -> Any:
    """The widest float that is enabled, in which parameters are drawn."""
    return jnp.result_type(float)


class Cache(NamedTuple):
    """Keys and values of the positions that a text has so far, (layers, C, K, H) each."""

    keys: Array
    values: Array


def rotated(x_TNH: Array, at_T: Array, base: float) -> Array:
    """Rotary positions: pairs (i, i + H/2) turned by the angle at · base^(−2i/H)."""
    half = x_TNH.shape[-1] // 2
    frequency = base ** (-jnp.arange(half, dtype=x_TNH.dtype) / half)
    angle = at_T.astype(x_TNH.dtype)[:, None, None] * frequency
    cos, sin = jnp.cos(angle), jnp.sin(angle)
    a, b = x_TNH[..., :half], x_TNH[..., half:]
    return jnp.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


class Norm(nn.Module):
    """x/√(E x² + eps) times a learned scale; Flax's own makes float64 of float32 where both are enabled."""

    eps: float

    @nn.compact
    def __call__(self, x: Array) -> Array:
        scale = self.param("scale", nn.initializers.ones_init(), x.shape[-1:], _wide())
        return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + self.eps) * scale


class Layer(nn.Module):
    """h + attention(norm h), then h + mlp(norm h), mlp(h) = down(silu(gate h) ∘ up h)."""

    net: "Llama"

    @nn.compact
    def __call__(self, h_TD: Array, cache: Cache | None, at_T: Array, mask_TC: Array) -> tuple[Array, Cache | None]:
        net = self.net
        if net.steered:
            h_TD = h_TD + self.param("steering", nn.initializers.zeros_init(), (net.width,), _wide())
        x_TD = Norm(net.eps, name="attention_norm")(h_TD)
        q_TNH = _dense(net.heads * net.head, "q", net.biased)(x_TD).reshape(-1, net.heads, net.head)
        k_TKH = _dense(net.key_heads * net.head, "k", net.biased)(x_TD).reshape(-1, net.key_heads, net.head)
        v_TKH = _dense(net.key_heads * net.head, "v", net.biased)(x_TD).reshape(-1, net.key_heads, net.head)
        if net.normed_heads:
            q_TNH, k_TKH = Norm(net.eps, name="q_norm")(q_TNH), Norm(net.eps, name="k_norm")(k_TKH)
        q_TNH, k_TKH = rotated(q_TNH, at_T, net.base), rotated(k_TKH, at_T, net.base)
        if cache is not None:
            begin = (at_T[0], 0, 0)
            k_TKH = jax.lax.dynamic_update_slice(cache.keys, k_TKH, begin)
            v_TKH = jax.lax.dynamic_update_slice(cache.values, v_TKH, begin)
            cache = Cache(k_TKH, v_TKH)
        group = net.heads // net.key_heads
        a_TNH = nn.dot_product_attention(
            q_TNH, jnp.repeat(k_TKH, group, axis=-2), jnp.repeat(v_TKH, group, axis=-2), mask=mask_TC[None]
        )
        h_TD = h_TD + _dense(net.width, "o")(a_TNH.reshape(-1, net.heads * net.head))
        x_TD = Norm(net.eps, name="mlp_norm")(h_TD)
        m_TF = nn.silu(_dense(net.hidden, "gate")(x_TD)) * _dense(net.hidden, "up")(x_TD)
        return h_TD + _dense(net.width, "down")(m_TF), cache


def _dense(features: int, name: str, biased: bool = False) -> nn.Dense:
    return nn.Dense(features, use_bias=biased, param_dtype=_wide(), kernel_init=LecunNormal(), name=name)


class Decoder(nn.Module):
    """Tokens (T,) ↦ logits of the next token, (T, V), or at positions `where` alone; with a cache, which then grows."""

    net: "Llama"

    @nn.compact
    def __call__(
        self, x_T: Array, cache: Cache | None = None, at: Any = 0, where: Any = None
    ) -> tuple[Array, Cache | None]:
        net = self.net
        embed = nn.Embed(
            net.vocabulary, net.width, param_dtype=_wide(), embedding_init=Normal(net.width**-0.5), name="embed"
        )
        at_T = at + jnp.arange(x_T.shape[0])
        context = x_T.shape[0] if cache is None else cache.keys.shape[1]
        seen_TC = jnp.arange(context) <= at_T[:, None]
        layer = nn.remat(Layer, prevent_cse=False) if net.remat else Layer
        layers = nn.scan(
            layer, variable_axes={"params": 0}, split_rngs={"params": True}, length=net.layers,
            in_axes=(0, nn.broadcast, nn.broadcast), out_axes=0,
        )(net, name="layers")  # fmt: skip
        h_TD, cache = layers(embed(x_T), cache, at_T, seen_TC)
        h_TD = Norm(net.eps, name="norm")(h_TD if where is None else h_TD[where])
        return embed.attend(h_TD) if net.tied else _dense(net.vocabulary, "head")(h_TD), cache


@dataclass(frozen=True)
class Llama:
    """A decoder of the Llama family: Llama, SmolLM, Qwen2 (`biased`) and Qwen3 (`normed_heads`).

    Parameters of a layer are stacked, (layers, ...). `remat` computes a layer again for its derivative instead of
    keeping what is inside it. `steered` adds a vector of its own, 0 at first, to what enters each layer. Raises
    InputError on a size below 1, and on "key_heads" where they do not share the heads evenly.
    """

    layers: int = 2
    width: int = 16
    heads: int = 2
    key_heads: int = 1
    head: int = 8
    hidden: int = 32
    vocabulary: int = 64
    eps: float = 1e-5
    base: float = 10_000.0
    tied: bool = True
    biased: bool = False
    normed_heads: bool = False
    steered: bool = False
    remat: bool = True
    called: str = "llama"

    def __post_init__(self) -> None:
        sizes = ("layers", "width", "heads", "key_heads", "head", "hidden", "vocabulary")
        require_positive(**{name: getattr(self, name) for name in sizes})
        if self.heads % self.key_heads:
            raise InputError("key_heads", self.key_heads, f"must divide the {self.heads} heads")
        if self.head % 2:
            raise InputError("head", self.head, "must be even: rotary positions turn pairs")

    @property
    def name(self) -> str:
        return self.called

    def module(self) -> nn.Module:
        """The Linen module, one text at a time."""
        return Decoder(self)

    def init(self, key: Array) -> Params:
        """Draw float64 parameters, inside `subtheory.numerics.float64()`."""
        return self.module().init(key, jnp.zeros(2, jnp.int32))["params"]

    def apply(self, params: Params, x: Array) -> Array:
        """Logits of the token behind each position of one text (T,), (T, V)."""
        return cast(Array, self.module().apply({"params": params}, x)[0])

    def cache(self, context: int, dtype: Any) -> Cache:
        """Of no position yet, of one text."""
        shape = (self.layers, context, self.key_heads, self.head)
        return Cache(jnp.zeros(shape, dtype), jnp.zeros(shape, dtype))

    def step(self, params: Params, x: Array, cache: Cache, at: Any, where: Any) -> tuple[Array, Cache]:
        """Logits (V,) at index `where` of tokens x (T,) that stand at `at` and after, and the cache with them."""
        found: Any = self.module().apply({"params": params}, x, cache, at, jnp.asarray(where)[None])
        return found[0][0], found[1]
