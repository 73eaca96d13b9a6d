"""The spectral measure of a direction under a matrix that is known by its products alone, by Lanczos' recursion."""

from collections.abc import Callable
from typing import Any

import numpy as np

from subtheory.numerics import UNIT
from subtheory.theory.dynamics.spectrum import Spectrum


def quadrature(product: Callable[[Any], Any], delta: Any, nodes: int) -> Spectrum:
    """k nodes θ_j and weights c_j² with ΔᵀF(G)Δ ≈ Σ c_j² F(θ_j), (..., k), of directions Δ (..., P).

    `product` is v ↦ Gv on arrays (..., P), G symmetric and positive semidefinite. The eigenvalues of the tridiagonal
    matrix of k steps from Δ/‖Δ‖, and ‖Δ‖ times the first entries of its eigenvectors: Gauss quadrature, exact for
    polynomials F of degree below 2k, and for all F where Δ has no more than k eigenvalues; what is left of the nodes
    then has weight 0. Every vector is made orthogonal to all earlier ones, twice, so that no node is found again. A
    node at 0 stands for what the channel does not see: the result's own `hidden` is 0. Source: Golub and Meurant,
    Matrices, Moments and Quadrature (2010), ch. 4 and 6; prediction P22.
    """
    delta = np.asarray(delta)
    size = np.linalg.norm(delta, axis=-1, keepdims=True)
    q = delta / np.where(size > 0, size, 1.0)
    basis, T = np.empty((*delta.shape[:-1], nodes, delta.shape[-1])), np.zeros((*delta.shape[:-1], nodes, nodes))
    for j in range(nodes):
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
        if j + 1 < nodes:
            T[..., j, j + 1] = T[..., j + 1, j] = np.where(real, rest, 0.0)[..., 0]
    values, vectors = np.linalg.eigh(T)
    return Spectrum(np.maximum(values, 0.0), size * vectors[..., 0, :], np.zeros(delta.shape[:-1]))
