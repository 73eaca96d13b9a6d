"""What a search once reported though it refutes nothing: ε that are not small yet, told from a wrong constant."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from subtheory.claim import Verdict
from subtheory.claims import CLAIMS
from subtheory.cli import main
from subtheory.envelope import limit, settles
from subtheory.falsification import counterexample
from subtheory.falsification.search import refutes
from subtheory.networks import MLP
from subtheory.setting.setting import Setting, ladder
from subtheory.theory.losses import KL

FOUND = sorted((Path(__file__).parent / "told_apart").glob("*.json"))
EPS = 4.0 ** -np.arange(6)


@pytest.mark.parametrize("file", FOUND, ids=lambda file: file.stem)
def test_a_found_case_refutes_nothing(file):
    assert main(["falsify", counterexample.read(file)["claim"], "--replay", str(file)]) == 0


def test_a_wrong_constant_still_refutes():
    """Half of h″(0), or a tenth more, leaves a remainder one order too low on every ladder."""
    true = CLAIMS["alignment-to-second-order"]
    d = Setting(MLP(4, 1), KL(), eps=ladder(1e-1)).distillation(0)
    assert not refutes(true, d)
    for factor in (0.5, 1.1, -1.0):
        wrong = replace(
            true,
            check_measurement=lambda m, by=factor: true.check_measurement(replace(m, second_order=by * m.second_order)),
        )
        assert refutes(wrong, d)


def bend(power, corner, order=1):
    """What a function that bends at the size `corner` leaves of a term of order `power` − `order`."""
    return EPS ** (power - order) * (EPS / corner) ** order / (1 + (EPS / corner) ** order)


def test_a_remainder_settles_where_it_falls_as_claimed():
    none = np.zeros(6)
    assert settles(bend(3, 10.0), EPS, 3, none), "of order 3 everywhere"
    assert settles(bend(3, 0.02), EPS, 3, none), "of order 2 for large ε, of order 3 for small ones"
    assert not settles(bend(3, 1e-6), EPS, 3, none), "of order 2 on all of the ladder"
    assert not settles(0.1 * EPS**2, EPS, 3, none)
    assert not settles(EPS**6, EPS, 3, none), "it falls faster than any bend explains"
    assert not settles(np.full(6, np.nan), EPS, 3, none)


def test_rounding_hides_whether_it_settles():
    late = bend(3, 0.02)
    hidden = np.where(EPS < 0.05, 1.0, 0.0)
    assert settles(late, EPS, 3, np.zeros(6)) and not settles(late, EPS, 3, hidden)
    assert not settles(late, EPS, 3, np.ones(6)), "nothing is seen"


def test_a_failure_says_whether_it_settles_and_stays_one():
    """Another claim may still want it: a control that ε be small is broken by just that."""
    term, off = EPS**2, bend(3, 0.02)
    found = limit(term + off, term, term, EPS, 3, np.zeros(6))
    assert found.verdict is Verdict.FAILS and found.settling
    wrong = limit(1.1 * term, term, term, EPS, 3, np.zeros(6))
    assert wrong.verdict is Verdict.FAILS and not wrong.settling
    assert not limit(term, term, term, EPS, 3, np.zeros(6)).settling
