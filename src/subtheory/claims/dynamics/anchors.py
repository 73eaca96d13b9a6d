"""What holds a student at its init: anchors on outputs, for good or for some steps, and weight decay (P30)."""

from dataclasses import replace

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import GRADIENT_STUDENT, SHARED_INIT
from subtheory.claims.dynamics.settings import classifiers, followed
from subtheory.claims.inits import CONSTANT
from subtheory.constructed import inputs
from subtheory.envelope import at_least, limit, worst
from subtheory.instruments.dynamics.anchored import AnchoredTraining, Anchoring, Decay, Decays
from subtheory.setting.setting import Setting
from subtheory.theory.dynamics.anchors import share
from subtheory.theory.rule import Anchored, Descent

WEIGHT = 1.0
"""γ of an anchor that stays."""

LIMINAL = 4.0
"""γ of one that is lifted."""

STEPS, FAR = 16, 128
"""Steps of a student; of one that has to come to rest, where all but 10⁻¹² of its way is behind it."""

SAME_INPUTS = Assumption(
    "same-inputs",
    "The anchor looks at the inputs of the channel.",
    lambda setting: setting.but(rule=Anchored(WEIGHT, elsewhere=True)),
)

ANCHORED = Assumption(
    "anchored", "The student descends under its anchor, not freely.", lambda setting: setting.but(rule=Descent())
)


def anchored() -> tuple[Setting, ...]:
    """With an anchor that stays."""
    return tuple(setting.but(rule=Anchored(WEIGHT)) for setting in classifiers())


def shares(r: Anchoring, weights: tuple[float, ...]) -> np.ndarray:
    """Σ c_i² s_i(t) after t steps of these weights, (T + 1,)."""
    return np.array([r.spectrum.form(share(r.rate, weights[:t])) for t in range(len(weights) + 1)])


@claim(
    formula="θ_S(t) − θ0 = ε(I − (I − α(1 + γ)G)ᵗ)Δ/(1 + γ) + O(ε²), at rest εΠΔ/(1 + γ): γ/(1 + γ) is taken, γ = 1",
    source="KL to the init on the same inputs adds γGd to the gradient G(d − εΔ) (prediction P30)",
    controls=[Control(each, fails=0.95) for each in (SAME_INPUTS, SHARED_INIT, ANCHORED)],
    settings=anchored,
    reads=AnchoredTraining(STEPS),
    proof="anchor",
)
def anchor_attenuates_by_its_weight(r: Anchoring) -> Evidence:
    """An anchor on the student's own inputs takes γ/(1 + γ) of what would have crossed, in every mode, and no more.

    Real students on their way, along Δ, and at the point where the law has them come to rest: their gradient there is
    O(ε²).
    """
    found = followed(r, r.travelled, shares(r, (WEIGHT,) * STEPS))
    seen = r.spectrum.form(lambda values: 1.0 * (values > 0)) / (1 + WEIGHT)
    still = limit(r.unrest, np.zeros_like(r.eps), r.eps, r.eps, 2, np.full_like(r.eps, r.blur))
    return worst([found, still], 1 - abs(r.rest / seen - 1) / CONSTANT)


CHANNEL_INPUTS = Assumption(
    "other-inputs", "The anchor looks at other inputs than the channel's.", lambda setting: None
)


@claim(
    formula="d = ε(G + γG′)⁺GΔ: d · Δ = −13ε/108 for G ∝ kkᵀ, k = (1, −½), Δ = (1, 3/2), G′ ∝ diag(10, 1), γ = 1",
    source="the anchor turns GΔ towards what its own inputs hold least (prediction P30)",
    controls=[Control(CHANNEL_INPUTS, witnesses=inputs.held_on_the_channel)],
    settings=inputs.held_elsewhere,
    reads=AnchoredTraining(FAR),
    every_eps=True,
    proof="anchor",
)
def anchor_on_other_inputs_can_reverse(r: Anchoring) -> Evidence:
    """An anchor on other inputs than the student's can turn it away from its teacher, where it would align without one.

    By the stated constant, at any ε, after as many steps as take it there. On the channel's inputs an anchor halves it.
    """
    found = followed(r, r.travelled, np.array([*r.linear[:-1], -13 / 108]))
    rest, free = 1 - abs(r.rest * 108 / 13 + 1) / CONSTANT, np.sign(np.min(r.free[:, 1:]))
    return worst([found], rest, free)


# An anchor that is lifted ---------------------------------------------------------------------------

LIFTED = Assumption(
    "lifted", "The anchor is lifted after some steps.", lambda setting: setting.but(rule=Anchored(LIMINAL))
)


def liminal() -> tuple[Setting, ...]:
    """With an anchor that is lifted half way."""
    return tuple(setting.but(rule=Anchored(LIMINAL, lifted=STEPS)) for setting in classifiers())


@claim(
    formula="d · Δ = ε Σ c_i² s_i(t) + O(ε²), s ← s + αλ(1 − (1 + γ_t)s), γ_t = 4 for t < 16, then 0",
    source="once γ_t = 0, what is missing to a student without an anchor falls by 1 − αλ a step (prediction P30)",
    controls=[Control(each, fails=0.95) for each in (LIFTED, SHARED_INIT, ANCHORED)],
    settings=liminal,
    reads=AnchoredTraining(2 * STEPS),
    proof="anchor",
)
def liminal_anchors_attenuate_and_do_not_stop(r: Anchoring) -> Evidence:
    """An anchor that is lifted after some steps takes its share meanwhile, and gives it back in the steps that follow.

    Students with and without one, at one rate, stand where the law of each mode says; from the lifting on what is
    missing between the two falls from step to step.
    """
    held, free = (LIMINAL,) * STEPS + (0.0,) * STEPS, (0.0,) * 2 * STEPS
    both = [followed(r, r.travelled, shares(r, held)), followed(r, r.free, shares(r, free))]
    missing = (r.free - r.travelled)[-1]
    off = 2 * r.rounding[STEPS:]  # of two students
    falls = at_least(-np.diff(missing[STEPS:]), 0, off[1:] + off[:-1])
    return replace(
        worst([*both, at_least(missing[STEPS], 0, off[0]), falls]),
        measured=float(r.travelled[-1, -1] / r.free[-1, -1]),
        predicted=float(shares(r, held)[-1] / shares(r, free)[-1]),
        eps=float(r.eps[-1]),
    )


# Weight decay ---------------------------------------------------------------------------------------


def decayed() -> tuple[Setting, ...]:
    """Networks, whose teachers go along with their init or against it, and one that goes along."""
    return *classifiers(), *inputs.outward()


@claim(
    formula="D(ε) = εq − γ θ0 · Δ + O(ε²) for L_S + ½γ‖θ‖²: negative iff γ θ0 · Δ > εq; at half and twice that γ",
    source="the gradient of ½γ‖θ‖² is γθ (prediction P30)",
    controls=[Control(each, fails=0.95) for each in (SHARED_INIT, GRADIENT_STUDENT)],
    settings=decayed,
    reads=Decays((0.5, 2.0)),
    proof="anchor",
)
def weight_decay_reverses_past_its_threshold(r: Decay) -> Evidence:
    """Weight decay turns a student away from its teacher past a weight that is proportional to ε, and not before.

    Where the teacher went against its own init, θ0 · Δ < 0, decay helps instead, by as much.
    """
    return worst(
        limit(D, r.eps * r.form * left, r.eps * r.form, r.eps, 2, r.rounding)
        for D, left in zip(r.alignment, 1 - r.factors * np.sign(r.towards), strict=True)
    )
