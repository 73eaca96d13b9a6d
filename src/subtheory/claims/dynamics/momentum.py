"""Optimizers with a memory: a moment that is transplanted moves what no output shows at the cut."""

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import SHARED_INIT
from subtheory.claims.inits import one_step
from subtheory.constructed.labels import classifier
from subtheory.envelope import limit, worst
from subtheory.instruments.dynamics.transported import Transplant, Transported
from subtheory.setting.setting import Setting
from subtheory.theory.losses import SquaredError
from subtheory.theory.rule import Descent, HeavyBall

STEPS, DECAY = 16, 0.9
"""Steps after the cut, at the rate 1/λmax, and b, of which b¹⁶ = 0.19 is left by then."""

MEMORY = Assumption(
    "memory",
    "The student's optimizer keeps a share b of its last step: it is not plain descent.",
    lambda setting: setting.but(rule=Descent()),
)

KNOWN_MEMORY = Assumption(
    "known-memory",
    "That share is the b of the companion matrix.",
    lambda setting: setting.but(rule=HeavyBall(DECAY / 2)),
)


def remembering() -> tuple[Setting, ...]:
    """The small classifier, in cross-entropy and in squared error, by a student with momentum."""
    return tuple(classifier().but(loss=loss, rule=HeavyBall(DECAY)) for loss in (classifier().loss, SquaredError()))


@claim(
    formula="δm = −εΔ:  δθ_0 = 0,  δθ_k = −εF_k(G)Δ + O(ε²), F_k(λ) = (Cᵏ)_{θm}, C = [[1 − αλ, −αb], [λ, b]], k ≤ 16",
    source="m ← bm + ∇L_S, θ ← θ − αm about a match (prediction P33)",
    controls=[Control(each, fails=0.95) for each in (MEMORY, KNOWN_MEMORY, SHARED_INIT)],
    applies=one_step,
    settings=remembering,
    reads=Transported(STEPS, DECAY),
    proof="momentum",
)
def momentum_transplant_moves_parameters(r: Transplant) -> Evidence:
    """A teacher's moment, put into the optimizer of a student at θ0, changes no output and then moves the parameters.

    By α(b + b² + ... + bᵏ)εΔ where the channel sees nothing of Δ, and elsewhere by powers of the companion matrix of b
    and G, though the student imitates nobody but itself.
    """
    found = []
    for k in range(STEPS):
        rounding = np.full_like(r.eps, r.rounding[k])
        found.append(limit(r.along[:, k], r.eps, r.eps, r.eps, 2, rounding))
        found.append(limit(r.eps + r.across[:, k], r.eps, r.eps, r.eps, 2, rounding))
    return worst(found)
