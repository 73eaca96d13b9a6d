"""The verification notices what it is for: every planted error makes the claims fail that it touches."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from plants import PLANTS, forget

from subtheory.claims import CLAIMS
from subtheory.claims.witnesses import Formula
from subtheory.setting import Setting
from subtheory.source import Given
from subtheory.theory.losses import CrossEntropy, SquaredError
from subtheory.theory.trait import LabelledTrait
from subtheory.verification import verify_settings

FIRST = {"alignment-is-ggn-form", "alignment-to-second-order", "distance-has-a-critical-step", "trait-loss-falls"}
"""What a wrong constant of the first-order law breaks."""

SQUARED = SquaredError()

JVP, COS, SIGN, ZERO = "alignment-by-one-jvp", "cosine-limit", "alignment-is-positive", "zero-branch-is-exact"

EXPECTED = {
    # Multiplying the step leaves its direction, hence the cosine, alone; reversing it does not.
    "wrong-sign": FIRST | {JVP, COS, SIGN},
    "doubled-step": FIRST | {JVP},
    # Of a wrong prediction the measured sides know nothing: one jvp, sign and zero stay.
    "curvature-without-its-factor": FIRST,
    "curvature-without-the-softmax": FIRST | {COS},
    # Both forms of D lose the example, so their identity stays.
    "dropped-example": FIRST | {COS},
    "head-without-bias-gradient": FIRST | {JVP, COS},
    "shifted-student": FIRST | {COS},
    "permuted-logits": FIRST | {COS},
    "backward-teacher": FIRST | {COS, SIGN},
    "ignored-mask": FIRST | {COS, ZERO},
    "single-precision": FIRST | {COS},
}
UNTOUCHED = {
    "doubled-step": {COS, SIGN},
    "curvature-without-its-factor": {JVP, SIGN, ZERO, COS},
    "curvature-without-the-softmax": {JVP, SIGN, ZERO},
    "dropped-example": {JVP},
    "backward-teacher": {JVP},
    # Where no distilled output moves, labels of whatever kind pull along nothing.
    "permuted-logits": {JVP, ZERO},
    "single-precision": {JVP, ZERO},
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
    return [base, replace(base, teacher="invisible")]


GRID = grid()
ABOUT_NETWORKS = [replace(c, controls=()) for c in CLAIMS.values() if any(map(c.applies, GRID)) and not c.settings]


def failing(loss=SQUARED):
    """Names of the claims that fail under one loss: each costs a compilation."""
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
    assert {c.name for c in ABOUT_NETWORKS} == FIRST | {JVP, COS, SIGN, ZERO}


def test_every_plant_has_its_expectation():
    assert set(EXPECTED) == set(PLANTS)


@pytest.mark.parametrize("plant", PLANTS)
def test_a_planted_error_is_noticed(plant, planted):
    PLANTS[plant](planted)
    names, ok = failing(CrossEntropy() if "softmax" in plant else SQUARED)
    assert not ok
    assert names >= EXPECTED[plant], f"not noticed by {EXPECTED[plant] - names}"
    assert not names & UNTOUCHED.get(plant, set())
