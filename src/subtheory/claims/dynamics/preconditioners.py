"""Teachers and students in metrics of their own: one for both keeps the theorem, one each or signs lose it."""

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import GRADIENT_STUDENT, GRADIENT_TEACHER, SHARED_INIT, UNFILTERED
from subtheory.claims.inits import one_step
from subtheory.constructed import witnesses
from subtheory.constructed.labels import classifier, slopes
from subtheory.envelope import limit, worst
from subtheory.instruments.dynamics.preconditioned import Conditioned, InMetric
from subtheory.instruments.first_order import Measurement
from subtheory.setting.setting import Setting
from subtheory.setting.teachers import Ruled
from subtheory.theory.losses import SquaredError
from subtheory.theory.rule import DrawnMetric, Rule, Scaled

METRICS = 4
"""Preconditioners that are drawn for a setting."""

DAMPING = 0.01
"""What is added to the root of second moments, in units of the largest one; Adam's own is absolute."""

# One metric for both -------------------------------------------------------------------------------


def _own_metric(setting: Setting) -> Setting:
    return setting.but(rule=DrawnMetric(METRICS))


ONE_METRIC = Assumption("one-metric", "Teacher and student descend with the same fixed C.", _own_metric)

TWO_METRICS = Assumption("two-metrics", "The student's metric is not its teacher's.", lambda setting: None)

METRIC_STUDENT = Assumption("metric-student", "The student steps by a fixed C, not by signs.", GRADIENT_STUDENT.breaks)

METRIC_TEACHER = Assumption(
    "metric-teacher",
    "The teacher took one step of C on its own loss, Δ = −C∇L_T(θ0).",
    GRADIENT_TEACHER.breaks,
)


def _both(setting: Setting, rule: Rule) -> Setting:
    """A teacher and a student of one rule."""
    return setting.but(teacher=Ruled(rule), rule=rule)


def preconditioned(setting: Setting) -> tuple[Setting, ...]:
    """The setting in some metrics that chance draws."""
    return tuple(_both(setting, DrawnMetric(key)) for key in range(METRICS))


def drawn() -> tuple[Setting, ...]:
    """The small classifier, in cross-entropy and in squared error."""
    return tuple(
        one for loss in (classifier().loss, SquaredError()) for one in preconditioned(classifier().but(loss=loss))
    )


def _falls(m: Conditioned) -> Evidence:
    """L_T falls by αεq and the step is εq along Δ in the metric C⁻¹; the worse of the two."""
    rate = m.eps * m.form
    rounding = np.full_like(m.eps, m.trait_rounding)
    lowered = limit(m.trait_change, -m.alpha * rate, m.alpha * rate, m.eps, 2, rounding)
    aligned = limit(m.in_metric, rate, rate, m.eps, 2, m.metric_rounding)
    return worst([lowered, aligned])


@claim(
    formula="Δ = −C∇L_T, Δθ_S = −C∇L_S, C ≻ 0:  ΔL_T = −αε ΔᵀGΔ + O(ε²) < 0,  Δθ_S · C⁻¹Δ = ε ΔᵀGΔ + O(ε²)",
    source="Theorem 1 and Lemma 1 of arXiv 2507.14805 in the coordinates C^{−1/2}θ (gap g6, prediction P31)",
    controls=[
        Control(ONE_METRIC, fails=0.95),
        Control(METRIC_STUDENT, fails=0.95),
        Control(METRIC_TEACHER, fails=0.95),
        Control(SHARED_INIT, fails=0.95),
        Control(UNFILTERED, fails=0.95),
    ],
    applies=one_step,
    settings=drawn,
    spread=preconditioned,
    reads=InMetric(),
    proof="preconditioner",
)
def shared_preconditioner_lowers_the_trait_loss(m: Conditioned) -> Evidence:
    """A student that descends in its teacher's own fixed metric lowers the teacher's loss at the theorem's rate.

    C is drawn and not diagonal; it enters neither the rate ΔᵀGΔ nor its sign. Lemma 1 holds in the metric C⁻¹.
    """
    return _falls(m)


@claim(
    formula="f = θ1 − θ2/2, Δ = −C∇L_T = (1, 3/2), C = diag(10, 1), Δθ_S = −∇L_S:  ΔL_T = 13αε/40 > 0",
    source="counterexample to Theorem 1 in two metrics: −∇L_T · Δθ_S = εΔᵀC⁻¹GΔ (gap g6, prediction P31)",
    controls=[Control(TWO_METRICS, witnesses=witnesses.stretched_alike)],
    settings=witnesses.stretched,
    every_eps=True,
    proof="preconditioner",
)
def mismatched_preconditioners_can_raise_the_trait_loss(m: Measurement) -> Evidence:
    """A student in another metric than its teacher's can raise the teacher's loss, by a constant times αε at any ε.

    In the teacher's metric it would lower it by αε/8.
    """
    rate = 13 / 40 * m.alpha * m.eps
    return limit(m.trait_change, rate, rate, m.eps, 2, np.full_like(m.eps, m.trait_rounding))


# Adam ----------------------------------------------------------------------------------------------


SIGN_STUDENT = Assumption(
    "sign-student", "The student takes the sign of its gradient, Adam's first step.", lambda setting: None
)


@claim(
    formula="f = v · θ, v = (1, 1/10), Δ = (1, −2), Δθ_S = −sign ∇L_S:  D(ε) = −1 for every ε > 0",
    source="counterexample to Lemma 1 for the first step of Adam, sign(GΔ) (gap g6, prediction P32)",
    controls=[Control(SIGN_STUDENT, witnesses=witnesses.unsigned)],
    settings=witnesses.signs,
    every_eps=True,
    proof="adam",
)
def sign_steps_can_oppose_the_teacher(m: Measurement) -> Evidence:
    """Adam's first step, the sign of the gradient, can point away from the teacher, by 1 at every ε.

    Where the gradient is small and Δ is not, the sign forgets how small it is. A plain gradient step has D = 32ε/25.
    """
    off = -np.ones_like(m.eps)
    return limit(m.alignment, off, -off, m.eps, 1, m.alignment_rounding)


def frozen_moments() -> tuple[Setting, ...]:
    """The classifier with both in C = 1/(√s + δ), s the mean square of ∇L_T over other inits."""
    root = slopes()
    return (_both(classifier(), Scaled(tuple(1 / (root + DAMPING * root.max())))),)


FROZEN_MOMENTS = Assumption(
    "frozen-moments",
    "The student divides by second moments that are frozen and its teacher's, not by those of its own first gradient.",
    GRADIENT_STUDENT.breaks,
)


@claim(
    formula="C = diag(1/(√s + δ)), s frozen, δ = max √s/100:  ΔL_T = −αε ΔᵀGΔ + O(ε²),  Δθ_S · C⁻¹Δ = ε ΔᵀGΔ + O(ε²)",
    source="Adam with frozen second moments is a preconditioner (gap g6, prediction P32)",
    controls=[
        Control(FROZEN_MOMENTS, fails=0.95),
        Control(ONE_METRIC, fails=0.95),
        Control(METRIC_TEACHER, fails=0.95),
    ],
    settings=frozen_moments,
    reads=InMetric(),
    proof="adam",
)
def frozen_second_moments_restore_the_sign(m: Conditioned) -> Evidence:
    """Teacher and student that divide by the same frozen second moments lower the trait loss at the theorem's rate.

    The moments are those of the trait's gradient over other inits; C spans two orders of magnitude. With moments of its
    own, the student takes Adam's first step, a sign.
    """
    return _falls(m)


SIGN_TEACHER = Assumption(
    "sign-teacher", "The teacher took the sign of its gradient, Adam's first step.", lambda setting: None
)


@claim(
    formula="f = θ1 − 2θ2, ∇L_T = −(3, 1), Δ = −sign ∇L_T = (1, 1), Δθ_S = −∇L_S:  D = 2ε and ΔL_T = 2αε > 0",
    source="counterexample to Theorem 1 for the first step of Adam as a teacher (gap g6, prediction P32)",
    controls=[Control(SIGN_TEACHER, witnesses=witnesses.plain_teacher)],
    settings=witnesses.sign_teacher,
    every_eps=True,
    proof="adam",
)
def sign_teachers_can_raise_the_trait_loss(m: Measurement) -> Evidence:
    """The student of a teacher that took Adam's first step aligns with it, and can raise its loss, at any ε.

    With the teacher that takes a gradient step on the same loss instead, the loss falls by 2αε.
    """
    rate = 2 * m.alpha * m.eps
    raised = limit(m.trait_change, rate, rate, m.eps, 2, np.full_like(m.eps, m.trait_rounding))
    aligned = limit(m.alignment, 2 * m.eps, 2 * m.eps, m.eps, 2, m.alignment_rounding)
    return worst([raised, aligned])
