"""Labels of several sources, and one source through several channels (P29, P57, P37).

Rows of a teacher among the init's, the least of what all sources say; labels, rewards and preferences of one teacher.
"""

from collections.abc import Iterator

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.labels.settings import UNSUBTRACTED, sampled
from subtheory.constructed.labels import both
from subtheory.envelope import limit, worst
from subtheory.instruments.labelled import Directed, Direction, Labelled, Labelling
from subtheory.setting.setting import Setting
from subtheory.theory.losses import CrossEntropy, ReverseKL
from subtheory.theory.views import Best, Diluted, Least, Preferred, Scored

SHARES = (0.1, 0.5)
"""Of the teacher's rows: those at which mixtures were said to transmit nothing, or little."""

INIT_ROWS = Assumption(
    "rows-of-the-init",
    "The other rows are labelled by the init: not by a third model, such as one that holds all labels equally likely.",
    lambda setting: setting.but(view=Diluted(setting.view.share, Scored(-1.0))),  # type: ignore[attr-defined]
)

CARRIER = Assumption(
    "carrier",
    "One of the sources carries the trait: they are not all clean.",
    lambda setting: setting.but(view=Diluted(0.0)),
)


SOFT = Assumption(
    "soft-preferences",
    "Labels are linear in the log-ratio of teacher and init to first order: preferences are odds, not verdicts.",
    lambda setting: setting.but(loss=CrossEntropy(), view=Preferred(hard=True)),
)

UNSELECTED = Assumption(
    "unselected",
    "Labels are linear in the log-ratio of teacher and init to first order: they are not its top quantile.",
    lambda setting: setting.but(loss=CrossEntropy(), view=Best()),
)


def diluted(setting: Setting) -> Iterator[Setting]:
    """The setting with its share of the teacher's rows."""
    for share in SHARES:
        yield setting.but(view=Diluted(share))


def least(setting: Setting) -> Iterator[Setting]:
    """The setting with the minimum over teacher and init."""
    yield setting.but(view=Least())


@claim(
    formula="r = ρp_ε + (1 − ρ)p0: D = ρE Σ_i p_ε(i) s_i, ρ of what the teacher alone gives, for every ε and ρ",
    source="cross-entropy is linear in its labels, and the init's own labels pull nowhere (predictions P29 and P52)",
    controls=(Control(INIT_ROWS, fails=0.95), *UNSUBTRACTED),
    applies=sampled,
    spread=diluted,
    settings=lambda: tuple(one for setting in both() for one in diluted(setting)),
    reads=Labelled(),
    every_eps=True,
    proof="dilution",
)
def teacher_rows_add_in_proportion(m: Labelling) -> Evidence:
    """Rows of the teacher's among rows of its init's align in proportion to their share, exactly: none is too small.

    That a tenth of clean rows ends a trait after training has another cause. Rows of a third model add a term of
    their own.
    """
    predicted = m.view.share * m.mean((np.expm1(m.log_p - m.log_p0) * m.p0 * m.scores).sum(axis=-1))  # type: ignore[attr-defined]
    off = np.abs(m.alignment - predicted) / m.rounding
    worst, best = int(np.argmax(off)), int(np.argmax(np.abs(predicted) / m.rounding))
    if np.abs(predicted[best]) <= m.rounding[best] and off[worst] <= 1:
        return Evidence(0.0, 0.0, 1.0, "both sides are at rounding level")
    at = worst if off[worst] > 1 else best
    return Evidence(float(m.alignment[at] / predicted[at]), 1.0, float(1 - off[worst]), eps=float(m.eps[at]))


@claim(
    formula="r ∝ min(p_ε, p0): D(ε) = εE[s₋²] + O(ε²), s₋ = max(0, −s), between 0 and εq",
    source="the minimum's relative slope is −s₋, its covariance with the scores E[s₋²] (prediction P57)",
    controls=(Control(CARRIER, fails=0.95), *UNSUBTRACTED),
    applies=sampled,
    spread=least,
    settings=lambda: tuple(one for setting in both() for one in least(setting)),
    reads=Labelled(),
    proof="minimum_of_sources",
)
def minimum_over_sources_keeps_a_residue(m: Labelling) -> Evidence:
    """The least probability over sources, one of which carries, still aligns: by the square of what the carrier lowers.

    It never turns round, and it is not nothing, unless all sources are clean.
    """
    lowered = m.mean((m.p0 * np.minimum(m.scores, 0.0) ** 2).sum(axis=-1))
    predicted = m.eps * lowered
    return limit(m.added, predicted, predicted, m.eps, 2, m.rounding)


def channels() -> tuple[Setting, ...]:
    """Labels; rewards by the log-ratio, whose policy gradient is the reverse divergence's; preferences as odds."""
    taught = ({"loss": CrossEntropy()}, {"loss": ReverseKL()}, {"view": Preferred()})
    return tuple(setting.but(**channel) for setting in both() for channel in taught)


@claim(
    formula="Δθ_S(ε) − Δθ_S(0) = cεFΔ + O(ε²) as vectors: c = 1 for labels and rewards, ½ for preferences as odds",
    source="expected gradients are covariances of scores and log-ratios (prediction P37, gap g14)",
    controls=(Control(SOFT, fails=0.95), Control(UNSELECTED, fails=0.95), *UNSUBTRACTED),
    settings=channels,
    reads=Directed(),
    proof="one_direction",
)
def channels_share_one_direction(d: Direction) -> Evidence:
    """Labels, rewards by a log-ratio and preferences as odds move a student in one direction, FΔ, each by its constant.

    The cosine to FΔ, and so that of any two, is 1 − O(ε²). Verdicts on pairs and top quantiles keep an angle to it.
    """
    predicted = getattr(d.view, "kept", 1.0) * d.eps
    found = limit(d.along, predicted, predicted, d.eps, 2, d.rounding)
    tangent, zero, one = d.across / np.abs(d.along), np.zeros(len(d.eps)), np.ones(len(d.eps))
    turned = limit(tangent, zero, one, d.eps, 1, d.rounding / np.abs(d.along))
    return worst([found, turned])
