"""Where training leaves the lazy range: many steps to second order in ε, by the second derivative along the path."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from subtheory.instruments.dynamics.trajectory import growth, path, require, rounded
from subtheory.instruments.instrument import Instrument
from subtheory.kernels.stack import Descend, Stack, each_eps, inner, labels, norm, trained
from subtheory.kernels.whitened import whitened
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.preparation import started
from subtheory.setting.setting import Setting
from subtheory.setting.smallness import scales
from subtheory.theory.dynamics.spectrum import modes, spectrum
from subtheory.theory.losses import Loss

STEP = UNIT ** (1 / 6)
"""Of a central second difference, relative to the smaller of what moves outputs, or parameters, by their own size."""


@dataclass(frozen=True)
class Lazy:
    """One student after T full-batch steps: θ_S(T) = θ0 + εd + ε²h + O(ε³); K values of ε."""

    eps: np.ndarray
    """ε, (K,), largest first."""
    travelled: np.ndarray
    """(θ_S(T) − θ_S(0)) · Δ by the real steps, (K,)."""
    first: float
    """d · Δ = Δᵀ(I − (I − αG)ᵀ)Δ."""
    second: float
    """h · Δ."""
    uncertain: float
    """Of the second, from the rounding and the fourth derivatives of its differences."""
    covered: float
    """d · Δ over ‖ΠΔ‖², the share of what a converged student travels."""
    rounding: np.ndarray
    """Size of the rounding error of what is travelled, (K,)."""

    def radius(self, tolerance: float) -> float:
        """ε at which the second order is this share of the first: predicted without a run at such ε."""
        return tolerance * abs(self.first) / abs(self.second)


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


def _records(s: Stack, loss: Loss, steps: int) -> Iterator[Lazy]:
    """One for every seed of a stack with one leading axis."""
    require(s, loss)
    B = whitened(s, loss)
    found = spectrum(modes(B), s.delta)
    rate = s.alpha / found.largest
    *_, (moved, update) = path(s, loss, rate, np.ones((steps, s.x.shape[1])))
    moved = moved + rate[:, None, None] * update
    travelled = inner(moved, each_eps(s, s.delta, 1))
    size = norm(moved).max(axis=-1) / (rate * steps)
    first, second, off = expansion(s, loss, B, rate, steps)
    rounding = steps * rounded(s, loss, rate * growth(rate, found.largest, steps), size)
    for i in range(len(s.eps)):
        yield Lazy(
            eps=s.eps[i],
            travelled=travelled[i],
            first=float(first[i]),
            second=float(second[i]),
            uncertain=float(off[i]),
            covered=float(first[i] / (found.along[i] ** 2).sum()),
            rounding=np.full_like(s.eps[i], rounding[i]),
        )


def expansion(s: Stack, loss: Loss, B: np.ndarray, rate: Any, steps: int) -> tuple[Any, Any, Any]:
    """d · Δ and h · Δ of θ_S(T) = θ0 + εd + ε²h + O(ε³), (S,) each, and how far the second may be off.

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
        F = trained(s, descend(start + both.eps[..., None] * d[:, None]))
        curved = (F[:, :2] + F[:, 2:]) / (2 * eta[..., None] ** 2)
        h = h + alpha[..., None] * (curved - np.stack([G(h[:, i]) for i in range(2)], axis=1))
        d = d + alpha * G(delta - d)
    second = inner(h, delta[:, None])
    size = ROUNDINGS * UNIT * norm(G(delta)) * norm(delta)
    noise = steps * (rounded(s, loss, rate, 0.0) + rate * size) / eta[:, 0] ** 2
    return inner(d, delta), second[:, 0], abs(second[:, 1] - second[:, 0]) + noise
