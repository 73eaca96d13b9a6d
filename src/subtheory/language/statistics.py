"""Intervals for seeds that share a base: whole bases are resampled."""

from typing import NamedTuple

import numpy as np

from subtheory.errors import InputError

CONFIDENCE = 0.95
RESAMPLES = 4000


class Interval(NamedTuple):
    """Mean over bases, and the ends of its bootstrap interval."""

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
    rng, means = np.random.default_rng(seed), np.full(RESAMPLES, np.nan)
    levels = [np.unique(other, return_inverse=True) for other in given]
    for i in range(RESAMPLES):
        weight = np.ones(len(values))
        for names, inverse in levels:
            weight *= np.bincount(rng.integers(0, len(names), len(names)), minlength=len(names))[inverse]
        if weight.sum():
            means[i] = np.sum(weight * values) / weight.sum()
    tail = 50 * (1 - confidence)
    low, high = np.nanpercentile(means, [tail, 100 - tail])
    return Interval(float(values.mean()), float(low), float(high))
