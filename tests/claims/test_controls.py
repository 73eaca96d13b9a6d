"""The verification notices what it is for: every planted error makes the claims fail that it touches."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from plants import PLANTS, forget

from subtheory.claims import CLAIMS
from subtheory.constructed.formula import Formula
from subtheory.instruments.first_order import FirstOrder
from subtheory.kernels.source import Given
from subtheory.setting.setting import Setting
from subtheory.setting.teachers import Invisible
from subtheory.theory.losses import CrossEntropy, SquaredError
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
    # Nothing but the trait loss reads the trait loss.
    "scaled-trait-loss": {"trait-loss-falls"},
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


def failing(loss=SQUARED):
    """Names of the claims that fail under one loss."""
    forget()
    found = verify_settings(ABOUT_NETWORKS, [replace(s, loss=loss) for s in GRID], (0,))
    assert found.decided
    return {claim.name for claim in found.claims if not claim.ok}, found.ok


@pytest.fixture
def planted(monkeypatch):
    yield monkeypatch
    monkeypatch.undo()
    forget()


@pytest.mark.parametrize("loss", (SQUARED, CrossEntropy()), ids=lambda loss: loss.name)
def test_the_sound_core_passes(loss):
    assert failing(loss) == (set(), True)
    assert {c.name for c in ABOUT_NETWORKS} >= KNOWN


def test_every_plant_has_its_expectation():
    assert set(EXPECTED) == set(PLANTS) >= set(UNTOUCHED)
    assert all(EXPECTED[name] and not EXPECTED[name] & claims for name, claims in UNTOUCHED.items())
    assert set().union(*EXPECTED.values()) == KNOWN, "a claim that no plant makes fail"


@pytest.mark.parametrize("plant", PLANTS)
def test_a_plant_touches_what_is_measured_or_what_is_predicted(plant, planted):
    """Never both alike: of the records that claims read, one side stays as it was."""
    forget()
    setting = GRID[0].but(loss=CrossEntropy() if "softmax" in plant else SQUARED)
    read = lambda: FirstOrder().records(setting, (0,), (setting.loss,))[setting.loss.name][0]  # noqa: E731
    sound = read()
    forget()
    PLANTS[plant](planted)
    wrong = read()

    def moved(names):
        return {n for n in names if not np.allclose(getattr(sound, n), getattr(wrong, n), rtol=1e-9, atol=0)}

    predicted = moved(("leading", "second_order", "ggn_norm", "trait_slope", "delta_norm", "visible", "fastest"))
    measured = moved(("alignment", "alignment_by_jvp", "update_norm", "trait", "trait_change"))
    assert measured if "curvature" not in plant else predicted
    # The unit of the step is the predicted one: of what is measured, only the trait change counts in it.
    assert not (predicted if "curvature" not in plant else measured - {"trait_change"}), (predicted, measured)


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_error_is_noticed(plant, planted):
    PLANTS[plant](planted)
    names, ok = failing(CrossEntropy() if "softmax" in plant else SQUARED)
    assert not ok
    assert names >= EXPECTED[plant], f"not noticed by {EXPECTED[plant] - names}"
    assert not names & UNTOUCHED.get(plant, set())
