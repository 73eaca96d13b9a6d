"""A language model as functions of one vector of parameters: NumPy in and out, one vector alive where one is enough."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from subtheory.kernels import functions
from subtheory.kernels.functions import Terms
from subtheory.language import derivatives
from subtheory.language.derivatives import Read
from subtheory.language.measuring.vectors import empty
from subtheory.language.traits import Trait
from subtheory.networks import Decoder
from subtheory.theory.layout import Layout
from subtheory.theory.linearize import TaylorModel
from subtheory.theory.losses import Loss


@dataclass(frozen=True, eq=False)
class OnTexts:
    """`kernels.functions.Functions` without leading axes: θ and Δ (P,), logits and cotangents (M, V), inputs a `Read`.

    Where `moves` (P,) is given, f is a function of those parameters alone: what is pulled back is 0 elsewhere.
    """

    network: Decoder
    layout: Layout
    moves: np.ndarray | None = None
    example: tuple[int, ...] = ()

    def values(self, theta: np.ndarray, x: Read) -> np.ndarray:
        """z = f_θ(x)."""
        return np.asarray(derivatives.values(self.network, self.layout.unflatten(theta), x))

    def velocity(self, theta: np.ndarray, delta: np.ndarray, x: Read) -> np.ndarray:
        """JΔ."""
        return np.asarray(derivatives.jvp(self.network, *map(self.layout.unflatten, (theta, delta)), x)[1])

    def taylor(self, theta: np.ndarray, delta: np.ndarray, x: Read) -> TaylorModel:
        """z, u = JΔ and v = d²f_{θ+tΔ}/dt² at t = 0."""
        found: Any = derivatives.taylor(self.network, *map(self.layout.unflatten, (theta, delta)), x)
        return jax.tree.map(np.asarray, found)

    def pulls(self, theta: np.ndarray, cotangents: Any, x: Read) -> np.ndarray:
        """Jᵀr."""
        return self._vector(derivatives.pull(self.network, self.layout.unflatten(theta), cotangents, x))

    def gradient(self, trait: Trait, theta: np.ndarray) -> np.ndarray:
        """∇L_T."""
        return self._vector(trait.gradient(self.network, self.layout.unflatten(theta)))

    def kink(self, theta: Any, delta: Any, x: Any) -> float:
        """There is none."""
        return np.inf

    def terms(self, loss: Loss, z: Any, y: Any, w: Any, u: Any = None, v: Any = None) -> Terms:
        """The loss's pull on z by labels that move along y + εu + ½ε²v."""
        if u is None and v is None:
            r = np.asarray(_pull(loss, z, y, w))
            return Terms(r, 0.0 * r, 0.0 * r)
        return Terms(*map(np.asarray, _terms(loss, *np.broadcast_arrays(z, y), w, u, v)))

    def _vector(self, params: Any) -> np.ndarray:
        """A pytree as one vector, leaf by leaf: each is let go of when it is copied."""
        leaves, found, begin = jax.tree.leaves(params), empty(self.layout.size), 0
        del params
        while leaves:
            leaf = np.asarray(leaves.pop(0)).ravel()
            found[begin : begin + leaf.size] = leaf
            begin += leaf.size
        if self.moves is not None:
            found *= self.moves
        return found


_terms = jax.jit(functions.terms, static_argnums=0)


@partial(jax.jit, static_argnums=0)
def _pull(loss: Loss, z: Any, y: Any, w: Any) -> Any:
    """−∂l/∂z."""
    z, y = jnp.broadcast_arrays(z, y)
    return -jax.grad(lambda o: jnp.sum(loss.value(o, y, w)))(z)


@dataclass(frozen=True, eq=False)
class Learned:
    """A trait as `theory.trait.Trait` has it, for vectors of parameters."""

    trait: Trait

    def value(self, on: OnTexts, theta: np.ndarray) -> np.ndarray:
        """L_T(θ)."""
        return np.asarray(self.trait.value(on.network, on.layout.unflatten(theta)))

    def gradient(self, on: OnTexts, theta: np.ndarray) -> np.ndarray:
        """∇L_T(θ), (P,)."""
        return on.gradient(self.trait, theta)
