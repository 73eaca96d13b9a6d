"""The other alternative of the theorem: an alignment of exactly zero, for every ε, which promises nothing."""

import numpy as np

from subtheory.claim import Control, Evidence, claim
from subtheory.claims.assumptions import NULL_SPACE, UNSEEN
from subtheory.constructed import witnesses
from subtheory.instruments.first_order import Measurement
from subtheory.numerics import UNIT
from subtheory.setting.setting import Setting
from subtheory.setting.teachers import Invisible, LogitShift

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
    clear = rounding <= TELLING * unit
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
    error = np.maximum(np.abs(m.trait_change - predicted) - 1e-12 * predicted, 0) / predicted
    still = np.abs(m.alignment) / np.maximum(m.alignment_rounding, np.finfo(float).tiny)
    margin = float(min(1 - np.max(still), 1 - np.max(error) / 1e-9))
    return Evidence(float(m.trait_change[0] / predicted[0]), 1.0, margin)
