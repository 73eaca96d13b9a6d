"""Claims about metrics, signs and moments judge by sign, order and constant: planted records of each kind fail."""

from dataclasses import replace

import numpy as np
import pytest

from subtheory.claim import Verdict
from subtheory.claims import CLAIMS
from subtheory.claims.dynamics import momentum, preconditioners
from subtheory.instruments.first_order import FirstOrder

SHARED, FROZEN = (
    CLAIMS[name] for name in ("shared-preconditioner-lowers-the-trait-loss", "frozen-second-moments-restore-the-sign")
)
MOVED = CLAIMS["momentum-transplant-moves-parameters"]


def record(claim, setting, seed=0):
    (found,) = claim.reads.records(setting, (seed,), (setting.loss,))[setting.loss.name]
    return found


@pytest.fixture(scope="module")
def conditioned():
    return record(SHARED, preconditioners.drawn()[1])


@pytest.mark.parametrize("name", ["trait_change", "in_metric"])
@pytest.mark.parametrize("factor", [-1.0, 0.0, 0.8, 1.2])
def test_a_wrong_constant_or_sign_fails(conditioned, name, factor):
    assert SHARED.check(conditioned).verdict is Verdict.HOLDS
    wrong = replace(conditioned, **{name: factor * getattr(conditioned, name)})
    assert SHARED.check(wrong).verdict is Verdict.FAILS


@pytest.mark.parametrize("name", ["trait_change", "in_metric"])
def test_a_term_of_lower_order_fails(conditioned, name):
    """A remainder of order one half, small at the first rung."""
    off = 0.02 * np.sqrt(conditioned.eps / conditioned.eps[0]) * getattr(conditioned, name)[0]
    wrong = replace(conditioned, **{name: getattr(conditioned, name) + off})
    assert SHARED.check(wrong).verdict is Verdict.FAILS


def test_metrics_are_drawn_for_every_network_and_moments_are_frozen():
    own = [setting.student.rule for setting in preconditioners.drawn()]
    assert len(set(own)) == preconditioners.METRICS and all(s.teacher.rule == s.student.rule for s in
                                                            preconditioners.drawn())  # fmt: skip
    (setting,) = preconditioners.frozen_moments()
    entries = np.array(setting.student.rule.entries)
    assert 50 < entries.max() / entries.min() < 200, "the claim says two orders of magnitude"
    assert FROZEN.check(record(FROZEN, setting)).verdict is Verdict.HOLDS
    own = preconditioners.FROZEN_MOMENTS.breaks(setting)
    assert FROZEN.check(record(FROZEN, own)).verdict is Verdict.FAILS


@pytest.mark.parametrize("change", [
    {"along": lambda r: 1.2 * r.along}, {"along": lambda r: -r.along}, {"along": lambda r: 0 * r.along},
    {"across": lambda r: r.across + 0.1 * r.eps[:, None]},
])  # fmt: skip
def test_a_moment_that_moves_otherwise_is_noticed(change):
    r = record(MOVED, momentum.remembering()[0])
    assert MOVED.check(r).verdict is Verdict.HOLDS and r.along.shape == (6, momentum.STEPS)
    wrong = replace(r, **{name: make(r) for name, make in change.items()})
    assert MOVED.check(wrong).verdict is Verdict.FAILS


@pytest.mark.parametrize("name, other", [
    ("mismatched-preconditioners-can-raise-the-trait-loss", "trait_change"),
    ("sign-steps-can-oppose-the-teacher", "alignment"), ("sign-teachers-can-raise-the-trait-loss", "alignment"),
])  # fmt: skip
def test_witnesses_have_the_stated_constants(name, other):
    claim = CLAIMS[name]
    (setting,) = claim.settings()
    m = record(claim, setting)
    assert claim.reads == FirstOrder() and claim.check(m).verdict is Verdict.HOLDS
    assert claim.check(replace(m, **{other: 1.2 * getattr(m, other)})).verdict is Verdict.FAILS
