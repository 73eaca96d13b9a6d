"""What greedy labels add on the inputs nearest to a tie, where the density of margins is seen (P13, P14)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from subtheory.data import Channel
from subtheory.instruments.instrument import Instrument
from subtheory.instruments.labelled import Labelled, Labelling
from subtheory.kernels.source import Source
from subtheory.kernels.stack import Stack
from subtheory.numerics import float64
from subtheory.setting.preparation import started
from subtheory.setting.setting import Setting
from subtheory.statistics import standard_error
from subtheory.theory.losses import Loss
from subtheory.theory.views import margins

POOL = 5
"""Folded into the key of a seed: the pool has nothing to do with the inputs of its setting."""


@dataclass(frozen=True)
class Ties:
    """Students of the N rows of a pool whose margin is below δ, and of no others; K values of ε.

    The margin is that of the init's first over its second output, v the velocity of the second less that of the first.
    """

    eps: np.ndarray
    """ε, (K,), largest first."""
    added: np.ndarray
    """D(ε) − D(0) by the student's real steps on the N rows, (K,)."""
    rounding: np.ndarray
    """Size of its rounding error, (K,)."""
    gains: np.ndarray
    """u_a − u_b, a and b the first outputs of teacher and init, (K, N)."""
    margin: np.ndarray
    """Of every row at θ0, (N,)."""
    velocity: np.ndarray
    """v, (N,)."""
    delta: float
    """δ, the least margin of the pool that is left out."""
    share: float
    """P(margin < δ) = N/pool."""
    form: float
    """q = ΔᵀGΔ of cross-entropy on these rows."""

    @property
    def near(self) -> np.ndarray:
        """½v² (9 − 36t + 30t²)/δ, t = margin/δ, (N,), whose mean is E[v₊² × density of margins at 0⁺], of these rows.

        Behind a tie the two outputs change places and v its sign: where the law of inputs has a density, v₊² and v₋²
        have the same mean there, and what the margin does to half of their sum is even in it. It has a kink at 0
        nevertheless: two outputs that lie apart are the largest two only if no third lies between. The kernel, of
        integral 1 and without first and second moments on [0, 1], leaves O(δ³).
        """
        t = self.margin / self.delta
        return np.asarray(self.velocity**2 * (9 - 36 * t + 30 * t**2) / (2 * self.delta))

    @property
    def density(self) -> float:
        """E[v₊² × density of margins at 0⁺] among these rows; `share` times it is that among all."""
        return float(np.mean(self.near))

    @property
    def error(self) -> np.ndarray:
        """Standard error of mean gain less ε · `density`, which are of the same rows, (K,).

        By the gains, or by those of rows as near to a tie whose v is negative, if it is larger: both have one law where
        the density counts, but by chance few flips have a small sum and a small error of their own at once.
        """
        opposite = np.where(self.margin < -self.eps[:, None] * self.velocity, -self.velocity, 0.0)
        both = [standard_error((each - self.eps[:, None] * self.near).T) for each in (self.gains, opposite)]
        return np.asarray(np.maximum(*both))

    @property
    def reached(self) -> np.ndarray:
        """Whether δ ≥ ε max v, (K,): rows that are left out do not flip."""
        return self.eps * np.max(np.abs(self.velocity)) <= self.delta


@dataclass(frozen=True)
class NearestTies(Instrument):
    """Records `Ties`: of `pool` inputs the `rows` of least margin."""

    pool: int
    rows: int
    alone = True

    def records(self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]) -> dict[str, Sequence[Any]]:
        found: dict[str, list[Any]] = {loss.name: [] for loss in losses}
        reads = Labelled()
        for seed in seeds:
            for s, some in started(setting, (seed,), losses):
                x, margin, delta = nearest(s, setting.origin, setting.channel, seed, self.pool, self.rows)
                shown = replace(s, x=x[None], weights=np.full((1, self.rows), 1 / self.rows), known=None)
                for name, (m,) in reads.read(reads.record(shown, some, None), some).items():
                    m = reads.finish(m, setting, seed)
                    found[name].append(_ties(m, margin, delta, self.rows / self.pool))
        return dict(found)


def _ties(m: Labelling, margin: np.ndarray, delta: float, share: float) -> Ties:
    here, order = np.arange(len(margin)), np.argsort(m.log_p0, axis=-1)
    before = m.velocity[here, order[:, -1]]
    velocity, gains = m.velocity[here, order[:, -2]] - before, m.velocity[here, np.argmax(m.log_p, axis=-1)] - before
    return Ties(m.eps, m.added, m.rounding, gains, margin, velocity, delta, share, m.form)


_NEAREST: dict[Any, tuple[np.ndarray, np.ndarray, float]] = {}
"""The last rows that were found: the controls of a claim share them."""


def nearest(
    s: Stack, source: Source, channel: Channel | None, seed: int, pool: int, rows: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """Of `pool` inputs the N = `rows` of least margin at θ0, (N, *example), the margins, (N,), and the next one."""
    place = s.functions, source, channel, s.outputs.tobytes(), seed, pool, rows
    if place not in _NEAREST:
        _NEAREST.clear()
        with float64():
            key = jax.random.fold_in(jax.random.key(seed), POOL)
            x = np.asarray(source.inputs(channel, key, pool))
        margin = margins(s.functions.values(s.theta0, x[None])[0], s.outputs)
        order = np.argpartition(margin, rows)
        chosen = np.sort(order[:rows])
        _NEAREST[place] = x[chosen], margin[chosen], float(margin[order[rows]])
    return _NEAREST[place]
