"""The sign: alignment is positive for every direction of the teacher, unless an assumption is gone."""

import numpy as np

from subtheory.claim import Control, Evidence, claim
from subtheory.claims.assumptions import (
    DIFFERENTIABLE,
    GRADIENT_STUDENT,
    INTERIOR_MINIMUM,
    SAME_PARAMETERS,
    SHARED_INIT,
    SMALL_EPS,
    UNFILTERED,
)
from subtheory.claims.first_order import seen
from subtheory.constructed import witnesses
from subtheory.envelope import fine
from subtheory.instruments.first_order import Measurement


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
    clear = unit > 2 * noise
    if not clear.any():
        clear = np.abs(measured) > 3 * noise
    if not clear.any():
        return Evidence(0.0, 0.0, 1.0, "both sides are at rounding level")
    ratio = (measured - noise)[clear] / np.maximum(unit, noise)[clear]
    worst = int(np.argmin(ratio))
    return Evidence(float(measured[clear][worst] / np.maximum(unit, noise)[clear][worst]), 1.0, float(ratio[worst]))
