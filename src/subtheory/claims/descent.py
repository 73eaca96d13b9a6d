"""The theorem itself: imitation lowers the teacher's own loss, at a stated rate, if the teacher took a step on it."""

import numpy as np

from subtheory.claim import Control, Evidence, claim
from subtheory.claims.assumptions import (
    DIFFERENTIABLE,
    GRADIENT_STUDENT,
    GRADIENT_TEACHER,
    INTERIOR_MINIMUM,
    SAME_ARCHITECTURE,
    SAME_PARAMETERS,
    SHARED_INIT,
    SMALL_EPS,
    UNFILTERED,
)
from subtheory.claims.first_order import regular
from subtheory.constructed import witnesses
from subtheory.envelope import limit
from subtheory.instruments.first_order import Measurement
from subtheory.setting.teachers import GradientDescent


@claim(
    formula="L_T(θ0 + αΔθ_S) − L_T(θ0) = −αε ΔᵀGΔ + O(ε²) < 0",
    source="arXiv 2507.14805, App. C, Theorem 1, second alternative; prediction P3",
    controls=[
        Control(SHARED_INIT, fails=0.9),
        Control(SAME_ARCHITECTURE, fails=0.9),
        Control(SAME_PARAMETERS, fails=0.9),
        Control(GRADIENT_TEACHER, fails=0.9),
        Control(GRADIENT_STUDENT, fails=0.9),
        Control(UNFILTERED, fails=0.9),
        Control(INTERIOR_MINIMUM, fails=0.9),
        Control(DIFFERENTIABLE, witnesses=witnesses.kink),
        Control(SMALL_EPS, witnesses=witnesses.oscillation),
    ],
    applies=lambda setting: regular(setting) and setting.teacher == GradientDescent(),
    proof="trait_loss_falls",
)
def trait_loss_falls(m: Measurement) -> Evidence:
    """The student's step lowers the loss that the teacher was trained on, by αε times the Gauss-Newton form.

    The student saw other inputs and, where only auxiliary logits are distilled, other outputs.
    """
    predicted = -m.alpha * m.eps * m.leading
    # The step is off as D is, and a long step carries that into the trait loss.
    rounding = m.trait_rounding + abs(m.alpha) * np.maximum(m.alignment_rounding, m.update_rounding * m.delta_norm)
    return limit(m.trait_change, predicted, -predicted, m.eps, 2, rounding)


@claim(
    formula="ΔL_T = −αε ΔᵀHGΔ + O(ε²), which is positive for the stated H, G and Δ = −H⁻¹∇L_T",
    source="counterexample to reading Theorem 1 beyond one gradient step (gap g5, P3): D/ε → 2, ΔL_T/(αε) → 16",
    controls=[Control(GRADIENT_TEACHER, witnesses=witnesses.one_step_teacher)],
    settings=witnesses.converged,
    proof="converged_teacher",
)
def converged_teacher_can_raise_the_trait_loss(m: Measurement) -> Evidence:
    """A student of a converged teacher still aligns with it, yet its step can raise the teacher's loss.

    f = θ1 + θ2, H = diag(10, 1), Δ = (1, −2): ΔᵀGΔ = 2 and −ΔᵀHGΔ = 16. With the teacher that takes one
    gradient step instead, the loss falls and the claim fails.
    """
    raised = limit(
        m.trait_change, 16 * m.alpha * m.eps, 16 * m.alpha * m.eps, m.eps, 2, np.full_like(m.eps, m.trait_rounding)
    )
    aligned = limit(m.alignment, 2 * m.eps, 2 * m.eps, m.eps, 2, m.alignment_rounding)
    return raised if raised.margin <= aligned.margin else aligned
