"""How alike two lists of scores are: by their values, and by their order."""

import numpy as np

from subtheory.errors import InputError


def pearson(a: np.ndarray, b: np.ndarray) -> float:
    """Σ(a − ā)(b − b̄)/(‖a − ā‖‖b − b̄‖) of two lists (n,); NaN where one of them does not vary.

    Raises InputError on "b" unless both are lists of one length.
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    if a.ndim != 1 or a.shape != b.shape:
        raise InputError("b", b.shape, f"must be a list as long as the other, {a.shape}")
    a, b = a - a.mean(), b - b.mean()
    size = np.linalg.norm(a) * np.linalg.norm(b)
    return float(a @ b / size) if size > 0 else float("nan")


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """`pearson` of the ranks of two lists (n,), equal values sharing the mean of theirs. Source: Spearman 1904."""
    return pearson(ranks(a), ranks(b))


def ranks(a: np.ndarray) -> np.ndarray:
    """1 for the smallest of (n,), n for the largest; equal values share the mean of their ranks."""
    _, place, count = np.unique(a, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    return (last - (count - 1) / 2)[place]
