"""Outputs that are processed or re-encoded: the sign stays where the student models it, and nowhere else (P43)."""

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import GRADIENT_STUDENT, SHARED_INIT
from subtheory.claims.labels.settings import ADDED
from subtheory.constructed import processed
from subtheory.constructed.labels import both, distilled
from subtheory.constructed.processed import Pushforward
from subtheory.envelope import limit, worst
from subtheory.instruments.labelled import Labelled, Labelling
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.setting import Setting
from subtheory.theory.views import Recoded

GROUPS = 3
"""Into which outputs are merged at random."""

ORDERS = 3
"""Random permutations of a network."""


def _width(setting: Setting) -> int:
    return len(setting.origin.weights(setting.outputs))


def merged() -> tuple[Setting, ...]:
    """Labels, and whole texts, of which the student learns in which of three random groups they are."""
    rng = np.random.default_rng(GROUPS)
    groups = {setting: np.arange(_width(setting)) % GROUPS for setting in both()}
    return tuple(s.but(loss=Pushforward(tuple(rng.permutation(g).tolist()))) for s, g in groups.items())


def recoded() -> tuple[Setting, ...]:
    """Random permutations of the labels, and of whole texts."""
    return tuple(setting.but(view=Recoded(_order(setting, i))) for setting in both() for i in range(ORDERS))


def _order(setting: Setting, seed: int) -> tuple[int, ...]:
    """A permutation of what is distilled, drawn by a seed."""
    known, order = distilled(setting), np.arange(_width(setting))
    order[known] = np.random.default_rng((len(known), seed)).permutation(known)
    return tuple(order.tolist())


MODELLED = Assumption(
    "modelled",
    "The student fits the law of what comes out of the processing: no output is re-encoded behind its back.",
    lambda setting: setting.but(view=Recoded(_order(setting, ORDERS))),
)


@claim(
    formula="D(ε) = ε E Var_r(E[s | b]) + O(ε²), 0 ≤ E Var_r(E[s | b]) = q − E Var(s | b) ≤ q, r(b) = Σ K(b | i) p(i)",
    source="S = E[s | b] is the score of what comes out; data processing for Fisher information (prediction P43)",
    controls=[Control(each, fails=0.95) for each in (MODELLED, SHARED_INIT, GRADIENT_STUDENT)],
    settings=merged,
    reads=Labelled(),
    proof="data_processing",
)
def modelled_post_processing_keeps_the_sign(m: Labelling) -> Evidence:
    """A student that fits the law of processed outputs aligns, by no more than a student of the outputs themselves.

    By the variance of the mean score of what comes out alike, constant and order. Outputs that are also re-encoded,
    which it does not model, align it otherwise.
    """
    K = m.loss.members.astype(float)  # type: ignore[attr-defined]
    joint = m.p0[..., None] * K
    out = joint.sum(axis=-2)
    mean = (joint * m.scores[..., None]).sum(axis=-2) / out
    kept = m.mean((out * mean**2).sum(axis=-1))
    lost = m.mean((joint * (m.scores[..., None] - mean[:, None]) ** 2).sum(axis=(-2, -1)))
    found = limit(m.added, m.eps * kept, m.eps * kept, m.eps, 2, m.rounding)
    split = 1 - abs(kept + lost - m.form) / (ROUNDINGS * UNIT * m.form)
    return worst([found], split)


@claim(
    formula="[D(ε) − D(0)]/ε = E Σ p_i s_i s_π(i) + O(ε), of any sign: s = (1, −1) and the swap give −q",
    source="r(π(i)) = p(i) and D = Σ r s (prediction P43)",
    controls=ADDED,
    settings=recoded,
    reads=Labelled(),
    proof="data_processing",
)
def re_encoded_outputs_align_by_permuted_scores(m: Labelling) -> Evidence:
    """Outputs in a code that the student does not know align it by how scores and re-encoded scores go together.

    Constant and order, beyond the student of the untrained teacher; nothing says of which sign.
    """
    order = np.asarray(m.view.order)  # type: ignore[attr-defined]
    slope = m.mean((m.p0 * m.scores * m.scores[:, order]).sum(axis=-1))
    return limit(m.added, m.eps * slope, m.eps * m.form, m.eps, 2, m.rounding)


RE_ENCODED = Assumption("re-encoded", "Outputs change places on their way.", lambda setting: None)

UNMODELLED = Assumption("unmodelled", "The student does not know of it.", lambda setting: None)


@claim(
    formula="p = (½, ½), s = (1, −1), π the swap: D(0) = 0, D(ε) = −ε + O(ε²) and q = 1",
    source="counterexample for outputs in a code that the student does not model (prediction P43)",
    controls=[
        Control(RE_ENCODED, witnesses=processed.as_said),
        Control(UNMODELLED, witnesses=processed.swapped_and_modelled),
    ],
    settings=processed.swapped,
    reads=Labelled(),
    every_eps=True,
    proof="data_processing",
)
def unmodelled_re_encoding_can_reverse(m: Labelling) -> Evidence:
    """A student that takes re-encoded outputs for its own labels can move away from its teacher, by as much.

    Its control does not move at all. As they were said, or with a student that models the code, the same outputs align.
    """
    found = limit(m.added, -m.eps, -m.eps, m.eps, 2, m.rounding)
    off = np.abs([m.control, m.form - 1]) / (ROUNDINGS * UNIT)
    return worst([found], float(1 - np.max(off)))
