"""Where the parameters of a network lie in one vector: in the theory θ is a vector, in a network a pytree."""

from dataclasses import dataclass
from math import prod
from typing import Any

import jax
import numpy as np

from subtheory.theory.network import Params


@dataclass(frozen=True)
class Layout:
    """The leaves of a pytree one after the other, each row by row; hashable, P = `size` numbers in all."""

    tree: Any
    shapes: tuple[tuple[int, ...], ...]

    @classmethod
    def of(cls, params: Params) -> "Layout":
        """The layout of these parameters, or of their shapes."""
        leaves, tree = jax.tree.flatten(params)
        return cls(tree, tuple(tuple(np.shape(leaf)) for leaf in leaves))

    @property
    def size(self) -> int:
        """P."""
        return sum(prod(shape) for shape in self.shapes)

    def flatten(self, params: Params) -> Any:
        """(..., P) of a pytree whose leaves have the same axes in front; NumPy and JAX alike."""
        leaves = self.tree.flatten_up_to(params)
        lead = np.ndim(leaves[0]) - len(self.shapes[0]) if leaves else 0
        flat = [leaf.reshape((*leaf.shape[:lead], -1)) for leaf in leaves]
        xp: Any = flat[0].__array_namespace__()
        return xp.concatenate(flat, axis=-1)

    def unflatten(self, theta: Any) -> Params:
        """The pytree of a vector (..., P), with the same axes in front of every leaf."""
        ends = np.cumsum([0, *(prod(shape) for shape in self.shapes)])
        parts = [
            theta[..., a:b].reshape((*theta.shape[:-1], *shape))
            for a, b, shape in zip(ends, ends[1:], self.shapes, strict=False)
        ]
        return jax.tree.unflatten(self.tree, parts)

    def leaves(self) -> dict[str, tuple[slice, tuple[int, ...]]]:
        """Where each leaf lies, and its shape, by its path, such as "Dense_0/kernel"; a bare array's is ""."""
        blank = self.unflatten(np.zeros(self.size))
        names = [named(path) for path, _ in jax.tree_util.tree_flatten_with_path(blank)[0]]
        ends = np.cumsum([0, *(prod(shape) for shape in self.shapes)]).tolist()
        return dict(zip(names, zip(map(slice, ends, ends[1:]), self.shapes, strict=True), strict=True))

    def layers(self) -> dict[str, slice]:
        """Where the top-level parts of the pytree lie, by name; a bare array is its own, named ""."""
        blank = self.unflatten(np.zeros(self.size))
        found: dict[str, slice] = {}
        end = 0
        for path, leaf in jax.tree_util.tree_flatten_with_path(blank)[0]:
            name = jax.tree_util.keystr(path[:1], simple=True)
            start = found[name].start if name in found else end
            end += leaf.size
            found[name] = slice(start, end)
        return found


def named(path: Any) -> str:
    """The path of a leaf as JAX has it, in words: its keys with strokes between them."""
    return str(jax.tree_util.keystr(path, simple=True, separator="/"))
