"""What statistical claims record where they are true: drawn from the law that each states, without a network.

A record is drawn as its instrument would count it, students that share labels included; what a law neglects is 0. How
sure a claim is of a failure is told by its margin: at most `tail(margin)` of true records have one as low or lower.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
from numpy.random import Generator
from scipy.special import betainc, ndtr, ndtri, stdtr

from subtheory.claims import mismatch
from subtheory.claims.dynamics import adapters, many_steps, traits, width
from subtheory.claims.labels import detection, greedy, rounding, sampling
from subtheory.claims.mean_field import INITS
from subtheory.claims.mean_field import SIGMAS as OF_MEAN_FIELD
from subtheory.instruments.detected import PEARSON, RATIO, STATISTIC, STUDENT, TRAINED, Cells, Detections, Told
from subtheory.instruments.dynamics.adapted import Adaptations, cut, shares
from subtheory.instruments.dynamics.pooled import Guests
from subtheory.instruments.dynamics.trajectory import Training
from subtheory.instruments.dynamics.widths import DOUBLINGS, Diluted
from subtheory.instruments.inputs.ties import Ties
from subtheory.instruments.labelled import Labelling
from subtheory.instruments.mean_field import Transferred
from subtheory.instruments.sampled import Cells as Signs
from subtheory.instruments.sampled import Groups, Steps, Taxes
from subtheory.instruments.sign_law import Frequencies
from subtheory.statistics import student_quantile
from subtheory.theory.dynamics.spectrum import Spectrum
from subtheory.theory.losses import CrossEntropy, log_softmax


@dataclass(frozen=True)
class Null:
    """A law under which one claim is true."""

    claim: str
    draw: Callable[[Generator], Any]
    """A record of its instrument."""
    tail: Callable[[float], float]
    """The most with which a record has a margin as low, while the numbers that it looks at are normal, or counts."""


def normal(looks: int, level: float) -> Callable[[float], float]:
    """Of so many numbers, each within Φ⁻¹ of the level, the margin 1 − |z|/|Φ⁻¹(level/2)|: looks · 2Φ(−|z|)."""
    return lambda margin: min(1.0, looks * 2 * float(ndtr((1 - margin) * ndtri(level / 2))))


def beyond(looks: int, sigmas: float) -> Callable[[float], float]:
    """The same by a number of standard errors."""
    return normal(looks, 2 * float(ndtr(-sigmas)))


# Counts -------------------------------------------------------------------------------------------

SIZES = np.array([1e-4, 1e-5, 1e-6])
"""ε where a record needs some: laws of first order do not depend on it."""

PARAMETERS = 100


def frequencies(rng: Generator) -> Frequencies:
    """Students off by r: D > 0 with probability ½ + ½I_{c²}(½, (P − 1)/2), c = r*/(r√P)."""
    relative = np.array(mismatch.RELATIVE)
    p = 0.5 + 0.5 * betainc(0.5, (PARAMETERS - 1) / 2, 1 / (relative**2 * PARAMETERS))
    counts = rng.binomial(mismatch.DRAWS, p, (len(SIZES), len(p)))
    return Frequencies(SIZES, SIZES, relative, counts, mismatch.DRAWS, p, np.zeros(counts.shape), PARAMETERS)


def signs(rng: Generator) -> Signs:
    """Students of N labels: D̂ is normal with mean εq and variance q/N, beyond a control with 2q/N; q = 1."""
    cells = [(tau, eps) for tau in (0.5, 1.0, 2.0) for eps in sampling.EPS]
    tau, eps = np.array(cells).T
    labels = (np.array(sampling.DEFLECTIONS) / eps[:, None]) ** 2
    draws = sampling.SIGNS.draws
    steps = []
    for size, noise in ((eps, np.ones(len(eps))), (tau * eps, 2 * tau**2)):
        spread = np.sqrt(noise[:, None] / labels)
        D = size[:, None, None] + spread[..., None] * rng.standard_normal((*labels.shape, draws))
        none = np.zeros(labels.shape)
        law = ndtr(size[:, None] / spread)
        steps.append(Steps(np.sum(D > 0, -1), D.mean(-1), D.var(-1, ddof=1), law, size, noise, none, none))
    return Signs(tau, eps, eps**2 / 2, labels, draws, steps[0], steps[1], np.zeros(0), np.zeros(0), 1.0)


def groups(rng: Generator) -> Groups:
    """Pairs of groups, ahead with Φ(d√(n/2)), or by a matched direction with ½."""
    law = ndtr(np.array([sampling.DEFLECTIONS] * len(sampling.EPS)) / np.sqrt(2))
    none, draws = np.zeros(law.shape), sampling.GROUPS.draws
    matched = rng.binomial(draws, 0.5, (*law.shape, 2))
    counts = rng.binomial(draws, law)
    return Groups(np.zeros(len(law)), none, draws, counts, law, none, matched, np.zeros(matched.shape))


def _told(rng: Generator, d: np.ndarray, *scores: np.ndarray) -> Told:
    """What a detector tells of scores of the teacher's data sets and of the init's, (K, J, draws) each."""
    ours, theirs = scores
    draws = ours.shape[-1]

    def cells(hits: np.ndarray) -> Cells:
        return Cells(hits.sum(axis=-1), draws, d, np.zeros(d.shape))

    hits = ours > 0, ours > detection.Z, theirs > detection.Z, ours > theirs
    return Told(np.zeros(len(d)), *map(cells, hits))


def detections(deflections: tuple[float, ...], heard: float) -> Callable[[Generator], Detections]:
    """Likelihood ratio and student, normal with the correlation √(KL/KL_full) = `heard`, and three who see nothing."""

    def draw(rng: Generator) -> Detections:
        d = np.array([deflections] * len(detection.EPS))
        kl = np.array(detection.EPS) ** 2
        noise = rng.standard_normal((2, 2, *d.shape, detection.DRAWS))
        other = heard * noise[0] + np.sqrt(1 - heard**2) * noise[1]
        at = d[..., None]
        told = {
            RATIO: _told(rng, d, at + noise[0, 0], noise[0, 1]),
            STUDENT: _told(rng, heard * d, heard * at + other[0], other[1]),
        }
        blind = rng.standard_normal((3, 2, *d.shape, detection.DRAWS))
        told |= {
            name: _told(rng, 0 * d, *each) for name, each in zip((STATISTIC, TRAINED, PEARSON), blind, strict=True)
        }
        return Detections(np.array(detection.EPS), kl, kl / heard**2, d**2 / (2 * kl[:, None]), told)

    return draw


def blinded(margin: float) -> float:
    """Of 12 counts, and of three areas of 1,200 pairs whose two one-sided tests leave 1 − margin of what is allowed."""
    error = 0.5 / np.sqrt(4 * detection.DRAWS)
    off = (1 - margin) * detection.MARGIN / error + ndtri(detection.TEST)
    return min(1.0, normal(12, detection.CHANCE)(margin) + 3 * 2 * float(ndtr(-off)))


# Means --------------------------------------------------------------------------------------------


def taxes(rng: Generator) -> Taxes:
    """Mean changes of the trait over students: chi-squares of one degree, the most skewed of quadratic forms."""
    predicted, n = np.array([3.0, 0.0, -0.75]), sampling.TAXES.draws
    each = predicted + rng.chisquare(1, (n, 3)) - 1
    error = each.std(axis=0, ddof=1) / np.sqrt(n)
    return Taxes(1.0, 1.0, 0.0, 1.0, 1.0, np.array([25, 100, 400]), each.mean(0), error, predicted, np.zeros(3))


def guests(rng: Generator) -> Guests:
    """Shares of a symmetric law of heavy tails, Student's of three degrees."""
    return Guests(rng.standard_t(3, 400))


def hoeffding(margin: float) -> float:
    """2 exp(−x²/2) of |Σs| = x√Σs² for a symmetric law of s."""
    return min(1.0, 2 * float((traits.LEVEL / 2) ** ((1 - margin) ** 2)))


@cache
def _adapted() -> Adaptations:
    """Its law without counts, which all draws share."""
    ranks, values = np.array(adapters.READS.ranks), np.array([1.0, 0.5, 0.2, -0.3])
    none = np.zeros(len(ranks))
    return Adaptations(ranks, adapters.DRAWS, float(values.sum()), values, none, none, np.zeros((len(ranks), 3)), 0.0)


@cache
def _shares() -> np.ndarray:
    known = _adapted()
    return shares(known.values, known.ranks, cut(known.values, known.ranks))


def adaptations(rng: Generator) -> Adaptations:
    """D/ε = Σ λ_i χ²_r/r of many students at each rank r."""
    known = _adapted()
    each = [rng.chisquare(r, (known.draws, len(known.values))) @ known.values / r for r in known.ranks]
    D = np.array(each)
    counts = np.sum(D[:, None] < known.cuts[..., None], axis=-1)
    found = replace(known, mean=D.mean(-1), deviation=D.std(-1, ddof=1), counts=counts)
    vars(found)["predicted"] = _shares()  # cached there: the law is that of all draws
    return found


def diluted(rng: Generator) -> Diluted:
    """Layers whose shares are gamma with a mean of 1/n, and whose blocks are exponential."""
    widths = 32 * 2 ** np.arange(DOUBLINGS + 1)
    shape = (width.DRAWS, len(widths))
    return Diluted(widths, rng.gamma(4.0, 0.25, shape) / widths, 1.0 / widths, rng.exponential(1.0, shape))


def transferred(rng: Generator) -> Transferred:
    """What is added to students of correlated inits: gamma, of mean 1.01, of which 0.01 is what theory leaves out."""
    return Transferred(rng.gamma(4.0, 1.01 / 4, INITS), 1.0, 0.01, 0.0)


# Labels -------------------------------------------------------------------------------------------


def ties(rng: Generator) -> Ties:
    """Margins that are uniform up to δ, velocities that are normal: a row flips where 0 ≤ margin < εv, and adds v.

    Sizes ε at which 480 to 60 rows flip, as on the claim's own setting.
    """
    eps, n = 0.074 * 2.0 ** -np.arange(len(greedy.SMALL)), greedy.NEAREST
    margin, v = rng.random(n), rng.standard_normal(n)
    gains = np.where(margin < eps[:, None] * v, v, 0.0)
    return Ties(eps, gains.mean(-1), np.zeros(len(eps)), gains, margin, v, 1.0, 1.0, 1.0)


def _labelling(eps: np.ndarray, z: np.ndarray, u: np.ndarray) -> Labelling:
    """Labels of a teacher whose logits are z + εu, all of them, and all places alike."""
    ones: Any = np.ones(z.shape[-1])
    weights = np.full(len(z), 1 / len(z))
    moved: Any = z + eps[:, None, None] * u
    log_p0, log_p = (np.asarray(log_softmax(each, ones)) for each in (z, moved))  # type: ignore[arg-type]
    none = np.zeros(len(eps))
    loss: Any = CrossEntropy()
    found = Labelling(loss, eps, none, 0.0, none, none + 1.0, weights, z, u, log_p0, log_p, log_p0, log_p, ones)
    each = np.sum((found.r - found.r0) * found.scores, axis=-1)
    return replace(found, added=found.mean(each))


def drawn(rng: Generator) -> Labelling:
    """Places with normal logits and velocities; so many that the claim's own draws are others in each record."""
    shape = int(rng.integers(32, 128)), 4
    return _labelling(np.array([0.1, 0.05]), rng.standard_normal(shape), rng.standard_normal(shape))


def rounded(rng: Generator) -> Labelling:
    """Outputs anywhere in their cells of the grid: what is added is that of the cells' boundaries that are crossed."""
    shape = 512, 7
    found = _labelling(np.array(rounding.EPS), rounding.GRID * rng.random(shape), rng.standard_normal(shape))
    z, u, g = found.logits, found.velocity, rounding.GRID
    crossed = np.round((z + found.eps[:, None, None] * u) / g) - np.round(z / g)
    return replace(found, added=np.sum(2 * found.weights[:, None] * u * g * crossed, axis=(-2, -1)))


NULLS = (
    Null("mismatch-sign-law", frequencies, normal(16, mismatch.LEVEL)),
    Null("critical-radius-is-proportional-to-eps", frequencies, beyond(2, mismatch.SIGMAS)),
    Null("sampled-sign-follows-kl", signs, normal(150, sampling.LEVEL)),
    Null("sampling-taxes-the-trait", taxes, beyond(3, sampling.SIGMAS)),
    Null("group-auroc-follows-root-n", groups, normal(6, sampling.LEVEL)),
    Null("matched-direction-stays-at-chance", groups, normal(12, sampling.LEVEL)),
    Null("transfer-and-detection-share-one-boundary", detections((1.0, 2.0), 1 - 1e-9), normal(20, detection.CHANCE)),
    Null("statistics-can-see-nothing", detections((1.5, 3.0), 0.9), blinded),
    Null("flips-add-up-by-the-density-of-ties", ties, normal(4, greedy.LEVEL)),
    Null("greedy-and-sampled-rows-differ-by-a-ratio", drawn, normal(4, greedy.LEVEL)),
    Null("rounding-dithers-over-many-outputs", rounded, normal(4, rounding.LEVEL)),
    Null("lora-student-follows-on-average", adaptations, normal(4, adapters.LEVEL)),
    Null("lora-spread-falls-with-rank", adaptations, normal(12, adapters.LEVEL)),
    Null("guests-of-other-inits-add-nothing-on-average", guests, hoeffding),
    Null("width-dilutes-a-fixed-channel", diluted, beyond(1, width.SIGMAS)),
    Null("outputs-decouple-with-width", diluted, beyond(5, width.SIGMAS)),
    Null("mean-field-curve-predicts-transfer", transferred, beyond(1, OF_MEAN_FIELD)),
)
"""One for each statistical claim that states a law. `alignment-is-sustained-in-training` states a sign alone."""


# A sign -------------------------------------------------------------------------------------------


def sustained(rng: Generator) -> list[Training]:
    """Students whose mean cosine is 0, at their only step: those of several steps have to pass at each."""
    one, none = np.ones((1, 1)), np.zeros((1, 2))
    known = Spectrum(np.ones(1), np.ones(1), np.zeros(()))
    row = np.zeros(2)
    return [
        Training(np.ones(1), 0.5, known, none, none, cosine * one, one, none, row, none, np.ones(1), row, row, row)
        for cosine in rng.standard_normal(many_steps.DRAWS)
    ]


def sustained_tail(margin: float) -> float:
    """P(T > t) of Student's t at which the margin is t/t* − 1, t* of the claim's level."""
    freedom = many_steps.DRAWS - 1
    return float(stdtr(freedom, -(1 + margin) * student_quantile(1 - many_steps.LEVEL, freedom)))
