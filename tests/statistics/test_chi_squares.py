"""Weighted chi-squares against SciPy's own laws, Imhof's table, a ratio that is an F law, and draws."""

import numpy as np
import pytest
from scipy import stats

from subtheory.statistics import chi_square_tails, surprise


@pytest.mark.parametrize("x", [1e-4, 0.5, 3.0, 20.0, 120.0])
@pytest.mark.parametrize("freedom", [1, 3])
def test_equal_weights_are_one_chi_square(x, freedom):
    below, above = chi_square_tails(2 * x, np.full(2, 2.0), freedom)
    law = stats.chi2(2 * freedom)
    assert min(below, above) == pytest.approx(min(law.cdf(x), law.sf(x)), rel=1e-10)
    assert chi_square_tails(-2 * x, np.full(2, -2.0), freedom) == pytest.approx((above, below), rel=1e-9)


def test_unequal_weights_are_those_of_imhof():
    """Imhof 1961, Table 1: P(Q > x) of 0.6, 0.3 and 0.1 times a chi-square."""
    found = [chi_square_tails(x, np.array([0.6, 0.3, 0.1]))[1] for x in (0.1, 0.7, 2.0)]
    np.testing.assert_allclose(found, [0.9458, 0.5064, 0.1240], atol=5e-5)


@pytest.mark.parametrize(
    ("m", "n", "a", "b"), [(1, 1, 1.0, 1.0), (3, 1, 2.0, 0.5), (1, 1, 1e-6, 1.0), (8, 5, 1.0, 9.0)]
)
def test_the_sign_of_a_difference_is_an_f_law(m, n, a, b):
    """P(aX_m < bX_n) at x = 0, where the path of integration cannot turn: only the powers of s decay."""
    found = chi_square_tails(0.0, np.array([a] * m + [-b] * n))
    assert found == pytest.approx((stats.f.cdf(b * n / (a * m), m, n), stats.f.sf(b * n / (a * m), m, n)), rel=1e-9)


def test_weights_of_six_orders_and_both_signs_fit_draws():
    rng = np.random.default_rng(3)
    w = rng.normal(size=9) * 10.0 ** rng.uniform(-6, 0, 9)
    drawn = rng.chisquare(2, (20000, 9)) @ w
    for x in (0.0, 2 * w.sum(), *np.quantile(drawn, (0.01, 0.9))):
        assert surprise(np.sum(drawn < x), len(drawn), chi_square_tails(x, w, 2)[0]) < 4.5


def test_what_cannot_be_has_no_chance():
    assert chi_square_tails(-1.0, np.ones(2)) == (0.0, 1.0) == chi_square_tails(0.0, np.ones(2))
    assert chi_square_tails(1.0, -np.ones(2)) == (1.0, 0.0)
    assert [chi_square_tails(x, np.zeros(2)) for x in (-1.0, 0.0, 1.0)] == [(0.0, 1.0), (0.0, 0.0), (1.0, 0.0)]
