"""Detectors that are told two laws apart by samples of rows of tokens, and how well a detector does.

A detector gives each row a score, and several rows the sum of theirs. Counts of tokens or n-grams, weighed as two
samples suggest, are what a reader of the texts has who knows neither model. Source: prediction P39.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_array, vstack
from scipy.special import expit, log_expit, ndtr, ndtri  # scipy.stats takes most of a second to load

from subtheory.errors import InputError
from subtheory.statistics.comparisons import Equivalence

SMOOTHING = 0.5
"""Added to every count, Jeffreys' prior of a law of tokens."""


class Area(NamedTuple):
    """Area under the ROC curve, and its standard error."""

    area: float
    error: float


def n_grams(rows: np.ndarray, mask: np.ndarray, vocabulary: int, order: int = 1) -> csr_array:
    """How often each row has each n-gram, (n, V^order): those whose last token is masked, rows and mask (n, T).

    The n-gram (v₁, …, v_n) has the column Σ v_i V^(n − i), so that a context's columns stand side by side. Raises
    InputError on "order" below 1 or above T, on "mask" for another shape, on "rows" for tokens outside 0 … V − 1.
    """
    rows = np.asarray(rows)
    if not 1 <= order <= rows.shape[1]:
        raise InputError("order", order, f"must be between 1 and the length {rows.shape[1]}")
    if np.shape(mask) != rows.shape:
        raise InputError("mask", np.shape(mask), f"must have the shape of the rows, {rows.shape}")
    if rows.size and (rows.min() < 0 or rows.max() >= vocabulary):
        raise InputError("rows", f"tokens {rows.min()} to {rows.max()}", f"must be from 0 to {vocabulary - 1}")
    row, last = np.nonzero(np.asarray(mask)[:, order - 1 :])
    column = sum(rows[row, last + i].astype(np.int64) * vocabulary ** (order - 1 - i) for i in range(order))
    # What stands twice in a sparse array is added up.
    found = csr_array((np.ones(len(row)), (row, column)), shape=(len(rows), vocabulary**order))
    found.sum_duplicates()
    return found


def count_weights(positive: csr_array, negative: csr_array, vocabulary: int) -> np.ndarray:
    """log p̂₊ − log p̂₋ of every n-gram, p̂ the law of its last token given the ones before; counts (n, F), (m, F) → (F,).

    p̂(v | c) = (count(c, v) + ½)/(count(c) + V/2). A row's counts times these are the log-likelihood ratio of two
    Markov chains that were fitted to the samples, for single tokens of two histograms: naive Bayes. Raises InputError
    on "negative" for another number of columns, on "vocabulary" unless it divides that number.
    """
    if positive.shape[1] != negative.shape[1]:
        raise InputError("negative", f"{negative.shape[1]} columns", f"must have {positive.shape[1]}")
    if vocabulary < 1 or positive.shape[1] % vocabulary:
        raise InputError("vocabulary", vocabulary, f"must divide the {positive.shape[1]} columns")

    def law(counts: csr_array) -> np.ndarray:
        smooth = np.asarray(counts.sum(axis=0)).reshape(-1, vocabulary) + SMOOTHING
        return np.log(smooth / smooth.sum(axis=1, keepdims=True)).ravel()

    return law(positive) - law(negative)


def linear_weights(positive: csr_array, negative: csr_array, deviation: float = 1.0) -> np.ndarray:
    """Weights of a trained linear classifier, (F,), for features (n, F) and (m, F), dense or sparse.

    Logistic regression with a constant, least Σ log(1 + exp(∓(x·w + c))) + ‖w‖²/(2·deviation²) (L-BFGS). Raises
    InputError on "negative" for another number of columns, on "deviation" unless positive. Source: Cox 1958.
    """
    if positive.shape[1] != negative.shape[1]:
        raise InputError("negative", f"{negative.shape[1]} columns", f"must have {positive.shape[1]}")
    if not deviation > 0:
        raise InputError("deviation", deviation, "must be positive")
    x = vstack([csr_array(positive), csr_array(negative)], format="csr")
    sign = np.where(np.arange(x.shape[0]) < positive.shape[0], 1.0, -1.0)

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (x @ w[:-1] + w[-1])
        pull = -sign * expit(-margin)
        slope = np.append(x.T @ pull + w[:-1] / deviation**2, pull.sum())
        return float(-log_expit(margin).sum() + w[:-1] @ w[:-1] / (2 * deviation**2)), slope

    return minimize(loss, np.zeros(x.shape[1] + 1), jac=True, method="L-BFGS-B").x[:-1]


def sums(
    scores: np.ndarray, size: int, sets: int, rng: np.random.Generator, weights: np.ndarray | None = None
) -> np.ndarray:
    """What a detector says of so many sets of `size` rows each, (sets,), which are drawn with replacement.

    By weights (n,) if given, else each of the scores (n,) alike. Raises InputError on "size" or "sets" below 1.
    """
    for field, value in (("size", size), ("sets", sets)):
        if value < 1:
            raise InputError(field, value, "must be at least 1")
    share = None if weights is None else weights / np.sum(weights)
    return np.asarray(scores, float)[rng.choice(len(scores), (sets, size), p=share)].sum(axis=1)


def auroc(positive: np.ndarray, negative: np.ndarray) -> Area:
    """P(X > Y) + ½P(X = Y) for scores X (n,) and Y (m,), the area under the ROC curve, with its standard error.

    e² = s²(a)/n + s²(b)/m with a_i the share of Y below X_i, b_j of X above Y_j, ties half; NaN below two scores of
    either. Source: Mann and Whitney 1947; DeLong, DeLong and Clarke-Pearson 1988. Raises InputError on an empty one.
    """
    x, y = np.sort(np.asarray(positive, float)), np.sort(np.asarray(negative, float))
    for field, values in (("positive", x), ("negative", y)):
        if not len(values):
            raise InputError(field, "no score", "must have one at least")

    def below(these: np.ndarray, those: np.ndarray) -> np.ndarray:
        return (np.searchsorted(those, these, "left") + np.searchsorted(those, these, "right")) / (2 * len(those))

    above = below(x, y)
    if min(len(x), len(y)) < 2:
        return Area(float(above.mean()), float("nan"))
    square = np.var(above, ddof=1) / len(x) + np.var(below(y, x), ddof=1) / len(y)
    return Area(float(above.mean()), float(np.sqrt(square)))


def at_chance(found: Area, margin: float, level: float = 0.05) -> Equivalence:
    """Whether an area is ½ within the margin, at the given level: two one-sided tests by the normal law.

    p = Φ(−(margin − |area − ½|)/error); the interval is area − ½ ± z·error, z the 1 − level quantile. Raises
    InputError on "margin" unless positive. Source: Schuirmann 1987.
    """
    if not margin > 0:
        raise InputError("margin", margin, "must be positive")
    difference = found.area - 0.5
    half, distance = float(ndtri(1 - level)) * found.error, margin - abs(difference)
    # Without spread the difference is known exactly.
    p = float(distance <= 0) if found.error == 0 else float(ndtr(-distance / found.error))
    return Equivalence(difference, difference - half, difference + half, p, p < level)


def visible(positive: np.ndarray, negative: np.ndarray) -> float:
    """½δᵀΣ⁻¹δ, what a row shows to the best linear score of its features (n, k), (m, k), or (n,), (m,); unbiased.

    δ is the difference of the means and Σ the covariance; estimated by D² = δ̂ᵀS⁻¹δ̂ with S the pooled covariance,
    on whose support alone it is taken, k its rank: ½[(n + m − k − 3)/(n + m − 2)·D² − k(1/n + 1/m)], unbiased for
    normal features, so that it may fall below 0. It is the KL of the features to leading order, and no score of them
    has AUROC above Φ(√(N·this)) for N rows. Raises InputError on "positive" for another number of features than
    "negative", or for too few rows. Source: Lachenbruch and Mickey 1968; P39.
    """
    x, y = (np.asarray(each, float).reshape(len(each), -1) for each in (positive, negative))
    n, m = len(x), len(y)
    if x.shape[1] != y.shape[1] or n + m <= x.shape[1] + 3:
        raise InputError("positive", x.shape, f"must have the columns of the negative, {y.shape}, and fewer than rows")
    centred = np.concatenate([x - x.mean(axis=0), y - y.mean(axis=0)])
    _, size, directions = np.linalg.svd(centred, full_matrices=False)
    seen = size > size[0] * max(centred.shape) * np.finfo(float).eps
    k = int(seen.sum())
    along = directions[seen] @ (x.mean(axis=0) - y.mean(axis=0)) / size[seen]
    square = (n + m - 2) * float(along @ along)
    return 0.5 * ((n + m - k - 3) / (n + m - 2) * square - k * (1 / n + 1 / m))
