"""Two groups of seeds that may be equivalent, and a curve over seeds that falls to half."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import isotonic_regression
from scipy.special import stdtr  # scipy.stats takes most of a second to load

from subtheory.errors import InputError
from subtheory.statistics.intervals import CONFIDENCE, seeds, student_quantile

CURVES = 2000
"""Resamples of `half_way`: the levels of its 2.5 % ends are then off by √(0.025·0.975/2000) = 0.35 %, one deviation."""


class Equivalence(NamedTuple):
    """Two one-sided t tests of |μ_a − μ_b| < margin; the larger p-value decides."""

    difference: float
    low: float
    """Ends of the interval of confidence 1 − 2·level, which the margin must contain."""
    high: float
    p: float
    equivalent: bool


def equivalence(a: np.ndarray, b: np.ndarray, margin: float, paired: bool = True, level: float = 0.05) -> Equivalence:
    """Whether the means of a (n,) and b (m,) differ by less than the margin, at the given level: two one-sided t tests.

    p = P(T > (margin − |ā − b̄|)/e) ≥ the p-values of μ_a − μ_b ≥ margin and of ≤ −margin; the interval is
    ā − b̄ ± t·e, t the 1 − level quantile. Paired, e = s/√n of a − b with n − 1 degrees of freedom; unpaired,
    e² = s_a²/n + s_b²/m with e⁴/((s_a²/n)²/(n − 1) + (s_b²/m)²/(m − 1)) of them. Raises InputError on "margin" unless
    positive, on "a" or "b" for fewer than two values, on "b" for another number of values if paired. Source:
    Schuirmann 1987; Welch 1947.
    """
    a, b = seeds(a, "a"), seeds(b, "b")
    if not margin > 0:
        raise InputError("margin", margin, "must be positive")
    if paired and len(a) != len(b):
        raise InputError("b", f"{len(b)} values", f"must have {len(a)}, to be paired")
    difference = float(a.mean() - b.mean())
    if paired:
        error, freedom = float(np.std(a - b, ddof=1) / np.sqrt(len(a))), len(a) - 1.0
    else:
        parts = np.var(a, ddof=1) / len(a), np.var(b, ddof=1) / len(b)
        error = float(np.sqrt(sum(parts)))
        below = parts[0] ** 2 / (len(a) - 1) + parts[1] ** 2 / (len(b) - 1)
        freedom = float(sum(parts) ** 2 / below) if below else len(a) + len(b) - 2.0
    half = student_quantile(1 - level, freedom) * error
    distance = margin - abs(difference)
    # Without spread the difference is known exactly.
    p = float(stdtr(freedom, -distance / error)) if error else float(distance <= 0)
    return Equivalence(difference, difference - half, difference + half, p, p < level)


def holm(p: np.ndarray) -> np.ndarray:
    """Adjusted p-values of a family (..., n): which are at most α are refused, one that is true with P ≤ α.

    p̃_(i) = max_{j ≤ i} min(1, (n − j + 1) p_(j)) in rising order, whatever the dependence. Source: Holm 1979.
    """
    p = np.asarray(p, float)
    order = np.argsort(p, axis=-1)
    left = p.shape[-1] - np.arange(p.shape[-1])
    rising = np.minimum(np.maximum.accumulate(left * np.take_along_axis(p, order, -1), axis=-1), 1.0)
    found = np.empty_like(p)
    np.put_along_axis(found, order, rising, -1)
    return found


class HalfWay(NamedTuple):
    """Where the mean curve falls to half of its reference; inf where it never does."""

    at: float
    low: float
    """Ends of the bootstrap interval over seeds; inf where the curves of so many resamples never fall to half."""
    high: float
    reached: float
    """Share of the resamples that fall to half."""


def half_way(
    x: np.ndarray, curves: np.ndarray, reference: np.ndarray, *,
    resamples: int = CURVES, confidence: float = CONFIDENCE, seed: int = 0,
) -> HalfWay:  # fmt: skip
    """The x at which the seeds' mean curve falls to half of the mean reference, with a percentile bootstrap.

    min{x: f(x) ≤ r̄/2}: x increases, (A,); `curves` (K, A) and `reference` (K,), what stands at the shared init, have a
    row for each seed, r̄ is the mean reference, and f the non-increasing curve that is nearest to the mean one by least
    squares (isotonic regression), linear between the x; a curve that starts below half has fallen at x[0]. Seeds are
    resampled as wholes, with replacement. Raises InputError on "x" unless it increases, on "curves" or "reference" for
    other shapes, or below two seeds. Source: Efron and Tibshirani 1993, chapter 13.
    """
    x, curves, reference = np.asarray(x, float), seeds(curves, "curves"), seeds(reference, "reference")
    if x.ndim != 1 or len(x) < 2 or np.any(np.diff(x) <= 0):
        raise InputError("x", x, "must increase, over two points at least")
    if curves.shape != (len(reference), len(x)):
        raise InputError("curves", curves.shape, f"must have shape {(len(reference), len(x))}")

    def of(rows: np.ndarray) -> float:
        return _crossing(x, curves[rows].mean(axis=0), reference[rows].mean() / 2)

    drawn = np.random.default_rng(seed).integers(0, len(reference), (resamples, len(reference)))
    found = np.sort([of(rows) for rows in drawn])
    # Order statistics rather than interpolated percentiles: between a number and inf lies nothing.
    tail = (1 - confidence) / 2
    low, high = found[int(np.floor(tail * (resamples - 1)))], found[int(np.ceil((1 - tail) * (resamples - 1)))]
    return HalfWay(of(np.arange(len(reference))), float(low), float(high), float(np.isfinite(found).mean()))


def _crossing(x: np.ndarray, curve: np.ndarray, level: float) -> float:
    """First x at which the non-increasing fit of the curve reaches the level."""
    fit = isotonic_regression(curve, increasing=False).x
    below = np.flatnonzero(fit <= level)
    if not below.size:
        return float("inf")
    i = int(below[0])
    if i == 0:
        return float(x[0])
    return float(x[i - 1] + (fit[i - 1] - level) / (fit[i - 1] - fit[i]) * (x[i] - x[i - 1]))
