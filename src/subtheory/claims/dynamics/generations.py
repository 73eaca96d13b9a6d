"""Students of students: what every generation of a chain inherits, and where a second channel turns it round."""

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import SHARED_INIT
from subtheory.claims.inits import one_step
from subtheory.constructed import inputs
from subtheory.constructed.labels import classifier
from subtheory.envelope import envelope, fine, limit, worst
from subtheory.instruments.dynamics.chains import Chain, Chains
from subtheory.setting.setting import Setting
from subtheory.setting.student import Continued
from subtheory.setting.teachers import Random
from subtheory.theory.dynamics.generations import retention
from subtheory.theory.losses import SquaredError
from subtheory.theory.views import Full, InTurn

READS = Chains(hops=4, steps=3)
"""Four generations of students, of three steps each at the rate 1/λmax."""

CONVERGED = Chains(hops=3, steps=96)
"""Three generations that fit their labels on one input."""

FITTED = 0.01
"""A generation fits its labels if less than this share of what it could keep is left, by the spectrum."""

SAME_INPUTS = Assumption(
    "same-inputs",
    "Every generation is shown the same inputs.",
    lambda setting: setting.but(view=InTurn(2), examples=max(2, setting.examples)),
)

RESET = Assumption(
    "reset",
    "Every generation starts at θ0 and is taught by the one before; none goes on from there with the first teacher.",
    lambda setting: setting.but(init=Continued()),
)

OWN_DIRECTION = Assumption(
    "own-direction",
    "The trait is read along the teacher's own direction, Δ = −∇L_T(θ0).",
    lambda setting: setting.but(teacher=Random()),
)

TRAINED_OUT = Assumption(
    "trained-out",
    "Every generation trains until it fits its labels.",
    lambda setting: setting.but(alpha=0.01),
)

TWO_CHANNELS = Assumption(
    "two-channels",
    "The second generation is shown other inputs than the first.",
    lambda setting: setting.but(view=Full()),
)

UNLIKE = Assumption("non-commuting", "The two channels' matrices do not commute.", lambda setting: None)


def settings() -> tuple[Setting, ...]:
    """A classifier under both losses of the theorem."""
    return classifier(), classifier().but(loss=SquaredError())


def fitted() -> tuple[Setting, ...]:
    """The same on one input, at a rate that reaches its slower modes sooner."""
    return tuple(setting.but(examples=1, alpha=1.5) for setting in settings())


@claim(
    formula="(θ_k − θ0) · Δ = ε Σ c_i² a_iᵏ + O(ε²) > 0, a_i = 1 − (1 − αλ_i)ˢ, k = 1 ... 4 and s = 3 steps",
    source="s steps make (I − (I − αG)ˢ)d of a teacher at θ0 + d (prediction P28)",
    controls=[Control(each, fails=0.95) for each in (SAME_INPUTS, RESET, SHARED_INIT)],
    applies=one_step,
    settings=settings,
    reads=READS,
    proof="generations",
)
def one_channel_inherits_in_every_generation(c: Chain) -> Evidence:
    """In a chain of students on the same inputs that all start at θ0, every generation inherits, none in reverse.

    Each keeps the share a of a mode, so the alignment of generation k is a moment, constant and order; the trait loss
    falls by as much.
    """
    found = []
    for k in range(1, len(c.moments)):
        predicted = c.eps * c.moments[k]
        rounding = np.full_like(c.eps, c.rounding[k])
        found.append(limit(c.alignment[:, k], predicted, predicted, c.eps, 2, rounding))
        found.append(limit(c.inherited[:, k], predicted, predicted, c.eps, 2, np.full_like(c.eps, c.trait_rounding)))
    return worst(found)


@claim(
    formula="(θ_k − θ0) · Δ = ε‖ΠΔ‖² + O(ε²) for k = 1, 2, 3 generations that fit their labels, Π² = Π",
    source="s → ∞ steps make ΠΔ of Δ, Π onto the range of G, and ΠΔ of that (prediction P28)",
    controls=[Control(each, fails=0.95) for each in (SAME_INPUTS, TRAINED_OUT, SHARED_INIT)],
    applies=one_step,
    settings=fitted,
    reads=CONVERGED,
    proof="generations",
)
def converged_generations_are_idempotent(c: Chain) -> Evidence:
    """Students of students that fit their labels on the same inputs are all alike: nothing is lost after the first.

    The first keeps what its channel sees of Δ. What so many steps leave unfitted is known from the spectrum: it is in
    the prediction, and less than a hundredth.
    """
    found = []
    for k in range(1, len(c.moments)):
        rounding = np.full_like(c.eps, c.rounding[k])
        found.append(limit(c.alignment[:, k], c.eps * c.moments[k], c.eps * c.seen, c.eps, 2, rounding))
    return worst(found, 1 - float(1 - np.min(c.moments[1:]) / c.seen) / FITTED)


@claim(
    formula="ρ_k = r_{k+1}/r_k → Σ c_i² a_iᵏ⁺¹/Σ c_i² a_iᵏ, ρ_0 ≤ ρ_1 ≤ ρ_2 ≤ ρ_3, r_k what L_T is lower by",
    source="moments of a measure on [0, 1] are log-convex (prediction P47); the rise of arXiv 2609.25721",
    controls=[Control(each, fails=0.95) for each in (SAME_INPUTS, RESET, OWN_DIRECTION)],
    applies=one_step,
    settings=settings,
    reads=READS,
    proof="retention",
)
def retention_never_falls(c: Chain) -> Evidence:
    """The share of the trait that one generation keeps of the one before never falls along a chain.

    Each share tends to a ratio of moments as ε falls, and no measured one is below the one before by more than it may
    be off. Other inputs for every second generation, students that go on, or a trait read elsewhere can make it fall.
    """
    predicted = retention(c.moments)
    with np.errstate(divide="ignore", invalid="ignore"):
        measured = retention(c.inherited)
        off = c.trait_rounding / np.abs(c.inherited)
    found, width = [], []
    for k, share in enumerate(predicted):
        rounding = np.abs(measured[:, k]) * (off[:, k] + off[:, k + 1])
        found.append(limit(measured[:, k], np.full_like(c.eps, share), np.full_like(c.eps, share), c.eps, 1, rounding))
        width.append(fine(envelope(measured[:, k] - share, c.eps, 1, rounding))[-1])
    rise = np.diff(measured[-1])
    never = 1 + np.min(rise / (np.array(width)[1:] + np.array(width)[:-1]))
    return worst(found, never)


@claim(
    formula="f = x · θ, Δ = (1, 0), inputs (1, 1) then (1, −2): (θ_1 − θ0) · Δ = ε/2 and (θ_2 − θ0) · Δ = −ε/10",
    source="ΔᵀΠ₂Π₁Δ and ΔᵀG₂G₁Δ can be negative (predictions P28 and P40)",
    controls=[Control(TWO_CHANNELS, fails=1.0), Control(UNLIKE, witnesses=inputs.commuting)],
    settings=inputs.in_turn,
    reads=Chains(hops=2, steps=1),
    every_eps=True,
    proof="generations",
)
def two_channels_can_reverse_the_second_generation(c: Chain) -> Evidence:
    """A student of a student can move against the teacher, if its inputs are others than those of its own teacher.

    Each channel alone transmits, and the first generation inherits; by the stated constants at any ε.
    """
    found = []
    for k, share in ((1, 1 / 2), (2, -1 / 10)):
        for measured, rounding in ((c.alignment, c.rounding[k]), (c.inherited, c.trait_rounding)):
            off = np.full_like(c.eps, rounding)
            found.append(limit(measured[:, k], share * c.eps, share * c.eps, c.eps, 2, off))
    return worst(found)
