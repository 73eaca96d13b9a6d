"""Calibration: records are drawn from the laws that claims state, and a claim that errs too often is found out."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from subtheory.audit import calibration, nulls
from subtheory.claims import CLAIMS
from subtheory.statistics import holm

FAST = [null for null in nulls.NULLS if null.claim not in ("greedy-and-sampled-rows-differ-by-a-ratio",)]


@pytest.fixture
def few(monkeypatch):
    """Sixty runs of the claims that are fast, made afresh."""
    calibration.nulls.cache_clear()
    monkeypatch.setattr(calibration, "FEW", 60)
    monkeypatch.setattr(calibration, "NULLS", [n for n in FAST if "lora" not in n.claim and "critical" not in n.claim])
    yield monkeypatch
    calibration.nulls.cache_clear()


def test_every_statistical_claim_has_its_law():
    named = {claim.name for claim in CLAIMS.values() if claim.run_tier == "statistical"}
    assert {null.claim for null in nulls.NULLS} | {"alignment-is-sustained-in-training"} == named


@pytest.mark.parametrize("null", nulls.NULLS, ids=lambda null: null.claim)
def test_a_true_record_holds(null):
    rng = np.random.default_rng(3)
    for _ in range(3):
        found = CLAIMS[null.claim].check_measurement(null.draw(rng))
        assert str(found.verdict) == "holds" and 0 < null.tail(found.margin) <= 1
    assert null.tail(0.0) < 1e-4, "a failure is not that rare"


def test_claims_that_err_as_rarely_as_they_say_pass(few):
    assert calibration.false_failures(True, print).ok
    assert calibration.family_wise(True, print).ok
    assert calibration.false_passes(True, print).ok


def test_a_tail_that_is_too_small_is_found_out(few):
    """A claim that calls 2σ one in a thousand; and one that fails on its own law."""
    one = replace(nulls.NULLS[4], tail=lambda margin: nulls.NULLS[4].tail(margin) / 50)
    few.setattr(calibration, "NULLS", [one])
    found = calibration.false_failures(True, print)
    assert not found.ok and found.details[0]["refused"] > 20
    calibration.nulls.cache_clear()
    off = replace(one, draw=lambda rng: replace(one.draw(rng), predicted=np.full((2, 3), 0.99)))
    few.setattr(calibration, "NULLS", [off])
    assert calibration.false_failures(True, print).details[0]["fails"] == 60
    assert not calibration.family_wise(True, print).ok


def test_a_test_without_a_margin_passes_too_often(few):
    few.setattr(calibration, "EDGES", ((lambda rng: rng.random() < 0.3, 0.05),))
    assert not calibration.false_passes(True, print).ok


def test_few_flips_have_no_small_error():
    """Sums of few flips leave Φ's tail below, were their error their own: one in a thousand runs at 10⁻⁴."""
    rng, (tail,) = np.random.default_rng(0), [n.tail for n in nulls.NULLS if n.draw is nulls.ties]
    check = CLAIMS["flips-add-up-by-the-density-of-ties"].check_measurement
    p = np.array([tail(check(nulls.ties(rng)).margin) for _ in range(1000)])
    assert np.sum(p <= 1e-3) <= 5  # 5 or more of 1000 at 10⁻³: 0.4 %


def test_holm_steps_down():
    """By its definition: p_(i) is refused if p_(j) ≤ α/(n − j + 1) for all j ≤ i."""
    rng = np.random.default_rng(0)
    for p in rng.random((50, 5)) ** 3:
        ordered = np.sort(p)
        slow = [min(1.0, max((5 - j) * ordered[j] for j in range(i + 1))) for i in range(5)]
        assert np.allclose(np.sort(holm(p)), slow)
    true = rng.random((4000, 8))
    assert stats.binomtest(int((holm(true) <= 0.05).any(axis=1).sum()), 4000, 0.05, "greater").pvalue > 1e-3
