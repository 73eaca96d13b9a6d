"""Filters of a teacher's outputs: what passes still aligns, beyond the student of the untrained teacher (gap g8)."""

from collections.abc import Iterator

import numpy as np

from subtheory.claim import Evidence, claim
from subtheory.claims.labels.settings import ADDED, sampled
from subtheory.constructed.labels import both, distilled
from subtheory.envelope import limit
from subtheory.instruments.labelled import Labelled, Labelling
from subtheory.setting.setting import Setting
from subtheory.theory.views import Within

SETS = 4
"""Accept sets of a network."""


def filtered(setting: Setting) -> Iterator[Setting]:
    """The setting behind random accept sets, of a half of the distilled outputs each."""
    known = distilled(setting)
    for i in range(SETS):
        drawn = np.random.default_rng((len(known), i)).permutation(known)
        yield setting.but(view=Within(tuple(sorted(drawn[: (len(known) + 1) // 2].tolist()))))


def settings() -> tuple[Setting, ...]:
    """Accept sets of labels, and of whole texts."""
    return tuple(one for setting in both() for one in filtered(setting))


@claim(
    formula="[D(ε) − D(0)]/ε = Var_{p0|S}(s) + O(ε) ≥ 0, s = Δ · ∇log p0, S a fixed accept set of outputs or texts",
    source="labels of the law p_ε(i)/p_ε(S) pull by their own scores (gap g8, prediction P12)",
    controls=ADDED,
    applies=sampled,
    spread=filtered,
    settings=settings,
    reads=Labelled(),
    proof="output_filter",
)
def filtered_outputs_align_against_a_control(m: Labelling) -> Evidence:
    """What a fixed filter lets pass of a teacher's outputs aligns its student, beyond the untrained teacher's student.

    By the variance of the scores under the law of what passes, constant and order, whatever the filter. Without the
    control there is a term of order zero, of any sign.
    """
    predicted = m.eps * m.variance(m.r0)
    return limit(m.added, predicted, predicted, m.eps, 2, m.rounding)
