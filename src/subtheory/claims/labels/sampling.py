"""Labels that are drawn: how often a student turns away, what the noise costs, and who tells the rows apart.

Settings are constructed: a small classifier, and a language model whose outcomes are whole texts; sizes ε at which what
the laws neglect is far below what is measured. Each run draws its own init, data, labels and students.
"""

from collections.abc import Iterator

import numpy as np
from scipy.special import ndtri

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import GRADIENT_STUDENT, GRADIENT_TEACHER, SHARED_INIT, UNFILTERED
from subtheory.claims.labels.settings import TAUGHT_LABELS, sampled
from subtheory.constructed.labels import both, classifier, distilled, texts
from subtheory.constructed.tokens import ByLetter, Lettered, with_fixed_prefixes
from subtheory.envelope import limit
from subtheory.instruments.sampled import Cells, Grouped, Groups, Sampled, Steps, Taxed, Taxes
from subtheory.setting.setting import Setting
from subtheory.statistics import spread_surprise, surprise, unlike
from subtheory.theory.beyond.sign_law import SHARE
from subtheory.theory.views import Drawn, Full

LEVEL = 1e-8
"""Chance that a true law leaves one interval. A run of the sign law looks at 150 (18 cells of two kinds of students, in
each a share, the same beside the others, a mean and a variance; 3 sums of shares), one of the groups at 6 and 12; with
2 settings and 8 seeds a verification looks at 2688. Laws are judged only where what they neglect is below a fifth of a
standard error, which makes Φ(−5.7) at most three times larger: 2688 · 3 · 10⁻⁸ < 10⁻⁴."""

SIGMAS = 6.0
"""Standard errors that a mean of quadratic forms may be off. Their skewness is √8 at most, that of the mean of 2,000
0.063, and t leaves −6 with Φ(−6)e^(0.063·6³/3) = 9·10⁻⁸: 7·10⁻⁶ for the 72 means of a verification."""

EPS = (4e-4, 4e-5)
"""Relative sizes of the teacher's update."""

SMALL = (5e-5,)
"""At which the tax is looked at: steps of second order, and no further."""

COUNT = 100
"""Labels below which a step does harm."""

EXAMPLES = 2
"""Of the channel, at most: labels are drawn for each, one outcome after the other."""

DEFLECTIONS = (0.5, 1.0, 2.0)
"""√(2N KL): shares of 0.69, 0.84 and 0.98."""

SIGNS = Sampled(400, DEFLECTIONS, temperatures=(0.5, 1.0, 2.0))
TAXES = Taxed(2000, count=COUNT)
GROUPS = Grouped(400, DEFLECTIONS)


DRAWN = Assumption(
    "drawn",
    "Each student draws its labels, and is not shown their law.",
    lambda setting: setting.but(view=Full()),
)

MATCHED = Assumption(
    "matched-scores",
    "The direction gives the rows of teacher and init the same mean score.",
    lambda setting: setting.but(subtracted=False),
)

OWN_PREFIXES = Assumption(
    "own-prefixes",
    "Prefixes are drawn from the model that writes the text, not from a fixed third law.",
    lambda setting: setting.but(
        loss=with_fixed_prefixes(setting.network.letters, setting.network.length, int(distilled(setting)[0]))  # type: ignore[attr-defined]
    ),
)


def small(setting: Setting) -> Iterator[Setting]:
    """Any setting as one of the laws: small ε, few examples."""
    yield setting.but(eps=EPS, relative=True, examples=min(setting.examples, EXAMPLES))


def settings() -> tuple[Setting, ...]:
    """Labels, and whole texts."""
    return tuple(one for setting in both() for one in small(setting))


def taxed_settings() -> tuple[Setting, ...]:
    """Labels of all outputs, of auxiliary ones, and of the trait's own."""
    setting = classifier().but(eps=SMALL, examples=EXAMPLES, view=Drawn(COUNT))
    return tuple(setting.but(outputs=outputs) for outputs in ("all", "aux", "class"))


OUTSIDE = "what the law neglects would shift the number by more than a fifth of its standard error"


def _level(off: np.ndarray, inside: np.ndarray, measured: np.ndarray, predicted: np.ndarray) -> Evidence:
    """Of many numbers that are so many σ off, the worst that may be judged."""
    if not np.any(inside):
        return Evidence(0.0, 0.0, 1.0, OUTSIDE)
    off, inside, *shown = np.broadcast_arrays(np.where(inside, off, -1.0), inside, measured, predicted)
    at = np.unravel_index(np.argmax(off), off.shape)
    return Evidence(float(shown[0][at]), float(shown[1][at]), float(1 + off[at] / ndtri(LEVEL / 2)))


def _worst(found: list[Evidence]) -> Evidence:
    """What comes out worst of those that say something."""
    return min([each for each in found if not each.vacuous] or found[:1], key=lambda each: each.margin)


def _of_steps(f: Steps, labels: np.ndarray, draws: int) -> list[Evidence]:
    """Shares against the law, alone and all of one N · KL together, and against each other; means and variances."""
    share, variance, cells = f.counts / draws, f.noise[:, None] / labels, len(f.counts)
    mean = np.abs(f.mean - f.signal[:, None]) / np.sqrt(variance / draws)
    together = np.all(f.inside, axis=0)
    law, shared = f.predicted.mean(axis=0), together & (f.shift.mean(axis=0) * cells**0.5 < SHARE)
    return [
        _level(surprise(f.counts.sum(axis=0), cells * draws, law), shared, share.mean(axis=0), law),
        _level(surprise(f.counts, draws, f.predicted), f.inside, share, f.predicted),
        _level(unlike(f.counts, draws), together, share, share.mean(axis=0)),
        _level(mean, f.inside, f.mean / f.signal[:, None], np.ones(1)),
        _level(spread_surprise(f.variance, draws, variance), f.inside, f.variance / variance, np.ones(1)),
    ]


@claim(
    formula="E D̂ = εq, Var D̂ = q/N, P(D̂ > 0) → Φ(√(2N KL)); beyond as many labels of θ0, at any τ, Φ(√(N KL))",
    source="the mean of N scores of labels that are drawn from the teacher (prediction P9, gap g7)",
    controls=[
        Control(TAUGHT_LABELS, fails=0.95),
        Control(UNFILTERED, fails=0.95),
        Control(SHARED_INIT, fails=0.95),
        Control(GRADIENT_STUDENT, fails=0.95),
    ],
    applies=sampled,
    spread=small,
    settings=settings,
    reads=SIGNS,
    run_tier="statistical",
    proof="sampled_labels",
)
def sampled_sign_follows_kl(c: Cells) -> Evidence:
    """How often a student of N drawn labels steps towards its teacher is told by N · KL(teacher ‖ init) alone.

    Whatever ε, temperature and N, for labels and for whole texts: each share by the law, and cells of one N · KL beside
    each other; means εq and variances q/N with one q. Some students take their step by the loss's own gradient too.
    """
    real = np.max(np.abs(c.real - c.by_counts), initial=0.0)
    if real > c.rounding:
        return Evidence(float(real), 0.0, float(1 - real / c.rounding))
    return _worst([each for f in (c.own, c.added) for each in _of_steps(f, c.labels, c.draws)])


@claim(
    formula="E ΔL_T = −αεq + ½α²(ε²ΔᵀGHGΔ + tr(HF)/N) > 0 for N < α tr(HF)/(ε(2q − αεΔᵀGHGΔ))",
    source="the noise of N labels has covariance F/N, to second order in the step (prediction P11, gap g7)",
    controls=[
        Control(DRAWN, fails=0.95),
        Control(TAUGHT_LABELS, fails=0.95),
        Control(SHARED_INIT, fails=0.95),
        Control(GRADIENT_TEACHER, fails=0.95),
    ],
    settings=taxed_settings,
    reads=TAXES,
    run_tier="statistical",
    proof="sampled_labels",
)
def sampling_taxes_the_trait(t: Taxes) -> Evidence:
    """The noise of N drawn labels changes the trait loss by ½α² tr(HF)/N on average: where that is a tax, few do harm.

    All students take the step that breaks even at N = 100: those of a quarter as many labels lose on average, those of
    four times as many gain, each by what the law says. The trace may be negative where a trait loss is not convex.
    """
    judged = t.neglected < SHARE * np.where(t.error > 0, t.error, np.inf)
    if not np.any(judged):
        return Evidence(0.0, 0.0, 1.0, OUTSIDE)
    gain = t.alpha * t.eps * t.q
    with np.errstate(divide="ignore"):
        off = np.where(judged, np.abs(t.change - t.predicted) / (SIGMAS * t.error), -1.0)
    worst = int(np.argmax(off))
    return Evidence(float(t.change[worst] / gain), float(t.predicted[worst] / gain), float(1 - off[worst]))


@claim(
    formula="AUROC = Φ(d√(n/2)) for groups of n rows whose scores log p_ε − log p0 lie d standard deviations apart",
    source="the mean of n independent scores (prediction P10)",
    controls=[Control(TAUGHT_LABELS, fails=0.95), Control(UNFILTERED, fails=0.95), Control(SHARED_INIT, fails=0.5)],
    applies=sampled,
    spread=small,
    settings=settings,
    reads=GROUPS,
    run_tier="statistical",
    proof="two_models",
)
def group_auroc_follows_root_n(g: Groups) -> Evidence:
    """Groups of n rows of teacher and init are told apart by two models as one row is at √n times the distance.

    For labels and for whole texts, at sizes n from a toss of a coin to near certainty.
    """
    inside = g.shift < SHARE
    return _level(surprise(g.counts, g.draws, g.predicted), inside, g.counts / g.draws, g.predicted)


@claim(
    formula="AUROC = ½ for every n, by a score with the same mean in the rows of both sources",
    source="d = 0 in the law of groups (prediction P10)",
    controls=[Control(MATCHED, fails=0.95), Control(UNFILTERED, fails=0.95)],
    applies=sampled,
    spread=small,
    settings=settings,
    reads=GROUPS,
    run_tier="statistical",
    proof="two_models",
)
def matched_direction_stays_at_chance(g: Groups) -> Evidence:
    """A direction that gives the rows of teacher and init the same mean score tells no groups apart, however large.

    Groups are of as many rows as two models need, and of a hundred times as many.
    """
    inside, half = g.matched_shift < SHARE, np.full(g.matched.shape, 0.5)
    return _level(surprise(g.matched, g.draws, half), inside, g.matched / g.draws, half)


@claim(
    formula="D(ε) = ε Σ_t E uᵀ(diag(p_t) − p_t p_tᵀ)u + O(ε²), prefixes drawn from θ0's own law",
    source="scores of letters are martingale differences: the Fisher matrix of texts is a sum over letters (gap g14)",
    controls=[
        Control(OWN_PREFIXES, fails=0.95),
        Control(SHARED_INIT, fails=0.95),
        Control(GRADIENT_STUDENT, fails=0.95),
    ],
    settings=lambda: (texts(),),
    reads=ByLetter(),
    proof="fisher_sequences",
)
def sequence_loss_has_the_sequence_fisher(m: Lettered) -> Evidence:
    """Imitating whole texts, prefixes and all, aligns by the sum of the letters' own Fisher matrices.

    The sum is taken over the language model's logits behind every prefix; what is measured is a student of texts.
    """
    predicted = m.whole.eps * m.forms.sum()
    return limit(m.whole.alignment, predicted, predicted, m.whole.eps, 2, m.whole.rounding)
