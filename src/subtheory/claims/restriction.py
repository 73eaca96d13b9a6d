"""Students that train a part of the parameters: what each layer adds, and when the part that is left turns away."""

from dataclasses import replace

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import GRADIENT_STUDENT
from subtheory.claims.inits import CONSTANT, CONTROLLED, extrapolated, one_step
from subtheory.constructed import witnesses
from subtheory.envelope import limit
from subtheory.instruments.first_order import Measurement
from subtheory.instruments.two_inits import Crossing, TwoInits
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.setting import Setting
from subtheory.setting.spread import hidden, layer_by_layer, layer_names, shared_and_elsewhere
from subtheory.theory.trains import All, Layers

# Layer by layer ------------------------------------------------------------------------------------


@claim(
    formula="Σ_ℓ D_ℓ = D and D_ℓ(ε) − D_ℓ(0) = ε Δ_ℓ·(E[J_Sᵀ M J_TΔ])_ℓ + O(ε²), at a shared init ε Δ_ℓᵀ(GΔ)_ℓ",
    source="the student's step Δθ_S = εGΔ + O(ε²), split by layers (prediction P35)",
    controls=[Control(CONTROLLED, fails=0.95), Control(GRADIENT_STUDENT, fails=0.95)],
    applies=one_step,
    spread=shared_and_elsewhere,
    reads=TwoInits(),
    proof="restricted_student",
)
def layers_add_up_to_the_alignment(c: Crossing) -> Evidence:
    """A student that trains one layer aligns by its part of the Gauss-Newton form, and the parts add up to the whole.

    The parts need not be positive. From another init the same is true of what the teacher's update adds.
    """
    if not c.scale > 0 or c.rounding[-2] > 0.1 * CONSTANT * c.eps[-2] * c.scale:
        return Evidence(0.0, 0.0, 1.0, "the kernel is at rounding level")
    parts = [
        (limit(c.by_layer[name], c.eps * predicted, c.eps * c.scale, c.eps, 2, c.rounding).margin,
         1 - abs(extrapolated(c.by_layer[name] / c.eps) - predicted) / (CONSTANT * c.scale))
        for name, predicted in c.predicted_by_layer.items()
    ]  # fmt: skip
    # The whole by its own forms: one inner product of all parameters, and E[(J_SΔ)ᵀM(J_TΔ)] without a pullback.
    whole = 1 - np.max(np.abs(sum(c.by_layer.values()) - c.added) / c.rounding)
    form = 1 - abs(sum(c.predicted_by_layer.values()) - c.kernel) / (ROUNDINGS * UNIT * c.scale * len(parts) * 4)
    total = sum(extrapolated(part / c.eps) for part in c.by_layer.values())
    return Evidence(float(total / c.scale), float(c.kernel / c.scale), float(np.min([*np.ravel(parts), whole, form])))


# One layer alone -----------------------------------------------------------------------------------


def _unmatched(setting: Setting) -> Setting | None:
    """The teacher trains all layers, where the channel sees another one than the student's."""
    trains, teacher = setting.student.trains, setting.teacher
    own = trains.layers if isinstance(trains, Layers) else ()
    free = replace(teacher, moves=All())
    others = [name for name in layer_names(setting) if name not in own and not hidden(setting, name, free)]
    return setting.but(teacher=free) if own and others else None


MATCHED = Assumption("matched", "The teacher moved only the parameters that the student trains.", _unmatched)


@claim(
    formula="Δ = QΔ:  D(ε) = ε ΔᵀQGQΔ + O(ε²) > 0, Q the projection onto what the student trains",
    source="Lemma 1 of arXiv 2507.14805 in the trained parameters alone (gap g15, prediction P35)",
    controls=[Control(MATCHED, fails=0.9), Control(GRADIENT_STUDENT, fails=0.95)],
    applies=one_step,
    spread=layer_by_layer,
    proof="restricted_student",
)
def matched_restriction_aligns(m: Measurement) -> Evidence:
    """A student that trains some layers only aligns with a teacher that moved the same layers only.

    The Gauss-Newton form of those layers, constant and order, whatever the layer. A teacher that moved elsewhere
    too adds ΔᵀQG(1 − Q)Δ, of either sign.
    """
    return limit(m.alignment, m.eps * m.trained, m.eps * m.trained, m.eps, 2, m.alignment_rounding)


FROZEN = Assumption("frozen", "The student cannot move a parameter that the teacher moved.", lambda setting: None)

MOVED = Assumption(
    "moved-by-the-teacher", "The teacher moved a parameter that is frozen in the student.", lambda setting: None
)


@claim(
    formula="f = θ1 + θ2, Δ = (2, −1), Q = diag(0, 1):  D(ε) = 2ε ΔᵀQkkᵀΔ = −2ε, k = (1, 1)",
    source="counterexample to Lemma 1 for a student that trains less than its teacher (gap g15, prediction P35)",
    controls=[Control(FROZEN, witnesses=witnesses.unfrozen), Control(MOVED, witnesses=witnesses.frozen_alike)],
    settings=witnesses.frozen,
    every_eps=True,
    proof="restricted_student",
)
def frozen_parameters_can_reverse_alignment(m: Measurement) -> Evidence:
    """A student with a parameter frozen can move away from its teacher, by a constant, at any ε.

    Unfrozen, or with a teacher that had left the same parameter alone, it would align with 2ε.
    """
    return limit(m.alignment, -2 * m.eps, -2 * m.eps, m.eps, 2, m.alignment_rounding)
