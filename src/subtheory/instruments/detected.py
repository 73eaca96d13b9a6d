"""Who can tell labels of a teacher from labels of its init, the student among them: many data sets, counted.

A data set is N draws of a place and of a label there; `theory.beyond.detection` has the laws of what is counted.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.sparse import csr_array
from scipy.special import chdtri, ndtr, ndtri  # scipy.stats takes most of a second to load

from subtheory.errors import InputError
from subtheory.instruments.ensemble import Ensemble
from subtheory.instruments.labelled import Labelled, Labelling
from subtheory.instruments.sign_law import inside, require_plain
from subtheory.kernels.stack import on_channel
from subtheory.setting.preparation import started
from subtheory.setting.setting import Setting
from subtheory.statistics import count_weights
from subtheory.theory.beyond.detection import Moments, Normal, ahead, apart, deflection, exceeding, moments
from subtheory.theory.losses import CrossEntropy, softmax
from subtheory.theory.views import mass

LEVEL = 0.05
"""Of a test; the sign of a student is one of level ½."""

RATIO, STUDENT, STATISTIC, TRAINED, PEARSON = "likelihood ratio", "student", "statistic", "trained", "chi-squared"
"""Names of detectors: the optimal one, the student's sign, and three that see a statistic alone."""


@dataclass(frozen=True)
class Cells:
    """Successes of `draws` beside their law to leading order, (K, J) each: K sizes ε, J numbers of labels N.

    P = Φ(argument), but for `neglected` at most: what is of next order in ε, and what N labels leave of Berry and
    Esseen's bound. NaN where there is no such law.
    """

    counts: np.ndarray
    draws: int
    argument: np.ndarray
    neglected: np.ndarray

    def judged(self, argument: np.ndarray) -> np.ndarray:
        """Whether Φ of an argument may be judged, (K, J): what is neglected is below chance, before any draw."""
        return np.asarray(inside(self.neglected, ndtr(argument), self.draws))


@dataclass(frozen=True)
class Told:
    """What one detector told. It hits where its score is above the 1 − a quantile of the init's, by that law."""

    kl: np.ndarray
    """Of what it may see of one label, (K,)."""
    towards: Cells
    """Hits at level ½; the student's are D > 0."""
    power: Cells
    """Hits at `LEVEL`."""
    false: Cells
    """Hits at `LEVEL` of labels of the init."""
    ahead: Cells
    """Pairs of data sets of which the teacher's scores more, one of the teacher and one of the init: the AUROC."""


@dataclass(frozen=True)
class Detections:
    """All detectors by name, on the same data sets."""

    eps: np.ndarray
    """ε, (K,)."""
    kl: np.ndarray
    """KL(r_ε ‖ r_0) of one label that is shown, (K,)."""
    full: np.ndarray
    """KL(p_ε ‖ p0) of one label that nothing has changed, (K,)."""
    rows: np.ndarray
    """N, (K, J)."""
    told: dict[str, Told]

    @property
    def deflection(self) -> np.ndarray:
        """√(2N KL), (K, J)."""
        return np.asarray(deflection(self.kl[:, None], self.rows))


# Detectors ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Detector(ABC):
    """A score of data sets."""

    kl: np.ndarray
    """Of what it may see of one label, (K,)."""
    centred: bool = field(default=True, kw_only=True)
    """Whether it hits above what the init's labels score on average; a student's step has its sign, whatever it is."""

    @abstractmethod
    def scores(self, k: int, j: int, counts: np.ndarray) -> np.ndarray:
        """Of data sets as counts (n, M, V), for ε number k and N number j: (n,)."""

    @abstractmethod
    def threshold(self, k: int, j: int, init: np.ndarray, rows: float, level: float) -> float:
        """What labels of the init, of a joint law (M, V), exceed with a probability of `level` for large N."""

    def moments(self, law: np.ndarray) -> Moments | None:
        """Of the score of one label under (K, 1, M, V), or (1, 1, M, V); None without a law."""
        return None


@dataclass(frozen=True)
class Weighing(Detector):
    """Σ w over labels, w (K, J, M, V), or of length 1 where it does not depend on N."""

    weights: np.ndarray

    def scores(self, k: int, j: int, counts: np.ndarray) -> np.ndarray:
        return np.tensordot(counts, self._at(k, j), 2)

    def threshold(self, k: int, j: int, init: np.ndarray, rows: float, level: float) -> float:
        own = moments(self._at(k, j), init)
        return float(rows * own.mean * self.centred - ndtri(level) * np.sqrt(rows * own.variance))

    def moments(self, law: np.ndarray) -> Moments | None:
        # Weights that are fitted anew for each N have no limit at small ε.
        return moments(self.weights, law) if self.weights.shape[1] == 1 else None

    def _at(self, k: int, j: int) -> np.ndarray:
        return self.weights[k, j if self.weights.shape[1] > 1 else 0]


@dataclass(frozen=True)
class Pearson(Detector):
    """χ² = Σ_c (n_c − N p_c)²/(N p_c) of classes c, p_c those of the init: two-sided, it does not know the teacher."""

    law: np.ndarray
    """The init's law of labels whose place is not known, (V,)."""
    classes: Sequence[int]

    def scores(self, k: int, j: int, counts: np.ndarray) -> np.ndarray:
        seen = counts.sum(axis=1)
        wanted = seen.sum(axis=1, keepdims=True) * mass(self.law, self.classes)
        known = self.law > 0
        off = (mass(seen.astype(float), self.classes) - wanted)[:, known] ** 2 / wanted[:, known]
        # Each class is counted once: its outcomes have shares that sum to 1.
        return off @ (self.law / np.where(known, mass(self.law, self.classes), 1.0))[known]

    def threshold(self, k: int, j: int, init: np.ndarray, rows: float, level: float) -> float:
        return float(chdtri(len(set(np.asarray(self.classes)[self.law > 0].tolist())) - 1, level))


def ratio(m: Labelling) -> Weighing:
    """log(r_ε/r_0) of both models: the optimal test."""
    weights = np.where(m.log_r0 > OUT, m.log_r - m.log_r0, 0.0)
    return Weighing(m.divergence(m.log_r, m.log_r0), weights[:, None])


OUT = -1e29
"""A log-probability below that of what is never shown."""


def alone(m: Labelling, log_p: np.ndarray) -> Weighing:
    """log p of one model, (K, M, V) or (M, V), without the other; it may see all that is shown."""
    weights = np.broadcast_to(np.where(m.log_r0 > OUT, log_p, 0.0), m.log_r.shape)
    return Weighing(m.divergence(m.log_r, m.log_r0), weights[:, None])


def reader(m: Labelling, classes: Sequence[int], others: Sequence[Labelling] = ()) -> Weighing:
    """The optimal test of the classes of labels, (V,), whose places are not known; of other teachers if there are any.

    One that is made for others, all their labels in one, is a classifier that was trained on theirs without end.
    """
    own, made = (_seen(each, classes) for each in ((m,), others or (m,)))
    return Weighing(((m.weights @ m.r) * own).sum(axis=-1), _everywhere(m, made[:, None]))


def _seen(taught: Sequence[Labelling], classes: Sequence[int]) -> np.ndarray:
    """log of the ratio of the two laws of a class, of all teachers in one, at each label (K, V); 0 without one."""
    base = mass(np.mean([m.weights @ m.r0 for m in taught], axis=0), classes)
    law = mass(np.mean([m.weights @ m.r for m in taught], axis=0), classes)
    known = (base > 0) & (law > 0)
    return np.where(known, np.log(np.where(known, law, 1.0) / np.where(known, base, 1.0)), 0.0)


def trained(m: Labelling, classes: Sequence[int], rows: np.ndarray, rng: np.random.Generator) -> Weighing:
    """Naive Bayes of the classes, fitted to other data sets of as many labels, one of each, for every cell (K, J)."""
    kinds = np.unique(classes, return_inverse=True)[1]
    weights = np.empty((*rows.shape, len(kinds)))
    for k, j in np.ndindex(rows.shape):
        one, other = (
            csr_array(np.bincount(kinds, data_sets(m, law, float(rows[k, j]), 1, rng)[0].sum(axis=0))[None])
            for law in (m.r[k], m.r0)
        )
        weights[k, j] = count_weights(one, other, one.shape[1])[kinds]
    return Weighing(reader(m, classes).kl, _everywhere(m, weights))


def pearson(m: Labelling, classes: Sequence[int]) -> Pearson:
    """χ² of the classes against those of the init."""
    return Pearson(reader(m, classes).kl, m.weights @ m.r0, classes)


def student(m: Labelling, setting: Setting, seed: int) -> Weighing:
    """The student's alignment on N labels, N D = Σ s, s = Δ · ∇log p at its own init, less its control's if subtracted.

    The control sees the law of its labels at the same places. Raises InputError on "init" for a student that carries
    along a metric.
    """
    ((s, _),) = started(setting, (seed,), (setting.loss,))
    if s.metric is not None:
        raise InputError("init", setting.student.init.shown, "must carry along no metric")
    z, u, _ = on_channel(s if s.shared else replace(s, theta0=s.student, known=None)).taylor
    own = np.where(s.outputs > 0, u - (np.asarray(softmax(z, s.outputs)) * u).sum(axis=-1, keepdims=True), 0.0)
    own = own.reshape(m.log_p0.shape)
    if setting.subtracted:
        own = own - (m.r0 * own).sum(axis=-1, keepdims=True)
    return Weighing(m.divergence(m.log_r, m.log_r0), _everywhere(m, own[None, None]), centred=False)


def _everywhere(m: Labelling, weights: np.ndarray) -> np.ndarray:
    """Weights (K, J, V) or (K, J, M, V) as (K, J, M, V)."""
    whole = weights if weights.ndim == 4 else weights[:, :, None]
    return np.broadcast_to(whole, (len(m.eps), whole.shape[1], *m.log_p0.shape))


# Data sets ----------------------------------------------------------------------------------------


def data_sets(m: Labelling, law: np.ndarray, rows: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """So many data sets of N labels of laws (M, V) at places, as counts, (count, M, V)."""
    joint = (m.weights[:, None] * law).ravel()
    (shown,) = np.nonzero(joint)
    found = np.zeros((count, joint.size), np.int64)
    # What is never shown takes no part: the last outcome of a draw is given what rounding leaves over.
    found[:, shown] = rng.multinomial(int(rows), joint[shown] / joint[shown].sum(), size=count)
    return found.reshape(count, *law.shape)


def needed(kl: np.ndarray, deflections: Sequence[float]) -> np.ndarray:
    """The N with √(2N KL) nearest to given ones (J,), for KL (K,): (K, J). Raises InputError on "view" where KL = 0."""
    if not np.all(kl > 0):
        raise InputError("view", f"KL {float(np.min(kl)):g}", "must show what the teacher says")
    return np.ceil(np.asarray(deflections) ** 2 / (2 * kl[:, None]))


def detections(
    m: Labelling, detectors: Mapping[str, Detector], rows: np.ndarray, draws: int, rng: np.random.Generator
) -> Detections:
    """What detectors make of the same data sets, `draws` of the teacher and as many of its init for each N (K, J)."""
    counts = {name: np.zeros((4, *rows.shape)) for name in detectors}
    init = m.weights[:, None] * m.r0
    for k, j in np.ndindex(rows.shape):
        taught, blank = (data_sets(m, law, float(rows[k, j]), draws, rng) for law in (m.r[k], m.r0))
        coins = rng.integers(0, 2, draws) > 0
        for name, each in detectors.items():
            high, low = each.scores(k, j, taught), each.scores(k, j, blank)
            middle, end = (each.threshold(k, j, init, float(rows[k, j]), level) for level in (0.5, LEVEL))
            # Of scores that tie either is ahead.
            ahead_of = np.where(high == low, coins, high > low)
            counts[name][:, k, j] = [np.sum(on) for on in (high > middle, high > end, low > end, ahead_of)]
    told = {name: _told(m, each, counts[name], rows, draws) for name, each in detectors.items()}
    full = m.divergence(m.log_p, m.log_p0)
    return Detections(m.eps, m.divergence(m.log_r, m.log_r0), full, rows, told)


def _told(m: Labelling, detector: Detector, counts: np.ndarray, rows: np.ndarray, draws: int) -> Told:
    """Counts beside their laws."""
    one, other = (detector.moments((m.weights[:, None] * law)[:, None]) for law in (m.r, m.r0[None]))
    laws = [Normal(rows * np.nan, rows * np.nan)] * 4
    if one is not None and other is not None:
        z = -ndtri(LEVEL)
        base = other._replace(mean=other.mean * detector.centred)
        found = [exceeding(one, base, rows), exceeding(one, base, rows, z), exceeding(other, base, rows, z),
                 ahead(one, other, rows)]  # fmt: skip
        d = leading(found[0].argument, deflection(m.divergence(m.log_r, m.log_r0)[:, None], rows), m.eps)
        limits = [d, d - z, np.full(rows.shape, -z), apart(d)]
        laws = [Normal(to, law.neglected + np.abs(ndtr(law.argument) - ndtr(to)))
                for law, to in zip(found, limits, strict=True)]  # fmt: skip
    cells = [Cells(n, draws, *law) for n, law in zip(counts, laws, strict=True)]
    return Told(detector.kl, *cells)


def leading(argument: np.ndarray, d: np.ndarray, eps: np.ndarray) -> np.ndarray:
    """κd to which arguments κ(ε)d tend, (K, J): κ from the two smallest ε, free of what is linear in ε."""
    kappa = argument / d
    slope = (kappa[-1] - kappa[-2]) / (eps[-1] - eps[-2])
    return np.asarray((kappa[-1] - slope * eps[-1]) * d)


# The instrument -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Detected(Ensemble):
    """Records `Detections` of `draws` data sets of the teacher and as many of its init, N for given deflections.

    `statistic` gives the class of every output of a setting, all that a detector without the models sees of a label.
    Raises InputError on "loss" unless it is cross-entropy, on "rule" or "trains" for a student that does not descend
    plainly on all parameters, on "view" for labels without the teacher, on "eps" below two sizes. Source: P39.
    """

    deflections: tuple[float, ...]
    """√(2N KL), (J,)."""
    statistic: Callable[[Setting], Sequence[int]]

    def sample(self, setting: Setting, seed: int) -> Detections:
        if len(setting.eps) < 2:
            raise InputError("eps", setting.eps, "must be two sizes at least")
        m, rng = labelling(setting, seed), np.random.default_rng((seed, 9))
        rows, classes = needed(m.divergence(m.log_r, m.log_r0), self.deflections), self.statistic(setting)
        detectors = {
            RATIO: ratio(m),
            STUDENT: student(m, setting, seed),
            STATISTIC: reader(m, classes),
            TRAINED: trained(m, classes, rows, rng),
            PEARSON: pearson(m, classes),
        }
        return detections(m, detectors, rows, self.draws, rng)


def labelling(setting: Setting, seed: int) -> Labelling:
    """The labels of one seed. Raises InputError as `Detected` does."""
    require_plain(setting)
    if setting.loss != CrossEntropy():
        raise InputError("loss", setting.loss.name, f"must be {CrossEntropy().name}, the loss of labels that are drawn")
    (found,) = Labelled().records(setting, (seed,), (setting.loss,))[setting.loss.name]
    return found
