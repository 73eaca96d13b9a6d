"""Many steps of one student: where they lead, how fast, and at which rate they turn away."""

import numpy as np

from subtheory.claim import Control, Evidence, claim
from subtheory.claims.assumptions import GRADIENT_STUDENT, SAME_PARAMETERS, SHARED_INIT
from subtheory.claims.dynamics.settings import trained
from subtheory.claims.inits import one_step
from subtheory.envelope import limit
from subtheory.instruments.dynamics.trajectory import Training, Trajectory
from subtheory.theory.dynamics.spectrum import left

STEPS = 16
"""Steps of one student, at the rate 1/λmax of the fastest stable descent."""


@claim(
    formula="(θ_S(t) − θ0) · Δ = ε Δᵀ(I − (I − αG)ᵗ)Δ + O(ε²), t = 1 ... 16, α = 1/λmax(G)",
    source="the student's step at θ0 + εd is εG(Δ − d) + O(ε²); predictions P21 and P22, gap g11",
    controls=[
        Control(SHARED_INIT, fails=0.95),
        Control(GRADIENT_STUDENT, fails=0.95),
        Control(SAME_PARAMETERS, fails=0.95),
    ],
    applies=one_step,
    settings=trained,
    reads=Trajectory(STEPS),
    proof="many_steps",
)
def many_steps_have_a_closed_form(r: Training) -> Evidence:
    """After any number of steps a student stands where the closed form of the linear model says, to second order in ε.

    Each step takes the same share αλ of what is left in a mode, so that the first steps are those of the top modes.
    """
    found = []
    for t in range(1, r.steps + 1):
        kept = left(r.rate, t)
        predicted = r.eps * r.spectrum.form(lambda values, kept=kept: 1 - kept(values))  # type: ignore[misc]
        found.append(limit(r.travelled[:, t], predicted, predicted, r.eps, 2, np.full_like(r.eps, r.rounding[t])))
    return min(found, key=lambda each: each.margin)
