"""How small ε has to be: explicit bounds, and certificates that hold for every ε up to a stated size."""

import jax
import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import GRADIENT_TEACHER, SMALL_EPS
from subtheory.constructed import thresholds as constructed
from subtheory.instruments.certified import Certified, Enclosed
from subtheory.instruments.first_order import Measurement
from subtheory.numerics import UNIT
from subtheory.theory.trait import Bowl


@claim(
    formula="D(ε) ≥ εq − ½ε²N(ε), so D(ε) > 0 for 0 < ε < ε* = 2q/N(ε*)",
    source="Taylor's theorem on the teacher's segment, N its second-derivative bound; prediction P5; gap g3",
    controls=[Control(SMALL_EPS, witnesses=constructed.beyond)],
    settings=constructed.bounded,
    reads=Certified(),
    run_tier="certified",
    proof="ce_bound",
)
def alignment_is_positive_below_its_threshold(e: Enclosed) -> Evidence:
    """Sufficiently small has a size: below 2q/N the alignment is positive, and no smaller than its lower bound.

    N bounds the second derivative along the segment, in ball arithmetic; D is measured without it.
    """
    m = e.measured
    least = m.eps * m.leading - m.eps**2 / 2 * e.bound
    unit = m.eps * m.leading
    above = (m.alignment - np.maximum(least, 0) + m.alignment_rounding) / unit
    worst = int(np.argmin(above))
    return Evidence(float(m.alignment[worst] / unit[worst]), float(least[worst] / unit[worst]), float(above[worst]))


@claim(
    formula="D(ε) > 0 for every ε in (0, E], by a cover of boxes",
    source="ball arithmetic along θ0 + εΔ; Lemma 1 with ε named; gap g3, prediction P5",
    controls=[Control(SMALL_EPS, witnesses=constructed.beyond)],
    settings=constructed.certified,
    reads=Certified(("alignment",)),
    run_tier="certified",
    proof="certificates",
)
def alignment_is_certified(e: Enclosed) -> Evidence:
    """Up to 99 % of its first root the alignment is positive for every ε, not just for those that are tried.

    Certified by balls on a cover of (0, E], and every measured D(ε) has to be the ball's.
    """
    return judged(e, "alignment", e.measured.alignment, e.measured.alignment_rounding)


@claim(
    formula="L_T(θ0 + αΔθ_S(ε)) < L_T(θ0) for every ε in (0, E], by a cover of boxes",
    source="ball arithmetic on the student's own step; arXiv 2507.14805, App. C, Theorem 1 with ε named; prediction P5",
    controls=[
        Control(SMALL_EPS, witnesses=constructed.too_far),
        Control(GRADIENT_TEACHER, witnesses=constructed.climbing),
    ],
    settings=constructed.both,
    reads=Certified(("trait-loss",)),
    run_tier="certified",
    proof="certificates",
)
def lower_trait_loss_is_certified(e: Enclosed) -> Evidence:
    """The theorem's conclusion itself, certified for every ε up to a stated one: the student's step lowers L_T."""
    return judged(e, "trait-loss", e.measured.trait_change, np.full_like(e.measured.eps, e.measured.trait_rounding))


def judged(e: Enclosed, kind: str, measured: np.ndarray, rounding: np.ndarray) -> Evidence:
    """Certified on all of (0, E], and every number measured equal to the ball's up to its rounding."""
    exact = e.exact[kind]
    margins = 1 - np.abs(measured - exact) / rounding
    worst = int(np.argmin(margins))
    reach = e.reach[kind] - 1
    margin = float(margins[worst]) if reach >= 0 else min(reach, float(margins[worst]))
    return Evidence(float(measured[worst] / exact[worst]), 1.0, margin)


SMOOTH_TRAIT = Assumption(
    "smooth-trait",
    "The gradient of the trait loss is β-Lipschitz along the student's step.",
    lambda setting: None,
)


@claim(
    formula="ΔL_T ≤ −αD(ε) + ½βα²‖Δθ_S‖², so it falls for α < 2D(ε)/(β‖Δθ_S‖²)",
    source="descent lemma on the student's segment; prediction P6, with equality for a quadratic L_T; gap g2",
    controls=[Control(SMOOTH_TRAIT, witnesses=constructed.stiff)],
    settings=constructed.bowls,
    proof="descent",
)
def trait_loss_falls_below_its_step(m: Measurement) -> Evidence:
    """How long a step may be: the trait loss falls by αD less ½βα²‖Δθ_S‖², so up to α = 2D/(β‖Δθ_S‖²).

    For a quadratic trait the two sides are equal: the boundary in (ε, α) has slope −1, and twice the
    curvature halves it.
    """
    assert m.distillation is not None
    trait = m.distillation.trait
    beta = float(np.ravel(jax.tree.leaves(trait.curvature)[0])[0]) if isinstance(trait, Bowl) else constructed.BETA
    predicted = -m.alpha * m.alignment + beta / 2 * m.alpha**2 * m.update_norm**2
    rounding = m.trait_rounding + m.alpha * m.alignment_rounding + 64 * UNIT * np.abs(predicted)
    error = np.abs(m.trait_change - predicted)
    worst = int(np.argmax(error / rounding))
    return Evidence(float(m.trait_change[worst] / predicted[worst]), 1.0, float(1 - error[worst] / rounding[worst]))
