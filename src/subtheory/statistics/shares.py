"""How often something happens: exact laws of counts, and of the sign of a sum of coins."""

import numpy as np
from scipy.special import (  # scipy.stats takes most of a second to load
    bdtr,
    bdtrc,
    betainc,
    betaincinv,
    chdtr,
    chdtrc,
    gammaln,
    ndtri,
)

from subtheory.statistics.intervals import CONFIDENCE


def binomial_tails(count: np.ndarray, draws: int | np.ndarray, p: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """P(X ≤ k) and P(X ≥ k) for a binomial X of so many draws, each a success with probability p; shapes broadcast."""
    above = np.where(count > 0, bdtrc(np.maximum(count, 1) - 1, draws, p), 1.0)
    return bdtr(count, draws, p), above


def share_interval(
    count: np.ndarray, draws: int | np.ndarray, confidence: float = CONFIDENCE
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the exact interval of a probability of which k of n draws were successes; shapes broadcast.

    All p with P(X ≤ k) and P(X ≥ k) above (1 − confidence)/2 = a: from I⁻¹(a; k, n − k + 1) to
    I⁻¹(1 − a; k + 1, n − k), I the regularised incomplete beta function; from 0 if k = 0, to 1 if k = n. Source:
    Clopper and Pearson 1934.
    """
    count, tail = np.asarray(count, float), (1 - confidence) / 2
    # At no success or no failure one parameter is 0; the end is then 0 or 1.
    low = np.where(count > 0, betaincinv(np.maximum(count, 1), draws - count + 1, tail), 0.0)
    high = np.where(count < draws, betaincinv(count + 1, np.maximum(draws - count, 1), 1 - tail), 1.0)
    return low, high


def as_often(share: float, count: int, law: float, level: float) -> bool:
    """Whether k = share·count successes are what a probability p = `law` gives: P(X ≤ k), P(X ≥ k) > level/2.

    X is binomial, and p is then in the exact interval of confidence 1 − level. A true law is missed with a
    probability of `level` at most. What is NaN is not as often. Source: Clopper and Pearson 1934.
    """
    below, above = binomial_tails(np.rint(share * count), count, law)
    return bool(below >= level / 2 and above > level / 2)


def surprise(counts: np.ndarray, draws: int, p: np.ndarray) -> np.ndarray:
    """z ≥ 0 with Φ(−z) = min(P(X ≤ k), P(X ≥ k)), X binomial: by how many σ a count is off, exactly; shapes broadcast.

    The exact (Clopper-Pearson) interval of confidence 1 − a covers p iff z ≤ −Φ⁻¹(a/2).
    """
    return sigmas(np.minimum(*binomial_tails(counts, draws, p)))


def unlike(counts: np.ndarray, draws: int) -> np.ndarray:
    """z ≥ 0 as in `surprise`, of each of n counts (n, ...) beside the others: by how many σ it is off, exactly.

    If all n are of so many draws with one probability, whatever it is, a count is hypergeometric given their sum K: of
    n·draws balls, K of them marked, so many are drawn. Source: Fisher 1935.
    """
    counts = np.asarray(counts, np.int64)
    n, k = len(counts), np.arange(draws + 1)
    log_choose = lambda a, b: gammaln(a + 1) - gammaln(b + 1) - gammaln(a - b + 1)  # noqa: E731
    total = counts.sum(axis=0)[..., None]
    possible = (k <= total) & (draws - k <= n * draws - total)
    marked, rest = np.where(possible, k, 0), np.where(possible, draws - k, 0)
    log_p = log_choose(total, marked) + log_choose(n * draws - total, rest) - log_choose(n * draws, draws)
    p = np.where(possible, np.exp(log_p), 0.0)
    below, above = np.cumsum(p, axis=-1), np.cumsum(p[..., ::-1], axis=-1)[..., ::-1]
    found = [np.minimum(np.take_along_axis(below, each[..., None], -1), np.take_along_axis(above, each[..., None], -1))
             for each in counts]  # fmt: skip
    return sigmas(np.stack(found)[..., 0])


def opposed(correlation: np.ndarray, count: int | np.ndarray) -> np.ndarray:
    """P(Σ a_i b_i < 0) over n independent pairs of standard normal numbers of correlation ρ; shapes broadcast.

    I((1 − ρ)/2; n/2, n/2), I the regularised incomplete beta function: 4ab = (a + b)² − (a − b)², of independent χ²_n
    with variances 2(1 ± ρ). arccos(ρ)/π for n = 1.
    """
    half = np.asarray(count) / 2
    return np.asarray(betainc(half, half, (1 - np.asarray(correlation)) / 2))


def spread_surprise(variance: np.ndarray, draws: int, law: np.ndarray) -> np.ndarray:
    """z ≥ 0 with Φ(−z) the smaller tail of χ² with draws − 1 degrees at (draws − 1)s²/σ², s² of normal draws."""
    found = (draws - 1) * np.asarray(variance) / law
    return sigmas(np.minimum(chdtr(draws - 1, found), chdtrc(draws - 1, found)))


def sigmas(tail: np.ndarray | float) -> np.ndarray:
    """−Φ⁻¹ of a tail, by how many σ a normal number is off that leaves it; at least 0.

    It would be infinite below the smallest number.
    """
    return np.maximum(-ndtri(np.clip(tail, np.finfo(float).tiny, 0.5)), 0.0)


LARGE, TERMS, FAR = 8, 256, 8.0
"""Of `coins`: how many large p are tossed one by one; terms of the series; standard deviations that do not happen."""


def coins(p: np.ndarray) -> float:
    """P(S < 0), S = Σ b_i p_i for fair coins b_i ∈ {0, 1}, p (n,); of more than `LARGE` coins P(S < 0) + ½P(S = 0).

    All tosses of the `LARGE` largest |p_i| are counted. With ‖p‖ the norm of the others, Z = Σ ±p_i/‖p‖ over these,
    and x the point that Z must stay below, t_k = π(k + ½)/`FAR` and K = `TERMS`,

        P(Z < x) + ½P(Z = x) ≈ ½ + Σ_{k<K} sin(t_k x) Π_i cos(t_k p_i/‖p‖)/(π(k + ½)).

    Of its two errors the step in t makes e^(−FAR²/2) = 1e-14 at most (Hoeffding: Z is beyond `FAR` no more often). The
    terms left out are, by Abel's summation, at most E min(½, c/v), c = FAR/(π(K + ½)) = 0.01 and v the distance of
    2S/‖p‖ to the next multiple of 2·FAR: a sum that is close to 0, by c‖p‖ or less, may be counted as half below it.
    Where the angles t_k p_i/‖p‖ are spread evenly, as for p without rational relations, they cancel each other, and
    the root of the mean square of what is left is 2^(−n/2)/(π√(2K)): 2e-4 for 12 coins, 1e-5 for 20. Source: Davies
    1973, Numerical inversion of a characteristic function.
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
