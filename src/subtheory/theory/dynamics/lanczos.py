"""The modes that a direction excites in a matrix which is known by its products alone, by Lanczos' recursion."""

from collections.abc import Callable
from typing import Any

import numpy as np

from subtheory.numerics import UNIT
from subtheory.theory.dynamics.spectrum import Modes


def ritz(product: Callable[[Any], Any], delta: Any, count: int) -> Modes:
    """k values θ_j and vectors y_j, (..., k) and (..., k, P), with F(G)Δ ≈ Σ F(θ_j) y_j(y_j · Δ), of Δ (..., P).

    `product` is v ↦ Gv on arrays (..., P), G symmetric and positive semidefinite: (θ, y) are the eigenvalues and
    eigenvectors of G within the span of Δ, GΔ, ..., Gᵏ⁻¹Δ. Polynomials F of degree below k are exact, and below 2k in
    ΔᵀF(G)Δ = Σ (y · Δ)² F(θ), a Gauss quadrature of the spectral measure; all F are where Δ has no more than k
    eigenvalues, and what is left of the vectors then is 0. Each vector is made orthogonal to all earlier ones, twice,
    so that no eigenvalue is found again. θ = 0 stands for what the channel does not see, and y for a direction of it.
    Source: Golub and Meurant, Matrices, Moments and Quadrature (2010), ch. 4 and 6; prediction P22.
    """
    delta = np.asarray(delta)
    size = np.linalg.norm(delta, axis=-1, keepdims=True)
    q = delta / np.where(size > 0, size, 1.0)
    basis, T = np.empty((*delta.shape[:-1], count, delta.shape[-1])), np.zeros((*delta.shape[:-1], count, count))
    for j in range(count):
        basis[..., j, :] = q
        pulled, known = np.asarray(product(q)), basis[..., : j + 1, :]
        T[..., j, j] = (q * pulled).sum(axis=-1)
        r = pulled
        for _ in range(2):
            r = r - ((known @ r[..., None]).mT @ known)[..., 0, :]
        rest = np.linalg.norm(r, axis=-1, keepdims=True)
        # Below the rounding of the product nothing is left of what G makes of Δ.
        real = rest > delta.shape[-1] * UNIT * abs(T).max(axis=(-1, -2), initial=0.0)[..., None]
        q = np.where(real, r / np.where(real, rest, 1.0), 0.0)
        if j + 1 < count:
            T[..., j, j + 1] = T[..., j + 1, j] = np.where(real, rest, 0.0)[..., 0]
    values, vectors = np.linalg.eigh(T)
    return Modes(np.maximum(values, 0.0), vectors.mT @ basis)
