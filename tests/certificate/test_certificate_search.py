"""Covers and explicit bounds end where the curve does, and not far before."""

import jax
import numpy as np
import precise
import pytest
from certified import LOSSES
from flint import fmpq

import subtheory as st
from subtheory.certificate import curves, thresholds
from subtheory.certificate.balls import rational
from subtheory.certificate.cases import CASES
from subtheory.certificate.problem import problem
from subtheory.certificate.search import cover
from subtheory.numerics import float64
from subtheory.theory.distillation import outputs, teacher
from subtheory.theory.linearize import derivatives


@pytest.mark.parametrize("name", ["tanh-2-4-2", "tanh-5-12-4"])
def test_second_derivatives_are_enclosed_tightly(name):
    d = CASES[name].distillation(2, LOSSES[0])
    pupil = curves.Pupil(problem(d))

    @jax.jit
    @jax.vmap
    def acceleration(t):
        return derivatives(lambda s: outputs(d.network, teacher(d, s), d.x), t).v

    for upto, excess in ((0.5, 0.05), (1.0, 0.10), (2.0, 0.20)):
        bound = np.array(thresholds.second_derivatives(pupil, rational(upto), 64))
        with float64():
            sampled = np.asarray(acceleration(np.linspace(0, upto, 2001)))
        most = np.sqrt(np.sum(d.outputs * sampled**2, axis=-1)).max(axis=0)
        assert np.all(bound >= most * (1 - 1e-12))
        assert np.all(bound <= most * (1 + excess))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_a_search_ends_at_the_first_root(seed, loss):
    d = CASES["tanh-2-4-2"].distillation(seed, loss)
    exact = problem(d)
    for curve, sign, limit, oracle in (
        (curves.alignment(exact), 1, 60, precise.alignment),
        (curves.trait_change(exact), -1, 20, precise.trait_change),
    ):
        found = cover(curve, fmpq(limit), sign)
        upto = float(found.upto.p) / float(found.upto.q)
        for t in upto * np.linspace(0.01, 1, 12):
            assert sign * oracle(d, t) > 0
        if upto < limit:
            wrong = float(found.wrong.p) / float(found.wrong.q)
            assert sign * oracle(d, wrong) < 0 and upto > 0.99 * wrong


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
def test_the_explicit_bound_is_below_the_certificate_and_near_its_estimate(loss):
    for seed in range(3):
        d = CASES["tanh-2-4-2"].distillation(seed, loss)
        bound = thresholds.alignment_threshold(problem(d), fmpq(60))
        estimate = st.alignment_threshold(d, 60.0)
        assert 0 < bound.eps <= estimate.eps * (1 + 1e-9) + 1e-12
        assert bound.eps > 0.9 * estimate.eps
        assert bound.q == pytest.approx(st.quadratic_form(d), rel=1e-10)
        assert bound.eps <= st.certify(d, 60.0).upto()


def test_a_sine_is_certified_just_below_its_root_and_not_above():
    from subtheory.constructed.thresholds import beyond

    d = beyond()[0].distillation()
    root = np.pi / 3
    assert st.certify(d, 0.999 * root).found["alignment"].complete
    above = st.certify(d, 1.01 * root)
    assert not above.found["alignment"].complete
    assert 0.999 * root < above.upto() < root < above.found["alignment"].wrong
