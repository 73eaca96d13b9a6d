"""What a moment that is put into a student's optimizer does to its parameters, beside the companion matrix's word."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from subtheory.instruments.dynamics.trajectory import blurred, path, require
from subtheory.instruments.instrument import Instrument
from subtheory.kernels.stack import Stack, each_eps, inner, norm
from subtheory.kernels.whitened import whitened
from subtheory.setting.preparation import started
from subtheory.setting.setting import Setting
from subtheory.theory.dynamics.momentum import transplanted
from subtheory.theory.dynamics.spectrum import applied, modes
from subtheory.theory.losses import Loss


@dataclass(frozen=True)
class Transplant:
    """A student with a moment δm = −εΔ beside one without, T steps on the untrained teacher's labels; K values of ε.

    δθ_k = ε d_k + O(ε²) by the companion matrix. All distances are of parameters.
    """

    eps: np.ndarray
    """ε, (K,), largest first."""
    rate: float
    """α of every step: the setting's, in units of 1/λmax(G)."""
    along: np.ndarray
    """δθ_k · d_k/‖d_k‖², (K, T): the ε of the law."""
    across: np.ndarray
    """‖δθ_k − εd_k‖/‖d_k‖, (K, T)."""
    rounding: np.ndarray
    """Size of the rounding error of both, (T,)."""


@dataclass(frozen=True)
class Transported(Instrument):
    """Records `Transplant`s of so many steps; what is predicted is for a memory b = `decay` at the teacher's init.

    The student's own memory is that of its rule. Raises InputError on "loss" for one without a Gauss-Newton matrix, on
    "student" for one with an architecture of its own. Source: prediction P33.
    """

    steps: int
    decay: float

    def records(
        self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]
    ) -> dict[str, Sequence[Transplant]]:
        return {
            loss.name: list(self._transplants(s, loss))
            for s, some in started(setting, tuple(seeds), losses)
            for loss in some
        }

    def _transplants(self, s: Stack, loss: Loss) -> Iterator[Transplant]:
        """One for every seed of a stack with one leading axis."""
        require(s, loss)
        found = modes(whitened(s, loss))
        rate = s.alpha / found.values[..., -1]
        carried = s.eps[..., None] * each_eps(s, s.delta, 1)
        untrained = replace(s, eps=0.0 * s.eps)
        shares = np.ones((self.steps, s.x.shape[1]))
        runs = [path(untrained, loss, rate, shares, seen=seen) for seen in (-carried, None)]
        moved = np.stack([one - other for (_, one), (_, other) in zip(*runs, strict=True)], axis=-2)
        predicted = np.stack([self._displaced(found, s.delta, rate, k + 1) for k in range(self.steps)], axis=-2)
        size, d = norm(predicted), each_eps(s, predicted, 2)
        along = inner(moved, d) / size[:, None] ** 2
        across = norm(moved - s.eps[..., None, None] * d) / size[:, None]
        off = (blurred(s, loss) * rate)[:, None] * np.arange(1, self.steps + 1) / (1 - self.decay) / size
        for i in range(len(s.eps)):
            yield Transplant(s.eps[i], float(rate[i]), along[i], across[i], off[i])

    def _displaced(self, found: Any, delta: Any, rate: Any, steps: int) -> Any:
        """d_k = −F(G)Δ, F of `transplanted`, (..., P)."""
        return -applied(found, transplanted(rate[..., None], self.decay, steps), delta)
