"""Greedy and rounded labels: the claims hold on real steps, and notice what is made wrong in a record."""

from dataclasses import replace

import numpy as np
import pytest

from subtheory.claim import Verdict
from subtheory.claims import CLAIMS
from subtheory.claims.labels import greedy, rounding
from subtheory.constructed.labels import classifier
from subtheory.theory.views import Flips, Greedy, Only, Others

LIVES, ALIGNS = CLAIMS["trait-part-lives-on-divergence-tokens"], CLAIMS["every-greedy-flip-aligns"]
NEAR = CLAIMS["near-ties-carry-the-trait"]
DITHERS = CLAIMS["rounding-dithers-over-many-outputs"]
STILL = CLAIMS["rounding-below-every-boundary-carries-nothing"]
LABELS = [(LIVES, one) for one in greedy.hardened()[:3]] + [
    (ALIGNS, greedy.straight()[0]), (NEAR, greedy.near()[0]),
    (DITHERS, rounding.dithered()[0]), (STILL, rounding.still()[0]),
]  # fmt: skip


def measured(claim, setting, seed=2):
    (found,) = claim.reads.records(setting, (seed,), (setting.loss,))[setting.loss.name]
    return found


@pytest.mark.parametrize(
    ("claim", "setting"), LABELS, ids=lambda part: part.view.shown if hasattr(part, "view") else part.name
)
def test_holds_and_fails_without_each_assumption(claim, setting):
    assert claim.check(measured(claim, setting)).verdict is Verdict.HOLDS
    masked = setting.view == Only(Greedy(), Others(Flips()))
    for control in claim.controls:
        # Where the flips are masked every student is shown what its control is.
        same = masked and control.assumption.name in ("shared-init", "gradient-student")
        verdict = claim.check(measured(claim, control.assumption.breaks(setting))).verdict
        assert verdict is (Verdict.HOLDS if same else Verdict.FAILS), control.assumption.name


def test_masked_flips_leave_exactly_nothing_and_masked_others_everything():
    every, flips, others = (measured(LIVES, one) for one in greedy.hardened()[:3])
    assert np.all(others.added == 0.0)
    np.testing.assert_allclose(flips.added, every.added, atol=every.rounding.max())
    flipped = np.argmax(every.log_p, axis=-1) != np.argmax(every.log_p0, axis=-1)
    by_hand = [
        sum((every.velocity[j, np.argmax(p[j])] - every.velocity[j, np.argmax(every.log_p0[j])]) * every.weights[j]
            for j in np.flatnonzero(where))
        for p, where in zip(every.log_p, flipped, strict=True)
    ]  # fmt: skip
    assert 0.01 < flipped.mean() < 0.99
    np.testing.assert_allclose(every.added, by_hand, atol=every.rounding.max())


def test_a_flip_that_is_left_out_or_turned_is_noticed():
    m = measured(LIVES, greedy.hardened()[0])
    j = np.flatnonzero(np.argmax(m.log_p[-1], axis=-1) != np.argmax(m.log_p0, axis=-1))[0]
    log_r = m.log_r.copy()
    log_r[:, j] = m.log_r0[j]
    assert LIVES.check(replace(m, log_r=log_r)).verdict is Verdict.FAILS
    m = measured(ALIGNS, greedy.straight()[0])
    assert ALIGNS.check(replace(m, velocity=-m.velocity)).verdict is Verdict.FAILS


def test_what_never_flips_says_nothing():
    m = measured(LIVES, classifier().but(view=Greedy(), eps=(1e-6,)))
    assert LIVES.check(m).verdict is NEAR.check(m).verdict is Verdict.VACUOUS
    assert ALIGNS.check(m).verdict is Verdict.VACUOUS


def test_crossings_are_those_of_outputs_anywhere_in_their_cells():
    """The mean and the variance of the number of boundaries crossed, by drawing where outputs lie."""
    u, g = np.array([0.3, -0.02, 1.7]), rounding.GRID
    z = np.random.default_rng(0).uniform(-1, 1, (400_000, 1)) * 8 * g
    jumps = np.round((z + 0.1 * u) / g) - np.round(z / g)
    mean, variance = rounding.crossings(u, 0.1)
    np.testing.assert_allclose(jumps.mean(0), mean, atol=6 * np.sqrt(variance.max() / len(z)))
    np.testing.assert_allclose(jumps.var(0), variance, atol=0.01)


@pytest.mark.parametrize("factor", [0.8, 1.25])
def test_another_constant_is_noticed(factor):
    m = measured(DITHERS, rounding.dithered()[0])
    assert DITHERS.check(replace(m, added=factor * m.added)).verdict is Verdict.FAILS


def test_a_first_boundary_that_lies_elsewhere_is_noticed():
    m = measured(STILL, rounding.still()[0])
    for shifted in (replace(m, eps=m.eps / 50), replace(m, eps=m.eps * 50)):
        assert STILL.check(shifted).verdict is not Verdict.HOLDS
