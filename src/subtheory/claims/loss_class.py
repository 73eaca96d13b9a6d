"""What the loss has to be: orders of the alignment when the minimum at the match is flat, or has a corner."""

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import GRADIENT_STUDENT, SHARED_INIT, UNFILTERED
from subtheory.envelope import limit
from subtheory.instruments.first_order import Measurement
from subtheory.theory.losses import L1, Quartic, SquaredError

FLAT_MINIMUM = Assumption(
    "flat-minimum",
    "The loss is flat to third order at the match, as a sum of fourth powers is.",
    lambda setting: setting.but(loss=SquaredError()),
)

CORNER = Assumption(
    "corner-at-the-match",
    "The loss has a corner at the match, as a sum of absolute values has.",
    lambda setting: setting.but(loss=SquaredError()),
)


@claim(
    formula="l = Σ w(z − y)⁴ ⇒ D(ε) = 4ε³ E Σ w u⁴ + O(ε⁴)",
    source="M = 0 in the proof of Lemma 1: the first derivative of the loss that does not vanish decides (gap g12, P7)",
    controls=[
        Control(FLAT_MINIMUM, fails=0.95),
        Control(SHARED_INIT, fails=0.95),
        Control(GRADIENT_STUDENT, fails=0.95),
        Control(UNFILTERED, fails=0.95),
    ],
    applies=lambda setting: setting.loss == Quartic() and not setting.zero_branch,
    proof="loss_class",
)
def quartic_loss_aligns_at_third_order(m: Measurement) -> Evidence:
    """With a fourth-power loss the alignment is still positive, but of order ε³ with its own constant."""
    predicted = m.eps**3 * m.leading
    return limit(m.alignment, predicted, predicted, m.eps, 4, m.alignment_rounding)


@claim(
    formula="l = Σ w|z − y| ⇒ D(ε) = E Σ w|u| + O(ε)",
    source="no second derivative at the match: the student's step does not shrink with ε (gap g12); prediction P7",
    controls=[
        Control(CORNER, fails=0.95),
        Control(SHARED_INIT, fails=0.95),
        Control(GRADIENT_STUDENT, fails=0.95),
        Control(UNFILTERED, fails=0.95),
    ],
    applies=lambda setting: setting.loss == L1() and not setting.zero_branch,
    proof="loss_class",
)
def absolute_loss_steps_at_order_one(m: Measurement) -> Evidence:
    """With an absolute-value loss the student's step stays of order one however little the teacher moved.

    It still aligns, but the theorem's argument for the trait loss, a step of order ε, is gone.
    """
    predicted = m.eps**0 * m.leading
    return limit(m.alignment, predicted, predicted, m.eps, 1, m.alignment_rounding)
