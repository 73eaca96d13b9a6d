"""The Llama family: RMSNorm, rotary positions, grouped queries, a gated MLP.

Axes: T positions, C of a cache, D width, N query heads, K key heads, H width of a head, F hidden units.
Source: Touvron et al., arXiv 2302.13971; RoPE, arXiv 2104.09864; grouped queries, arXiv 2305.13245.
"""

from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from subtheory.errors import InputError
from subtheory.networks.decoders.decoder import Cache, Decoder, attended, dense, steering, wide
from subtheory.networks.linen import require_positive


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
        scale = self.param("scale", nn.initializers.ones_init(), x.shape[-1:], wide())
        return x * jax.lax.rsqrt(jnp.mean(x * x, axis=-1, keepdims=True) + self.eps) * scale


class Layer(nn.Module):
    """h + attention(norm h), then h + mlp(norm h), mlp(h) = down(silu(gate h) ∘ up h)."""

    net: "Llama"

    @nn.compact
    def __call__(self, h_TD: Array, cache: Cache | None, at_T: Array, seen_TC: Array) -> tuple[Array, Cache | None]:
        net = self.net
        if net.steered:
            h_TD = h_TD + steering(self, net.width)
        x_TD = Norm(net.eps, name="attention_norm")(h_TD)
        q_TNH = dense(net.heads * net.head, "q", net.biased)(x_TD).reshape(-1, net.heads, net.head)
        k_TKH = dense(net.key_heads * net.head, "k", net.biased)(x_TD).reshape(-1, net.key_heads, net.head)
        v_TKH = dense(net.key_heads * net.head, "v", net.biased)(x_TD).reshape(-1, net.key_heads, net.head)
        if net.normed_heads:
            q_TNH, k_TKH = Norm(net.eps, name="q_norm")(q_TNH), Norm(net.eps, name="k_norm")(k_TKH)
        q_TNH, k_TKH = rotated(q_TNH, at_T, net.base), rotated(k_TKH, at_T, net.base)
        a_TD, cache = attended(q_TNH, k_TKH, v_TKH, cache, at_T, seen_TC)
        h_TD = h_TD + dense(net.width, "o")(a_TD)
        x_TD = Norm(net.eps, name="mlp_norm")(h_TD)
        m_TF = nn.silu(dense(net.hidden, "gate")(x_TD)) * dense(net.hidden, "up")(x_TD)
        return h_TD + dense(net.width, "down")(m_TF), cache


@dataclass(frozen=True)
class Llama(Decoder):
    """A decoder of the Llama family: Llama, SmolLM, Qwen2 (`biased`) and Qwen3 (`normed_heads`).

    Raises InputError as `Decoder` does, and on "key_heads" where they do not share the heads evenly.
    """

    key_heads: int = 1
    head: int = 8
    base: float = 10_000.0
    biased: bool = False
    normed_heads: bool = False
    called: str = "llama"

    layer = Layer
    norm = Norm

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(key_heads=self.key_heads, head=self.head)
        if self.heads % self.key_heads:
            raise InputError("key_heads", self.key_heads, f"must divide the {self.heads} heads")
        if self.head % 2:
            raise InputError("head", self.head, "must be even: rotary positions turn pairs")

    @property
    def cached(self) -> tuple[int, int]:
        return self.key_heads, self.head
