"""Claims about coverage notice what is made wrong in a record: below the floor, off the product, other numbers."""

from dataclasses import replace
from typing import Any

import pytest

from subtheory.claim import Claim, Verdict
from subtheory.claims.dynamics import coverage

FLOOR, SQUARED = coverage.coverage_has_a_floor, coverage.squared_coverage_bounds_the_share
RANKS = coverage.coverage_does_not_rank_the_share


def record(claim: Claim, which: int) -> Any:
    """Of one seed, in one of the claim's settings."""
    setting = claim.settings()[which]
    return claim.reads.records(setting, (0,), (setting.loss,))[setting.loss.name][0]


def test_a_step_just_below_the_floor_is_noticed() -> None:
    """The constructed teacher meets two modes so that its student is on the floor."""
    r = record(FLOOR, -1)
    assert FLOOR.check(r).verdict is Verdict.HOLDS
    assert FLOOR.check(replace(r, step=(1 - 1e-9) * r.step)).verdict is Verdict.FAILS


def test_a_floor_that_rounding_hides_is_none() -> None:
    """In float32 an allowance of many times the floor would excuse a student that is far below it."""
    r = record(FLOOR, 0)
    below = replace(r, step=0.1 * r.step)
    assert FLOOR.check(below).verdict is Verdict.FAILS
    assert FLOOR.check(replace(below, blur=r.blur * 2.0**29)).verdict is Verdict.VACUOUS


@pytest.mark.parametrize("name", ["cosine", "kept", "even"])
@pytest.mark.parametrize("factor", [0.99, 1.01])
def test_a_square_that_is_off_the_product_is_noticed(name: str, factor: float) -> None:
    c = record(SQUARED, -1)
    assert SQUARED.check(c).verdict is Verdict.HOLDS
    assert SQUARED.check(replace(c, **{name: factor * getattr(c, name)})).verdict is Verdict.FAILS


@pytest.mark.parametrize("name", ["cosine", "kept"])
@pytest.mark.parametrize("which", [0, 1])
def test_rivals_have_the_stated_numbers(name: str, which: int) -> None:
    """Not the order alone: 1 % off, either of the two is still on the side that the claim says."""
    pair = record(RANKS, 0)
    assert RANKS.check(pair).verdict is Verdict.HOLDS
    wrong = tuple(replace(c, **{name: 0.99 * getattr(c, name)}) if i == which else c for i, c in enumerate(pair))
    assert RANKS.check(wrong).verdict is Verdict.FAILS
