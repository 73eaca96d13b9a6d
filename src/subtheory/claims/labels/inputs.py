"""Other inputs than the student's: behind a prompt, of a repair, of the trait; and channels that differ in theirs.

Prompted and repaired teachers are no displacement of θ0 that the student's inputs show (gap g9); what a channel's
inputs do is done by the form that they make (P26, P46).
"""

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import GRADIENT_STUDENT, SHARED_INIT, UNFILTERED
from subtheory.constructed import inputs, repairs
from subtheory.constructed.labels import both, classifier, texts
from subtheory.envelope import limit, worst
from subtheory.instruments.first_order import Measurement
from subtheory.instruments.inputs.ghost import Ghost, Ghosts
from subtheory.instruments.inputs.prompted import Prompted
from subtheory.instruments.labelled import Labelled, Labelling
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.setting import Setting, ladder
from subtheory.theory.views import Contextual, Full

# Prompted, and repaired -----------------------------------------------------------------------------

OPPOSED = Assumption(
    "opposed",
    "The context moves outputs against where training would have moved them.",
    lambda setting: setting.but(view=Full()),
)


@claim(
    formula="y = f0 + εδ: D(ε) = ε E[δᵀMu] + O(ε²), and δ = −u gives −εq",
    source="∂_y ∂_z l = −M at the match, whatever moved the outputs (gap g9, prediction P38)",
    controls=[Control(each, fails=0.95) for each in (OPPOSED, SHARED_INIT, GRADIENT_STUDENT)],
    settings=lambda: tuple(setting.but(view=Contextual(-1.0)) for setting in both()),
    reads=Labelled(),
    proof="contextual_teacher",
)
def prompted_teacher_can_oppose(m: Labelling) -> Evidence:
    """A teacher whose outputs a context moves against a direction turns its student away from it, by as much.

    Constant and order, and nothing needs subtracting. Where the context does what training would have done, the
    student aligns.
    """
    return limit(m.added, -m.eps * m.form, m.eps * m.form, m.eps, 2, m.rounding)


@claim(
    formula="y = f_θ0(x) + ε[f_θ0(x′) − f_θ0(x)], x′ the prompt with another first token: D(ε) = ε E[δᵀMu] + O(ε²)",
    source="δ of a prompt need be no JΔ′ (gap g9, prediction P38)",
    controls=[Control(each, fails=0.95) for each in (UNFILTERED, SHARED_INIT, GRADIENT_STUDENT)],
    settings=lambda: (texts().but(eps=ladder(1.0), relative=False),),
    reads=Prompted(),
    proof="contextual_teacher",
)
def prompted_teacher_aligns_by_its_shift(m: Labelling) -> Evidence:
    """A language model that is prompted and not trained aligns its student by what the shift has in common with u.

    Constant and order, along the direction that training would have taken; its sign is the prompt's. Labels of texts
    that a filter thins out have a shift of order zero besides.
    """
    shift = np.where(m.distilled > 0, m.log_p[0] - m.log_p0, 0.0) / m.eps[0]
    slope = m.mean((m.p0 * shift * m.scores).sum(axis=-1))
    size = np.sqrt(m.mean((m.p0 * shift**2).sum(axis=-1)) * m.form)
    return limit(m.added, m.eps * slope, m.eps * size, m.eps, 2, m.rounding)


REPAIRED_ELSEWHERE = Assumption(
    "repaired-elsewhere", "The repair looks at outputs on other data than the student's.", lambda setting: None
)

IN_OUTPUTS = Assumption("repaired-in-outputs", "The repair does not undo the parameters.", lambda setting: None)


@claim(
    formula="Δθ_S · Δ₁ = ε Δ₁ᵀG(Δ₁ + Δ₂): −4ε and 4ε for Δ₂ = (0, −3) and (0, 1), k = (1, 1), Δ₁ = (1, 0), G = 2kkᵀ",
    source="a teacher that is moved and then repaired, as its ancestor sees it (prediction P42)",
    controls=[
        Control(IN_OUTPUTS, witnesses=repairs.in_parameters),
        Control(REPAIRED_ELSEWHERE, witnesses=repairs.on_the_channel),
    ],
    settings=repairs.elsewhere,
    every_eps=True,
    proof="contextual_teacher",
)
def repaired_ancestor_has_any_sign(m: Measurement) -> Evidence:
    """What was repaired on other data can still be inherited, or its opposite: the student moves along Δ₁, or against.

    By the stated constants, at any ε. Undone in the parameters, or repaired on the student's own inputs, nothing is.
    """
    assert m.distillation is not None
    left = float(np.sum(np.asarray(m.distillation.delta)))
    predicted = 2 * left * m.eps
    rounding = m.trait_rounding / abs(m.alpha) + m.alignment_rounding
    found = limit(-m.trait_change / m.alpha, predicted, 4 * m.eps, m.eps, 2, rounding)
    return worst([found], 1 - abs(abs(left) - 2) / (ROUNDINGS * UNIT))


# Where the trait is read, and what the channel shows ------------------------------------------------

TRAINING = Assumption(
    "training-inputs",
    "The trait's logits are read on the inputs that the teacher was trained on.",
    lambda setting: setting.but(teacher=inputs.ElsewhereTrained()),
)


def settings() -> tuple[Setting, ...]:
    """Two inputs of a classifier's auxiliary logits, fewer than the trait's logits; and texts."""
    return classifier().but(outputs="aux", examples=2), texts()


@claim(
    formula="f_c(θ0 + αΔθ_S) − f_c(θ0) = αε A M Aᵀ e + O(ε²), A = J_c J_gᵀ: rank ≤ mN, along e αε (Aᵀe)ᵀM(Aᵀe) ≥ 0",
    source="Δ = J_cᵀe, so J_c GΔ = A M Aᵀ e (prediction P46, arXiv 2609.23260)",
    controls=[Control(each, fails=0.95) for each in (TRAINING, SHARED_INIT, GRADIENT_STUDENT)],
    settings=settings,
    reads=Ghosts(),
    proof="ghost_operator",
)
def ghost_operator_is_positive_on_training_inputs(g: Ghost) -> Evidence:
    """On the teacher's own training inputs the student's trait logits move by a positive operator of the residuals.

    Constant and order, logit by logit, though it was shown other inputs, or other outputs. On inputs that the teacher
    was not trained on, or from another init, the operator is another, and has no sign.
    """
    predicted = g.operator @ g.residuals
    size = np.linalg.norm(predicted)
    off = np.linalg.norm(g.change - g.eps[:, None] * predicted, axis=1)
    whole = limit(off, np.zeros_like(off), g.eps * size, g.eps, 2, g.rounding)
    form = float(g.residuals @ predicted)
    along = limit(g.change @ g.residuals, g.eps * form, g.eps * form, g.eps, 2, g.rounding)
    modes = np.linalg.eigvalsh((g.operator + g.operator.T) / 2)[::-1]
    zero = ROUNDINGS * UNIT * len(modes) * modes[0]
    # Not below zero, and zero from the mN-th on.
    rest = np.abs(modes[g.rank :]).max(initial=0.0)
    least = 1 + min(modes[-1], -rest) / zero
    return worst([along, whole], least)


SAME_FORM = Assumption("same-form", "The channels have one Gauss-Newton matrix.", lambda setting: None)

FULL_RANK = Assumption("full-rank", "The channel's noise has a part in every direction.", lambda setting: None)


@claim(
    formula="E[aaᵀ] = 1 on three channels, f = a · θ + O(θ²): D(ε) = 2ε‖Δ‖² + O(ε²) and ‖Δθ_S‖ = 2ε‖Δ‖ + O(ε²) on each",
    source="Δθ_S = εGΔ + O(ε²), and G is all that the channel has a part in (prediction P26)",
    controls=[
        Control(SAME_FORM, witnesses=inputs.another_form),
        Control(FULL_RANK, witnesses=inputs.lower_rank),
    ],
    settings=inputs.one_form,
    every_eps=True,
    proof="inputs_through_form",
)
def inputs_count_through_the_form_alone(m: Measurement) -> Evidence:
    """Channels of other inputs, and of another number of them, make the same step to first order if they have one G.

    The alignment and the length of the step are what this G says, so the step is GΔ. Noise of lower rank, or of
    another spectrum, has another G.
    """
    length = float(np.linalg.norm(inputs.DELTA))
    aligned = limit(m.alignment, 2 * length**2 * m.eps, 2 * length**2 * m.eps, m.eps, 2, m.alignment_rounding)
    rounding = np.full_like(m.eps, m.update_rounding)
    step = limit(m.update_norm, 2 * length * m.eps, 2 * length * m.eps, m.eps, 2, rounding)
    return aligned if aligned.margin <= step.margin else step
