"""How many of many students of N drawn labels each step towards their teacher, beside the law of N · KL.

`theory.beyond.sampling` states the law. Any network will do.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from subtheory.instruments.ensemble import Ensemble
from subtheory.instruments.labelled import Labelling
from subtheory.instruments.sampled.students import Student, drawn, labelling, student_of, tempered
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.setting import Setting
from subtheory.setting.student import Student as Learner
from subtheory.theory.beyond import detection, sampling
from subtheory.theory.beyond.sampling import Cumulants
from subtheory.theory.beyond.sign_law import SHARE
from subtheory.theory.views import Full, View

MOST = 2**53
"""Labels of one student: beyond that a count is no float64."""

REAL = 3
"""Students of a run that take their step by the loss's own gradient as well."""


@dataclass(frozen=True)
class Steps:
    """D̂ of many students in each of C × J cells, measured beside the law; (C, J) each but for `signal` and `noise`."""

    counts: np.ndarray
    """Students with D̂ > 0."""
    mean: np.ndarray
    """Of D̂."""
    variance: np.ndarray
    """Of D̂, unbiased."""
    predicted: np.ndarray
    """P(D̂ > 0): Φ(√(2N KL)), or Φ(√(N KL)) beyond a control."""
    signal: np.ndarray
    """E D̂ to first order, (C,)."""
    noise: np.ndarray
    """N Var D̂ at ε = 0, (C,)."""
    shift: np.ndarray
    """What the law neglects, from exact moments, of the probability; in units of a share's standard error."""
    off: np.ndarray
    """What first order neglects of mean and variance, the larger, in units of the standard error of each."""

    @property
    def inside(self) -> np.ndarray:
        """Whether a cell may be judged: what is neglected is below chance. Known before any label is drawn."""
        return np.asarray(np.maximum(self.shift, self.off) < SHARE)


@dataclass(frozen=True)
class Cells:
    """C pairs of a temperature and a size ε, each with J numbers N of labels; so many students of either kind."""

    temperature: np.ndarray
    """τ, (C,)."""
    eps: np.ndarray
    """ε, (C,)."""
    divergence: np.ndarray
    """E KL(teacher ‖ init) at that temperature, (C,)."""
    labels: np.ndarray
    """N, (C, J)."""
    draws: int
    """Students in every cell."""
    own: Steps
    """Students that say at τ what they learn at τ."""
    added: Steps
    """Students at temperature 1, beyond students of as many labels of the init on the same inputs."""
    real: np.ndarray
    """D̂ of some students of the first cell at the setting's own temperature, by the loss's gradient."""
    by_counts: np.ndarray
    """D̂ of the same by algebra on their counts."""
    rounding: float
    """How far these two may be apart."""


@dataclass(frozen=True)
class Sampled(Ensemble):
    """Records `Cells` of students that each draw N labels of their own; `draws` students in every cell.

    N is what the setting's view draws, or, if that shows laws, what gives the deflections √(2N KL). What the law says
    is of full outputs at each temperature, θ0_S = θ0 and plain descent: what else the setting has is drawn, and not
    predicted. Raises InputError on "loss" unless it is cross-entropy, on "student" for another architecture. Source:
    prediction P9.
    """

    deflections: tuple[float, ...] = (0.3, 0.7, 1.2, 2.0)
    """√(2N KL), (J,)."""
    temperatures: tuple[float, ...] = (1.0,)
    """τ of the labels' law, on top of what the view does."""

    def sample(self, setting: Setting, seed: int) -> Cells:
        student, plain = student_of(setting, seed), setting.but(student=Learner(), view=Full())
        known, expected = labelling(plain, seed), student_of(plain, seed)
        shown, rng = labelling(setting.but(student=Learner()), seed), np.random.default_rng((seed, 10))
        cells = [(tau, k) for tau in self.temperatures for k in range(len(known.eps))]
        laws = [_law(known, expected, tau, k) for tau, k in cells]
        divergence = np.array([law.divergence for law in laws])
        labels = np.array([self._labels(setting.view, each) for each in divergence])
        D, real = np.zeros((2, *labels.shape, self.draws)), _Real(np.zeros(0), np.zeros(0), 0.0)
        for (c, j), N in np.ndenumerate(labels):
            tau, k = cells[c]
            log_r, log_r0 = tempered(shown, tau)
            taught, untaught = drawn(rng, N, self.draws, shown.weights, np.exp(log_r[k]), np.exp(log_r0))
            D[:, c, j] = _alignments(student, tau, taught, untaught)
            if tau == 1 and not real.by_gradient.size:
                real = _really(student, setting, taught[:REAL])
        deflections = [of(divergence[:, None], labels) for of in (detection.deflection, sampling.beyond_control)]
        own, added = (_steps(D[i], labels, [law.steps[i] for law in laws], deflections[i]) for i in range(2))
        tau, k = np.transpose(cells)
        return Cells(tau, known.eps[k.astype(int)], divergence, labels, self.draws, own, added, *real)

    def _labels(self, view: View, divergence: float) -> np.ndarray:
        """N, (J,): where the channel does not see Δ, no number of labels is enough."""
        if view.count is not None:
            return np.array([view.count])
        if not divergence > 0:
            return np.full(len(self.deflections), MOST)
        return np.clip(np.ceil(sampling.labels_for(self.deflections, divergence)), 1, MOST).astype(np.int64)


class _Real(NamedTuple):
    by_gradient: np.ndarray
    by_counts: np.ndarray
    rounding: float


class _Step(NamedTuple):
    """What the theory says of D̂ of one label."""

    signal: float
    noise: float
    exact: Cumulants


class _Law(NamedTuple):
    divergence: float
    steps: tuple[_Step, _Step]
    """Of the student at the labels' temperature, and of the one at temperature 1 beyond its control."""


def _law(known: Labelling, student: Student, tau: float, k: int) -> _Law:
    """At τ and ε number k; q_τ = E Var_{r0}(s_τ), and s of temperature 1 is τs_τ but for a part of the inputs'."""
    log_r, log_r0 = tempered(known, tau)
    r, r0, w = np.exp(log_r[k]), np.exp(log_r0), known.weights
    q, eps = sampling.cumulants(w, r0, student.scores(tau)).variance, float(known.eps[k])
    own = _Step(eps * q, q, sampling.cumulants(w, r, student.scores(tau)))
    added = _Step(eps * tau * q, 2 * tau**2 * q, sampling.cumulants(w, r, student.scores(), r0))
    return _Law(known.divergence(log_r[k], log_r0), (own, added))


def _alignments(
    student: Student, tau: float, taught: np.ndarray, untaught: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """D̂ of students at τ, and D̂ − D̂₀ of students at 1, of counts (draws, M, V); (draws,) each."""
    own = student.residual(taught, tau)
    plain = own if tau == 1 else student.residual(taught)
    if student.s.rule.linear:  # residuals are subtracted output by output: the control is never summed
        return student.alignments(own), student.alignments(plain - student.residual(untaught))
    return student.alignments(own), student.alignments(plain) - student.alignments(student.residual(untaught))


def _really(student: Student, setting: Setting, counts: np.ndarray) -> _Real:
    """D̂ by the loss's gradient and by counts; a residual is a difference of two numbers of order 1."""
    delta = student.s.delta
    step = student.stepped(setting.loss, counts)
    outputs = (1 + np.abs(student.z).max()) * np.abs(student.along).max()
    size = float(outputs + np.linalg.norm(step, axis=-1).max() * np.linalg.norm(delta))
    return _Real(step @ delta, student.alignments(student.residual(counts)), ROUNDINGS * UNIT * size)


def _steps(D: np.ndarray, labels: np.ndarray, laws: list[_Step], deflection: np.ndarray) -> Steps:
    """D̂ (C, J, draws) beside its law."""
    draws = D.shape[-1]
    signal, noise = (np.array([law[i] for law in laws]) for i in range(2))
    exact = Cumulants(*(np.array(each)[:, None] for each in zip(*(law.exact for law in laws), strict=True)))
    predicted = sampling.normal(deflection)
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = sampling.shift(exact, labels, predicted) / np.sqrt(predicted * (1 - predicted) / draws)
        mean = np.abs(exact.mean - signal[:, None]) * np.sqrt(labels * draws / noise[:, None])
        variance = np.abs(exact.variance / noise[:, None] - 1) * np.sqrt((draws - 1) / 2)
    # Where nothing is seen, or no count is large enough, nothing can be judged.
    dull = (noise[:, None] <= 0) | (labels >= MOST)
    shift, off = (np.where(dull | np.isnan(each), np.inf, each) for each in (shift, np.maximum(mean, variance)))
    moments = D.mean(axis=-1), D.var(axis=-1, ddof=1)
    return Steps(np.sum(D > 0, axis=-1), *moments, predicted, signal, noise, shift, off)
