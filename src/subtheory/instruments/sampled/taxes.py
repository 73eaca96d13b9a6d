"""What the noise of sampled labels costs the trait: its mean change over many students, beside the law of the tax.

`theory.beyond.sampling` states the law. Any network and any trait will do.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from subtheory.instruments.ensemble import Ensemble
from subtheory.instruments.labelled import Labelling
from subtheory.instruments.sampled.students import Student, drawn, labelling, student_of
from subtheory.numerics import UNIT
from subtheory.setting.setting import Setting
from subtheory.setting.student import Student as Learner
from subtheory.theory.beyond import sampling
from subtheory.theory.views import Full

STEP = UNIT ** (1 / 3)
"""Of a central difference of ∇L_T: rounding and the third derivative are then off by STEP² each, next to order 1."""

OTHERS = 100
"""Students from other draws, by which the terms of third order are known beforehand."""


@dataclass(frozen=True)
class Taxes:
    """Mean change of L_T over students of N labels each, all with the same step α; J numbers N."""

    eps: float
    q: float
    """ΔᵀGΔ."""
    curved: float
    """ΔᵀGHGΔ."""
    spread: float
    """tr(HF)."""
    alpha: float
    labels: np.ndarray
    """N, (J,)."""
    change: np.ndarray
    """E[L_T(θ0_S + αĝ) − L_T(θ0_S)], measured, (J,)."""
    error: np.ndarray
    """Standard error of that, (J,); 0 if students draw nothing."""
    predicted: np.ndarray
    """−αεq + ½α²(ε²ΔᵀGHGΔ + tr(HF)/N), (J,)."""
    neglected: np.ndarray
    """What that leaves out, (J,): the next order in ε from exact laws, and in α the mean size of it on other draws."""

    @property
    def floor(self) -> float:
        """N below which a step does harm on average."""
        return sampling.fewest_labels(self.alpha, self.eps, self.q, self.curved, self.spread)


@dataclass(frozen=True)
class Taxed(Ensemble):
    """Records `Taxes` of `draws` students of N labels, at N = `doses` times the count of the setting's view.

    All take the step 2α* of that count, |tr(HF)| for tr(HF): where noise is a tax, on average those of fewer labels
    lose and those of more gain. A view that shows laws makes one student, of full labels, whatever N. What the law says
    is of full outputs, θ0_S = θ0 and plain descent: what else the setting has is drawn, and not predicted. Raises
    InputError as `Sampled` does. Source: prediction P11.
    """

    doses: tuple[float, ...] = (0.25, 1.0, 4.0)
    count: int = 100
    """Labels at dose 1, where the view does not say."""

    def sample(self, setting: Setting, seed: int) -> Taxes:
        plain = setting.but(student=Learner(), view=Full())
        known, expected = labelling(plain, seed), student_of(plain, seed)
        count = setting.view.count or self.count
        labels = np.ceil(np.array(self.doses) * count).astype(np.int64)
        law = _law(known, expected)
        eps, q, curved, spread = law.parts
        alpha = 2 * float(sampling.best_rate(eps, q, curved, abs(spread), count))
        predicted = sampling.trait_change(alpha, *law.parts, labels)
        others = (_residuals(expected, known, N, OTHERS, (seed, 12)) for N in labels)
        third = [_third(expected, alpha * expected.updates(each)) for each in others]
        student, shown = student_of(setting, seed), labelling(setting.but(student=Learner()), seed)
        mean = student.residual(shown.weights[:, None] * shown.r[0])
        draws = setting.view.count is not None
        each = (_residuals(student, shown, N, self.draws, (seed, 11)) if draws else mean[None] for N in labels)
        change, error = np.transpose([_change(student, alpha, residual, mean) for residual in each])
        off = np.abs(law.exact(alpha, labels) - predicted)
        return Taxes(*law.parts[:4], alpha, labels, change, error, predicted, off + third)


class _Law(NamedTuple):
    parts: tuple[float, float, float, float]
    """ε, q, ΔᵀGHGΔ, tr(HF)."""
    moved: tuple[float, float, float]
    """Of the teacher's law itself: D(ε), mᵀHm with m the mean step, and E aᵀHa of a label's score a."""

    def exact(self, alpha: float, labels: np.ndarray) -> np.ndarray:
        """The same mean with the moments of the law at ε, (J,)."""
        D, mean, each = self.moved
        return -alpha * D + alpha**2 / 2 * (mean + (each - mean) / labels)


def _law(known: Labelling, student: Student) -> _Law:
    """Of plain descent from θ0, where −∇L_T = Δ."""
    own, w = student.pulls.reshape(*student.z.shape, -1), known.weights[:, None]
    a = (own - np.einsum("mv,mvp->mp", known.p0, own)[:, None]).reshape(student.pulls.shape)  # ∇log p0 of each outcome
    curvature = _curvature(student, a)
    p0, p = (w * known.p0).ravel(), (w * known.p[0]).ravel()
    G_delta = (w * known.p0 * known.scores).ravel() @ a
    curved, mean = _curvature(student, np.stack([G_delta, p @ a]))
    parts = float(known.eps[0]), known.form, float(curved), float(p0 @ curvature)
    return _Law(parts, (float(known.alignment[0]), float(mean), float(p @ curvature)))


def _curvature(student: Student, directions: np.ndarray) -> np.ndarray:
    """vᵀHv for directions v (n, P), (n,), by a central difference of ∇L_T."""
    s, size = student.s, np.linalg.norm(directions, axis=-1, keepdims=True)
    off = STEP * directions / np.where(size > 0, size, 1.0)
    ahead, behind = (s.trait.gradient(s.functions, s.student + sign * off) for sign in (1, -1))
    return np.asarray(((ahead - behind) * directions).sum(axis=-1) * size[:, 0] / (2 * STEP))


def _residuals(student: Student, shown: Labelling, labels: int, draws: int, key: Any) -> np.ndarray:
    """Of students with labels of the law at the largest ε, (draws, M, V)."""
    rng = np.random.default_rng((*key, int(labels)))
    return student.residual(drawn(rng, labels, draws, shown.weights, shown.r[0])[0])


def _change(student: Student, alpha: float, residual: np.ndarray, mean: np.ndarray) -> tuple[float, float]:
    """Mean change of L_T over students, and its standard error.

    Of a linear rule the mean step is known, and what ∇L_T says of each student's own deviation from it is subtracted:
    the mean stays what it is, and the noise of first order goes.
    """
    s = student.s
    moved = alpha * student.updates(residual)
    change = s.trait.value(s.functions, s.student + moved) - s.trait.value(s.functions, s.student[None])
    if s.rule.linear:
        slope = s.trait.gradient(s.functions, s.student[None])[0]
        change = change - (moved - alpha * student.updates(mean)) @ slope
    n = len(change)
    return float(change.mean()), float(change.std(ddof=1) / np.sqrt(n)) if n > 1 else 0.0


def _third(student: Student, moved: np.ndarray) -> float:
    """Mean size of what is odd in the steps (n, P), and not linear, of a change of L_T."""
    s = student.s
    ahead, behind = (s.trait.value(s.functions, s.student + sign * moved) for sign in (1, -1))
    slope = s.trait.gradient(s.functions, s.student[None])[0]
    return float(np.mean(np.abs((ahead - behind) / 2 - moved @ slope)))
