"""The verification notices what it is for: every planted error makes the claims fail that it touches."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

from subtheory.audit import PLANTS, planted
from subtheory.audit.plants import PREDICTED
from subtheory.claims import CLAIMS
from subtheory.constructed.formula import Formula
from subtheory.instruments.first_order import FirstOrder
from subtheory.kernels.source import Given
from subtheory.setting.setting import Setting
from subtheory.setting.teachers import Invisible
from subtheory.theory.losses import KL, CrossEntropy, SquaredError
from subtheory.theory.trait import LabelledTrait
from subtheory.verification.verdicts import verify_settings

FIRST = {
    "alignment-is-ggn-form", "alignment-to-second-order", "distance-has-a-critical-step", "matched-restriction-aligns",
    "trait-loss-falls",
}  # fmt: skip
"""What a wrong constant of the first-order law breaks."""

TWO = {"cross-kernel-is-the-trait-part", "layers-add-up-to-the-alignment"}
"""The same for a student of another init: M by the loss's own derivatives, not by its stated Hessian."""

SQUARED = SquaredError()

JVP, COS, SIGN, ZERO = "alignment-by-one-jvp", "cosine-limit", "alignment-is-positive", "zero-branch-is-exact"

SECOND = "alignment-to-second-order"

EXPECTED = {
    # Multiplying the step leaves its direction, hence the cosine, alone; reversing it does not.
    "wrong-sign": FIRST | TWO | {JVP, COS, SIGN},
    "doubled-step": FIRST | TWO | {JVP},
    # Of a wrong prediction the measured sides know nothing: one jvp, sign and zero stay.
    "curvature-without-its-factor": FIRST,
    "curvature-without-the-softmax": FIRST | {COS},
    # Both forms of D lose the example, so their identity stays.
    "dropped-example": FIRST | TWO | {COS},
    "head-without-bias-gradient": FIRST | TWO | {JVP, COS},
    "shifted-student": FIRST | {COS},
    "permuted-logits": FIRST | TWO | {COS},
    "backward-teacher": FIRST | TWO | {COS, SIGN},
    "ignored-mask": FIRST | TWO | {COS, ZERO},
    "single-precision": FIRST | TWO | {COS},
    "labels-of-another-eps": FIRST | TWO,
    "summed-examples": FIRST | TWO,
    "weight-decay": FIRST | TWO | {JVP, COS, ZERO},
    "labels-through-bfloat16": FIRST | TWO | {COS, SIGN},
    "doubled-gradient-entry": FIRST | TWO | {JVP, COS},
    # Nothing but the trait loss reads the trait loss, or the rate.
    "scaled-trait-loss": {"trait-loss-falls"},
    "trait-on-other-labels": {"trait-loss-falls"},
    "squared-rate": {"trait-loss-falls"},
    "permuted-examples": FIRST | TWO | {COS},
    "labels-of-the-next-rung": FIRST | TWO,
    "normalised-teacher": FIRST | TWO,
    # First order is right: what is next is not.
    "linear-teacher": {SECOND},
    "halved-second-order": {SECOND},
    # Where nothing moves, a ratio of steps says nothing.
    "labels-of-the-student": (FIRST - {"distance-has-a-critical-step"}) | TWO | {SIGN},
    "smoothed-labels": FIRST | TWO | {COS},
    "doubled-example": FIRST | TWO | {COS},
    "median-example": FIRST | TWO | {COS},
    "averaged-outputs": FIRST | TWO,
    "reversed-mask": FIRST | TWO | {COS, ZERO},
    "swapped-roles": FIRST | TWO | {COS, SIGN},
    "forgotten-temperature": FIRST | TWO | {COS},
    # It is the same for every teacher, so that what is added knows nothing of it.
    "dropped-normaliser": FIRST | {COS},
    "unsubtracted-control": TWO,
    # Rounded where all is summed, behind the labels' own rounding: only the other form of D tells it.
    "single-precision-step": {JVP},
    "frozen-first-layer": FIRST | TWO | {COS, JVP},
    "student-of-another-seed": FIRST | {COS},
    "curvature-with-one-temperature": FIRST,
    "biased-weights": FIRST | TWO | {COS},
}
UNTOUCHED = {
    "doubled-step": {COS, SIGN},
    "curvature-without-its-factor": TWO | {JVP, SIGN, ZERO, COS},
    "curvature-without-the-softmax": TWO | {JVP, SIGN, ZERO},
    "dropped-example": {JVP},
    # What is added at another init is what it is for any init.
    "shifted-student": TWO | {JVP},
    "backward-teacher": {JVP},
    # Where no distilled output moves, labels of whatever kind pull along nothing.
    "permuted-logits": {JVP, ZERO},
    "single-precision": {JVP, ZERO},
    "labels-through-bfloat16": {JVP, ZERO},
    # Labels farther along the teacher's way, or more of them, pull the same way.
    "labels-of-another-eps": {JVP, SIGN, COS, ZERO},
    "summed-examples": {JVP, SIGN, COS, ZERO},
    "scaled-trait-loss": (FIRST - {"trait-loss-falls"}) | TWO | {JVP, SIGN, COS, ZERO},
    "squared-rate": (FIRST - {"trait-loss-falls"}) | TWO | {JVP, SIGN, COS, ZERO},
    "linear-teacher": (FIRST - {SECOND}) | {JVP, SIGN, COS, ZERO},
    "halved-second-order": (FIRST - {SECOND}) | TWO | {JVP, SIGN, COS, ZERO},
    "averaged-outputs": {JVP, SIGN, COS, ZERO},
    "dropped-normaliser": TWO | {JVP, ZERO},
    "unsubtracted-control": FIRST | {JVP, SIGN, COS, ZERO},
    "curvature-with-one-temperature": {JVP, SIGN, COS, ZERO},
}


def _net(theta, x):
    h = jnp.tanh(x @ theta["hidden"]["kernel"] + theta["hidden"]["bias"])
    return h @ theta["head"]["kernel"] + theta["head"]["bias"]


def grid():
    """A 3-3-4 tanh network of which three logits are distilled: a step on labels, and one that they do not see."""
    rng = np.random.default_rng(0)
    draw = rng.standard_normal
    params = {
        "hidden": {"kernel": draw((3, 3)), "bias": draw(3)},
        "head": {"kernel": draw((3, 4)), "bias": draw(4)},
    }
    trait = LabelledTrait(draw((5, 3)), rng.integers(0, 4, 5).astype(np.int32), np.ones(4))
    source = Given(params, draw((4, 3)), trait, 4, deterministic=True)
    base = Setting(Formula("tanh-3-3-4", _net), outputs=(0, 1, 2), source=source)
    return [base, base.but(teacher=Invisible())]


GRID = grid()
ABOUT_NETWORKS = [replace(c, controls=()) for c in CLAIMS.values() if any(map(c.applies, GRID)) and not c.settings]
KNOWN = FIRST | TWO | {JVP, COS, SIGN, ZERO}
"""Claims of which every plant has to say whether they notice it."""


LOSS = {"curvature-without-the-softmax": CrossEntropy(), "curvature-with-one-temperature": KL(),
        "dropped-normaliser": CrossEntropy(), "forgotten-temperature": CrossEntropy()}  # fmt: skip
"""Losses that an error is about."""

ELSEWHERE = {"shifted-positions", "leaked-position"}
"""What is about sequences: noticed on those of the audit's suite."""


def verified(loss=SQUARED):
    """All claims under one loss."""
    return verify_settings(ABOUT_NETWORKS, [replace(s, loss=loss) for s in GRID], (0,))


def failing(loss=SQUARED):
    """Names of the claims that fail under one loss."""
    found = verified(loss)
    return {claim.name for claim in found.claims if not claim.ok}, found.ok


@pytest.mark.parametrize("loss", (SQUARED, CrossEntropy(), KL()), ids=lambda loss: loss.name)
def test_the_sound_core_passes(loss):
    found = verified(loss)
    assert found.ok and found.decided
    assert {c.name for c in ABOUT_NETWORKS} >= KNOWN


def test_every_plant_has_its_expectation():
    assert set(EXPECTED) == set(PLANTS) - ELSEWHERE >= set(UNTOUCHED)
    assert all(EXPECTED[name] and not EXPECTED[name] & claims for name, claims in UNTOUCHED.items())
    assert set().union(*EXPECTED.values()) == KNOWN, "a claim that no plant makes fail"
    assert all(plant.__doc__ for plant in PLANTS.values())


@pytest.mark.parametrize("name", EXPECTED)
def test_a_plant_touches_what_is_measured_or_what_is_predicted(name):
    """Never both alike: of the records that claims read, one side stays as it was."""
    setting = GRID[0].but(loss=LOSS.get(name, SQUARED))
    read = lambda: FirstOrder().records(setting, (0,), (setting.loss,))[setting.loss.name][0]  # noqa: E731
    sound = read()
    with planted(PLANTS[name]):
        wrong = read()

    def moved(names):
        return {n for n in names if not np.allclose(getattr(sound, n), getattr(wrong, n), rtol=1e-9, atol=0)}

    predicted = moved(("leading", "second_order", "ggn_norm", "trait_slope", "delta_norm", "visible", "fastest"))
    measured = moved(("alignment", "alignment_by_jvp", "update_norm", "trait", "trait_change"))
    is_predicted = PLANTS[name] in PREDICTED
    assert predicted if is_predicted else measured or name == "unsubtracted-control"  # which two inits have
    # The unit of the step is the predicted one: of what is measured, only the trait change counts in it.
    assert not (measured - {"trait_change"} if is_predicted else predicted), (predicted, measured)


def test_what_was_planted_is_gone_afterwards():
    """Restored even where the context is left by an exception."""
    before = failing()
    with pytest.raises(ZeroDivisionError), planted(PLANTS["wrong-sign"]):
        assert failing() != before
        raise ZeroDivisionError
    assert failing() == before


@pytest.mark.parametrize("name", EXPECTED)
def test_a_planted_error_is_noticed(name):
    with planted(PLANTS[name]):
        names, ok = failing(LOSS.get(name, SQUARED))
    assert not ok
    assert names >= EXPECTED[name], f"not noticed by {EXPECTED[name] - names}"
    assert not names & UNTOUCHED.get(name, set())
