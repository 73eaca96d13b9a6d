"""Arithmetic under the verdicts: each check sees the fault that it is there for."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from subtheory.audit import arithmetic, suite
from subtheory.certificate import cases
from subtheory.claim import Verdict
from subtheory.claims import CLAIMS
from subtheory.instruments.first_order import FirstOrder
from subtheory.theory.losses import SquaredError


@jax.custom_jvp
def _square(x):
    return x**2


_square.defjvp(lambda primals, tangents: (primals[0] ** 2, 2.001 * primals[0] * tangents[0]))


def test_a_derivative_that_is_off_is_named(monkeypatch):
    """By 1 in 2000 of a rule that somebody wrote."""
    monkeypatch.setattr(arithmetic, "SMOOTH", ())
    monkeypatch.setattr(arithmetic, "_of_trait", lambda key: (_square, (jax.random.normal(key, (4,)),)))
    monkeypatch.setattr(arithmetic, "LOSSES", {})
    found = arithmetic.derivatives(True, print)
    assert not found.ok and "trait loss" in found.found


def test_float64_is_held_by_balls_and_float32_is_not(monkeypatch):
    monkeypatch.setattr(arithmetic, "FEW_NETS", 2)
    assert arithmetic.balls(True, print).ok
    of = FirstOrder.of

    def single(self, d):
        m = of(self, d)
        return replace(m, alignment=m.alignment.astype(np.float32).astype(float))

    monkeypatch.setattr(FirstOrder, "of", single)
    assert not arithmetic.balls(True, print).ok


@pytest.mark.parametrize("bad", arithmetic.BAD)
def test_no_claim_holds_where_one_rung_is_no_number(bad):
    """At any one of the sizes ε: a check that looks at the clear ones alone would not see it."""
    d = cases.CASES["tanh-2-4-2"].distillation(1, SquaredError())
    m = FirstOrder().of(replace(d, eps=np.array([0.04 * 4.0**-k for k in range(6)])))
    claim = CLAIMS["alignment-is-positive"]
    assert claim.check(m).verdict is Verdict.HOLDS
    for rung in range(3, 6):
        array = m.alignment.copy()
        array[rung] = bad
        with np.errstate(all="ignore"):
            found = claim.check(replace(m, alignment=array, update_norm=np.abs(array)))
        assert found.verdict is not Verdict.HOLDS


def test_what_holds_on_no_number_makes_the_audit_fail(monkeypatch):
    place = suite.places(suite.NETWORKS[:1])[0]
    monkeypatch.setattr(arithmetic, "places", lambda networks: [place])
    monkeypatch.setattr(arithmetic, "FIELDS", ("weights",))
    monkeypatch.setattr(arithmetic, "called", lambda name, bad: lambda patch: None)
    found = arithmetic.no_numbers(True, print)
    assert not found.ok and "nan in labels" in found.found and "weights" not in found.found
