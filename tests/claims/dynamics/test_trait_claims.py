"""Claims about other traits and pools: they hold on real steps, and notice what is made wrong in a record."""

from dataclasses import replace

import numpy as np
import pytest

from subtheory.claim import Verdict
from subtheory.claims import CLAIMS
from subtheory.claims.dynamics import traits

CROSS, POOLED = CLAIMS["off-target-traits-move-by-the-cross-form"], CLAIMS["pooled-teachers-add-up"]
GUESTS = CLAIMS["guests-of-other-inits-add-nothing-on-average"]


def measured(claim, setting, seed=2):
    return claim.reads.records(setting, (seed,), (setting.loss,))[setting.loss.name][0]


@pytest.mark.parametrize("claim", [CROSS, POOLED, GUESTS], ids=lambda claim: claim.name)
def test_holds_and_fails_without_each_assumption(claim):
    setting = claim.settings()[0]
    assert claim.check(measured(claim, setting)).verdict is Verdict.HOLDS
    for control in claim.controls:
        broken = measured(claim, control.assumption.breaks(setting))
        assert claim.check(broken).verdict is Verdict.FAILS, control.assumption.name


def test_a_matrix_that_is_not_symmetric_or_has_a_negative_trait_is_noticed():
    m = measured(CROSS, traits.settings()[0])
    skewed = m.form.copy()
    skewed[0, 1] *= 1.1
    change = m.change + m.eps[:, None, None] * (m.form - skewed)
    assert CROSS.check(replace(m, change=change)).verdict is Verdict.FAILS
    assert CROSS.check(replace(m, change=-m.change)).verdict is Verdict.FAILS
    assert CROSS.check(replace(m, form=1.01 * m.form)).verdict is Verdict.FAILS


def test_interference_that_is_left_out_is_noticed():
    m = measured(POOLED, traits.settings()[0])
    assert POOLED.check(replace(m, form=np.diag(np.diag(m.form)))).verdict is Verdict.FAILS
    assert POOLED.check(replace(m, weights=m.weights[::-1])).verdict is Verdict.FAILS
