"""What width leaves a student of a few outputs to see of its teacher: one hidden layer, before any run (P25).

f_k(x) = Σ_j v_kj φ(w_j · x + b_j) + c_k with n units, v ~ N(0, 1/n), w ~ N(0, 1/d), b ~ N(0, σ_b²). The trait is linear
in some outputs, L_T = −Σ g_kt f_k(t), and the channel shows m others on N inputs x. Head weights learn at a rate r, all
else at 1: r = 1 in the plain parametrisation, 1/n in the neural-tangent and the maximal-update ones, whose kernels at
init are multiples of each other. With η = ‖ΠΔ‖²/‖Δ‖², X = x · x′ + 1 and Σ, Σ̇ the means of φφ and φ′φ′,

    Θ = rnΣ + 1 + Σ̇ ∘ X,   Eη = (m/n) tr(Θ⁻¹S)/Σ_k g_kᵀΘg_k · (1 + O(1/n)),
    S(x, x′) = Σ_k Σ_tt′ g_kt g_kt′ X(x, t) X(x′, t′) E[φ′(x)φ′(t)φ′(x′)φ′(t′)].

What crosses is the block of the tangent kernel between a distilled output and one of the trait's, of mean 0 and mean
square X² E[φ′²φ′²]/n exactly. Source: derived here; prediction P25.
"""

from typing import Any

import numpy as np

from subtheory.theory.beyond.mean_field import activation_kernels


def overlaps(a: Any, b: Any) -> Any:
    """X = a · b + 1 of inputs (N, d) and (T, d), (N, T): the gradients of weights and bias of a unit."""
    return a @ b.T + 1


def _covariance(points: Any, bias_std: float) -> Any:
    """Of the pre-activations of a unit, (M, M)."""
    return points @ points.T / points.shape[1] + bias_std**2


def tangent(x: Any, activation: str, bias_std: float, features: float) -> Any:
    """Θ = features · Σ + 1 + Σ̇ ∘ X at inputs (N, d), (N, N); `features` is rn."""
    C, kernels, at = _covariance(x, bias_std), activation_kernels(activation), np.indices((len(x), len(x)))
    pair = np.moveaxis(at, 0, -1)
    pairs = C[pair[..., :, None], pair[..., None, :]]
    return features * kernels.value(pairs) + 1 + kernels.slope(pairs) * overlaps(x, x)


def fourfold(x: Any, t: Any, activation: str, bias_std: float) -> Any:
    """E[φ′(x)φ′(t)φ′(x′)φ′(t′)] for inputs (N, d) and (T, d), (N, T, N, T)."""
    C, n = _covariance(np.concatenate([x, t]), bias_std), len(x)
    at = np.moveaxis(np.indices((n, len(t), n, len(t))), 0, -1) + np.array([0, n, 0, n])
    return activation_kernels(activation).fourfold(C[at[..., :, None], at[..., None, :]])


def block(x: Any, t: Any, activation: str, bias_std: float) -> Any:
    """n E K_kk′(x, t)² of two outputs k ≠ k′, (N, T), at every n."""
    return overlaps(x, t) ** 2 * np.einsum("xtxt->xt", fourfold(x, t, activation, bias_std))


def dilution(x: Any, t: Any, g: Any, activation: str, bias_std: float, features: float) -> float:
    """tr(Θ⁻¹S)/Σ_k g_kᵀΘg_k, g of shape (C, T): the share that is kept, in units of m/n."""
    X = overlaps(x, t)
    S = np.einsum("kt,ks,xt,ys,xtys->xy", g, g, X, X, fourfold(x, t, activation, bias_std))
    seen = np.trace(np.linalg.solve(tangent(x, activation, bias_std, features), S))
    return float(seen / np.einsum("kt,ts,ks->", g, tangent(t, activation, bias_std, features), g))
