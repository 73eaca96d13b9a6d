"""The audit of verdicts: it sees an error that a seed shows, and says so; what it misses makes it fail."""

import numpy as np
import pytest

from subtheory.audit import PLANTS, planted, plants, results, suite
from subtheory.claim import Verdict
from subtheory.instruments.first_order import FirstOrder
from subtheory.kernels import stack
from subtheory.theory.trait import LabelledTrait
from subtheory.verification.verdicts import verify_settings

SEQUENCES = ("shifted-positions", "leaked-position")
FIRST = suite.places(suite.NETWORKS[:1])[0]


@pytest.fixture
def silent(monkeypatch):
    """An audit of two kinds on two seeds, on one network."""
    monkeypatch.setattr(suite, "FEW", 2)
    monkeypatch.setattr(suite, "places", lambda networks=(): [FIRST])
    return lambda kinds: monkeypatch.setattr(suite, "PLANTS", kinds)


def test_kinds_are_many_and_each_is_said_in_words():
    assert len(PLANTS) >= 25
    assert len({plant.__doc__ for plant in PLANTS.values()}) == len(PLANTS)
    assert len(plants.MEASURED) + len(plants.PREDICTED) == len(PLANTS)


def test_a_kind_that_nothing_notices_makes_the_audit_fail(silent):
    """The check can fail: no error at all is a kind that passes."""

    def harmless(patch):
        """Nothing is wrong."""

    silent({"wrong-sign": PLANTS["wrong-sign"]})
    assert suite.planted_errors(True, lambda text: None).ok
    silent({"wrong-sign": PLANTS["wrong-sign"], "harmless": harmless})
    found = suite.planted_errors(True, lambda text: None)
    assert not found.ok and found.found.startswith("1 of 2 kinds")
    assert [row["caught"] for row in found.details] == [2, 0] and found.details[1]["by"] == ""


def test_an_error_in_the_core_is_a_false_alarm(silent):
    """The other way round: what is wrong everywhere is no true draw."""
    assert suite.false_alarms(True, lambda text: None).ok
    with planted(PLANTS["doubled-step"]):
        assert not suite.false_alarms(True, lambda text: None).ok


@pytest.mark.parametrize("name", SEQUENCES)
def test_what_is_about_sequences_is_noticed_on_sequences(name):
    place = suite.places()[1]
    with planted(PLANTS[name]):
        found = suite.verdicts(place, (0, 1))
        assert Verdict.FAILS not in {v for each in suite.verdicts(FIRST, (0, 1)).values() for v in each}
    assert found["alignment-is-ggn-form", "squared-error"] == [Verdict.FAILS] * 2


def test_verdicts_by_seed_are_those_of_a_verification():
    """The slow way: one setting and one seed, controls left out."""
    with planted(PLANTS["halved-second-order"]):
        fast = suite.verdicts(FIRST, (3, 4))
        for (name, loss), each in fast.items():
            claim = suite.SUITE[name]
            one = suite.CLAIMS[name].__class__(**{**vars(claim), "controls": ()})
            for seed, verdict in zip((3, 4), each, strict=True):
                setting = FIRST.setting.but(loss=loss)
                slow = verify_settings([one], [setting], (seed,)).claims[0].verdict
                assert slow == verdict, (name, loss, seed)


def test_what_is_replaced_comes_back():
    before = stack.labels, LabelledTrait.value, "value" in vars(LabelledTrait), FirstOrder.record
    for plant in PLANTS.values():
        with planted(plant):
            pass
    assert (stack.labels, LabelledTrait.value, "value" in vars(LabelledTrait), FirstOrder.record) == before


def test_bounds_are_exact():
    """(1 − p)ⁿ = 0.05 at the upper bound of no case in n, pⁿ at the lower one of n in n."""
    assert np.isclose((1 - results.at_most(0, 300)) ** 300, 0.05)
    assert np.isclose(results.at_least(40, 40) ** 40, 0.05)
