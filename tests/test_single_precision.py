"""Verdicts in two precisions: an opposite is seen, of a claim and of a control, and no verdict is none."""

import importlib.util
from pathlib import Path

import pytest

FILE = Path(__file__).parents[1] / "scripts" / "single_precision.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("single_precision", FILE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def told(claim, control):
    return {"claims": [{"name": "one", "verdict": claim, "controls": [{"without": "that", "verdict": control}]}]}


@pytest.mark.parametrize(
    ("double", "single", "expected"),
    [
        (("holds", "fails"), ("holds", "fails"), []),
        (("holds", "fails"), ("vacuous", "undecided"), []),
        (("undecided", "fails"), ("fails", "fails"), []),
        (("holds", "fails"), ("fails", "fails"), ["one"]),
        (("holds", "fails"), ("vacuous", "holds"), ["one without that"]),
    ],
)
def test_an_opposite_verdict_is_seen(script, double, single, expected):
    assert script.reversed_in(told(*double), told(*single)) == expected
    assert len(list(script.pairs(told(*double), told(*single)))) == 2
