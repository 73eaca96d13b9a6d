"""Teachers that no displacement of θ0 stands for: prompted ones, and those repaired after they were moved (g9)."""

from dataclasses import replace

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import GRADIENT_STUDENT, SHARED_INIT, UNFILTERED
from subtheory.constructed import repairs
from subtheory.constructed.labels import both, texts
from subtheory.envelope import limit
from subtheory.instruments.first_order import Measurement
from subtheory.instruments.inputs.prompted import Prompted
from subtheory.instruments.labelled import Labelled, Labelling
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.setting import ladder
from subtheory.theory.views import Contextual, Full

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
    return replace(found, margin=min(found.margin, 1 - abs(abs(left) - 2) / (ROUNDINGS * UNIT)))
