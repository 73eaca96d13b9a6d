"""Where training leaves the lazy range: many steps to second order in ε, by the second derivative along the path."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from subtheory.instruments.dynamics.trajectory import growth, path, require, rounded
from subtheory.instruments.instrument import Instrument
from subtheory.kernels.stack import Descend, Stack, each_eps, inner, labels, norm
from subtheory.kernels.whitened import whitened
from subtheory.numerics import UNIT
from subtheory.setting.preparation import started
from subtheory.setting.setting import Setting
from subtheory.setting.smallness import scales
from subtheory.theory.dynamics.spectrum import Spectrum, modes, spectrum
from subtheory.theory.losses import Loss

STEP = UNIT ** (1 / 6)
"""Of a central second difference, relative to the smaller of what moves outputs, or parameters, by their own size."""


class Expansion(NamedTuple):
    """θ_S(T) = θ0 + εd + ε²h + O(ε³) after T full-batch steps on the labels of θ0 + εΔ."""

    d: np.ndarray
    """(I − (I − αG)ᵀ)Δ, (S, P)."""
    h: np.ndarray
    """(S, P)."""
    uncertain: np.ndarray
    """How far h · Δ may be off, by the rounding and the fourth derivatives of its differences, (S,)."""


@dataclass(frozen=True)
class Lazy:
    """One student after T full-batch steps, beside both orders of where it stands; K values of ε."""

    eps: np.ndarray
    """ε, (K,), largest first."""
    travelled: np.ndarray
    """(θ_S(T) − θ_S(0)) · Δ by the real steps, (K,)."""
    strayed: np.ndarray
    """‖θ_S(T) − θ_S(0) − εd‖/ε‖d‖, (K,)."""
    first: float
    """d · Δ."""
    second: float
    """h · Δ."""
    uncertain: float
    """How far the second may be off."""
    bend: float
    """‖h‖/‖d‖."""
    covered: float
    """d · Δ over ‖ΠΔ‖², the share of what a converged student travels."""
    rounding: np.ndarray
    """Size of the rounding error of what is travelled, (K,)."""

    @property
    def curvature(self) -> float:
        """The second order over the first, of the whole displacement or along Δ, whichever is larger: tolerance/ε."""
        return max(self.bend, abs(self.second / self.first))

    def radius(self, tolerance: float) -> float:
        """ε up to which the second order is below this share of the first: predicted, without a run at such ε."""
        return tolerance / self.curvature


@dataclass(frozen=True)
class LazyRange(Instrument):
    """Records `Lazy`s after so many steps, at the setting's rate in units of 1/λmax. Gap g11, prediction P21."""

    steps: int

    def records(self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]) -> dict[str, Sequence[Lazy]]:
        return {
            loss.name: list(_records(s, loss, self.steps))
            for s, some in started(setting, tuple(seeds), losses)
            for loss in some
        }


def _records(s: Stack, loss: Loss, steps: int) -> list[Lazy]:
    require(s, loss)
    B = whitened(s, loss)
    found = spectrum(modes(B), s.delta)
    return lazy(s, loss, found, steps, expansion(s, loss, B, s.alpha / found.largest, steps))


def lazy(s: Stack, loss: Loss, found: Spectrum, steps: int, known: Expansion) -> list[Lazy]:
    """One for every seed of a stack with one leading axis, of the spectrum and the expansion of its seeds."""
    rate = s.alpha / found.largest
    *_, (_, moved) = path(s, loss, rate, np.ones((steps, s.x.shape[1])))
    size = norm(moved).max(axis=-1) / (rate * steps)
    rounding = steps * rounded(s, loss, rate * growth(rate, np.repeat(found.largest[:, None], steps, axis=1)), size)
    first, second = inner(known.d, s.delta), inner(known.h, s.delta)
    travelled, linear = inner(moved, s.delta[:, None]), s.eps[..., None] * known.d[:, None]
    return [
        Lazy(
            eps=s.eps[i],
            travelled=travelled[i],
            strayed=norm(moved - linear)[i] / norm(linear)[i],
            first=float(first[i]),
            second=float(second[i]),
            uncertain=float(known.uncertain[i]),
            bend=float(norm(known.h)[i] / norm(known.d)[i]),
            covered=float(first[i] / (found.along[i] ** 2).sum()),
            rounding=np.full_like(s.eps[i], rounding[i]),
        )
        for i in range(len(s.eps))
    ]


def expansion(s: Stack, loss: Loss, B: np.ndarray, rate: Any, steps: int) -> Expansion:
    """Both orders of the students of a stack with one leading axis; G = BᵀB.

    d(t + 1) = d + αG(Δ − d) and h(t + 1) = h + α(½F″ − Gh), F(ε) = −∇L_S(θ0 + εd) on the labels of θ0 + εΔ: F″ by a
    central difference, at two widths.
    """
    scale, _ = scales(s)
    eta = (STEP * np.minimum(scale, 1.0))[:, None] * np.array([1.0, 2.0])
    both = replace(s, student=s.theta0, eps=np.concatenate([eta, -eta], axis=1))
    descend, start = Descend(both, loss, labels(both, both.eps), None, None), each_eps(s, s.theta0, 1)
    alpha, delta = rate[:, None], s.delta
    d, h = np.zeros_like(delta), np.zeros((*eta.shape, delta.shape[-1]))
    G = lambda v: (np.swapaxes(B, -1, -2) @ (B @ v[..., None]))[..., 0]  # noqa: E731
    for _ in range(steps):
        F = descend(start + both.eps[..., None] * d[:, None])
        curved = (F[:, :2] + F[:, 2:]) / (2 * eta[..., None] ** 2)
        h = h + alpha[..., None] * (curved - np.stack([G(h[:, i]) for i in range(2)], axis=1))
        d = d + alpha * G(delta - d)
    second = inner(h, delta[:, None])
    noise = steps * rounded(s, loss, rate, norm(G(delta))) / eta[:, 0] ** 2
    return Expansion(d, h[:, 0], abs(second[:, 1] - second[:, 0]) + noise)
