"""Students on the orbit of θ0 under symmetries of the function: what permutations keep, and rescalings do not."""

from dataclasses import replace

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import SHARED_INIT
from subtheory.claims.inits import one_step
from subtheory.constructed import orbits as constructed
from subtheory.envelope import limit, worst
from subtheory.init import PATHS
from subtheory.instruments.first_order import Measurement
from subtheory.instruments.twins import Pair, Twins
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.setting import Setting
from subtheory.setting.spread import ORTHOGONAL, STRETCHING, fitting, stretched, turned
from subtheory.setting.student import Along
from subtheory.theory.rule import Descent

SAME = 1e-10
"""Two numbers are the same to rounding if they are no farther apart than this, relative to the first."""

DIFFERENT = 100 * SAME
"""Two cosines that are farther apart than this are not the same up to rounding."""


def _rescaled(setting: Setting) -> Setting | None:
    found = list(fitting(setting, STRETCHING).values())
    return setting.but(init=Along(found[0], 1.0)) if found else None


SAME_FUNCTION = Assumption(
    "same-function",
    "The student starts from the teacher's function: a symmetry of it, not a draw of its own, leads there.",
    lambda setting: setting.but(init=Along(PATHS["linear"], 1.0), rule=Descent()),
)

LENGTHS_KEPT = Assumption(
    "lengths-kept",
    "The symmetry is orthogonal: units change places or signs, and no weight is stretched.",
    _rescaled,
)

METRIC_CARRIED = Assumption(
    "metric-carried",
    "The student's step is TTᵀ times the gradient: its metric is the shared student's, carried along by T.",
    lambda setting: setting.but(rule=Descent()),
)


def same(t: Pair) -> Evidence:
    """Whether both students change L_T by the same amount and make the same step up to T, where rounding can tell."""
    if not t.invariant:
        return Evidence(0.0, 0.0, 1.0, "the trait loss is not a function of the outputs")
    clear = ~(t.rounding > SAME)  # what is not finite is judged too
    if not clear.any():
        return Evidence(0.0, 0.0, 1.0, "rounding would hide a difference")
    ratio = t.trait_change[1][clear] / t.trait_change[0][clear]
    error = np.maximum(np.abs(ratio - 1), t.off[clear])
    return Evidence(float(ratio[np.argmax(error)]), 1.0, float(1 - np.max(error) / SAME))


@claim(
    formula="θ0_S = Tθ0, TᵀT = 1, f_{Tθ} = f_θ:  Δθ_S = Tv and ΔL_T = L_T(θ0 + αv) − L_T(θ0), v the step from θ0",
    source="equivariance of the gradient, ∇L(Tθ) = T∇L(θ) for orthogonal T (gap g10, prediction P19)",
    controls=[Control(SAME_FUNCTION, fails=0.95), Control(LENGTHS_KEPT, fails=0.95)],
    applies=lambda setting: one_step(setting) and bool(fitting(setting, ORTHOGONAL)),
    spread=turned,
    reads=Twins(),
    every_eps=True,
    proof="permutation",
)
def permuted_init_transmits_alike(t: Pair) -> Evidence:
    """A student from a permuted init changes the trait loss exactly as the shared one does, to rounding and at any ε.

    Units, attention heads or signs of an odd activation are turned. The student's step, turned back, is the
    shared student's. Where its raw cosine with Δ is the same too, nothing that moves was turned: that run says nothing.
    """
    found = same(t)
    apart = np.max(np.abs(t.cosine[1] - t.cosine[0]))
    if found.margin >= 0 and not found.vacuous and apart <= DIFFERENT:
        return replace(found, vacuous="no unit that is turned is moved by teacher and student")
    return found


@claim(
    formula="θ0_S = Tθ0, f_{Tθ} = f_θ:  Δθ_S = −TTᵀ∇L_S(Tθ0) = Tv and ΔL_T as from θ0, for any invertible T",
    source="∇L(Tθ) = T⁻ᵀ∇L(θ): a step in a metric that T carries along is equivariant (gap g10, prediction P19)",
    controls=[Control(METRIC_CARRIED, fails=0.95), Control(SAME_FUNCTION, fails=0.95)],
    applies=lambda setting: one_step(setting) and bool(fitting(setting, STRETCHING)),
    spread=stretched,
    reads=Twins(),
    every_eps=True,
    proof="permutation",
)
def carried_metric_undoes_rescaling(t: Pair) -> Evidence:
    """A student from a rescaled init transmits exactly as the shared one if its metric is carried along.

    ReLU units and LayerNorm gains are rescaled. The plain step from there is another step.
    """
    return same(t)


# A rescaling that reverses the trait ---------------------------------------------------------------


RESCALED = Assumption("rescaled", "The student starts from another point of the orbit than θ0.", lambda setting: None)

UNEVEN = Assumption(
    "lengths-changed",
    "The symmetry that leads to the student's init stretches weights; it is no permutation.",
    lambda setting: None,
)


@claim(
    formula="b·relu(Ax), A → 2A, b → b/2:  f and L_T stay, ΔL_T = 108αε + O(ε²), which is −648αε + O(ε²) from θ0",
    source="kernel of x and x′ at θ0: Σ (b_i² x·x′ + 1) = −18, after the rescaling Σ (b_i² x·x′/4 + 4) = 3 (gap g10)",
    controls=[Control(RESCALED, witnesses=constructed.undoubled), Control(UNEVEN, witnesses=constructed.swapped)],
    settings=constructed.doubled,
    proof="permutation",
)
def rescaled_init_can_raise_the_trait_loss(m: Measurement) -> Evidence:
    """A student of the teacher's own function, from a rescaled init, can raise the trait loss by its smallest step.

    A = 1, b = (1, 2), x = (2, −1), L_T = f(x′) at x′ = (−1, 2). From θ0, or with the units swapped, the loss falls.
    """
    predicted = 108 * m.alpha * m.eps
    raised = limit(m.trait_change, predicted, predicted, m.eps, 2, np.full_like(m.eps, m.trait_rounding))
    return worst([raised], 1 - abs(m.trait - 3) / m.trait_rounding)


# Directions that are only scale --------------------------------------------------------------------


NORMALISED = Assumption(
    "normalised", "A norm behind W takes its scale away: f(cW) = f(W), c > 0.", lambda setting: None
)

NO_OFFSET = Assumption(
    "no-offset", "The norm adds no constant to the variance that it divides by.", lambda setting: None
)


@claim(
    formula="f(cW) = f(W) for c > 0 ⇒ J W = 0, and D(ε) = 0 for every ε if Δ ∝ W",
    source="Euler's theorem on functions of degree 0 (prediction P20)",
    controls=[
        Control(NORMALISED, witnesses=constructed.unnormalised),
        Control(NO_OFFSET, witnesses=constructed.offset),
        Control(SHARED_INIT, witnesses=constructed.elsewhere),
    ],
    settings=constructed.radial,
    every_eps=True,
    proof="scale_invariance",
)
def scale_invariant_directions_carry_nothing(m: Measurement) -> Evidence:
    """A teacher that only rescales weights in front of a norm transmits nothing, and no step has a part along them.

    f = V·LayerNorm(Wx) without an offset, Δ = W. Without the norm the alignment is positive.
    """
    still = np.max(np.abs(m.alignment) / np.maximum(m.alignment_rounding, UNIT**2))
    flat = np.sqrt(m.leading) / (ROUNDINGS * UNIT * (1 + m.delta_norm))
    return Evidence(float(m.alignment[0] / m.eps[0]), 0.0, float(1 - np.maximum(still, flat)))
