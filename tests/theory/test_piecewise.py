"""Kinks against a scan, and the roots of polynomials between them."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bounded import DEEP, OUTPUTS, RELU, distil, drawn, labelled, measured, product, random, signs, updated
from numpy.polynomial import polynomial

import subtheory as st
from subtheory.numerics import float64
from subtheory.theory.beyond import piecewise
from subtheory.theory.linearize import taylor_model
from subtheory.theory.views import Accepted, Shifted


@pytest.mark.parametrize("network", [RELU, DEEP], ids=["one layer", "two layers"])
def test_kinks_against_a_scan(network):
    """As many sign changes on a fine grid as there are kinks, each in the cell of its kink."""
    seen = 0
    scan = jax.jit(
        jax.vmap(lambda d, t: piecewise._values.__wrapped__(network, d.theta0, d.delta, d.x, t)[0] > 0, (None, 0))
    )
    for seed in range(5):
        d = random(network, seed)
        found = st.kinks(d, 2.0)
        assert np.all(np.diff(found) > 0) and np.all((found > 0) & (found <= 2.0))
        edges = np.linspace(0, 2, 4001)
        with float64():
            pattern = np.asarray(scan(d, edges))
        changed = np.flatnonzero(np.any(pattern[1:] != pattern[:-1], axis=1))
        # Two changes in one cell may hide from the scan, never the other way round.
        assert set(changed) <= set(np.searchsorted(edges, found) - 1)
        assert len(set(np.searchsorted(edges, found) - 1)) - len(changed) <= 1
        for t in found:
            step = 1e-11
            assert not np.array_equal(
                signs(network, d.theta0, d.delta, d.x, t - step), signs(network, d.theta0, d.delta, d.x, t + step)
            )
        seen += len(found)
    assert seen > 20


@pytest.mark.parametrize("network", [RELU, DEEP], ids=["one layer", "two layers"])
def test_pieces_and_roots(network):
    """D from its pieces at random t, as of the real update; its roots as bisection finds them."""
    met = 0
    for seed in (3, 5, 7, 8):
        d = random(network, seed, n=2)
        pieces = st.alignment_pieces(d, 4.0)
        assert pieces[0].start == 0 and pieces[-1].end == 4.0
        assert [p.end for p in pieces[:-1]] == [p.start for p in pieces[1:]] == list(st.kinks(d, 4.0))
        t = np.sort(np.random.default_rng(seed).uniform(0, 4, 400))
        D = measured(d, t)
        value = np.array([polynomial.polyval(s, next(p for p in pieces if s <= p.end).coefficients) for s in t])
        np.testing.assert_allclose(value, D, rtol=1e-11, atol=1e-12 * np.abs(D).max())
        roots = st.alignment_roots(d, 4.0)
        crossings = np.flatnonzero(D[1:] * D[:-1] < 0)
        assert len(roots) >= len(crossings)
        for i in crossings:
            lo, hi = t[i], t[i + 1]
            while hi - lo > 1e-13:
                middle = (lo + hi) / 2
                lo, hi = (lo, middle) if measured(d, middle)[0] * D[i + 1] > 0 else (middle, hi)
            assert np.min(np.abs(roots - lo)) < 1e-11
            met += 1
        threshold = st.alignment_threshold(d, 4.0).eps
        first = [*roots, np.inf][0]
        assert 0 < threshold < first and threshold <= pieces[0].end
    assert met > 0


def test_two_layers_in_closed_form():
    """Up to the first kink D = 2εE‖u‖² + 2ε²E[u·v], with the root E‖u‖²/max(0, −E[u·v])."""
    turned = 0
    for seed in range(8):
        d = random(RELU, seed, n=1)
        taylor = jax.tree.map(np.asarray, _path(d))
        uu, uv = (np.sum(d.outputs * taylor.u * a) for a in (taylor.u, taylor.v / 2))
        piece = st.alignment_pieces(d, 50.0)[0]
        np.testing.assert_allclose(piece.coefficients, [0, 2 * uu, 2 * uv], rtol=1e-11, atol=1e-13)
        root = uu / max(1e-300, -uv)
        found = [*st.alignment_roots(d, 50.0), np.inf][0]
        if root < piece.end:
            assert found == pytest.approx(root, rel=1e-12)
            turned += 1
        else:
            assert found >= piece.end
        # M-form on the first piece: |√w v| takes the place of −u·v.
        size = np.sqrt(np.sum(d.outputs * taylor.u**2) * np.sum(d.outputs * (taylor.v / 2) ** 2))
        expected = min(uu / max(size, 1e-300), piece.end)
        assert st.alignment_threshold(d, 50.0).eps == pytest.approx(expected, rel=1e-9)
    assert turned > 0


def _path(d):
    with float64():
        return taylor_model(d)


def test_other_students_and_polynomial_networks():
    """The polynomials hold for another init, a frozen parameter and a filter; f = BAx needs its degree."""
    d = random(RELU, 3)
    rng = np.random.default_rng(9)
    for changes in (
        {"student": drawn(RELU, rng)},
        {"trainable": jax.tree.map(lambda leaf: rng.integers(2, size=leaf.shape) * 1.0, d.theta0)},
        {"view": Shifted(tuple(rng.standard_normal(OUTPUTS)))},
        {"view": Accepted(-1.0)},
    ):
        other = replace(d, **changes)
        t = np.linspace(0.01, 1, 40)
        pieces = st.alignment_pieces(other, 1.0)
        value = [polynomial.polyval(s, next(p for p in pieces if s <= p.end).coefficients) for s in t]
        D = measured(other, t)
        np.testing.assert_allclose(value, D, rtol=1e-10, atol=1e-12 * np.abs(D).max())
    turning = product(2 * np.eye(2), -np.eye(2))
    np.testing.assert_allclose(st.alignment_roots(turning, 3.0, degree=2), [0.5], rtol=1e-12)
    assert len(st.alignment_roots(turning, 0.49, degree=2)) == 0
    assert len(st.alignment_pieces(turning, 3.0, degree=4)) == 1  # more than needed does no harm


def test_a_kink_at_the_start_leaves_nothing():
    """A blank input at zero biases sits on every kink: no threshold, no step, whatever N is."""
    d = labelled(RELU, 0)
    blank = jax.tree.map(np.array, d.theta0)
    blank["Dense_0"]["bias"][:] = 0.0
    trait = replace(d.trait, x=np.zeros_like(d.trait.x))
    d = replace(d, theta0=blank, student=blank, x=np.zeros_like(d.x), trait=trait, delta=random(RELU, 4).delta)
    assert st.alignment_threshold(d, 1.0).eps == 0
    assert st.alignment_lower_bound(d)[0] == -np.inf
    answers = set()
    for seed in range(8):
        moving = replace(d, x=random(RELU, seed).x)
        with float64():
            rises = np.any(np.asarray(updated(moving, d.eps[0])["Dense_0"]["bias"]) > 0)
        assert (st.trait_step(moving)[0] == 0) == rises  # downwards, relu′(0) = 0 is the right slope
        answers.add(bool(rises))
    assert answers == {True, False}


def test_the_nearest_roots_of_a_polynomial():
    """One root all but met, its neighbours as sharp as ever; a root at the point itself; a coefficient too many."""
    near = polynomial.polyfromroots([-1e-9, 1.0, 1.5])
    for extra in ([], [0.0], [1e-25]):
        column = np.concatenate([near, extra])[:, None]
        assert piecewise._around(column, 0.0, -2.0, 2.0) == pytest.approx((-1e-9, 1.0), rel=1e-14)
        assert piecewise._around(column, 0.0, -2.0, 0.5) == pytest.approx((-1e-9, 0.5), rel=1e-14)
    assert piecewise._around(polynomial.polyfromroots([0.0, 1.0])[:, None], 0.0, -2.0, 2.0) == (0.0, 0.0)
    assert piecewise._around(np.array([[1.0], [0.0]]), 0.0, -2.0, 2.0) == (-2.0, 2.0)


def test_kinks_that_meet_touch_or_stay():
    """Simultaneous kinks count once, one that only touches zero not at all, and a dead unit never."""

    class Units:
        name = "units"

        def preactivations(self, theta, x):
            a, b = theta
            return (jnp.stack([a, 2 * a, (a * b) * 1.0, 0 * a]),)

        def apply(self, theta, x):
            return jax.nn.relu(self.preactivations(theta, x)[0])

    # a = t − 1, b = t − 1: a·b touches zero where a crosses it; then b = t − 2 makes it cross twice.
    d = distil(Units(), (np.array(-1.0), np.array(-1.0)), (np.array(1.0), np.array(1.0)), [[0.0]], np.ones(4))
    np.testing.assert_allclose(st.kinks(d, 3.0), [1.0], rtol=1e-12)
    d = replace(d, theta0=(np.array(-1.0), np.array(-2.0)))
    np.testing.assert_allclose(st.kinks(d, 3.0), [1.0, 2.0], rtol=1e-12)
