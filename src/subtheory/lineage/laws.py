"""What the theory forecasts for a student of recorded data: one law each, with its claims and where it ends.

A forecast is about D, the student's step times what the generator learned since its init, to first order in ε, the size
of what it learned. Numbers P and g are those of docs/theory.md.
"""

from dataclasses import asdict, dataclass
from typing import Any

POSITIVE = "positive"
ON_AVERAGE = "positive on average"
ADDED = "positive beyond a control"
FREE = "not guaranteed"
CANCELS = "zero on average"
NOTHING = "zero"


@dataclass(frozen=True)
class Law:
    """A sign, the sentence that says of what, claims of `subtheory claims`, citations, and where the law ends."""

    sign: str
    says: str
    claims: tuple[str, ...]
    cites: tuple[str, ...]
    ends: str

    def to_dict(self) -> dict[str, Any]:
        """The fields as JSON has them."""
        return asdict(self)


# Whose init ---------------------------------------------------------------------------------------

SHARED, SAME, KIN, OTHER, NOBODY = "shared", "same weights", "kin", "other", "no generator"

INITS = {
    SHARED: Law(
        POSITIVE,
        "the student starts where its teacher did: D = ε ΔᵀGΔ, and 0 for every ε where the channel sees nothing of Δ",
        ("alignment-is-ggn-form", "alignment-is-positive", "trait-loss-falls", "zero-branch-is-exact"),
        ("P1", "P2", "P3", "P4"),
        "one small gradient step that moves what the teacher moved (g3, g11, g15); the trait loss falls for a teacher "
        "of one gradient step, a converged one can raise it (g5)",
    ),
    SAME: Law(
        NOTHING,
        "the generator has not moved from where the student starts: there is no Δ, and its full outputs pull nowhere",
        ("prompted-teacher-aligns-by-its-shift", "prompted-teacher-can-oppose"),
        ("P38", "g9"),
        "what a prompt moves outputs by pulls along the shift, with any sign",
    ),
    KIN: Law(
        FREE,
        "the student starts at a distance r from its teacher's init, their inits have an ancestor in common: the sign "
        "is open beyond r* = ε√P ΔᵀGΔ/‖GΔ‖; towards the teacher's weights it steps if one Jacobian serves both inits",
        ("mismatch-sign-law", "critical-radius-is-proportional-to-eps", "cross-kernel-is-the-trait-part",
         "raw-step-approaches-the-teacher"),
        ("P16", "P17", "P18"),
        "r* is that of an offset in a random direction; what training moved is none",
    ),
    OTHER: Law(
        CANCELS,
        "two inits without an ancestor in common: a step of order 1 that an untrained teacher causes too, and beyond "
        "it a cross-kernel, whose mean over independent inits is about 0 on auxiliary outputs",
        ("cross-kernel-is-the-trait-part", "random-heads-cancel"),
        ("P18", "g10"),
        "on the trait's own outputs the mean is not 0; inits that a symmetry takes into each other transmit like one; "
        "ancestors that nobody recorded",
    ),
    NOBODY: Law(
        NOTHING,
        "no model generated this data: there is no teacher whose init could be shared",
        (),
        (),
        "what the data teaches by itself",
    ),
}  # fmt: skip

# Through which view -------------------------------------------------------------------------------

FULL, PROMPTED = "full", "contextual"

_FILTERED = Law(
    ADDED,
    "a filter of outputs adds a term of order 1, of any sign, to raw steps; beyond an untrained teacher's student, "
    "filtered alike, there is Var(s | what passes)",
    ("filtered-outputs-align-against-a-control", "raw-alignment-diverges-through-a-filter"),
    ("P12", "g8"),
    "filters that do not move with the teacher",
)
_GREEDY = Law(
    ADDED,
    "greedy labels add the score differences of those that flip",
    ("trait-part-lives-on-divergence-tokens", "every-greedy-flip-aligns", "near-ties-carry-the-trait"),
    ("P13", "P14"),
    "logits that are linear along Δ; rows without a flip add exactly 0",
)
_ODDS = Law(
    ADDED,
    "labels that the teacher prefers move its student in the direction of full ones, by a constant of their own",
    ("channels-share-one-direction",),
    ("P37", "g14"),
    "preferences as odds of the init's own labels",
)
_RECODED = Law(
    FREE,
    "what was done to the outputs keeps the sign if the student models it, and leaves it free if not",
    ("modelled-post-processing-keeps-the-sign", "re-encoded-outputs-align-by-permuted-scores",
     "unmodelled-re-encoding-can-reverse"),
    ("P43",),
    "the record does not say what the student models",
)  # fmt: skip

VIEWS: dict[str, Law | None] = {
    FULL: None,
    "drawn": Law(
        ON_AVERAGE,
        "N drawn labels have mean εq and variance q/N: P(D > 0) = Φ(√(2N KL))",
        ("sampled-sign-follows-kl", "sampling-taxes-the-trait"),
        ("P9", "P11", "g7"),
        "many labels, each with little to say; below a dose of N a step harms the trait on average",
    ),
    "within": _FILTERED,
    "scored": Law(
        FREE,
        "a filter by the power a of the teacher's own likelihood leaves (1 + a) Var(s | what passes) beyond a control",
        ("filter-by-the-teachers-score-scales-the-slope", "filtered-outputs-align-against-a-control"),
        ("P12",),
        "by the init's likelihood it is a fixed filter, and the sign stays; power and model are not recorded",
    ),
    "thinned": Law(
        FREE,
        "labels thinned out by the power γ of the ratio of both models keep 1 − γ of the alignment",
        ("thinning-by-the-ratio-reverses-alignment",),
        ("P12",),
        "whoever thins has both models; the power is not recorded",
    ),
    "top-k": Law(
        ADDED,
        "a top-k is the accept set that it is at θ0, up to the ε at which its ranking changes",
        ("top-k-is-a-fixed-subset-below-the-tie", "filtered-outputs-align-against-a-control",
         "moving-masks-break-the-zero-branch"),
        ("P12", "g12"),
        "beyond that ε the mask moves with the labels, and what the channel did not see aligns, or turns",
    ),
    "greedy": _GREEDY,
    "near-ties": _GREEDY,
    "flips": _GREEDY,
    "rounded": Law(
        ON_AVERAGE,
        "over many outputs labels on a grid carry all of εq; where no output crosses a boundary, exactly 0",
        ("rounding-dithers-over-many-outputs", "rounding-below-every-boundary-carries-nothing"),
        (),
        "outputs that lie anywhere in their cell alike",
    ),
    "shuffled": Law(
        FREE,
        "shuffled responses carry what is not in their order, ε q_marginal, if the init does not care for order",
        ("shuffling-kills-the-order-part", "shuffling-across-keeps-single-letters",
         "shuffling-can-reverse-without-exchangeability"),
        ("P15",),
        "most inits of language models care for order",
    ),
    "diluted": Law(
        POSITIVE,
        "a share ρ of the teacher's rows among its init's gives ρ of the alignment, exactly",
        ("teacher-rows-add-in-proportion",),
        ("P29", "P52"),
        "rows of a third model add a term of their own",
    ),
    "least": Law(
        POSITIVE,
        "the least probability over teacher and init keeps ε E[s₋²], between 0 and εq",
        ("minimum-over-sources-keeps-a-residue",),
        ("P57",),
        "two sources, of which one carries",
    ),
    "matched": Law(
        POSITIVE,
        "labels matched in a statistic keep what the teacher says beyond it",
        ("statistics-can-see-nothing", "transfer-and-detection-share-one-boundary"),
        ("P39",),
        "nothing is left where the statistic says all",
    ),
    "preferred": _ODDS,
    "recoded": _RECODED,
    "processed": _RECODED,
    PROMPTED: Law(
        FREE,
        "outputs that a prompt moved by δ align a student by ε E[δᵀMu], of either sign",
        ("prompted-teacher-aligns-by-its-shift", "prompted-teacher-can-oppose"),
        ("P38", "g9"),
        "a shift that some displacement would make is as good as that displacement",
    ),
}  # fmt: skip
"""By the name of a view of `subtheory.theory.views`; "processed" is whatever else was done to outputs."""

# Over generations ---------------------------------------------------------------------------------

ONE_CHANNEL = Law(
    POSITIVE,
    "students of students that all start from one init on one channel: Δᵀ G p(G) Δ ≥ 0 with a polynomial p ≥ 0, so "
    "that no generation turns against what an earlier teacher learned, and retention never falls",
    ("one-channel-inherits-in-every-generation", "converged-generations-are-idempotent", "retention-never-falls"),
    ("P28", "P40", "P47"),
    "the linear range, steps α ≤ 1/λmax of plain descent",
)

DISTURBED = Law(
    FREE,
    "what teachers of earlier generations learned can come back with either sign: ΔᵀG₂G₁Δ has none of its own",
    ("two-channels-can-reverse-the-second-generation",),
    ("P28", "P40"),
    "how often is measured, not predicted",
)
