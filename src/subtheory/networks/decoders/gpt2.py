"""GPT-2: learned positions, LayerNorm before each half of a layer, one matrix for queries, keys and values.

Axes: T positions, C of a cache, D width, N heads, H width of a head, F hidden units.
Source: Radford et al., Language Models are Unsupervised Multitask Learners, 2019.
"""

from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import Array

from subtheory.errors import InputError
from subtheory.networks.decoders.decoder import Cache, Decoder, attended, dense, steering, wide
from subtheory.networks.linen import require_positive


class Norm(nn.Module):
    """(x − E x)/√(Var x + eps) times a learned scale, and a bias, in the float that x has."""

    eps: float

    @nn.compact
    def __call__(self, x: Array) -> Array:
        scale = self.param("scale", nn.initializers.ones_init(), x.shape[-1:], wide())
        bias = self.param("bias", nn.initializers.zeros_init(), x.shape[-1:], wide())
        centred = x - jnp.mean(x, axis=-1, keepdims=True)
        return centred * jax.lax.rsqrt(jnp.mean(centred * centred, axis=-1, keepdims=True) + self.eps) * scale + bias


class Layer(nn.Module):
    """h + attention(norm h), then h + mlp(norm h), mlp(h) = down(gelu(up h)), gelu in its tanh form."""

    net: "GPT2"

    @nn.compact
    def __call__(self, h_TD: Array, cache: Cache | None, at_T: Array, seen_TC: Array) -> tuple[Array, Cache | None]:
        net = self.net
        if net.steered:
            h_TD = h_TD + steering(self, net.width)
        x_TD = Norm(net.eps, name="attention_norm")(h_TD)
        q_TD, k_TD, v_TD = jnp.split(dense(3 * net.width, "qkv", biased=True)(x_TD), 3, axis=-1)
        q_TNH, k_TNH, v_TNH = (x.reshape(-1, *net.cached) for x in (q_TD, k_TD, v_TD))
        a_TD, cache = attended(q_TNH, k_TNH, v_TNH, cache, at_T, seen_TC)
        h_TD = h_TD + dense(net.width, "o", biased=True)(a_TD)
        x_TD = Norm(net.eps, name="mlp_norm")(h_TD)
        m_TF = nn.gelu(dense(net.hidden, "up", biased=True)(x_TD))
        return h_TD + dense(net.width, "down", biased=True)(m_TF), cache


@dataclass(frozen=True)
class GPT2(Decoder):
    """GPT-2, for texts of up to `context` tokens.

    Raises InputError as `Decoder` does, and on "heads" where they do not share the width evenly.
    """

    context: int = 64
    called: str = "gpt2"

    layer = Layer
    norm = Norm

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(context=self.context)
        if self.width % self.heads:
            raise InputError("heads", self.heads, f"must divide the width {self.width}")

    @property
    def positions(self) -> int:
        return self.context

    @property
    def cached(self) -> tuple[int, int]:
        return self.heads, self.width // self.heads
