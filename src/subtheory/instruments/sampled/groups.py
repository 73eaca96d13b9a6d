"""How well groups of drawn rows are told apart by two models, beside the law of √n.

`theory.beyond.sampling` states the law. Any network will do.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from subtheory.instruments.ensemble import Ensemble
from subtheory.instruments.sampled.students import Student, drawn, labelling, student_of
from subtheory.setting.setting import Setting
from subtheory.setting.student import Student as Learner
from subtheory.theory.beyond import sampling
from subtheory.theory.beyond.detection import apart
from subtheory.theory.beyond.sampling import Cumulants
from subtheory.theory.losses import log_softmax
from subtheory.theory.views import Full

MOST = 10**15
"""Rows of a group: where a teacher can hardly be told from its init, more are no whole numbers of a computer."""

MATCHED = (1, 100)
"""Groups by a matched direction have so many times as many rows: what is matched stays at chance at every size."""


@dataclass(frozen=True)
class Groups:
    """Pairs of groups, one of rows of the view and one of rows of the init; K sizes ε, J sizes n of groups."""

    distance: np.ndarray
    """d, how many standard deviations the scores log p_ε − log p0 of two rows lie apart, (K,)."""
    rows: np.ndarray
    """n, (K, J)."""
    draws: int
    """Pairs in every cell."""
    counts: np.ndarray
    """Pairs in which the view's group scores higher, (K, J): draws times the area under the ROC curve."""
    predicted: np.ndarray
    """Φ(d√(n/2)), (K, J)."""
    shift: np.ndarray
    """What that neglects, from exact moments, in standard errors of a share, (K, J)."""
    matched: np.ndarray
    """The same counts by a direction with the same mean score in both sources, of `MATCHED` as many rows, (K, J, 2)."""
    matched_shift: np.ndarray
    """What ½ neglects there, (K, J, 2)."""


@dataclass(frozen=True)
class Grouped(Ensemble):
    """Records `Groups`: `draws` pairs in every cell, groups of so many rows as give Φ(deflection).

    A reader scores rows by two models, at θ0_S and θ0_S + εΔ. A matched direction is the score along Δ and along a
    random one in equal parts, less so much of the former that teacher and init have the same mean; where the setting
    says that nothing is subtracted, it is not matched. What the law says is of full outputs and θ0_S = θ0: what else
    the setting has is drawn, and not predicted. Raises InputError as `Sampled` does. Source: prediction P10.
    """

    deflections: tuple[float, ...] = (0.3, 0.7, 1.2, 2.0)
    """d√(n/2), (J,)."""

    def sample(self, setting: Setting, seed: int) -> Groups:
        plain = setting.but(student=Learner(), view=Full(), subtracted=True)
        known, shown = labelling(plain, seed), labelling(setting.but(student=Learner()), seed)
        expected, reader = student_of(plain, seed), student_of(setting, seed)
        rng, w = np.random.default_rng((seed, 13)), known.weights
        other = rng.standard_normal(expected.s.delta.size)

        def higher(rows: int, r: np.ndarray, *scores: np.ndarray) -> list[int]:
            """Pairs in which rows of r score higher than rows of the init, by each score."""
            first, second = (drawn(rng, rows, self.draws, w, law)[0] for law in (r, known.p0))
            return [int(np.sum(((first - second) * each).sum(axis=(-2, -1)) > 0)) for each in scores]

        found = []
        for p, r, eps in zip(known.p, shown.r, known.eps, strict=True):
            gap = w[:, None] * (p - known.p0)
            score, matched = _log_ratio(expected, eps), _direction(expected, other, gap, True)
            first, second = (sampling.cumulants(w, law, score) for law in (p, known.p0))
            distance = (first.mean - second.mean) / np.sqrt(second.variance)
            rows = np.clip(np.ceil(2 * (np.array(self.deflections) / distance) ** 2), 1, MOST).astype(np.int64)
            many, predicted = rows[:, None] * np.array(MATCHED), sampling.normal(apart(distance, rows))
            shift = _shift(first, second, rows, predicted, self.draws)
            first, second = (sampling.cumulants(w, law, matched) for law in (p, known.p0))
            chance = _shift(first, second, many, np.full(many.shape, 0.5), self.draws)
            read, across = _log_ratio(reader, eps), _direction(reader, other, gap, setting.subtracted)
            counts = np.array([[higher(n, r, read, across) for n in each] for each in many])
            found.append((distance, rows, counts[:, 0, 0], predicted, shift, counts[..., 1], chance))
        distances, rows, *rest = (np.array(each) for each in zip(*found, strict=True))
        return Groups(distances, rows, self.draws, *rest)


def _log_ratio(reader: Student, eps: float) -> np.ndarray:
    """log p_{θ+εΔ} − log p_θ of every outcome, (M, V); 0 where nothing is distilled."""
    s = reader.s
    moved: Any = s.functions.values(s.student + eps * s.delta, s.x).reshape(reader.z.shape)
    return np.where(s.outputs > 0, log_softmax(moved, s.outputs) - log_softmax(reader.z, s.outputs), 0.0)


def _direction(reader: Student, other: np.ndarray, gap: np.ndarray, matched: bool) -> np.ndarray:
    """Scores along Δ and another direction in equal parts, (M, V); matched, they have mean 0 over a gap of laws."""
    own = reader.scores()
    across = replace(reader, s=replace(reader.s, delta=other)).scores()
    both = own / np.linalg.norm(own) + across / np.linalg.norm(across)
    return both - own * (np.sum(gap * both) / np.sum(gap * own)) if matched else both


def _shift(first: Cumulants, second: Cumulants, rows: np.ndarray, predicted: np.ndarray, draws: int) -> np.ndarray:
    """What the law of a difference of two groups' means neglects, in standard errors of a share."""
    odd = (np.array(first) - second)[[0, 2]]
    even = (np.array(first) + second)[[1, 3]]
    c = Cumulants(odd[0], even[0], odd[1], even[1])
    return np.asarray(sampling.shift(c, rows, predicted) / np.sqrt(predicted * (1 - predicted) / draws))
