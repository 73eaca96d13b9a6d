"""The search for true claims that fail: it runs what is drawn, draws all kinds, and sees a claim that is false."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from subtheory.claims import CLAIMS

FILE = Path(__file__).parents[1] / "scripts" / "refutations.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("refutations", FILE)
    module = importlib.util.module_from_spec(spec)
    sys.modules["refutations"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules["refutations"]


def test_all_kinds_are_drawn_and_the_same_ones_again(script):
    words = [script.Drawn(0, number).arguments()[0] for number in range(200)]
    for kind in (*script.CHANNELS, *script.TRAITS, *script.SMOOTH):
        assert any(kind in each for each in words), kind
    again, first = (script.Drawn(3, 5).arguments()[1] for _ in range(2))
    np.testing.assert_array_equal(again["channel"], first["channel"])


def test_true_claims_hold_and_a_false_one_is_seen(script):
    true = CLAIMS["alignment-is-ggn-form"]
    off = replace(true, check_measurement=lambda m: true.check_measurement(replace(m, leading=1.05 * m.leading)))
    for claim, fails in ((true, False), (off, True)):
        found = [one for number in range(6) for one in script.tried(script.Drawn(0, number), [claim])]
        assert any(one.failed for one in found) == fails
        (row,) = script.totals(found)
        assert row["runs"] == sum(one.runs for one in found) and row["networks"] == len(found)
