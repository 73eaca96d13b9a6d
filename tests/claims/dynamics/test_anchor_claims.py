"""Claims about anchors and weight decay hold on real students, and notice what is made wrong in a record."""

from dataclasses import replace

import numpy as np
import pytest

from subtheory.claim import Claim, Verdict
from subtheory.claims import CLAIMS
from subtheory.setting.setting import Setting

STAYS, TURNS = CLAIMS["anchor-attenuates-by-its-weight"], CLAIMS["anchor-on-other-inputs-can-reverse"]
LIFTED, DECAY = CLAIMS["liminal-anchors-attenuate-and-do-not-stop"], CLAIMS["weight-decay-reverses-past-its-threshold"]


def measured(claim: Claim, setting: Setting, seed: int = 2) -> object:
    return claim.reads.records(setting, (seed,), (setting.loss,))[setting.loss.name][0]


@pytest.mark.parametrize("claim", [STAYS, TURNS, LIFTED, DECAY], ids=lambda claim: claim.name)
def test_holds_and_fails_without_each_assumption(claim: Claim) -> None:
    setting = claim.settings()[0]
    assert claim.check(measured(claim, setting)).verdict is Verdict.HOLDS
    for control in claim.controls:
        broken = control.witnesses() if control.witnesses else (control.assumption.breaks(setting),)
        for one in broken:
            assert claim.check(measured(claim, one)).verdict is Verdict.FAILS, control.assumption.name


def test_another_share_is_noticed() -> None:
    m = measured(STAYS, STAYS.settings()[1])
    assert STAYS.check(replace(m, travelled=1.01 * m.travelled)).verdict is Verdict.FAILS
    assert STAYS.check(replace(m, unrest=0.01 * m.eps)).verdict is Verdict.FAILS
    assert STAYS.check(replace(m, rest=1.01 * m.rest)).verdict is Verdict.FAILS


def test_an_anchor_that_gives_nothing_back_is_noticed() -> None:
    m = measured(LIFTED, LIFTED.settings()[1])
    assert LIFTED.check(replace(m, free=m.travelled)).verdict is Verdict.FAILS


def test_a_turn_before_the_threshold_is_noticed() -> None:
    m = measured(DECAY, DECAY.settings()[1])
    assert DECAY.check(replace(m, alignment=-m.alignment)).verdict is Verdict.FAILS
    assert DECAY.check(replace(m, factors=1.1 * m.factors)).verdict is Verdict.FAILS


def test_a_reversal_is_seen_whatever_the_seed() -> None:
    """Of teachers that go along with their init and against it, one is constructed to go along."""
    m = measured(DECAY, DECAY.settings()[-1])
    np.testing.assert_allclose(m.towards, 0.75)
    assert np.all(m.alignment[m.factors > 1] < 0) and np.all(m.alignment[m.factors < 1] > 0)
