"""Masks that the teacher's labels choose: its k largest logits alone, before and after these change (gap g12)."""

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.constructed import masks as constructed
from subtheory.envelope import limit
from subtheory.instruments.labelled import Labelled, Labelling
from subtheory.setting.setting import Setting
from subtheory.theory.losses import CrossEntropy, TopK, log_softmax

TINY = float(np.finfo(float).tiny)
"""Where all that is computed with are zeros there is no rounding."""


def _fixed(setting: Setting) -> Setting:
    """Cross-entropy on the logits that are largest at θ0: the first two of every constructed setting."""
    return setting.but(loss=CrossEntropy(), outputs=tuple(range(constructed.KEPT)))


MOVING_MASK = Assumption("moving-mask", "The teacher's labels choose the logits that count, at every ε anew.", _fixed)

BELOW_THE_TIE = Assumption(
    "below-the-tie",
    "ε is below the first at which another logit is among the teacher's k largest.",
    lambda setting: None,
)

NO_TIE = Assumption("no-tie", "At θ0 the k-th largest logit is above the next.", lambda setting: None)


def kept(m: Labelling, logits: np.ndarray) -> np.ndarray:
    """1 on the k largest of the distilled logits (..., V), with all that tie with the k-th."""
    return np.asarray(TopK(constructed.KEPT).kept(logits, m.distilled))  # type: ignore[arg-type]


def on(m: Labelling, mask: np.ndarray) -> np.ndarray:
    """D = E Σ_S (σ_S(y_ε) − σ_S(f0)) u, σ_S the softmax on a subset S told by a mask that broadcasts, (K,)."""
    labels, own = (np.exp(log_softmax(each, mask)) for each in (m.log_p, m.logits))  # type: ignore[arg-type]
    return np.asarray(m.mean((mask * (labels - own) * m.velocity).sum(axis=-1)))


def apart(m: Labelling, predicted: np.ndarray) -> np.ndarray:
    """|D(ε) − predicted| over its rounding, (K,)."""
    return np.abs(m.alignment - predicted) / (m.rounding + TINY)


def form_on(m: Labelling, mask: np.ndarray) -> float:
    """q = E Var_{σ_S(f0)}(u) on the subset S."""
    p = mask * np.exp(log_softmax(m.logits, mask))  # type: ignore[arg-type]
    centre = (p * m.velocity).sum(axis=-1, keepdims=True)
    return float(m.mean((p * (m.velocity - centre) ** 2).sum(axis=-1)))


@claim(
    formula="q = Var_S(u) = 0 on S = S(f0), and D(ε) = Σ_{S(y)} (σ(y_ε) − σ(f0))u ≠ 0 of either sign where S(y_ε) ≠ S",
    source="logits (1, ½, 0) + ε(−1, −1, 4): D = 5(σ(1) − σ(1 − 5ε)) for ε > 1/10; D(3) = −(14/15) log 2 (gap g12)",
    controls=[Control(MOVING_MASK, fails=1.0)],
    settings=constructed.moved,
    reads=Labelled(),
    every_eps=True,
    proof="top_k",
)
def moving_masks_break_the_zero_branch(m: Labelling) -> Evidence:
    """A mask that moves with the teacher's labels ends the zero branch: what the channel did not see aligns, or turns.

    Where the k largest logits of the teacher are others than at θ0, the alignment is that of another subset, and no
    longer zero; it may be negative.
    """
    moved = kept(m, m.log_p)
    if isinstance(m.loss, TopK) and np.array_equal(moved[0], kept(m, m.logits)):
        return Evidence(0.0, 0.0, 1.0, "the teacher's largest logits are those of θ0")
    predicted = on(m, moved)
    off, rounding = apart(m, predicted), m.rounding[0] + TINY
    there, unseen = np.abs(m.alignment[0]) / rounding - 1, 1 - form_on(m, kept(m, m.logits)) / rounding
    ratio = m.alignment[0] / predicted[0] if predicted[0] else m.alignment[0]
    return Evidence(float(ratio), 1.0, float(min(1 - np.max(off), there, unseen)), eps=float(m.eps[0]))


@claim(
    formula="D(ε) = Σ_S (σ_S(y_ε) − σ_S(f0))u = εq + O(ε²), S = S(f0), for every ε below the tie: q = 0 ⇒ D = 0",
    source="S(y_ε) = S while the k-th largest logit stays above the next (gap g12)",
    controls=[Control(BELOW_THE_TIE, witnesses=constructed.beyond), Control(NO_TIE, witnesses=constructed.tied)],
    settings=constructed.below,
    reads=Labelled(),
    every_eps=True,
    proof="top_k",
)
def top_k_is_a_fixed_subset_below_the_tie(m: Labelling) -> Evidence:
    """Below the ε at which its ranking changes a top-k is the fixed subset that it is at θ0, the zero branch included.

    At a tie there is no such ε: the alignment then has another slope to either side.
    """
    here = kept(m, m.logits)
    predicted, q = on(m, here), form_on(m, here)
    worst = int(np.argmax(off := apart(m, predicted)))
    exact = Evidence(float(m.alignment[worst]), float(predicted[worst]), float(1 - off[worst]), eps=float(m.eps[worst]))
    if m.eps[-1] * q <= m.rounding[-1] or exact.margin < 0:
        return exact
    return limit(m.alignment, m.eps * q, m.eps * q, m.eps, 2, m.rounding)
