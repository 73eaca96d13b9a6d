"""Adapters of low rank: what a student that trains B in W + BA alone keeps of a gradient step.

W is n × d, B is n × r and 0 at first, A is r × d with independent entries N(0, 1/r), drawn once and shared or not. Δ is
what the teacher moves W by, V = (GΔ)_W what a student of full rank would. To first order the student's step is εVAᵀ in
B alone, that is εVAᵀA in W, and with S = (ΔᵀV + VᵀΔ)/2

    D/ε = ⟨ΔAᵀ, VAᵀ⟩ = tr(ASAᵀ) = Σ_i λ_i χ²_r/r,    E = tr S = ⟨Δ, V⟩,    Var = 2‖S‖²/r,

λ the eigenvalues of S and the χ²_r independent, of r degrees each; matrices with factors of their own add up. Source:
predictions P34 and P55, gap g15.
"""

from typing import Any, TypedDict

import jax
import jax.numpy as jnp
from jax import Array

from subtheory.theory.layout import Layout, named
from subtheory.theory.losses import namespace
from subtheory.theory.network import Params


class Factors(TypedDict):
    """The two factors of every matrix that is adapted, by its path."""

    A: dict[str, Any]
    """(r, d) each."""
    B: dict[str, Any]
    """(n, r) each."""


def eigenvalues(delta: Any, pulled: Any) -> Any:
    """λ of S = (ΔᵀV + VᵀΔ)/2, (..., d), least first, for Δ and V (..., n, d)."""
    xp = namespace(delta)
    product = xp.swapaxes(delta, -1, -2) @ pulled
    return xp.linalg.eigvalsh((product + xp.swapaxes(product, -1, -2)) / 2)


def mean(values: Any) -> Any:
    """E D/ε = tr S = Σ λ_i, whatever the rank; (..., m) to (...)."""
    return values.sum(axis=-1)


def variance(values: Any, rank: Any) -> Any:
    """Var D/ε = 2‖S‖²/r = (2/r)Σ λ_i²; (..., m) to (...)."""
    return 2 / rank * (values**2).sum(axis=-1)


def in_factor(gradient: Any, A: Any) -> Any:
    """(∇_B L)ᵀ = A(∇_W L)ᵀ, (..., r, n), for a gradient (n, d) and A (..., r, d); the same of any Δ."""
    return namespace(A).einsum("...rd,nd->...rn", A, gradient)


def matrices(layout: Layout) -> dict[str, tuple[slice, tuple[int, int]]]:
    """Where the leaves of two axes lie, by path, and (d, n): a network keeps Wᵀ, as in x ↦ xWᵀ."""
    return {name: (place, (shape[0], shape[1])) for name, (place, shape) in layout.leaves().items() if len(shape) == 2}


def drawn(key: Array, layout: Layout, rank: int) -> Factors:
    """Factors of every matrix: A with entries N(0, 1/r), and B = 0."""
    shapes = {name: shape for name, (_, shape) in matrices(layout).items()}
    keys = dict(zip(shapes, jax.random.split(key, len(shapes)), strict=True))
    return {
        "A": {name: jax.random.normal(keys[name], (rank, d)) / rank**0.5 for name, (d, _) in shapes.items()},
        "B": {name: jnp.zeros((n, rank)) for name, (_, n) in shapes.items()},
    }


def merged(params: Params, factors: Factors) -> Params:
    """Parameters with W + BA for every matrix that has factors."""
    A, B = factors["A"], factors["B"]

    def one(path: Any, leaf: Any) -> Any:
        name = named(path)
        return leaf + (B[name] @ A[name]).T if name in A else leaf

    return jax.tree_util.tree_map_with_path(one, params)
