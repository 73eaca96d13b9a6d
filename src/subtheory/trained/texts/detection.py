"""Who sees that texts are a teacher's and not its base's: readers of both models, of one of them, and of tokens alone.

A detector scores each text, and a set of texts by the sum. With both models that is the log-likelihood ratio, which no
other beats (Neyman and Pearson). Detectors without them are fitted to the first half of the texts of either sample,
known apart, and all are asked about the second half. Source: P39.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array
from scipy.special import ndtr  # scipy.stats takes most of a second to load

from subtheory.data.world import LENGTH, VOCABULARY
from subtheory.statistics import auroc, count_weights, linear_weights, n_grams, sums

RATIO, TEACHER, HISTOGRAM, BIGRAMS, CLASSIFIER = (
    "likelihood ratio", "teacher alone", "token histogram", "bigrams", "linear classifier",
)  # fmt: skip
SURFACE = (HISTOGRAM, BIGRAMS, CLASSIFIER)
"""Detectors that know neither model."""
DEVIATION = 0.3
"""Of a weight of the classifier beforehand: ten tokens of a text then add up to a log-ratio of about one."""

Pair = tuple[np.ndarray, np.ndarray]
"""Of the teacher's texts and of the base's."""


class Half(NamedTuple):
    """The second half of two samples: scores of their n texts by detector, how often each has each token."""

    scores: dict[str, Pair]
    counts: Pair


def read(text: Pair, mask: Pair, ratio: Pair, surprise: Pair) -> Half:
    """Scores of the second half of texts (n, T) of a teacher and its base, of likelihoods (n,) as in `rows.Scores`."""
    n, V = len(text[0]) // 2, len(VOCABULARY)
    placed = text[0] + V * np.arange(LENGTH), text[1] + V * np.arange(LENGTH)

    def fitted(rows: Pair, vocabulary: int, order: int, fit: Callable[[csr_array, csr_array], np.ndarray]) -> Pair:
        trait, control = (n_grams(each, own, vocabulary, order) for each, own in zip(rows, mask, strict=True))
        w = fit(trait[:n], control[:n])
        return trait[n:] @ w, control[n:] @ w

    def counted(trait: csr_array, control: csr_array) -> np.ndarray:
        return count_weights(trait, control, V)

    def classified(trait: csr_array, control: csr_array) -> np.ndarray:
        return linear_weights(trait, control, DEVIATION)

    scores = {
        RATIO: (ratio[0][n:], ratio[1][n:]),
        TEACHER: (ratio[0][n:] - surprise[0][n:], ratio[1][n:] - surprise[1][n:]),
        HISTOGRAM: fitted(text, V, 1, counted),
        BIGRAMS: fitted(text, V, 2, counted),
        CLASSIFIER: fitted(placed, V * LENGTH, 1, classified),
    }
    counts = [n_grams(each[n:], own[n:], V).toarray() for each, own in zip(text, mask, strict=True)]
    return Half(scores, (counts[0], counts[1]))


def seen(half: Half, weights: Pair, sizes: tuple[int, ...], sets: int, seed: int) -> list[dict[str, Any]]:
    """A row for each detector and number of texts: AUROC over so many sets of either sample, with its standard error.

    Texts are drawn by weights (n,), so that those of the second half are the whole population, the teacher's and the
    base's. `visible` is ½δ²/σ² of the detector's score of one text, its KL to leading order, and `predicted`
    Φ(±√(N·visible)), with the sign of δ.
    """
    rng, rows = np.random.default_rng(seed), []
    for name, pair in half.scores.items():
        (a, x), (b, y) = (_moments(each, own) for each, own in zip(pair, weights, strict=True))
        shift, information = a - b, (a - b) ** 2 / (x + y) if x + y > 0 else 0.0
        for size in sizes:
            area, error = auroc(*(sums(each, size, sets, rng, own) for each, own in zip(pair, weights, strict=True)))
            expected = float(ndtr(np.sign(shift) * np.sqrt(size * information)))
            rows.append({"detector": name, "texts": size, "area": area, "error": error, "visible": information,
                         "predicted": expected})  # fmt: skip
    return rows


def _moments(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    """Mean and variance under weights."""
    mean = np.average(values, weights=weights)
    return float(mean), float(np.average((values - mean) ** 2, weights=weights))
