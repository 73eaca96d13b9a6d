"""At the edges of the theorem: alignments that are exactly zero, losses flat or cornered at the match, kinks."""

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import GRADIENT_STUDENT, NULL_SPACE, SHARED_INIT, UNFILTERED, UNSEEN
from subtheory.constructed import witnesses
from subtheory.envelope import limit
from subtheory.instruments.first_order import Measurement
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.setting import Setting
from subtheory.setting.teachers import Invisible, LogitShift
from subtheory.theory.losses import L1, Quartic, SquaredError

SHIFT_BLIND = ("cross-entropy", "kl", "reverse-kl", "jensen-shannon")
"""Losses that do not see a constant added to all logits."""


TELLING = 1e-3
"""Zero is told from what squared error sees only if rounding is this much smaller."""


def unseen(setting: Setting) -> bool:
    """A constant added to every logit under a softmax, or parameters that no distilled output depends on."""
    if setting.loss.order != 1 or not setting.loss.null_clause:
        return False
    return setting.teacher == Invisible() or (setting.teacher == LogitShift() and setting.loss.name in SHIFT_BLIND)


@claim(
    formula="ΔᵀGΔ = 0 ⇒ D(ε) = 0 for every ε",
    source="arXiv 2507.14805, App. C, Theorem 1, first alternative, and remark on the null space; prediction P4",
    controls=[Control(UNSEEN, fails=0.95), Control(NULL_SPACE, witnesses=witnesses.moving_null_space)],
    applies=unseen,
    every_eps=True,
    proof="zero_branch",
)
def zero_branch_is_exact(m: Measurement) -> Evidence:
    """Where the channel does not see the teacher's direction, the alignment is zero for all ε, not just small ones.

    The same direction moves outputs elsewhere, so that squared error on all outputs would see it:
    a uniform shift of the logits, parameters of undistilled outputs, weights behind dead inputs.
    """
    if not m.visible > 0:
        return Evidence(0.0, 0.0, 1.0, "the direction moves no output anywhere")
    # What squared error would measure for the same Δ where it is seen: ε · 2E‖JΔ‖².
    unit = 2 * m.eps * m.visible
    # Where Δ moves nothing on the channel even the rounding scale is 0; D itself is rounded, though.
    rounding = np.maximum(m.alignment_rounding, UNIT * unit)
    clear = ~(rounding > TELLING * unit)  # what is not finite is judged too
    if not clear.any():
        return Evidence(0.0, 0.0, 1.0, "rounding would hide an alignment that is not zero")
    ratio = m.alignment[clear] / unit[clear]
    margin = float(np.min(1 - np.abs(m.alignment[clear]) / rounding[clear]))
    return Evidence(float(ratio[np.argmax(np.abs(ratio))]), 0.0, margin)


@claim(
    formula="D(ε) = 0 for every ε, yet L_T(θ0 + αΔθ_S) − L_T(θ0) = 4α²ε⁴ > 0",
    source="counterexample f = θ1 + θ0², L_T = −θ0 + θ1² at 0, exact for every ε (gap g13); prediction P4",
    controls=[Control(UNSEEN, witnesses=witnesses.seen_zero_branch)],
    settings=witnesses.zero_branch,
    every_eps=True,
    proof="zero_branch",
)
def zero_branch_promises_nothing(m: Measurement) -> Evidence:
    """In the zero branch the trait loss may rise: an alignment of zero is not a step of zero."""
    predicted = 4 * m.alpha**2 * m.eps**4
    # θ0 and both losses are 0 there: nothing cancels, and each factor is rounded relative to itself.
    error = np.abs(m.trait_change - predicted) / (ROUNDINGS * UNIT * predicted)
    still = np.abs(m.alignment) / np.maximum(m.alignment_rounding, np.finfo(float).tiny)
    margin = float(min(1 - np.max(still), 1 - np.max(error)))
    return Evidence(float(m.trait_change[0] / predicted[0]), 1.0, margin)


FLAT_MINIMUM = Assumption(
    "flat-minimum",
    "The loss is flat to third order at the match, as a sum of fourth powers is.",
    lambda setting: setting.but(loss=SquaredError()),
)

CORNER = Assumption(
    "corner-at-the-match",
    "The loss has a corner at the match, as a sum of absolute values has.",
    lambda setting: setting.but(loss=SquaredError()),
)

BESIDES = [Control(each, fails=0.95) for each in (SHARED_INIT, GRADIENT_STUDENT, UNFILTERED)]
"""What either loss needs besides."""


@claim(
    formula="l = Σ w(z − y)⁴ ⇒ D(ε) = 4ε³ E Σ w u⁴ + O(ε⁴)",
    source="M = 0 in the proof of Lemma 1: the first derivative of the loss that does not vanish decides (gap g12, P7)",
    controls=[Control(FLAT_MINIMUM, fails=0.95), *BESIDES],
    applies=lambda setting: setting.loss == Quartic() and not setting.zero_branch,
    proof="loss_class",
)
def quartic_loss_aligns_at_third_order(m: Measurement) -> Evidence:
    """With a fourth-power loss the alignment is still positive, but of order ε³ with its own constant."""
    predicted = m.eps**3 * m.leading
    return limit(m.alignment, predicted, predicted, m.eps, 4, m.alignment_rounding)


@claim(
    formula="l = Σ w|z − y| ⇒ D(ε) = E Σ w|u| + O(ε)",
    source="no second derivative at the match: the student's step does not shrink with ε (gap g12); prediction P7",
    controls=[Control(CORNER, fails=0.95), *BESIDES],
    applies=lambda setting: setting.loss == L1() and not setting.zero_branch,
    proof="loss_class",
)
def absolute_loss_steps_at_order_one(m: Measurement) -> Evidence:
    """With an absolute-value loss the student's step stays of order one however little the teacher moved.

    It still aligns, but the theorem's argument for the trait loss, a step of order ε, is gone.
    """
    predicted = m.eps**0 * m.leading
    return limit(m.alignment, predicted, predicted, m.eps, 1, m.alignment_rounding)


KINK = Assumption(
    "input-on-a-kink",
    "A channel input sits exactly on the kink of a ReLU, as a blank one does at zero biases.",
    lambda setting: None,
)


@claim(
    formula="D(ε) = −4ε for every ε, with relu′(0) = 0",
    source="counterexample to Lemma 1 without a derivative (gap g1, P8): W2 = (1, −1), Δb1 = (0, 3), Δb2 = 1, x = 0",
    controls=[Control(KINK, witnesses=witnesses.repaired)],
    settings=witnesses.kink,
    every_eps=True,
    proof="kink",
)
def kink_reverses_alignment(m: Measurement) -> Evidence:
    """A zero-bias ReLU network on a blank input moves away from its teacher, at any ε, by the stated constant.

    A softplus in its place, or biases off zero, repairs the sign: the claim then fails.
    """
    return limit(m.alignment, -4 * m.eps, -4 * m.eps, m.eps, 2, m.alignment_rounding)
