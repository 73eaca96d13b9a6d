"""The linearised student in function space: the recursion of its steps, whatever the batches and the momentum."""

from typing import Any

import numpy as np

from subtheory.theory.losses import namespace


def coefficients(K: Any, u: Any, shares: Any, rate: Any, momentum: float = 0.0) -> Any:
    """a(t), (..., T + 1, n), of a student at θ0 + εBᵀa(t) after t steps on the labels of θ0 + εΔ.

    a(t + 1) = a(t) + αc(t + 1),  c(t + 1) = b c(t) + S_t(u − Ka(t)), with the tangent kernel K = BBᵀ (..., n, n) of
    whitened outputs, u = BΔ (..., n), and diagonal S_t (..., T, n): the weight of every output in batch t over its
    weight in the channel, 1 for a full batch. α is (...); b is the momentum. The work grows with outputs, not
    parameters. Without momentum Δ − Bᵀa(T) = Π_t(I − αG_t)Δ, G_t = BᵀS_tB. Source: predictions P21 and P33.
    """
    xp, rate = namespace(K), np.asarray(rate)[..., None]
    a, c = xp.zeros_like(u), xp.zeros_like(u)
    found = [a]
    for t in range(shares.shape[-2]):
        c = momentum * c + shares[..., t, :] * (u - (K @ a[..., None])[..., 0])
        a = a + rate * c
        found.append(a)
    return xp.stack(found, axis=-2)
