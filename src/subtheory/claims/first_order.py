"""The first-order law: alignment is the Gauss-Newton form of the teacher's direction, so positive, and what is next."""

import numpy as np

from subtheory.claim import Control, Evidence, claim
from subtheory.claims.assumptions import (
    DIFFERENTIABLE,
    GRADIENT_STUDENT,
    INTERIOR_MINIMUM,
    SAME_PARAMETERS,
    SHARED_INIT,
    SMALL_EPS,
    SMOOTH_SEGMENT,
    UNFILTERED,
)
from subtheory.constructed import witnesses
from subtheory.envelope import fine, limit
from subtheory.instruments.first_order import Measurement
from subtheory.setting.setting import Setting


def seen(setting: Setting) -> bool:
    """An interior minimum at the match, and a teacher whose direction the channel is meant to see."""
    return setting.loss.order == 1 and not setting.zero_branch


def regular(setting: Setting) -> bool:
    """And a loss that is smooth in the teacher's outputs: a top-k changes its subset at every tie."""
    return seen(setting) and setting.loss.null_clause


@claim(
    formula="D(ε) = ⟨r(ε), J(θ0_S) Δ⟩ for every ε",
    source="arXiv 2507.14805, App. C, first step of the proof of Lemma 1; prediction P1",
    controls=[Control(GRADIENT_STUDENT, fails=0.95), Control(SAME_PARAMETERS, fails=0.95)],
    applies=lambda setting: not setting.zero_branch,
    every_eps=True,
    proof="alignment_identity",
)
def alignment_by_one_jvp(m: Measurement) -> Evidence:
    """The student's step, dotted with the teacher's direction, is what the teacher's residual pulls along JΔ.

    An identity for every ε, loss and init, not a limit: whoever trusts the fast form of D rests on it.
    """
    error = np.abs(m.alignment - m.alignment_by_jvp)
    size = np.abs(m.alignment_by_jvp)
    if np.all(size <= m.alignment_rounding):
        return Evidence(0.0, 0.0, 1.0, "both sides are at rounding level")
    clear = int(np.argmax(size / m.alignment_rounding))
    return Evidence(
        measured=float(m.alignment[clear] / m.alignment_by_jvp[clear]),
        predicted=1.0,
        margin=float(np.min(1 - error / m.alignment_rounding)),
        eps=float(m.eps[clear]),
    )


@claim(
    formula="D(ε) = ε ΔᵀGΔ + O(ε²)",
    source="arXiv 2507.14805, App. C, Lemma 1 (proof, second step); prediction P1, prediction P7",
    controls=[
        Control(SHARED_INIT, fails=0.95),
        Control(SAME_PARAMETERS, fails=0.95),
        Control(GRADIENT_STUDENT, fails=0.95),
        Control(UNFILTERED, fails=0.95),
        Control(INTERIOR_MINIMUM, fails=0.95),
        Control(DIFFERENTIABLE, witnesses=witnesses.kink),
        Control(SMALL_EPS, witnesses=witnesses.oscillation),
    ],
    applies=regular,
    proof="gauss_newton_form",
)
def alignment_is_ggn_form(m: Measurement) -> Evidence:
    """For a small teacher update the alignment is ε times the Gauss-Newton form ΔᵀGΔ, constant and order.

    G = E[JᵀMJ] on the student's own inputs, M the Hessian of the imitation loss at the match.
    """
    return limit(m.alignment, m.eps * m.leading, m.eps * m.leading, m.eps, 2, m.alignment_rounding)


@claim(
    formula="D(ε) = εq + ½ε²h″(0) + O(ε³)",
    source="Taylor's theorem on h(ε) = −E[∂_z l(f_θ0, f_{θ0+εΔ}) · JΔ]; prediction P41",
    controls=[
        Control(SHARED_INIT, fails=0.95),
        Control(SAME_PARAMETERS, fails=0.95),
        Control(GRADIENT_STUDENT, fails=0.95),
        Control(UNFILTERED, fails=0.95),
        Control(INTERIOR_MINIMUM, fails=0.95),
        Control(SMALL_EPS, witnesses=witnesses.oscillation),
        Control(SMOOTH_SEGMENT, witnesses=witnesses.kink_on_the_segment),
    ],
    applies=lambda setting: regular(setting) and getattr(setting.network, "activation", "") != "relu",
    proof="second_order",
)
def alignment_to_second_order(m: Measurement) -> Evidence:
    """The next term of the alignment is ½ε²h″(0), coefficient included, and what is left is of order ε³."""
    curved = m.eps**2 / 2 * m.second_order
    rounding = m.alignment_rounding + m.eps**2 / 2 * m.second_rounding
    return limit(m.alignment - m.eps * m.leading, curved, curved, m.eps, 3, rounding)


@claim(
    formula="cos(Δθ_S, Δ) = ΔᵀGΔ / (‖GΔ‖ ‖Δ‖) + O(ε)",
    source="theory of the one-step student: Δθ_S = εGΔ + O(ε²), from Lemma 1",
    controls=[Control(SHARED_INIT, fails=0.95), Control(GRADIENT_STUDENT, fails=0.95), Control(UNFILTERED, fails=0.95)],
    applies=regular,
    proof="gauss_newton_form",
)
def cosine_limit(m: Measurement) -> Evidence:
    """As the teacher's update shrinks, the cosine of the two updates tends to ΔᵀGΔ/(‖GΔ‖‖Δ‖), not to 1."""
    norms = m.update_norm * m.delta_norm
    if m.ggn_norm == 0 or not norms.all():
        return Evidence(0.0, 0.0, 1.0, "the channel does not see Δ")
    predicted = np.full_like(m.eps, m.leading / (m.ggn_norm * m.delta_norm))
    cosine = m.alignment / norms
    # ‖Δθ_S‖ is off by δ: so is the cosine by |cos| δ/(‖Δθ_S‖ − δ), or by all that a cosine can be.
    left = m.update_norm - m.update_rounding
    rounding = m.alignment_rounding / norms + np.where(left > 0, np.abs(cosine) * m.update_rounding / left, 2.0)
    rounding = rounding + np.abs(predicted) * 2 * m.form_rounding / abs(m.leading)
    return limit(cosine, predicted, predicted, m.eps, 1, rounding)


@claim(
    formula="‖θ_S − θ_T‖ < ‖θ0 − θ_T‖ iff α < 2εD/‖Δθ_S‖² = 2ΔᵀGΔ/ΔᵀG²Δ + O(ε)",
    source="linearised distance criterion; prediction P45; gap g4",
    controls=[Control(SHARED_INIT, fails=0.95), Control(GRADIENT_STUDENT, fails=0.95), Control(UNFILTERED, fails=0.95)],
    applies=regular,
    proof="critical_step",
)
def distance_has_a_critical_step(m: Measurement) -> Evidence:
    """The distance to the teacher falls up to a step of 2ΔᵀGΔ/ΔᵀG²Δ and grows beyond it.

    Moving towards the teacher in distance is more than a positive alignment.
    """
    if m.ggn_norm == 0 or not m.update_norm.all():
        return Evidence(0.0, 0.0, 1.0, "the channel does not see Δ")
    predicted = np.full_like(m.eps, 2 * m.leading / m.ggn_norm**2)
    off = m.alignment_rounding / np.maximum(m.eps * abs(m.leading), np.finfo(float).tiny)
    off = off + 3 * m.form_rounding / abs(m.leading)
    rounding = np.abs(predicted) * (off + (1 + m.update_rounding / m.update_norm) ** 2 - 1)
    return limit(m.critical_step, predicted, predicted, m.eps, 1, rounding)


@claim(
    formula="D(ε) > 0 for all small ε > 0 and any Δ with ΔᵀGΔ > 0",
    source="arXiv 2507.14805, App. C, Lemma 1; prediction P2",
    controls=[
        Control(SHARED_INIT, fails=0.25),
        Control(SAME_PARAMETERS, witnesses=witnesses.frozen),
        Control(GRADIENT_STUDENT, witnesses=witnesses.signs),
        Control(UNFILTERED, witnesses=witnesses.filtered),
        Control(INTERIOR_MINIMUM, witnesses=witnesses.maximum_at_the_match),
        Control(DIFFERENTIABLE, witnesses=witnesses.kink),
        Control(SMALL_EPS, witnesses=witnesses.oscillation),
    ],
    applies=seen,
    proof="gauss_newton_form",
)
def alignment_is_positive(m: Measurement) -> Evidence:
    """One small step of imitation never points away from the teacher's own update, wherever the teacher went.

    Gradient descent, momentum, Adam, a converged, a random and an adversarial teacher alike.
    """
    measured, noise, unit = fine(m.alignment), fine(m.alignment_rounding), fine(m.eps * m.leading)
    # A D that is off by its noise is certainly positive only where it ought to be more than twice as large.
    broken = ~np.isfinite(measured + noise)  # which is not faint: it has to be seen
    clear = (unit > 2 * noise) | broken
    if not clear.any():
        clear = np.abs(measured) > 3 * noise
    if not clear.any():
        return Evidence(0.0, 0.0, 1.0, "both sides are at rounding level")
    ratio = (measured - noise)[clear] / np.maximum(unit, noise)[clear]
    worst = int(np.argmin(ratio))
    found = float(measured[clear][worst] / np.maximum(unit, noise)[clear][worst])
    return Evidence(found, 1.0, float(ratio[worst]), eps=float(fine(m.eps)[clear][worst]))
