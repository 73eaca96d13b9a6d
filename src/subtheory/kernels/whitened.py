"""The Gauss-Newton matrix by its root, G = BᵀB, or by its products: no matrix in R^P×P."""

from typing import Any

import numpy as np

from subtheory.kernels.functions import Functions
from subtheory.kernels.stack import Stack, averaged
from subtheory.theory.losses import Loss


def whitened(s: Stack, loss: Loss) -> np.ndarray:
    """B = E^{1/2}M^{1/2}J at the teacher's init, (..., n, P) with n = N·T·V, so that G = E[JᵀMJ] = BᵀB.

    The tangent kernel of the whitened outputs is BBᵀ, whose eigenvalues other than 0 are those of G.
    """
    return root(s.functions, loss, s.theta0, s.x, s.weights, s.outputs)


def product(s: Stack, loss: Loss, v: Any) -> Any:
    """Gv at the teacher's init, (..., P), NumPy or JAX: a jvp and a pullback, however many outputs there are."""
    z, u, _ = s.functions.taylor(s.theta0, v, s.x)
    return s.functions.pulls(s.theta0, averaged(s, loss.hessian(z, u, s.outputs)), s.x)


def root(functions: Functions, loss: Loss, theta: Any, x: Any, weights: Any, outputs: Any) -> np.ndarray:
    """B of `whitened` at θ (..., P) for inputs (..., N, *example) of these weights, (..., N); rows by example."""
    theta, x, weights = (np.asarray(each) for each in (theta, x, weights))
    lead, count = weights.shape[:-1], weights.shape[-1]
    z = np.asarray(functions.values(theta, x))
    tail, width = z.shape[len(lead) + 1 :], z.shape[-1]
    y = z.reshape(*lead, count, -1, 1, width)
    positions = y.shape[-3]
    shape = (*y.shape[:-2], width, width)
    columns = loss.hessian(np.broadcast_to(y, shape), np.broadcast_to(np.eye(width), shape), outputs)  # type: ignore[arg-type]
    values, vectors = np.linalg.eigh(columns)
    share = np.maximum(values, 0.0) * weights[..., None, None] / positions
    half = np.einsum("...ik,...k,...jk->...ij", vectors, np.sqrt(share), vectors)
    # Row (t, i) of an example pulls by row i of M^{1/2} at position t, and by nothing at the others.
    pulls = np.einsum("ts,...tij->...tisj", np.eye(positions), half)
    cotangents = pulls.reshape(*lead, count, positions * width, 1, *tail)
    own = x.ndim - len(lead) - 1
    beside = x.reshape(*lead, count, 1, 1, *x.shape[x.ndim - own :])
    rows = np.asarray(functions.pulls(theta[..., None, None, :], cotangents, beside))
    return rows.reshape(*lead, -1, theta.shape[-1])
