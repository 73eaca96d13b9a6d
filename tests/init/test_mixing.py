"""Lines, arcs and correlations between two inits."""

import numpy as np
import pytest
from scipy import stats
from starts import TANH, at, first, flat, gap, grid, made, own, ran

from subtheory.init import PATHS, students
from subtheory.init.mixing import slerp
from subtheory.networks import adapt
from subtheory.numerics import UNIT

pytestmark = pytest.mark.usefixtures("double")


def test_lines_arcs_and_correlations_end_at_the_independent_init():
    for name in ("linear", "spherical", "correlated", "partial-reinit"):
        assert gap(at(ran(PATHS[name], TANH)[0], 2, 1), first(made(TANH), "other")) <= 4 * UNIT, name


def test_an_arc_keeps_norms_and_divides_the_angle():
    rng = np.random.default_rng(0)
    a, b = (v / np.linalg.norm(v) * 3 for v in rng.normal(size=(2, 20)))
    omega = np.arccos(np.sum(a * b) / 9)
    for t in (0.25, 0.5, 0.9):
        point = np.asarray(slerp(t, a, b))
        assert np.isclose(np.linalg.norm(point), 3, rtol=1e-14)
        assert np.isclose(np.arccos(np.sum(a * point) / 9), t * omega, rtol=1e-12)
        assert abs(np.linalg.norm((1 - t) * a + t * b) - 3) > 0.1  # control: the line
        for c in (a, -a, 0 * a):  # no arc: the line
            assert np.allclose(slerp(t, a, c), (1 - t) * a + t * c, rtol=1e-14, atol=1e-15)


def test_correlated_inits_keep_the_law_and_have_the_correlation():
    rng = np.random.default_rng(1)
    theta0, other = rng.normal(size=(2, 20000))
    other[:10] = theta0[:10]
    network, _ = adapt(lambda theta, x: theta[:1] * x, theta0)
    start = own(network, theta0, np.ones((1, 1)), np.ones(1), other)
    found = students(PATHS["correlated"], start, (0.3,), [0])[0, 0]
    assert stats.kstest(found, stats.norm.cdf).pvalue > 1e-4
    assert stats.kstest(0.7 * theta0 + 0.3 * other, stats.norm.cdf).pvalue < 1e-4  # control: the line
    low, high = np.tanh(np.arctanh(np.corrcoef(found, theta0)[0, 1]) + np.array([-4, 4]) / np.sqrt(len(found)))
    assert low < 0.7 < high and np.array_equal(found[:10], theta0[:10])


def test_partial_reinit_replaces_an_exact_nested_set():
    (found, _), amounts = ran(PATHS["partial-reinit"], TANH), grid(PATHS["partial-reinit"])
    (theta0,), (other,) = made(TANH).theta0, made(TANH).other
    moved = [flat(at(found, i, 0)) != theta0 for i in range(3)]
    assert [m.sum() for m in moved] == [round(a * len(theta0)) for a in amounts]
    assert not (moved[1] & ~moved[2]).any() and np.array_equal(flat(at(found, 1, 0))[moved[1]], other[moved[1]])
    assert (moved[1] != (flat(at(found, 1, 1)) != theta0)).any()  # control: another key, another set
