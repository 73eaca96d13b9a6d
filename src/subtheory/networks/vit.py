"""A vision transformer: attention over the patches of an image."""

from dataclasses import dataclass

import flax.linen as nn
import jax.numpy as jnp
from jax import Array

from subtheory.errors import InputError
from subtheory.networks.linen import LinenNetwork, Normal, dense, require_positive
from subtheory.networks.transformer import Block, normalize, require_heads


def patches(x_HW: Array, side: int) -> Array:
    """Cut an image into square patches, (H, W) ↦ (HW/side², side²)."""
    rows, columns = (size // side for size in x_HW.shape)
    return x_HW.reshape(rows, side, columns, side).swapaxes(1, 2).reshape(rows * columns, side * side)


class Encoder(nn.Module):
    """Image (H, W) ↦ logits (outputs,): patches, blocks without a mask, mean over patches, head."""

    patch: int
    width: int
    heads: int
    blocks: int
    outputs: int

    @nn.compact
    def __call__(self, x_HW: Array) -> Array:
        h_TD = dense(self.width)(patches(x_HW, self.patch))
        h_TD = h_TD + self.param("positions", Normal(1.0), h_TD.shape, jnp.float64)
        for _ in range(self.blocks):
            h_TD = Block(self.heads, causal=False)(h_TD)
        return dense(self.outputs, name="head")(normalize()(h_TD).mean(axis=0))


@dataclass(frozen=True)
class VisionTransformer(LinenNetwork):
    """Transformer encoder on `patch`×`patch` squares of an image.

    Raises InputError on "width", "heads", "blocks" or "patch".
    """

    patch: int = 4
    width: int = 16
    heads: int = 2
    blocks: int = 1

    name = "vit"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(patch=self.patch, width=self.width, heads=self.heads, blocks=self.blocks)
        require_heads(self.width, self.heads)
        shape = self.task.shape
        if len(shape) != 2 or any(size % self.patch for size in shape):
            raise InputError("patch", self.patch, f"must divide an image of shape {shape}")

    def module(self) -> nn.Module:
        return Encoder(self.patch, self.width, self.heads, self.blocks, self.task.outputs)
