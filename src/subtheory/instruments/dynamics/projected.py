"""Students that are trained until they match their teacher's labels, beside what the channel sees of their teacher."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import numpy as np

from subtheory.instruments.dynamics.trajectory import ball, require, steps
from subtheory.instruments.first_order import outputs_rounding
from subtheory.instruments.instrument import Instrument
from subtheory.kernels.stack import (
    Descend,
    OnChannel,
    Stack,
    each_eps,
    expectation,
    inner,
    labels,
    norm,
    on_channel,
    trained,
)
from subtheory.kernels.whitened import root, whitened
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.preparation import started
from subtheory.setting.setting import Setting
from subtheory.setting.teachers import GradientDescent
from subtheory.theory.dynamics.spectrum import Spectrum, modes, spectrum
from subtheory.theory.losses import Loss

LEFT, MOST = 1e-9, 2000
"""What training may leave of a mode, and steps after which it ends even so."""


@dataclass(frozen=True)
class Converged:
    """One student, trained to convergence at every ε; K values of ε."""

    eps: np.ndarray
    """ε, (K,), largest first."""
    spectrum: Spectrum
    """Of Δ under G at the teacher's init, (n,)."""
    ceiling: float
    """1 − ‖Δ_head‖²/‖Δ‖², Δ_head on parameters that no output depends on but those which the trait reads."""
    kept: np.ndarray
    """(θ_S(∞) − θ_S(0)) · Δ/(ε‖Δ‖²), (K,): the share of the teacher's first-order gain."""
    size: np.ndarray
    """‖θ_S(∞) − θ_S(0)‖²/(ε‖Δ‖)², (K,)."""
    cosine: np.ndarray
    """Of the first step and Δ, (K,)."""
    even: np.ndarray
    """Of the first step and θ_S(∞) − θ_S(0), (K,)."""
    left: float
    """Bound on what training leaves of a mode."""
    rounding: np.ndarray
    """Size of the error of `kept`, of rounding and of what training leaves, (K,)."""
    cosine_rounding: np.ndarray
    """Size of the rounding error of either cosine, (K,)."""
    parts: tuple["Converged", ...] = ()
    """Students of half of the inputs, and of half of the outputs."""

    @property
    def share(self) -> float:
        """η = ‖ΠΔ‖²/‖Δ‖²."""
        return float(self.spectrum.share)


@dataclass(frozen=True)
class Projected(Instrument):
    """Records `Converged`, also for parts of the channel if `parts` says so.

    Raises InputError on "loss" for one without a Gauss-Newton matrix, on "student" for one with an architecture of its
    own. Predictions P23, P24 and P27.
    """

    parts: bool = False

    def records(self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]) -> dict[str, Sequence[Converged]]:
        return {
            loss.name: list(self._seeds(s, loss)) for s, some in started(setting, tuple(seeds), losses) for loss in some
        }

    def _seeds(self, s: Stack, loss: Loss) -> Iterator[Converged]:
        parts = [converged(part, loss) for part in (halves(s) if self.parts else ())]
        for whole, *own in zip(converged(s, loss), *parts, strict=True):
            yield replace(whole, parts=tuple(own))


@dataclass(frozen=True)
class Rivals(Instrument):
    """Records pairs of `Converged` on one channel: of the setting's teacher, and of a gradient step on its trait."""

    def records(
        self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]
    ) -> dict[str, Sequence[tuple[Converged, Converged]]]:
        own, other = (
            Projected().records(each, seeds, losses) for each in (setting, setting.but(teacher=GradientDescent()))
        )
        return {name: list(zip(own[name], other[name], strict=True)) for name in own}


def halves(s: Stack) -> tuple[Stack, Stack]:
    """The channel with the first half of its inputs, and with the first half of its distilled outputs."""
    count, distilled = s.weights.shape[-1], np.flatnonzero(s.outputs)
    inputs = np.where(np.arange(count) < count / 2, s.weights, 0.0)
    some = np.where(np.arange(len(s.outputs)) < distilled[len(distilled) // 2], s.outputs, 0.0)
    return replace(s, weights=inputs / inputs.sum(axis=-1, keepdims=True)), replace(s, outputs=some)


def heavy_ball(s: Stack, loss: Loss) -> tuple[Any, Any, Any]:
    """Δθ_S and θ_S(∞) − θ_S(0), (..., K, P) each, and a bound on what is left of a mode, (...).

    θ(t + 1) = θ(t) + αΔθ_S(t) + β(θ(t) − θ(t − 1)) with α = 4/(√λmax + √λmin)², β = ((√κ − 1)/(√κ + 1))², λ the
    eigenvalues of G at the student's init other than 0, κ their ratio: (1 + t(1 + √β))β^{t/2} of a mode is left.
    Full-batch steps on the student's own loss, by its own rule but for a memory: β stands in its place. Source: B. T.
    Polyak, 1964.
    """
    values = modes(trained(s, root(s.functions, loss, s.student, s.x, s.weights, s.outputs))).values
    top = np.sqrt(values[..., -1])
    least = np.sqrt(np.where(values > 0, values, np.inf).min(axis=-1))
    rate, memory = 4 / (top + least) ** 2, (top - least) / (top + least)
    left = lambda t: (1 + t * (1 + memory)) * memory**t  # noqa: E731
    count = next((t for t in range(1, MOST) if np.all(left(t) < LEFT)), MOST)
    descend = Descend(s, loss, labels(s, s.eps), None, None)
    walk = steps(s, repeat(descend, count), rate, ball(memory**2))
    first, moved = next(walk)
    for _, ahead in walk:
        moved = ahead
    return first, moved, left(count)


def converged(s: Stack, loss: Loss) -> Iterator[Converged]:
    """One for every seed of a stack with one leading axis; raises InputError as `Projected` does."""
    require(s, loss)
    found, known, delta = spectrum(modes(whitened(s, loss)), s.delta), on_channel(s), each_eps(s, s.delta, 1)
    first, moved, left = heavy_ball(s, loss)
    unit = s.eps * norm(delta)
    size, far = norm(first), norm(moved)
    least = np.sqrt(np.where(found.values > 0, found.values, np.inf).min(axis=-1))
    off = left[..., None] + (faint(s, loss, known) / least)[..., None] / unit
    rough = outputs_rounding(s, loss, known)[..., None] / (size * norm(delta)) + ROUNDINGS * UNIT
    numbers = {
        "eps": s.eps,
        "ceiling": 1 - inner(s.delta, s.delta * unread(s, loss)) / norm(s.delta) ** 2,
        "kept": inner(moved, delta) / unit / norm(delta),
        "size": (far / unit) ** 2,
        "cosine": inner(first, delta) / (size * norm(delta)),
        "even": inner(first, moved) / (size * far),
        "left": left,
        "rounding": off,
        "cosine_rounding": rough,
    }
    for i in range(len(s.eps)):
        yield Converged(spectrum=found.one(i), **{name: each[i] for name, each in numbers.items()})


def faint(s: Stack, loss: Loss, known: OnChannel) -> Any:
    """√E[oᵀMo] of outputs that are off by o = ROUNDINGS·u of what makes them, (...)."""
    z = known.taylor.z0
    off = ROUNDINGS * UNIT * (1.0 + abs(z) + known.of_theta)
    return np.sqrt(expectation(s, (off * abs(loss.hessian(z, off, s.outputs))).sum(axis=-1)))


def unread(s: Stack, loss: Loss) -> Any:
    """1 on parameters that no output depends on but those which the trait reads, as a class head, else 0, (..., P)."""
    read = getattr(s.trait, "outputs", None)
    if read is None:
        return np.zeros_like(s.delta)
    others = np.where(np.reshape(read, (-1, len(s.outputs)))[0] > 0, 0.0, 1.0)
    rows = root(s.functions, loss, s.theta0, s.x, s.weights, others)
    return np.all(rows == 0, axis=-2) * 1.0
