"""Weighted sums of chi-squares: the law of a quadratic form in independent normals, in its tails as well."""

import numpy as np
from scipy.optimize import brentq

STEP, REACH = 0.08, 80.0
"""Of the trapezoidal rule in t, and where it ends: errors of e^(−2π·0.39/STEP) = 5e-14 and e^(−REACH/2) = 4e-18."""

BEND = np.pi / 8
"""How far the path turns to where e^(−sx) decays; half of what the nearest singularity, π/4 away, allows."""

NEAR = 1e-12
"""How close to a pole of e^K the saddle may lie, relative to its distance from 0."""


def chi_square_tails(x: float, weights: np.ndarray, freedom: float = 1.0) -> tuple[float, float]:
    """P(Q < x) and P(Q > x), Q = Σ_i w_i X_i, X_i independent chi-squares of so many degrees of freedom; w (n,).

    The smaller tail is (1/2πi)∫ e^{K(s) − sx} ds/s up to a sign, K(s) = −½f Σ log(1 − 2w_i s), along a path that
    crosses the real axis at the saddle c of the integrand, c > 0 for the upper tail and c < 0 for the lower one:

        s(t) = c + iσ(sinh(t + iβ) − i sin β), 1/σ² the integrand's second logarithmic derivative at c.

    The trapezoidal rule in t converges geometrically: the smaller tail is right to ten digits, however small. Of no
    weights Q = 0. Source: Davies 1973, Numerical inversion of a characteristic function; Rice 1980, Distribution of
    quadratic forms in normal random variables, for a path through the saddle.
    """
    w = np.asarray(weights, float)
    w = w[w != 0]
    if not w.size:
        return float(x > 0), float(x < 0)
    if x > freedom * w.sum():
        above = _tail(x, w, freedom)
        return 1 - above, above
    below = _tail(-x, -w, freedom)
    return below, 1 - below


def _tail(x: float, w: np.ndarray, freedom: float) -> float:
    """P(Q > x) for x at least the mean of Q."""
    if x >= 0 and w.max() < 0:
        return 0.0
    unit = float(np.abs(w).max())
    x, w = x / unit, w / unit

    def slope(c: float) -> float:
        """The derivative of K(c) − cx − log c."""
        return float(freedom * np.sum(w / (1 - 2 * w * c)) - x - 1 / c)

    # Convex between its poles at 0 and 1/(2 max w); without the latter the saddle lies where −x·c wins.
    last = 0.5 / w.max() * (1 - NEAR) if w.max() > 0 else 1.0
    while w.max() <= 0 and slope(last) < 0:
        last *= 2
    first = last
    while slope(first) > 0:
        first /= 2
    c = brentq(slope, first, last, xtol=NEAR * first) if slope(last) > 0 else last
    sigma = float(2 * freedom * np.sum((w / (1 - 2 * w * c)) ** 2) + 1 / c**2) ** -0.5
    turn = -np.sign(x) * BEND
    t = np.arange(0, REACH, STEP) + 1j * turn  # the other half is the conjugate
    s, ds = c + 1j * sigma * (np.sinh(t) - 1j * np.sin(turn)), 1j * sigma * np.cosh(t)
    log = -0.5 * freedom * np.log(1 - 2 * w[:, None] * s).sum(axis=0) - s * x
    with np.errstate(under="ignore", over="ignore"):
        each = (np.exp(log) * ds / s).imag
    return float((each.sum() - each[0] / 2) * STEP / np.pi)
