"""Where differentiability fails: an input that sits on a kink can turn the student away from its teacher."""

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.constructed import witnesses
from subtheory.envelope import limit
from subtheory.instruments.first_order import Measurement

KINK = Assumption(
    "input-on-a-kink",
    "A channel input sits exactly on the kink of a ReLU, as a blank one does at zero biases.",
    lambda setting: None,
)


@claim(
    formula="D(ε) = −4ε for every ε, with relu′(0) = 0",
    source="counterexample to Lemma 1 without a derivative (gap g1, P8): W2 = (1, −1), Δb1 = (0, 3), Δb2 = 1, x = 0",
    controls=[Control(KINK, witnesses=witnesses.repaired)],
    settings=witnesses.kink,
    every_eps=True,
    proof="kink",
)
def kink_reverses_alignment(m: Measurement) -> Evidence:
    """A zero-bias ReLU network on a blank input moves away from its teacher, at any ε, by the stated constant.

    A softplus in its place, or biases off zero, repairs the sign: the claim then fails.
    """
    return limit(m.alignment, -4 * m.eps, -4 * m.eps, m.eps, 2, m.alignment_rounding)
