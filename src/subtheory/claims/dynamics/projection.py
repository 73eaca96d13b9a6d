"""What a student keeps that is trained until it matches its teacher's labels: the projection that its outputs see.

Students are really trained, on few inputs: how long that takes grows with the condition number of G.
"""

from dataclasses import replace

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.dynamics.settings import OF_TRAINING
from subtheory.claims.inits import one_step
from subtheory.constructed.labels import classifier, linear
from subtheory.envelope import at_least, limit, worst
from subtheory.instruments.dynamics.projected import LEFT, Converged, Projected
from subtheory.setting.setting import Setting, ladder
from subtheory.theory.losses import SquaredError

EPS = ladder(1e-3, 5)
"""Curvature shifts a converged student by ε times a condition number."""

UNFINISHED = "training left more of a mode than its bound"

AUX_ONLY = Assumption(
    "class-logits-hidden",
    "Only auxiliary logits are distilled: the student sees no logit that the trait reads.",
    lambda setting: setting.but(outputs="all"),
)


def few() -> tuple[Setting, ...]:
    """A classifier by auxiliary and by all logits, under both losses; and logits that are linear in θ."""
    aux = classifier().but(outputs="aux", examples=4, eps=EPS)
    square = aux.but(loss=SquaredError())
    return aux, square, square.but(outputs="all"), linear().but(examples=4, eps=EPS)


def auxiliary() -> tuple[Setting, ...]:
    """Auxiliary logits of the classifier, under both losses of the theorem."""
    aux = classifier().but(outputs="aux", examples=6, eps=EPS)
    return aux, aux.but(loss=SquaredError())


def projected(c: Converged) -> Evidence:
    """Whether kept share and squared length of the displacement both tend to η."""
    if c.left > LEFT:
        return Evidence(0.0, 0.0, 1.0, UNFINISHED)
    share = np.full_like(c.eps, c.share)
    kept = limit(c.kept, share, share, c.eps, 1, c.rounding)
    return worst([kept, limit(c.size, share, share, c.eps, 1, 2 * c.rounding)])


def nearest(values: np.ndarray, rounding: np.ndarray) -> tuple[float, float]:
    """A number at the smallest ε, and how far its limit may be from there if what is left falls like ε."""
    return float(values[-1]), float(abs(values[-1] - values[-2]) + rounding[-1])


@claim(
    formula="(θ_S(∞) − θ0) · Δ/(ε‖Δ‖²) = ‖θ_S(∞) − θ0‖²/(ε‖Δ‖)² = η + O(ε), η = ‖ΠΔ‖²/‖Δ‖², rising in m and N",
    source="the student's fixed point in the linear model; prediction P23",
    controls=OF_TRAINING,
    applies=one_step,
    settings=few,
    reads=Projected(parts=True),
    proof="projection",
)
def converged_student_keeps_the_projection(c: Converged) -> Evidence:
    """A student that is trained to convergence ends at the projection of its teacher onto what the channel can see.

    Π projects onto the range of G. Share of the teacher's gain and squared length of the displacement are one number,
    and students of half of the inputs, or of half of the outputs, keep no more.
    """
    kept, off = nearest(c.kept, c.rounding)
    more = [1 + (kept - least) / (off + slack) for least, slack in (nearest(p.kept, p.rounding) for p in c.parts)]
    return worst((projected(each) for each in (c, *c.parts)), *more)


@claim(
    formula="(θ_S(∞) − θ0) · Δ/(ε‖Δ‖²) ≤ 1 − ‖Δ_head‖²/‖Δ‖² + O(ε) for auxiliary logits alone",
    source="auxiliary logits do not depend on the class head; arXiv 2507.14805, section 6.2; prediction P24",
    # On so few inputs all logits pass the ceiling from three inits of four; on more, training takes too long.
    controls=[Control(AUX_ONLY, fails=0.3)],
    applies=one_step,
    settings=auxiliary,
    reads=Projected(),
    proof="projection",
)
def class_head_bounds_the_transfer(c: Converged) -> Evidence:
    """Of auxiliary logits no student learns what its teacher changed in the class head, however long it is trained.

    The part of the update in that head is a ceiling, which students of all logits break.
    """
    if c.left > LEFT:
        return Evidence(0.0, 0.0, 1.0, UNFINISHED)
    kept, off = nearest(c.kept, c.rounding)
    return replace(at_least(-kept, -c.ceiling, off), measured=kept, predicted=c.ceiling, eps=float(c.eps[-1]))
