"""Parts of a verification: whoever measures them, the evidence is the same, and what is kept is not measured again."""

import os
from dataclasses import replace

import numpy as np
import pytest

from subtheory.claim import Evidence
from subtheory.ledger.engines import Processes
from subtheory.ledger.parts import keeping
from subtheory.ledger.request import Request
from subtheory.verification import judgement
from subtheory.verification.asked import KIND, Asked, asked, plan_of, verify
from subtheory.verification.runs import Checked, packed, unpacked

WHAT = Asked(
    ("alignment-is-ggn-form", "kink-reverses-alignment"),
    ("mlp", "mlp-relu"),
    ("squared-error", "kl"),
    size="quick",
    seeds=1,
)


def told(found):
    """All of it in words; every run's numbers in full."""
    return [(repr(replace(one, every=None)), one.every.settings, one.every.table.tobytes()) for one in found.claims]


def test_evidence_comes_back_bit_for_bit():
    rows = [
        Checked(0, 3, 2**32 - 1, Evidence(1 / 3, -0.0, -np.inf)),
        Checked(1, 0, 5, Evidence(np.nan, 2.0, np.inf, undecided="too few", eps=1e-3)),
        Checked(1, 0, 6, Evidence(0.1, 2.0, 0.5, vacuous="rounding alone: ε ≤ 1e-9")),
    ]
    assert repr(list(unpacked(packed(rows)))) == repr(rows)
    assert list(unpacked(packed([]))) == []


def test_what_is_asked_for_comes_back_from_its_json():
    assert asked(Request.of(KIND, WHAT.about).asked) == WHAT


def test_a_verification_goes_on_where_it_stopped(tmp_path):
    """Killed in the middle, it measures the rest alone; then nothing; the verdicts are those of one go."""
    whole = verify(WHAT)
    request, done = Request.of(KIND, WHAT.about), []

    def stop(count, total, text):
        done.append(count)
        if count == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), keeping(tmp_path, request):
        verify(WHAT, stop)
    total = len(plan_of(WHAT).parts)
    with keeping(tmp_path, request) as kept:
        assert told(verify(WHAT)) == told(whole) and (kept.taken, kept.computed) == (3, total - 3) and total > 6
    with keeping(tmp_path, request) as kept:
        assert told(verify(WHAT)) == told(whole) and (kept.taken, kept.computed) == (total, 0)


def test_two_processes_find_what_one_does(tmp_path, monkeypatch):
    monkeypatch.setattr(judgement, "FEW", 0)
    monkeypatch.setenv("NPROC", os.environ.get("NPROC", "1"))
    with keeping(tmp_path, Request.of(KIND, WHAT.about), Processes(2)) as kept:
        shared = verify(WHAT)
    assert kept.computed == len(plan_of(WHAT).parts)
    for one, other in zip(shared.claims, verify(WHAT).claims, strict=True):
        assert (one.verdict, one.runs) == (other.verdict, other.runs)
        np.testing.assert_allclose(one.every.table["measured"], other.every.table["measured"], rtol=1e-9)
