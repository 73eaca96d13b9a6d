"""A decoder-only transformer on tokens, and the block it shares with the vision transformer."""

from dataclasses import dataclass, field

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from subtheory.data import TOKENS, Task
from subtheory.errors import InputError
from subtheory.networks.linen import LecunNormal, LinenNetwork, Normal, dense, require_positive


def normalize() -> nn.LayerNorm:
    """Layer normalisation in float64; Flax's defaults would reduce in float32."""
    return nn.LayerNorm(param_dtype=jnp.float64, force_float32_reductions=False, use_fast_variance=False)


def require_heads(width: int, heads: int) -> None:
    """Raise InputError on "heads" unless the heads share the width evenly."""
    if width % heads:
        raise InputError("heads", heads, f"must divide the width {width}")


class Block(nn.Module):
    """Pre-norm block: h + attention(norm h), then h + mlp(norm h), the MLP twice as wide with tanh-gelu."""

    heads: int
    causal: bool

    @nn.compact
    def __call__(self, h_TD: Array) -> Array:
        length, width = h_TD.shape
        attention = nn.MultiHeadDotProductAttention(self.heads, param_dtype=jnp.float64, kernel_init=LecunNormal())
        mask_1TT = jnp.tril(jnp.ones((1, length, length), bool)) if self.causal else None
        h_TD = h_TD + attention(normalize()(h_TD), mask=mask_1TT)
        m_TF = nn.gelu(dense(2 * width)(normalize()(h_TD)), approximate=True)
        return h_TD + dense(width)(m_TF)


class Decoder(nn.Module):
    """Tokens (T,) ↦ logits of the next token at every position, (T, vocabulary)."""

    width: int
    heads: int
    blocks: int
    outputs: int

    @nn.compact
    def __call__(self, x_T: Array) -> Array:
        scale = Normal(1.0)
        h_TD = nn.Embed(self.outputs, self.width, param_dtype=jnp.float64, embedding_init=scale)(x_T)
        h_TD = h_TD + self.param("positions", scale, h_TD.shape, jnp.float64)
        for _ in range(self.blocks):
            h_TD = Block(self.heads, causal=True)(h_TD)
        return dense(self.outputs, name="head")(normalize()(h_TD))


@dataclass(frozen=True)
class Transformer(LinenNetwork):
    """Causal transformer with learned positions; outputs (T, vocabulary).

    Raises InputError on "width", "heads", "blocks", or "task" if it has no vocabulary.
    """

    width: int = 16
    heads: int = 2
    blocks: int = 1
    task: Task = field(default=TOKENS, kw_only=True)
    """What its inputs are and its outputs are for."""

    name = "transformer"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(width=self.width, heads=self.heads, blocks=self.blocks)
        require_heads(self.width, self.heads)
        if not self.task.vocabulary:
            raise InputError("task", repr(self.task.name), "must have a vocabulary")

    def module(self) -> nn.Module:
        return Decoder(self.width, self.heads, self.blocks, self.task.outputs)
