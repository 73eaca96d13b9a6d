"""Intervals over seeds, equivalence of two groups, where a curve falls to half, and how often something happens."""

from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.optimize import isotonic_regression

from subtheory.errors import InputError

CONFIDENCE = 0.95
RESAMPLES = 2000
"""Of the bootstrap: its percentiles are then known to half a percent of their level."""


def mean_interval(values: np.ndarray, confidence: float = CONFIDENCE) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean over the first axis, and the ends of its Student interval; InputError on "values" below two rows."""
    values = _seeds(values, "values")
    n = len(values)
    mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(n)
    half = stats.t.ppf((1 + confidence) / 2, n - 1) * error
    return mean, mean - half, mean + half


def ratios(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means over the first axis over that of the first column, (n, K) to (K − 1,), and their standard errors."""
    base = values[:, 0]
    found = values[:, 1:].mean(0) / base.mean()
    rest = values[:, 1:] - found * base[:, None]
    return found, rest.std(0, ddof=1) / np.sqrt(len(values)) / abs(base.mean())


def as_often(share: float, count: int, law: float, level: float) -> bool:
    """Whether a share of `count` lies in its exact central interval of confidence 1 − level under a probability."""
    low, high = stats.binom.ppf(level / 2, count, law), stats.binom.isf(level / 2, count, law)
    return bool(low <= np.rint(share * count) <= high)


LARGE, TERMS, FAR = 8, 256, 8.0
"""Of `coins`: how many large p are tossed one by one; terms of the series; standard deviations that do not happen."""


def coins(p: np.ndarray) -> float:
    """P(Σ b_i p_i < 0) for fair coins b_i, p (n,): off by about 1e-4, whatever the p.

    All tosses of the `LARGE` largest |p| are counted; the sum of the others, Σ ±p in units of its deviation, is beyond
    `FAR` in e⁻³² (Hoeffding), and its characteristic function Π cos(tp) is inverted by a series. Source: Davies 1973.
    """
    ordered = p[np.argsort(-np.abs(p))]
    large, rest = ordered[:LARGE], ordered[LARGE:][ordered[LARGE:] != 0]
    tosses = (np.arange(2 ** len(large))[:, None] >> np.arange(len(large))) & 1
    sums = tosses @ large
    if not rest.size:
        return float(np.mean(sums < 0))
    size, k = np.linalg.norm(rest), np.arange(TERMS) + 0.5
    x, t = -(2 * sums + rest.sum()) / size, np.pi / FAR * k
    wave = np.prod(np.cos(np.outer(t, rest / size)), axis=1) / (np.pi * k)
    below = np.where(np.abs(x) > FAR, x > 0, 0.5 + np.sin(np.outer(x, t)) @ wave)
    return float(np.clip(np.mean(below), 0.0, 1.0))


class Equivalence(NamedTuple):
    """Two one-sided t tests of |μ_a − μ_b| < margin; the larger p-value decides."""

    difference: float
    low: float
    """Ends of the interval of confidence 1 − 2·level, which the margin must contain."""
    high: float
    p: float
    equivalent: bool


def equivalence(a: np.ndarray, b: np.ndarray, margin: float, paired: bool = True, level: float = 0.05) -> Equivalence:
    """TOST: whether the means of a and b differ by less than the margin, at the given level.

    Paired: t tests on a − b; unpaired: Welch's. Raises InputError on "margin" unless positive, on "a" or "b" for
    fewer than two values, on "b" for another number of values if paired. Source: Schuirmann (1987).
    """
    a, b = _seeds(a, "a"), _seeds(b, "b")
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
    half = float(stats.t.ppf(1 - level, freedom)) * error
    distance = margin - abs(difference)
    # Without spread the difference is known exactly.
    p = float(stats.t.sf(distance / error, freedom)) if error else float(distance <= 0)
    return Equivalence(difference, difference - half, difference + half, p, p < level)


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
    resamples: int = RESAMPLES, confidence: float = CONFIDENCE, seed: int = 0,
) -> HalfWay:  # fmt: skip
    """The x at which the seeds' mean curve falls to half of the mean reference, with a percentile bootstrap.

    x increases, (A,); `curves` (K, A) and `reference` (K,), what stands at the shared init, have a row for each
    seed, and seeds are resampled as wholes. The mean curve is made non-increasing by isotonic regression and
    interpolated linearly; a curve that starts below half has fallen at x[0]. Raises InputError on "x" unless it
    increases, on "curves" or "reference" for other shapes.
    """
    x, curves, reference = np.asarray(x, float), _seeds(curves, "curves"), _seeds(reference, "reference")
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


def _seeds(values: np.ndarray, field: str) -> np.ndarray:
    found = np.asarray(values, float)
    if not found.ndim or len(found) < 2:
        raise InputError(field, found.shape, "must have at least two values")
    return found
