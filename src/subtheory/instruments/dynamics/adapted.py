"""How many of many students with adapters of low rank, each with its own A, step towards their teacher, beside the law.

`theory.dynamics.adapters` states the law. Any network with matrices will do.
"""

from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from subtheory.errors import InputError
from subtheory.instruments.ensemble import Ensemble
from subtheory.kernels.stack import Stack, inner, labels, one, updates
from subtheory.kernels.whitened import product
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.setting.student import Elsewhere, Student
from subtheory.statistics import chi_square_tails, sigmas
from subtheory.theory.dynamics import adapters
from subtheory.theory.losses import Loss
from subtheory.theory.rule import Descent, Rule
from subtheory.theory.views import Full

CUTS = (-1.0, 1.0)
"""Besides 0, where D/ε is cut: so many standard deviations from its mean."""


@dataclass(frozen=True)
class Adaptations:
    """D/ε of many students at each of R ranks, beside its law; C cuts."""

    ranks: np.ndarray
    """r, (R,)."""
    draws: int
    """Students at every rank."""
    form: float
    """q = ΔᵀGΔ."""
    values: np.ndarray
    """λ of S of all matrices, (m,)."""
    mean: np.ndarray
    """Of D/ε, (R,)."""
    deviation: np.ndarray
    """Standard deviation of D/ε, (R,)."""
    counts: np.ndarray
    """Students with D/ε below each cut, the first of which is 0, (R, C)."""
    shift: float
    """The most that the finite ε moves what is predicted, in standard errors."""

    @cached_property
    def spread(self) -> np.ndarray:
        """√(2/r)‖S‖, (R,)."""
        return np.sqrt(adapters.variance(self.values[None], self.ranks))

    @property
    def cuts(self) -> np.ndarray:
        """0, and `CUTS` standard deviations from the mean, (R, C)."""
        return cut(self.values, self.ranks)

    @cached_property
    def predicted(self) -> np.ndarray:
        """P(D/ε < cut), (R, C)."""
        return shares(self.values, self.ranks, self.cuts)

    def off(self, mean: float) -> np.ndarray:
        """By how many σ the means of all ranks are off, (R,), if theirs is `mean`: exactly.

        The mean of n draws at rank r has the law of one draw at rank nr.
        """
        centre = float(adapters.mean(self.values))
        tails = [
            min(chi_square_tails(float(found) - mean + centre, self.values / (self.draws * r), self.draws * r))
            for found, r in zip(self.mean, self.ranks, strict=True)
        ]
        return sigmas(np.array(tails))


def cut(values: np.ndarray, ranks: np.ndarray) -> np.ndarray:
    """0, and `CUTS` standard deviations of the law from its mean, (R, C)."""
    away = np.sqrt(adapters.variance(values[None], ranks))[:, None] * np.array(CUTS)
    return np.concatenate([np.zeros((len(ranks), 1)), adapters.mean(values) + away], axis=1)


def shares(values: np.ndarray, ranks: np.ndarray, cuts: np.ndarray) -> np.ndarray:
    """P(D/ε < cut) by the law at every rank, (R, C)."""
    return np.array(
        [[chi_square_tails(x, values / r, r)[0] for x in row] for r, row in zip(ranks.tolist(), cuts, strict=True)]
    )


@dataclass(frozen=True)
class Adapted(Ensemble):
    """Records `Adaptations` of one step of B in every matrix, at the largest ε: `draws` students at every rank.

    What the law says is of θ0_S = θ0, full outputs, plain descent and adapters in all matrices: what else the setting
    has is drawn, and not predicted. Raises InputError on "student" for one with an architecture of its own or with a
    metric that is carried along, and on "network" for one without matrices. Source: predictions P34 and P55.
    """

    ranks: tuple[int, ...] = (1, 2, 4, 8)

    def sample(self, setting: Setting, seed: int) -> Adaptations:
        own = setting.student
        if isinstance(own.init, Elsewhere) or own.rule.carried:
            raise InputError("student", own.shown, "must have the teacher's parameters, and no metric of its own")
        s, loss = one(stack(setting, (seed,)), 0), setting.loss
        ranks, n = np.array(self.ranks), self.draws
        q, values, cuts, off = law(setting.but(student=Student(), view=Full()), seed, self.ranks, n)
        found = alignments(s, gradient(s, loss), s.rule, ranks, n, np.random.default_rng((seed, 17))) / s.eps[0]
        counts = np.sum(found[:, None] < cuts[..., None], axis=-1)
        return Adaptations(ranks, n, q, values, found.mean(axis=-1), found.std(axis=-1, ddof=1), counts, off)


@lru_cache(maxsize=64)  # what is predicted is the same for all controls of a student
def law(plain: Setting, seed: int, ranks: tuple[int, ...], n: int) -> tuple[float, np.ndarray, np.ndarray, float]:
    """q, the eigenvalues λ (m,), the cuts (R, C) of a setting of the theorem's student, and how far it is off at its ε.

    The last is in standard errors of shares and of the mean over n students.
    """
    s, loss, each = one(stack(plain, (seed,)), 0), plain.loss, np.array(ranks)
    G = product(s, loss, s.delta)
    values, near = spectrum(s, G), spectrum(s, gradient(s, loss) / s.eps[0])
    cuts = cut(values, each)
    exact, moved = shares(values, each, cuts), shares(near, each, cuts)
    with np.errstate(divide="ignore", invalid="ignore"):
        shift = np.max(np.nan_to_num(np.abs(moved - exact) / np.sqrt(exact * (1 - exact) / n), posinf=np.inf))
        mean = abs(np.sum(near - values)) / np.sqrt(adapters.variance(values, n * each.max()))
    return float(inner(s.delta, G)), values, cuts, float(max(shift, mean))


def gradient(s: Stack, loss: Loss) -> np.ndarray:
    """−∇L_S at the student's init and the largest ε, on what it trains, (P,): a step of B sees no more of the loss."""
    found = updates(replace(s, rule=Descent()), loss, labels(s, s.eps[:1]), s.students.values(s.student, s.x))
    return np.asarray(found[0])


def matrices(s: Stack, *vectors: np.ndarray) -> list[list[np.ndarray]]:
    """Of every matrix its part of some vectors (P,) as W, (n, d). Raises InputError on "network" for one with none."""
    found = adapters.matrices(s.functions.layout)
    if not found:
        raise InputError("network", s.functions.network.name, "must have matrices")
    return [[v[place].reshape(shape).T for v in vectors] for place, shape in found.values()]


def spectrum(s: Stack, pulled: np.ndarray) -> np.ndarray:
    """λ of S of all matrices, (m,), for V of (P,)."""
    return np.concatenate([adapters.eigenvalues(*each) for each in matrices(s, s.delta, pulled)])


def alignments(
    s: Stack, gradient: np.ndarray, rule: Rule, ranks: np.ndarray, draws: int, rng: np.random.Generator
) -> np.ndarray:
    """D of one step of B by a rule, (R, draws), each with its own A; for the gradient (P,) of the whole network.

    The rows of A at a lower rank are the first of those at the highest, in their own size.
    """
    found = np.zeros((len(ranks), draws))
    for delta, pulled in matrices(s, s.delta, gradient):
        A = rng.standard_normal((draws, max(ranks), delta.shape[1]))
        step, moved = (adapters.in_factor(each, A) for each in (pulled, delta))
        for i, r in enumerate(ranks):
            along = rule.update(_given(step[:, :r] / np.sqrt(r)), 0.0)
            found[i] += np.einsum("krn,krn->k", along, moved[:, :r]) / np.sqrt(r)
    return found


def _given(value: Any) -> Any:
    return lambda _: value
