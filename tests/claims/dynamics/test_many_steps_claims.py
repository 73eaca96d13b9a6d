"""Claims about many steps: what is planted in a record is noticed, by sign, by order and by constant."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.stats import t as student_t

from subtheory.claim import Claim, Verdict
from subtheory.claims.dynamics import linearised
from subtheory.claims.dynamics import many_steps as claims
from subtheory.claims.dynamics.settings import classifiers
from subtheory.constructed import witnesses
from subtheory.instruments.dynamics.lazy import Lazy
from subtheory.instruments.dynamics.trajectory import Training, Trajectory
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.setting import Setting
from subtheory.theory.dynamics.spectrum import gained

LINEAR = classifiers()[2]


def training(setting: Setting, steps: int = claims.STEPS) -> Training:
    """Of one seed."""
    return Trajectory(steps).records(setting, (0,), (setting.loss,))[setting.loss.name][0]


def record(claim: Claim, which: int = 2) -> Any:
    """Of one seed, on the linear network unless another is named."""
    setting = claim.settings()[which]
    return claim.reads.records(setting, (0,), (setting.loss,))[setting.loss.name][0]


@pytest.fixture(scope="module")
def plain() -> Training:
    return training(LINEAR)


@pytest.fixture(scope="module")
def batched() -> Training:
    return record(linearised.mini_batch_steps_have_a_product_form)


@pytest.fixture(scope="module")
def carried() -> Training:
    return record(linearised.momentum_follows_its_companion_matrix)


@pytest.fixture(scope="module")
def lazy() -> Lazy:
    return record(linearised.training_leaves_the_lazy_range_at_second_order, 0)


@pytest.fixture(scope="module")
def removed() -> Training:
    return training(claims.removed()[2])


@pytest.fixture(scope="module")
def off_target() -> Training:
    return training(claims.elsewhere()[2])


PLANTED = [
    ("closed form", "plain", claims.many_steps_have_a_closed_form, lambda r: {"travelled": 1.01 * r.travelled}),
    ("nearer, constant", "plain", claims.many_steps_align_below_the_critical_rate,
     lambda r: {"distance": r.distance * (1 + 0.01 * np.arange(claims.STEPS + 1) / claims.STEPS)}),
    ("back behind the init", "plain", claims.many_steps_align_below_the_critical_rate,
     lambda r: {"travelled": -r.travelled}),
    ("no step at all", "plain", claims.many_steps_align_below_the_critical_rate,
     lambda r: {"travelled": 0 * r.travelled}),
    ("batches", "batched", linearised.mini_batch_steps_have_a_product_form, lambda r: {"linear": 1.01 * r.linear}),
    ("all inputs at once", "batched", linearised.mini_batch_steps_have_a_product_form,
     lambda r: {"linear": np.array([r.spectrum.form(gained(r.rate, t)) for t in range(r.steps + 1)])}),
    ("momentum", "carried", linearised.momentum_follows_its_companion_matrix,
     lambda r: {"travelled": 1.01 * r.travelled}),
    ("another rate", "carried", linearised.momentum_follows_its_companion_matrix, lambda r: {"rate": 1.01 * r.rate}),
    ("second order, constant", "lazy", linearised.training_leaves_the_lazy_range_at_second_order,
     lambda r: {"second": 1.1 * r.second}),
    ("second order, sign", "lazy", linearised.training_leaves_the_lazy_range_at_second_order,
     lambda r: {"second": -r.second}),
    ("first order", "lazy", linearised.training_leaves_the_lazy_range_at_second_order,
     lambda r: {"first": 1.01 * r.first}),
    ("cosine", "plain", claims.multi_step_cosine_follows_the_spectrum, lambda r: {"step": 0.99 * r.step}),
    ("part along Δ", "removed", claims.steps_without_their_part_along_the_teacher_carry_nothing,
     lambda r: {"travelled": r.travelled + 1e-6 * r.eps[:, None]}),
    ("trait at first order", "removed", claims.steps_without_their_part_along_the_teacher_carry_nothing,
     lambda r: {"trait": r.trait - 1e-3 * r.eps[:, None] * np.arange(claims.STEPS + 1)}),
    ("loss", "removed", claims.steps_without_their_part_along_the_teacher_carry_nothing,
     lambda r: {"missed": 1.01 * r.missed}),
    ("another change", "off_target", claims.first_step_forecasts_the_rest,
     lambda r: {"trait": r.trait[:, :1] + 1.01 * (r.trait - r.trait[:, :1])}),
    ("a change of sign", "off_target", claims.first_step_forecasts_the_rest,
     lambda r: {"trait": np.concatenate([r.trait[:, :2], 2 * r.trait[:, :1] - r.trait[:, 2:]], axis=1)}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "claim", "change"), [each[1:] for each in PLANTED], ids=[each[0] for each in PLANTED])
def test_what_is_planted_is_noticed(name: str, claim: Claim, change: Any, request: pytest.FixtureRequest) -> None:
    """One per cent of a constant, a part of first order, a sign."""
    r = request.getfixturevalue(name)
    assert claim.check(r).verdict is Verdict.HOLDS
    assert claim.check(replace(r, **change(r))).verdict is Verdict.FAILS


def rounded(r: Training, u: float) -> Training:
    """The record of a computation whose unit roundoff is u, off by a 256th of what it may be, against every sign."""
    more = u / UNIT
    allowed = {name: more * getattr(r, name) for name in ("rounding", "blur", "trait_rounding")}
    off = {name: each / ROUNDINGS for name, each in allowed.items()}
    sense = np.sign(r.trait[:, :1] - r.trait[:, 1:2])
    return replace(
        r,
        travelled=r.travelled - off["rounding"],
        step=r.step - off["blur"][1:] / r.rate * np.sqrt(r.spectrum.form(np.ones_like)),
        trait=r.trait + sense * off["trait_rounding"] * (np.arange(r.steps + 1) > 0),
        **allowed,
    )


@pytest.mark.parametrize(
    ("name", "claim"),
    [
        ("plain", claims.many_steps_align_below_the_critical_rate),
        ("plain", claims.multi_step_cosine_follows_the_spectrum),
        ("off_target", claims.first_step_forecasts_the_rest),
    ],
)
def test_a_sign_that_rounding_may_turn_is_none(name: str, claim: Claim, request: pytest.FixtureRequest) -> None:
    """In float32 a step of the smallest ε may seem to lead back: nothing is said of it, and in float64 it is not so."""
    r = request.getfixturevalue(name)
    single = rounded(r, float(np.finfo(np.float32).eps) / 2)
    turned = [single.travelled[-1, 1:], single.cosine[-1], single.trait[-1, 0] - single.trait[-1, 1:]]
    assert any(np.any(each < 0) for each in turned)
    assert claim.check(single).verdict is Verdict.VACUOUS
    assert claim.check(rounded(r, UNIT)).verdict is Verdict.HOLDS


def test_witnesses_are_exact() -> None:
    """Their numbers by hand: θ0 moves by −ε⁴/8, and one loss turns at the fifth step."""
    r = training(witnesses.second_step()[0], 2)
    np.testing.assert_allclose(r.travelled[:, 2], -(r.eps**4) / 8, rtol=1e-12)
    r = training(witnesses.against()[0], 5)
    assert np.all((r.trait[:, :1] - r.trait[:, 1:] > 0) == [True, True, True, True, False])


def test_a_mean_that_is_not_clear_at_one_step_is_none(plain: Training) -> None:
    """Cosines of mean m and spread s over n students: holds iff m√n/s is beyond the quantile of Student's t at all."""
    edge = student_t.isf(claims.LEVEL, 3) * np.std([1, 2, 1, 2], ddof=1) / 2
    for over, verdict in ((1.01, Verdict.HOLDS), (0.99, Verdict.FAILS)):
        shift = edge * over - 1.5
        several = tuple(
            replace(plain, step=np.full_like(plain.step, each + shift), size=np.ones_like(plain.size))
            for each in (1, 2, 1, 2)
        )
        assert claims.alignment_is_sustained_in_training.check(several).verdict is verdict
