"""Filters of a teacher's outputs: what passes still aligns, beyond the student of the untrained teacher (gap g8)."""

from collections.abc import Iterator

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.labels.settings import ADDED, UNSUBTRACTED, sampled
from subtheory.constructed.labels import both, distilled
from subtheory.envelope import limit
from subtheory.instruments.labelled import Labelled, Labelling
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.setting import Setting
from subtheory.theory.views import Scored, Thinned, TopK, Within

SETS = 2
"""Random accept sets of a network."""

FIXED = Assumption(
    "fixed-filter",
    "What passes does not depend on the teacher: a filter by the teacher's own likelihood moves with ε.",
    lambda setting: setting.but(view=Scored(1.0, "teacher")),
)

SHARP = Assumption(
    "accept-set",
    "A label passes whole or not at all.",
    lambda setting: setting.but(view=Scored(1.0, "base")),
)

BY_THE_RATIO = Assumption(
    "by-the-ratio",
    "Labels pass by how much more often the init says them than the teacher, not by how often the teacher does.",
    lambda setting: setting.but(view=Scored(-setting.view.power, "teacher")),  # type: ignore[attr-defined]
)


def accepting(setting: Setting) -> Iterator[Setting]:
    """The setting behind accept sets: random halves of the distilled outputs, and those likely under the init."""
    known = distilled(setting)
    half = (len(known) + 1) // 2
    for i in range(SETS):
        drawn = np.random.default_rng((len(known), i)).permutation(known)
        yield setting.but(view=Within(tuple(sorted(drawn[:half].tolist()))))
    yield setting.but(view=TopK(half, "base"))


def filtered(setting: Setting) -> Iterator[Setting]:
    """Accept sets, and one filter at a rate."""
    yield from accepting(setting)
    yield setting.but(view=Scored(-0.5, "base"))


def thinned(setting: Setting) -> Iterator[Setting]:
    """Labels thinned out by half of what the teacher added to them, and twice over."""
    for power in (0.5, 2.0):
        yield setting.but(view=Thinned(power))


def scored(setting: Setting) -> Iterator[Setting]:
    """Filters by the teacher's own likelihood: for likely labels, and so much against them that the slope turns."""
    for power in (1.0, -2.0):
        yield setting.but(view=Scored(power, "teacher"))


@claim(
    formula="[D(ε) − D(0)]/ε = Var_{p0|S}(s) + O(ε) ≥ 0, s = Δ · ∇log p0, S a fixed accept set of outputs or texts",
    source="labels of the law p_ε(i)/p_ε(S) pull by their own scores (gap g8, prediction P12)",
    controls=(*ADDED, Control(FIXED, fails=0.95)),
    applies=sampled,
    spread=filtered,
    settings=lambda: tuple(one for setting in both() for one in filtered(setting)),
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


@claim(
    formula="D(ε) = d log p_ε(S)/dε|₀ + O(ε): D(ε)/ε diverges like 1/ε behind an accept set S, with either sign",
    source="Σ_S p0 s/p0(S), the step of the untrained teacher's own filtered labels (gap g8, prediction P12)",
    controls=(Control(SHARP, fails=0.95), *UNSUBTRACTED),
    applies=sampled,
    spread=accepting,
    settings=lambda: tuple(one for setting in both() for one in accepting(setting)),
    reads=Labelled(),
    proof="output_filter",
)
def raw_alignment_diverges_through_a_filter(m: Labelling) -> Evidence:
    """Behind a filter the raw alignment tends to a constant: how fast the accepted mass grows as the teacher moves.

    The mass is counted on the teacher's outputs, at the same ε and without a student.
    """
    mass = np.log(np.where(m.r0 > 0, m.p, 0.0).sum(axis=-1)) - np.log(np.where(m.r0 > 0, m.p0, 0.0).sum(axis=-1))
    predicted = m.mean(mass) / m.eps
    return limit(m.alignment, predicted, predicted, m.eps, 1, m.rounding + ROUNDINGS * UNIT / m.eps)


@claim(
    formula="r ∝ p_ε^(1 − λ) p0^λ: D(ε) = (1 − λ)εq + O(ε²), −εq at λ = 2, with q = ΔᵀGΔ",
    source="labels that pass with probability ∝ (p0/p_ε)^λ (prediction P12)",
    controls=(*UNSUBTRACTED, Control(BY_THE_RATIO, fails=0.95)),
    applies=sampled,
    spread=thinned,
    settings=lambda: tuple(one for setting in both() for one in thinned(setting)),
    reads=Labelled(),
    proof="output_filter",
)
def thinning_by_the_ratio_reverses_alignment(m: Labelling) -> Evidence:
    """Labels that are thinned out by a power λ of teacher over init keep 1 − λ of the alignment, reversed for λ > 1.

    Only a filter that knows both models can do that: at the same rates by the teacher's own likelihood it fails.
    """
    predicted = m.view.kept * m.eps * m.form  # type: ignore[attr-defined]
    return limit(m.added, predicted, predicted, m.eps, 2, m.rounding)


@claim(
    formula="r ∝ p_ε^(1 + a): [D(ε) − D(0)]/ε = (1 + a)Var_r(s) + O(ε), r ∝ p0^(1 + a); D(0) = E_r s",
    source="labels that pass with probability ∝ p_ε^a: the filter moves with the teacher (prediction P12)",
    controls=ADDED,
    applies=sampled,
    spread=scored,
    settings=lambda: tuple(one for setting in both() for one in scored(setting)),
    reads=Labelled(),
    proof="output_filter",
)
def filter_by_the_teachers_score_scales_the_slope(m: Labelling) -> Evidence:
    """A filter by the teacher's own likelihood multiplies what is added: it turns where likely labels hardly pass.

    Beyond the untrained teacher's student, filtered by its own likelihood in turn.
    """
    predicted = m.view.kept * m.eps * m.variance(m.r0)  # type: ignore[attr-defined]
    return limit(m.added, predicted, predicted, m.eps, 2, m.rounding)
