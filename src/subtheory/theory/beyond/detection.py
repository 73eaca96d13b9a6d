"""What a detector sees of labels, and what a student takes from them: one number, √(2N KL).

N labels are drawn from the law r_ε of a teacher's labels or from that of its init's, r_0, each at a place that is drawn
from the channel. A detector gives the label i at the place x a score w(x, i), and N labels their sum. Its deflection
is how far the two sums' means lie apart, in standard deviations; the optimal w = log(r_ε/r_0) has

    d = √N (E_ε w − E_0 w)/sd(w) = √(2N KL(r_ε ‖ r_0)) (1 + O(ε)),   w = ε(s − E_0 s) + O(ε²),

and no other w a larger one (Cauchy and Schwarz). The student is such a detector: its step on N labels has
D = Σ w/N with w = s = Δ · ∇log p0 less its control's, so that where labels move along s it has the same d. A detector
of a statistic T(i) has the KL of the law of T, never larger. Labels that are `Matched` in T have
KL* = KL − KL_T, and the student, which hears all of s, d = √(2N) KL*/√KL. Everything is told by arguments of the
normal law Φ, and by what is left out of it. Sources: predictions P39, P10; `proofs/detection.py`.
"""

from typing import Any, NamedTuple

import numpy as np

BERRY_ESSEEN = 0.56
"""|P(S ≤ t) − Φ| ≤ 0.56 Σ E|X_i − EX_i|³/(Σ Var X_i)^(3/2) for independent X_i with sum S (Shevtsova 2010)."""


def deflection(kl: Any, rows: Any = 1) -> Any:
    """d = √(2N KL): Φ(d) is how often N labels move a student towards its teacher; broadcasts.

    Φ(d − z), z the 1 − a quantile of Φ, is the power of the optimal test at level a. A KL that rounding has left below
    0 counts as 0. Source: P9, P39.
    """
    return np.sqrt(2 * np.asarray(rows, float) * np.maximum(kl, 0.0))


def apart(d: Any, rows: Any = 1) -> Any:
    """d√(n/2): its Φ is the AUROC of groups of n rows, whose scores lie d standard deviations apart; broadcasts.

    Source: P10.
    """
    return np.asarray(d) * np.sqrt(np.asarray(rows, float) / 2)


class Moments(NamedTuple):
    """Of the score of one label: its mean, variance, and third absolute central moment; (...) each."""

    mean: Any
    variance: Any
    third: Any


def moments(scores: np.ndarray, law: np.ndarray) -> Moments:
    """Of scores (..., M, V) under a joint law of place and label, (..., M, V)."""
    over = (-2, -1)
    mean = (law * scores).sum(axis=over)
    off = np.abs(scores - mean[..., None, None])
    return Moments(mean, (law * off**2).sum(axis=over), (law * off**3).sum(axis=over))


class Normal(NamedTuple):
    """A probability that is Φ(argument) but for `neglected` at most; (...) each."""

    argument: Any
    neglected: Any


def exceeding(teacher: Moments, init: Moments, rows: Any, z: float = 0.0) -> Normal:
    """P(Σ w > N E_0 w + z√(N Var_0 w)) for N labels of the teacher: power where Φ(−z) is the level; broadcasts.

    Without a spread, as of a score that is the same for all labels, the argument is −z.
    """
    spread = np.sqrt(np.where(teacher.variance > 0, teacher.variance, 1.0))
    gap = np.sqrt(rows) * (teacher.mean - init.mean) - z * np.sqrt(init.variance)
    argument = np.where(teacher.variance > 0, gap / spread, -z)
    return Normal(argument, BERRY_ESSEEN * teacher.third / (spread**3 * np.sqrt(rows)))


def ahead(teacher: Moments, init: Moments, rows: Any) -> Normal:
    """P(Σ w of N labels of the teacher > that of N of the init): the AUROC; broadcasts. Without a spread, ½."""
    variance = teacher.variance + init.variance
    spread = np.sqrt(np.where(variance > 0, variance, 1.0))
    argument = np.sqrt(rows) * (teacher.mean - init.mean) / spread
    return Normal(argument, BERRY_ESSEEN * (teacher.third + init.third) / (spread**3 * np.sqrt(rows)))
