"""Statistics against SciPy's own, against all tosses, and on values whose answer is plain."""

import math

import numpy as np
import pytest
from scipy import stats

from subtheory.errors import InputError
from subtheory.statistics import (
    as_often,
    coins,
    equivalence,
    half_way,
    half_width,
    mean_interval,
    opposed,
    over_bases,
    pooled_deviation,
    ratios,
    share_interval,
    spread_surprise,
    standard_error,
    unlike,
)
from subtheory.statistics.shares import FAR, LARGE, TERMS

NAN = math.nan


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("margin", lambda: equivalence(np.arange(3), np.arange(3), 0.0)),
        ("b", lambda: equivalence(np.arange(3), np.arange(4), 1.0)),
        ("a", lambda: equivalence(np.arange(1), np.arange(4), 1.0, paired=False)),
        ("x", lambda: half_way([0, 0], np.ones((3, 2)), np.ones(3))),
        ("curves", lambda: half_way([0, 1], np.ones((3, 4)), np.ones(3))),
        ("values", lambda: mean_interval(np.ones((1, 3)))),
        ("values", lambda: over_bases(np.ones(4), np.zeros(4))),
        ("values", lambda: over_bases(np.ones(4), np.arange(3))),
    ],
)
def test_what_cannot_be_used_is_named(field, call):
    with pytest.raises(InputError) as error:
        call()
    assert error.value.field == field


# Means


def test_mean_interval_is_students():
    values = rng(4).normal(size=(9, 2))
    mean, low, high = mean_interval(values)
    wanted = stats.ttest_1samp(values[:, 1], 0).confidence_interval(0.95)
    np.testing.assert_allclose([mean[1], low[1], high[1]], [values[:, 1].mean(), *wanted], rtol=1e-12)
    np.testing.assert_allclose(standard_error(values), stats.sem(values), rtol=1e-12)
    assert half_width(values[:, 1]) == pytest.approx((wanted.high - wanted.low) / 2, rel=1e-12)


def test_one_value_has_no_spread():
    assert np.isnan(half_width(np.ones(1))) and np.isnan(standard_error(np.ones(1)))
    assert np.isnan(standard_error(np.ones((1, 3)))).all()
    assert np.isnan(pooled_deviation([np.ones(1), np.ones(1)])[0])


def test_ratios_are_of_means():
    values = np.array([[1.0, 2.0], [3.0, 4.0], [2.0, 6.0]])
    (ratio,), (error,) = ratios(values)
    assert ratio == 2.0 and error == pytest.approx(np.std([0, -2, 2], ddof=1) / np.sqrt(3) / 2)


def test_a_pooled_deviation_is_that_of_equal_groups():
    groups = rng(5).normal(size=(4, 6))
    deviation, freedom = pooled_deviation(list(groups))
    assert freedom == 20 and deviation == pytest.approx(np.sqrt(np.var(groups, axis=1, ddof=1).mean()), rel=1e-12)


def test_interval_resamples_whole_bases():
    """Twenty seeds of two bases know no more than two values; an effect that each base has is found."""
    base = np.repeat(np.arange(5), 4)
    shared = np.array([-1.0, 0.5, 1.0, 2.0, -0.5])[base] + 0.01 * rng().normal(size=20)
    whole, single = over_bases(shared, base), over_bases(shared)
    assert whole.low < 0 < whole.high and whole.high - whole.low > 1.7 * (single.high - single.low)
    steady = over_bases(0.3 + 0.01 * rng().normal(size=20), base)
    assert 0.28 < steady.low < steady.mean < steady.high < 0.32
    student, teacher = (each.ravel() for each in np.indices((5, 5)))
    # What differs by the student's base alone has the interval of its five values, however teachers are drawn:
    # four standard errors of a 2.5 % quantile of 4,000 resamples, twice, are 0.1. Teachers drawn alone show no spread.
    values, five = shared[::4][student], over_bases(shared[::4])
    crossed = over_bases(values, student, teacher)
    assert (crossed.low, crossed.high) == pytest.approx((five.low, five.high), abs=0.1)
    assert np.ptp(over_bases(values, teacher)) == pytest.approx(0, abs=1e-12)


# Comparisons


def test_equivalence_is_two_one_sided_tests():
    """The larger of SciPy's two p-values; too few seeds, or too far apart, is not equivalent."""
    a, b = rng(2).normal(0.5, 0.1, (2, 30))
    for paired in (True, False):
        found = equivalence(a, b, 0.08, paired)
        test = stats.ttest_rel if paired else lambda x, y, **how: stats.ttest_ind(x, y, equal_var=False, **how)
        wanted = max(test(a + 0.08, b, alternative="greater").pvalue, test(a - 0.08, b, alternative="less").pvalue)
        assert found.p == pytest.approx(wanted, rel=1e-9) and found.equivalent == (wanted < 0.05)
        assert (found.p < 0.05) == (max(abs(found.low), abs(found.high)) < 0.08)
    assert equivalence(a, a + 0.01, 0.05).equivalent and not equivalence(a, a + 0.06, 0.05).equivalent
    assert not equivalence(a[:3], b[:3], 0.01).equivalent
    assert equivalence(a, a, 0.01).p == 0 and equivalence(np.ones(3), np.ones(3) + 1, 0.5, paired=False).p == 1


def test_half_way_is_interpolated_and_resampled_by_seed():
    x, K, draws = np.array([0.0, 1.0, 2.0, 4.0]), 40, rng(3)
    reference = draws.uniform(0.5, 1.5, K)
    exact = half_way(x, reference[:, None] * (1 - x / 3), reference)
    # Seeds that differ by a factor alone have one and the same crossing, whatever the resample.
    np.testing.assert_allclose(exact, (1.5, 1.5, 1.5, 1.0), rtol=1e-12)
    noisy = half_way(x, reference[:, None] * (1 - x / 3) + draws.normal(0, 0.3, (K, 4)), reference)
    assert noisy.low < 1.5 < noisy.high and 0.05 < noisy.high - noisy.low < 1
    never = half_way(x, reference[:, None] * np.ones(4), reference)
    assert (never.at, never.low, never.high, never.reached) == (np.inf, np.inf, np.inf, 0)
    assert half_way(x, 0.1 * reference[:, None] * np.ones(4), reference).at == 0
    # A bump behind the fall is pooled with it: 1, 0.2, 0.6, 0.2 falls as 1, 0.4, 0.4, 0.2 does.
    bump = half_way(x, reference[:, None] * np.array([1, 0.2, 0.6, 0.2]), reference)
    assert bump.at == pytest.approx(0.5 / 0.6)


# Shares


@pytest.mark.parametrize("confidence", [0.95, 0.99])
def test_the_interval_of_a_share_is_exact(confidence):
    """As SciPy's search for its ends, which stops at 2·10⁻¹²."""
    counts = np.array([0, 1, 77, 199, 200])
    found = share_interval(counts, 200, confidence)
    wanted = [stats.binomtest(int(count), 200).proportion_ci(confidence, "exact") for count in counts]
    np.testing.assert_allclose(found, np.transpose(wanted), rtol=0, atol=1e-11)


def test_a_share_is_in_its_exact_interval_as_often_as_it_says():
    count, level = 40, 0.02
    found = rng(1).binomial(count, 0.3, 4000) / count
    missed = np.mean([not as_often(share, count, 0.3, level) for share in found])
    assert 0 < missed < level and not as_often(NAN, count, 0.3, level) and not as_often(0.3, count, NAN, level)
    assert as_often(0.0, count, 0.0, level) and not as_often(1 / count, count, 0.0, level)
    # The share that is as often as p has p in its interval.
    for k in range(count + 1):
        low, high = share_interval(k, count, 1 - level)
        assert as_often(k / count, count, 0.3, level) == (low <= 0.3 <= high)


def test_a_sum_of_coins_is_that_of_many_tosses():
    """Many alike, few large ones, a geometric series, and small ones behind a large one that decides half the time."""
    draws, tosses = rng(0), 200_000
    for p in (
        draws.normal(0.05, 1, 100), draws.standard_cauchy(50), 0.7 ** np.arange(40) * draws.choice([-1, 1], 40),
        np.concatenate([[1.0], 1e-4 * draws.normal(size=100)]), np.array([1.0, -2.0, 0.5]),
    ):  # fmt: skip
        law = coins(p)
        share = np.mean([np.mean(draws.integers(0, 2, (tosses // 20, len(p))) @ p < 0) for _ in range(20)])
        assert abs(share - law) < 4.5 * np.sqrt(0.25 / tosses) + 1e-4
    assert coins(np.ones(100)) == 0 and coins(-np.ones(100)) == 1 - coins(np.ones(100))


def test_a_sum_of_coins_is_off_by_no_more_than_it_says():
    """Against all 2ⁿ tosses: the bound, and the root of the mean square where p has no rational relations."""
    off: dict[int, list[float]] = {12: [], 14: []}
    for n in [*off] * 150:
        p = rng((n, len(off[n]))).normal(size=n)
        error, bound = _of_all_tosses(p)
        assert abs(error) <= bound
        off[n].append(error)
    for n, errors in off.items():
        expected = 2 ** (-n / 2) / (np.pi * np.sqrt(2 * TERMS))
        assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(expected, rel=0.3)
    for p in (np.resize([1.0, -1.0], 13), np.resize([1.0, -2.0, 0.5], 14)):
        error, bound = _of_all_tosses(p)
        assert abs(error) <= bound, "sums of 0 count half"
    assert coins(np.resize([1.0, -1.0], 100)) == pytest.approx(0.5, abs=1e-12)
    assert coins(np.array([1.0, -1.0])) == 0.25, "of few coins ties count nothing"


def _of_all_tosses(p: np.ndarray) -> tuple[float, float]:
    """How far `coins` is off P(S < 0) + ½P(S = 0), and how far it may be."""
    sums = ((np.arange(2 ** len(p))[:, None] >> np.arange(len(p))) & 1) @ p
    v = 2 * np.abs(sums) / np.linalg.norm(np.sort(np.abs(p))[:-LARGE])
    v = np.abs(v - 2 * FAR * np.round(v / (2 * FAR)))
    c = FAR / (np.pi * (TERMS + 0.5))
    least = np.where(v > 2 * c, c / np.maximum(v, c), 0.5)  # ties are counted right
    bound = float(np.mean(np.where(sums == 0, 0.0, least)))
    return coins(p) - float(np.mean((sums < 0) + 0.5 * (sums == 0))), bound + np.exp(-(FAR**2) / 2)


def test_counts_that_are_unlike_are_told_by_the_hypergeometric_law():
    counts = np.array([[3, 10], [5, 10], [9, 0]])
    found = unlike(counts, 10)
    for i, j in np.ndindex(counts.shape):
        law = stats.hypergeom(30, counts[:, j].sum(), 10)
        tail = min(law.cdf(counts[i, j]), law.sf(counts[i, j] - 1))
        assert found[i, j] == pytest.approx(max(stats.norm.isf(tail), 0), abs=1e-9)
    assert unlike(np.array([400, 400, 0]), 400).max() > 30


def test_a_spread_is_judged_by_chi_squared():
    for ratio in (0.5, 1.0, 1.7):
        tail = min(stats.chi2.cdf(49 * ratio, 49), stats.chi2.sf(49 * ratio, 49))
        assert spread_surprise(ratio * 3.0, 50, 3.0) == pytest.approx(max(stats.norm.isf(tail), 0), abs=1e-9)


def test_products_of_correlated_pairs_are_negative_as_often_as_stated():
    """Against the angle for one pair, against draws for more; at correlation 1 never, at −1 always, at 0 half."""
    rho = np.array([-0.9, -0.2, 0.0, 0.3, 0.8])
    np.testing.assert_allclose(opposed(rho, 1), np.arccos(rho) / np.pi, rtol=1e-12)
    np.testing.assert_allclose(opposed([1.0, 0.0, -1.0], 5), [0.0, 0.5, 1.0], atol=1e-14)
    draws = 20_000
    for r, n in ((0.3, 2), (0.8, 3), (-0.5, 7)):
        a, b = rng(1).standard_normal((2, draws, n))
        count = np.sum(np.sum(a * (r * a + np.sqrt(1 - r**2) * b), axis=1) < 0)
        low, high = share_interval(count, draws, 1 - 1e-6)
        assert low <= opposed(r, n) <= high
