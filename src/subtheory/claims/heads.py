"""Compatible heads: what reaches the trait between two inits that share aux head, class head, both or neither."""

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.data.toys import toy
from subtheory.instruments.heads import AUX, CLASS, HEADS, Parts, TraitParts, Turned, TurnedHeads
from subtheory.networks import MLP
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.setting import Setting
from subtheory.setting.student import Along, Student
from subtheory.statistics import standard_error

DRAWS = 1024
"""Independent draws of teacher, student, trait and channel in one run."""

TURNED = 256
"""Draws of one run of an identity, which holds in every one of them."""

KEPT = 0.1
"""An init still transmits if it keeps a tenth of what the shared init does, in the mean."""

Z = 4.5
"""Standard errors within which nothing is decided: P(beyond, on one side) = 3.4e-6 for a mean of many draws.

16 runs of one claim then refute a true one in 5e-5 of all verifications.
"""


def settings() -> tuple[Setting, ...]:
    """Two networks, aux logits distilled, the body re-drawn and both heads shared."""
    task = toy((8,), 8, 16)
    return tuple(
        Setting(
            MLP(12, 2, activation, task=task),
            outputs="aux",
            examples=8,
            trait_examples=8,
            student=Student(Along(HEADS)),
        )
        for activation in ("tanh", "relu")
    )


COMPATIBLE_AUX = Assumption(
    "compatible-aux-head",
    "Teacher and student share the weights that read the distilled logits off the body.",
    lambda setting: setting.but(init=Along(CLASS)),
)

COMPATIBLE_CLASS = Assumption(
    "compatible-class-head",
    "Teacher and student share the weights that read the trait's logits off the body.",
    lambda setting: setting.but(init=Along(AUX)),
)

AUX_ONLY = Assumption(
    "class-logits-hidden",
    "Only auxiliary logits are distilled: the student sees no logit that the trait reads.",
    lambda setting: setting.but(outputs="all"),
)


@claim(
    formula="E T ≥ ⅒ of its value at a shared init, T = ∇m(θ0_S) · E[J_Sᵀ M J_TΔ], m = E[z_y − mean_k z_k]",
    source="K(class, aux) = Σ_i C_i A_i φ′_i² Θ_i at either body, one C_i A_i in both (arXiv 2605.23645, gap g10)",
    controls=[Control(COMPATIBLE_AUX, fails=0.95), Control(COMPATIBLE_CLASS, fails=0.95)],
    settings=settings,
    reads=TraitParts(DRAWS),
)
def heads_alone_transmit(h: Parts) -> Evidence:
    """With a body of its own and the teacher's two heads, a student still learns the trait's labels, in the mean.

    More than a tenth of what a shared init passes on. With an aux head, or a class head, of its own it does not.
    """
    kept = h.part - KEPT * h.shared
    deviation = float(np.mean(kept) / standard_error(kept))
    undecided = "too few draws to tell from a tenth" if abs(deviation) < Z else ""
    ratio = float(np.mean(h.part) / np.mean(h.shared))
    return Evidence(ratio, KEPT, deviation / Z, undecided=undecided)


@claim(
    formula="T(−A_S) = T(−C_S) = −T, so E T = 0 if either head has a symmetric law of its own; T as for shared heads",
    source="aux logits and their pullback are linear in the aux head A, m in the class head C (arXiv 2605.23645, g10)",
    controls=[Control(AUX_ONLY, fails=0.95)],
    settings=settings,
    reads=TurnedHeads(TURNED),
)
def random_heads_cancel(h: Turned) -> Evidence:
    """Turning the sign of the student's aux head, or of its class head, turns the sign of what it learns of the labels.

    In the mean over a head of its own, one step transmits nothing, whether or not the body is shared; a single
    draw transmits as much as it takes away in another.
    """
    size = np.max(np.abs(h.straight))
    off = np.max(np.abs(h.straight[:, None] + h.turned))
    return Evidence(float(off / size), 0.0, float(1 - off / (ROUNDINGS * UNIT * size)))
