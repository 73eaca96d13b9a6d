"""Means and their intervals: over seeds, over pairs of seeds, and over bases that several seeds share."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy.special import stdtrit  # scipy.stats takes most of a second to load

from subtheory.errors import InputError

CONFIDENCE = 0.95
"""Of an interval, unless another is asked for."""
RESAMPLES = 4000
"""Of `over_bases`: the levels of its 2.5 % ends are then off by √(0.025·0.975/4000) = 0.25 %, one deviation."""


class Interval(NamedTuple):
    """A mean, and the ends of its interval: numbers, or arrays of one shape."""

    mean: Any
    low: Any
    high: Any


def student_quantile(p: float, freedom: float) -> float:
    """t with P(T ≤ t) = p, T of Student's law with that many degrees of freedom. Source: Student 1908."""
    return float(stdtrit(freedom, p))


def standard_error(values: np.ndarray) -> Any:
    """s/√n over the first axis, s² = Σ(x_i − x̄)²/(n − 1); (n, ...) to (...), NaN for one value."""
    values = np.asarray(values, float)
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)[()]
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))


def mean_interval(values: np.ndarray, confidence: float = CONFIDENCE) -> Interval:
    """x̄ ± t·s/√n over the first axis, (n, ...) to (...) each; t the (1 + confidence)/2 quantile for n − 1 degrees.

    Raises InputError on "values" below two rows. Source: Student 1908.
    """
    values = seeds(values, "values")
    mean = values.mean(axis=0)
    half = student_quantile((1 + confidence) / 2, len(values) - 1) * standard_error(values)
    return Interval(mean, mean - half, mean + half)


def half_width(values: np.ndarray, confidence: float = CONFIDENCE) -> float:
    """t·s/√n of n values (n,), half of the interval of their mean; NaN for one value."""
    n = len(values)
    if n < 2:
        return float("nan")
    # Not t times `standard_error`, whose last bit may differ: tables that are out were computed in this order.
    return float(student_quantile((1 + confidence) / 2, n - 1) * np.std(values, ddof=1) / np.sqrt(n))


def ratios(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """r_k = x̄_k/x̄_0 for columns k = 1 ... K − 1 of (n, K), and their standard errors, (K − 1,) each.

    The error is that of the mean of x_k − r_k x_0 over |x̄_0|, which is r_k's to first order in the errors of both
    means (delta method). Source: Cochran 1977, Sampling techniques, section 2.11.
    """
    base = values[:, 0]
    found = values[:, 1:].mean(0) / base.mean()
    rest = values[:, 1:] - found * base[:, None]
    return found, standard_error(rest) / abs(base.mean())


def pooled_deviation(groups: Sequence[np.ndarray]) -> tuple[float, int]:
    """s with s² = Σ_g Σ_i (x_gi − x̄_g)²/f, and f = Σ_g (n_g − 1), for groups (n_g,); NaN where f is 0."""
    freedom = sum(len(values) - 1 for values in groups)
    squares = sum(np.sum((values - values.mean()) ** 2) for values in groups)
    return float(np.sqrt(squares / freedom)) if freedom else float("nan"), freedom


def over_bases(values: np.ndarray, *others: np.ndarray, confidence: float = CONFIDENCE, seed: int = 0) -> Interval:
    """Mean of `values` with a percentile interval from a bootstrap over the bases in `others` (or over single values).

    Every array is (n,). With one array of bases, whole bases are drawn with replacement; with two (the student's and
    the teacher's), each is drawn on its own and a run counts as often as both of its bases were drawn: the ends are
    percentiles of Σ w_i x_i/Σ w_i, w_i the product of how often the bases of run i were drawn. Raises InputError on
    "values" for fewer than two bases, or for other shapes. Source: Owen 2007, the pigeonhole bootstrap.
    """
    values = np.asarray(values, float)
    given = others or (np.arange(len(values)),)
    if any(np.shape(other) != values.shape for other in given) or min(len(np.unique(o)) for o in given) < 2:
        raise InputError("values", values.shape, "must have one base each, and two bases at least")
    levels = [np.unique(other, return_inverse=True) for other in given]
    sizes = [len(names) for names, _ in levels]
    drawn = np.random.default_rng(seed).integers(0, np.repeat(sizes, sizes), (RESAMPLES, sum(sizes)))
    weight = np.ones((RESAMPLES, len(values)))
    for each, size, (_, inverse) in zip(np.split(drawn, np.cumsum(sizes)[:-1], axis=1), sizes, levels, strict=True):
        places = each + size * np.arange(RESAMPLES)[:, None]
        weight *= np.bincount(places.ravel(), minlength=size * RESAMPLES).reshape(RESAMPLES, size)[:, inverse]
    total = weight.sum(axis=1)
    means = np.sum(weight * values, axis=1)[total > 0] / total[total > 0]
    tail = 50 * (1 - confidence)
    low, high = np.percentile(means, [tail, 100 - tail])
    return Interval(float(values.mean()), float(low), float(high))


def seeds(values: np.ndarray, field: str) -> np.ndarray:
    """The values in float64; InputError on `field` unless there are two along the first axis at least."""
    found = np.asarray(values, float)
    if not found.ndim or len(found) < 2:
        raise InputError(field, found.shape, "must have at least two values")
    return found
