"""The order check: a remainder of the stated order and constant passes, any other fails, noise says nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from subtheory.claim import Evidence, Verdict
from subtheory.envelope import at_least, envelope, limit, worst, worst_margin
from subtheory.numerics import COARSE, UNIT
from subtheory.setting.setting import ladder

EPS = np.array(ladder(1e-2))
NONE = np.zeros_like(EPS)


def judged(measured, power=2, predicted=EPS, rounding=NONE, eps=EPS):
    return limit(measured, predicted, predicted, eps, power, rounding)


def test_a_remainder_of_the_right_order_holds():
    evidence = judged(EPS + 0.3 * EPS**2 - 2 * EPS**3)
    assert evidence.verdict is Verdict.HOLDS and 0 < evidence.margin < 1
    assert evidence.measured == pytest.approx(1, abs=1e-4) and evidence.predicted == 1
    assert judged(EPS).margin == 0  # nothing left to judge, nothing allowed, nothing wrong


@pytest.mark.parametrize("constant", 10.0 ** np.arange(-6, 7, 3))
@pytest.mark.parametrize("power", (2, 3))
def test_a_remainder_of_lower_order_fails_for_every_constant(constant, power):
    """Its ratio to εᵖ grows by 4 at every rung, and 4 is more than Λ: no constant hides it."""
    assert judged(EPS + constant * EPS ** (power - 1), power).verdict is Verdict.FAILS
    assert judged(EPS - constant * EPS ** (power - 0.9), power).verdict is Verdict.FAILS


def test_a_leading_constant_off_by_one_per_cent_fails():
    for off in (1.01, 0.99, -1.0, 2.0):
        assert judged(off * EPS + 0.3 * EPS**2).verdict is Verdict.FAILS


def test_noise_alone_is_vacuous_and_never_a_success():
    noise = np.resize([1.0, -1.0], EPS.shape) * 1e-17
    assert "rounding level" in judged(noise, predicted=NONE, rounding=np.full_like(EPS, 1e-16)).vacuous
    wide = judged(EPS, rounding=EPS / 2)
    assert wide.verdict is Verdict.VACUOUS and "10 %" in wide.vacuous
    # Noise over a prediction that stands out is not vacuous: the prediction is missed.
    assert judged(noise, rounding=np.full_like(EPS, 1e-16)).verdict is Verdict.FAILS


@pytest.mark.parametrize("bad", (np.nan, np.inf))
@pytest.mark.parametrize("rung", range(len(EPS)))
def test_numbers_that_are_not_finite_never_hold(bad, rung):
    measured = EPS + EPS**2
    measured[rung] = bad
    with np.errstate(invalid="ignore"):
        assert judged(measured).verdict is not Verdict.HOLDS


@pytest.mark.parametrize(
    ("value", "least", "off", "verdict"),
    [
        (0.70, 0.60, 0.05, Verdict.HOLDS),
        (0.60, 0.60, 0.05, Verdict.HOLDS),  # on its bound, which is known to less than 10 %
        (0.59, 0.60, 1e-3, Verdict.FAILS),
        (0.10, 0.60, 9.00, Verdict.VACUOUS),
        (9.90, 0.60, 9.00, Verdict.HOLDS),
        (1e-9, 0.0, 1e-10, Verdict.HOLDS),
        (-1e-9, 0.0, 1e-10, Verdict.FAILS),
        (1e-9, 0.0, 1e-8, Verdict.VACUOUS),
        (-1e-9, 0.0, 1e-8, Verdict.VACUOUS),
        (0.0, 0.0, 0.0, Verdict.VACUOUS),
        (-0.1, 0.0, 0.0, Verdict.FAILS),
        (np.nan, 0.0, 1e-8, Verdict.UNDECIDED),
    ],
)
def test_a_bound_is_kept_missed_or_not_told(value, least, off, verdict):
    """Also beside a number that is clear of its bound."""
    assert at_least(value, least, off).verdict is verdict
    assert at_least(np.array([1e2, value]), least, off).verdict is verdict


def test_a_short_ladder_says_nothing():
    few = EPS[:COARSE]
    assert judged(few, predicted=few, rounding=NONE[:COARSE], eps=few).verdict is Verdict.VACUOUS


def test_the_worst_is_a_failure_before_what_says_nothing_before_what_holds():
    """A wide tolerance has a large margin: that must not hide that nothing was judged, nor excuse what failed."""
    good, better = Evidence(1.0, 1.0, 0.2), Evidence(1.0, 1.0, 0.4)
    dull, wrong, unclear = Evidence(0.0, 0.0, 0.9, "wide"), Evidence(2.0, 1.0, -3.0), Evidence(np.nan, 1.0, np.nan)
    assert worst([better, good]) == good
    assert worst([better, dull, good]) == dull
    assert worst([unclear, dull, wrong, good]) == wrong
    assert worst([good, unclear]).verdict is Verdict.UNDECIDED


def test_a_further_margin_or_condition_breaks_what_is_vacuous():
    dull, good = Evidence(0.0, 0.0, 0.9, "wide"), Evidence(1.0, 1.0, 0.4)
    for each in ([dull], [good], [good, dull]):
        assert worst(each, 0.7, -7.5).verdict is Verdict.FAILS and worst(each, -7.5).margin == -7.5
        assert worst(each, holds=False).verdict is Verdict.FAILS
    assert worst([dull], 0.7) == Evidence(0.0, 0.0, 0.7, "wide")
    assert worst([good], 0.1, holds=True).margin == 0.1 and worst([good], np.nan).verdict is Verdict.UNDECIDED


coefficients = st.tuples(*[st.floats(-1e3, 1e3, allow_subnormal=False)] * 3)


@settings(max_examples=200)
@given(c=coefficients, power=st.integers(1, 4), largest=st.floats(1e-3, 1))
def test_smooth_remainders_stay_inside(c, power, largest):
    """R = (a + bε + cε²)εᵖ obeys the envelope with Λ, whatever its coefficients: Lagrange on three nodes."""
    eps = np.array(ladder(largest, rungs=8))
    remainder = np.polyval(c[::-1], eps) * eps**power
    size = np.polyval(np.abs(c[::-1]), eps) * eps**power
    assert worst_margin(remainder, envelope(remainder, eps, power, 16 * UNIT * size.max() * np.ones(8))) >= 0


@settings(max_examples=50)
@given(c=coefficients.filter(lambda c: abs(c[0]) > 1e-3), power=st.integers(1, 4))
def test_the_envelope_is_tight(c, power):
    """Half of Λ would be too little for the worst quadratic, and twice a coarse constant never creeps in."""
    eps = np.array(ladder(1.0, rungs=8))
    signs = np.polyfit(eps[:COARSE], [1.0, -1.0, 1.0], COARSE - 1)  # extremal: ±1 on the nodes
    worst = np.polyval(signs, eps) * eps**power
    allowed = envelope(worst, eps, power, np.zeros(8))
    assert np.all(np.abs(worst[COARSE:]) <= allowed[COARSE:] * (1 + 1e-12))
    assert np.abs(worst[-1]) > 0.99 * allowed[-1]
    scaled = abs(c[0]) * worst
    np.testing.assert_allclose(envelope(scaled, eps, power, np.zeros(8)), abs(c[0]) * allowed)
