"""Intervals for seeds that share a base: whole bases are resampled."""

from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from subtheory.errors import InputError

CONFIDENCE = 0.95
RESAMPLES = 4000


class Interval(NamedTuple):
    """Mean over bases, and the ends of its interval."""

    mean: float
    low: float
    high: float


def over_bases(values: np.ndarray, *others: np.ndarray, confidence: float = CONFIDENCE, seed: int = 0) -> Interval:
    """Mean of `values` with a percentile interval from a bootstrap over the bases in `others` (or over single values).

    Every array is (n,). With one array of bases, whole bases are drawn with replacement; with two (the student's and
    the teacher's), each is drawn on its own and a run counts as often as both of its bases were drawn (pigeonhole
    bootstrap; Owen, 2007). Raises InputError on "values" for fewer than two bases, or for other shapes.
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


def quantile(p: float, freedom: float) -> float:
    """The p-quantile of Student's t with that many degrees of freedom; `scipy.stats` takes most of a second to load."""
    return float(stdtrit(freedom, p))


def student_interval(values: np.ndarray, confidence: float = CONFIDENCE) -> Interval:
    """x̄ ± t·s/√n of n values (n,), t the (1 + confidence)/2 quantile for n − 1 degrees; nan for one value."""
    n, mean = len(values), float(np.mean(values))
    half = quantile((1 + confidence) / 2, n - 1) * float(np.std(values, ddof=1)) / np.sqrt(n) if n > 1 else np.nan
    return Interval(mean, float(mean - half), float(mean + half))
