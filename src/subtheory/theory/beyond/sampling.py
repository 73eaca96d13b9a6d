"""What sampled labels do to a student's first step: how often it turns away, and what the noise costs the trait.

A label i drawn at a place adds its score s_i = Δ · ∇log p0(i) to the alignment. Under the teacher's law, ε away from
the init's, the mean D̂ of N scores has mean εq and variance q/N with the same q = Var_{p0}(s), and 2KL = ε²q: what
fixes the sign is the deflection ε√(Nq) = √(2N KL) of `beyond.detection`. NumPy alone. Source: predictions P9, P11;
`proofs/sampled_labels.py`.
"""

from math import comb, erfc, inf, pi
from typing import Any, NamedTuple

import numpy as np

from subtheory.errors import InputError
from subtheory.theory.beyond.detection import deflection

FEWEST = 100
"""Labels of which a sum is expanded about the normal law: a few labels are often alike, and their sums tie."""


def normal(x: Any) -> Any:
    """Φ(x), any shape."""
    found = np.vectorize(lambda each: erfc(-each / 2**0.5) / 2, otypes=[float])(x)
    return found if np.ndim(x) else float(found)


def beyond_control(divergence: Any, labels: Any) -> Any:
    """√(N KL), the deflection of D̂ − D̂₀ with D̂₀ of as many independent labels of the init on the same inputs.

    KL is that of the laws that are drawn from. Both legs at a temperature τ with the student at 1, or any fixed filter
    of both, give a mean of ε Var(s)/τ and a variance of 2Var(s)/N, Var(s) at given inputs, and KL = ε²Var(s)/(2τ²).
    Inputs of its own for each leg would add the variance of E[s | input], which vanishes for r₀ = p0 only. Shapes
    broadcast. Source: P9.
    """
    return deflection(divergence, labels) / np.sqrt(2)


def labels_for(wanted: Any, divergence: Any) -> Any:
    """N = x²/(2KL), with which D̂ has the deflection x: 1.92/KL for a share of Φ(1.96) = 97.5 %; shapes broadcast.

    Raises InputError on "divergence" unless it is positive. Source: P9.
    """
    if not np.all(np.asarray(divergence) > 0):
        raise InputError("divergence", np.asarray(divergence).tolist(), "must be positive")
    return np.asarray(wanted, float) ** 2 / (2 * np.asarray(divergence))


# What the law neglects ----------------------------------------------------------------------------


class Cumulants(NamedTuple):
    """The first four of one label's share of the alignment, (...) each."""

    mean: Any
    variance: Any
    third: Any
    fourth: Any


def cumulants(weights: np.ndarray, law: np.ndarray, scores: np.ndarray, other: np.ndarray | None = None) -> Cumulants:
    """Exact cumulants of s_i, place m of weight w_m, i from the law r(m), laws (..., M, V); of s_i − s_j with j from
    another law at the same place, if there is one."""
    moments = [(law * scores**k).sum(axis=-1) for k in range(5)]
    if other is not None:
        minus = [(other * (-scores) ** k).sum(axis=-1) for k in range(5)]
        moments = [sum(comb(k, j) * moments[j] * minus[k - j] for j in range(k + 1)) for k in range(5)]
    _, m, square, cube, fourth = (each @ weights for each in moments)
    variance = square - m**2
    third = cube - 3 * m * square + 2 * m**3
    central = fourth - 4 * m * cube + 6 * m**2 * square - 3 * m**4
    return Cumulants(m, variance, third, central - 3 * variance**2)


def edgeworth(c: Cumulants, labels: Any) -> tuple[Any, Any, Any]:
    """P(mean of N labels > 0) = Φ(t) + φ(t)[a + b] + ..., t = κ₁√(N/κ₂): Φ(t) and both terms with their signs.

    With γ₁ = κ₃/κ₂^{3/2} and γ₂ = κ₄/κ₂², a = γ₁(t² − 1)/(6√N) and, of order 1/N, b = −γ₂(t³ − 3t)/(24N)
    − γ₁²(t⁵ − 10t³ + 15t)/(72N). For scores on no lattice. Source: Feller 1971, XVI.4.
    """
    N = np.asarray(labels, float)
    t = c.mean * np.sqrt(N / c.variance)
    skew, tail = c.third / c.variance**1.5, c.fourth / c.variance**2
    density = np.exp(-(t**2) / 2) / np.sqrt(2 * pi)
    a = skew * (t**2 - 1) / (6 * np.sqrt(N))
    b = -tail * (t**3 - 3 * t) / (24 * N) - skew**2 * (t**5 - 10 * t**3 + 15 * t) / (72 * N)
    return normal(t), density * a, density * b


def shift(c: Cumulants, labels: Any, predicted: Any) -> Any:
    """How far what the law neglects shifts P(D̂ > 0): |Φ(t) − predicted| + |φa| + |φb|, terms of `edgeworth`.

    The first is of order ε, the mean's and the variance's next order; terms that would cancel count in full. It is
    known from exact laws before any label is drawn; infinite below `FEWEST` labels.
    """
    exact, a, b = edgeworth(c, labels)
    return np.where(np.asarray(labels) < FEWEST, np.inf, np.abs(exact - predicted) + np.abs(a) + np.abs(b))


# What the noise costs -----------------------------------------------------------------------------


def trait_change(alpha: Any, eps: Any, q: Any, curved: Any, spread: Any, labels: Any) -> Any:
    """E[ΔL_T] = −αεq + ½α²(ε²ΔᵀGHGΔ + tr(HF)/N) of students of N labels each, to second order in the step α.

    H is the Hessian of L_T, F = G the Fisher matrix, `curved` ΔᵀGHGΔ, `spread` tr(HF); N = ∞ stands for full labels.
    Shapes broadcast. Source: P11.
    """
    return -alpha * eps * q + alpha**2 / 2 * (eps**2 * curved + spread / np.asarray(labels, float))


def best_rate(eps: Any, q: Any, curved: Any, spread: Any, labels: Any) -> Any:
    """α* = εq/(ε²ΔᵀGHGΔ + tr(HF)/N), where `trait_change` is least; L_T falls on average below 2α* only. P11."""
    return eps * q / (eps**2 * curved + spread / np.asarray(labels, float))


def fewest_labels(alpha: float, eps: float, q: float, curved: float, spread: float) -> float:
    """N = α tr(HF)/(ε(2q − αεΔᵀGHGΔ)): below it a step of α does harm on average; ∞ where every step does. P11."""
    rest = eps * (2 * q - alpha * eps * curved)
    return float(alpha * spread / rest) if rest > 0 else inf
