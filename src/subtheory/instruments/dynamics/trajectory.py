"""A student that takes many steps on one teacher's labels, beside the spectrum that says where they lead."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from subtheory.errors import InputError
from subtheory.instruments.first_order import outputs_rounding
from subtheory.instruments.instrument import Instrument
from subtheory.kernels.stack import Descend, Stack, each_eps, inner, labels, norm, on_channel, trained
from subtheory.kernels.whitened import whitened
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.preparation import started
from subtheory.setting.setting import Setting
from subtheory.theory.dynamics.spectrum import Spectrum, modes, spectrum
from subtheory.theory.losses import Loss


@dataclass(frozen=True)
class Training:
    """One student's T full-batch steps; K values of ε. All distances are of parameters."""

    loss: Loss
    eps: np.ndarray
    """ε, (K,), largest first."""
    rate: float
    """α of every step: the setting's, in units of 1/λmax(G)."""
    spectrum: Spectrum
    """Of Δ under G at the teacher's init, (n,)."""
    travelled: np.ndarray
    """(θ_S(t) − θ_S(0)) · Δ, (K, T + 1)."""
    distance: np.ndarray
    """‖θ_S(t) − θ0 − εΔ‖ to the teacher, (K, T + 1)."""
    step: np.ndarray
    """Δθ_S(t) · Δ of the step after t others, (K, T)."""
    size: np.ndarray
    """‖Δθ_S(t)‖, (K, T)."""
    trait: np.ndarray
    """L_T(θ_S(t)), (K, T + 1)."""
    rounding: np.ndarray
    """Size of the rounding error of what is travelled, (T + 1,)."""

    @property
    def steps(self) -> int:
        """T."""
        return self.step.shape[1]

    @property
    def cosine(self) -> np.ndarray:
        """Of the angle between Δ and the step after t others, (K, T)."""
        return self.step / (self.size * np.sqrt(self.spectrum.form(np.ones_like)))


@dataclass(frozen=True)
class Trajectory(Instrument):
    """Records `Training`s of so many steps, by the student's own rule.

    Raises InputError on "loss" for one without a Gauss-Newton matrix, on "student" for one with an architecture of its
    own. Predictions P21 and P22.
    """

    steps: int

    def records(self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]) -> dict[str, Sequence[Training]]:
        return {
            loss.name: list(_trainings(s, loss, self.steps))
            for s, some in started(setting, tuple(seeds), losses)
            for loss in some
        }


def path(s: Stack, loss: Loss, rate: Any, steps: int) -> Iterator[tuple[Any, Any]]:
    """θ_S(t) − θ_S(0) and the update Δθ_S(t) that is taken from there, (..., K, P) each, for t = 0 ... T − 1.

    θ_S(t + 1) = θ_S(t) + αΔθ_S(t) on the labels of `s`, with a rate α (...) of every distillation.
    """
    y, start = labels(s, s.eps), each_eps(s, s.student, 1)
    metric = None if s.metric is None else each_eps(s, s.metric, 1)
    descend = Descend(s, loss, y, None, None)
    rate = np.asarray(rate)[..., None, None]
    moved = np.zeros((*s.eps.shape, s.student.shape[-1]))
    for _ in range(steps):
        update = trained(s, s.rule.update(descend, start + moved, metric))
        yield moved, update
        moved = moved + rate * update


def _trainings(s: Stack, loss: Loss, steps: int) -> Iterator[Training]:
    """One for every seed of a stack with one leading axis."""
    if s.other is not None:
        raise InputError("student", s.other.network.name, "must have the teacher's parameters")
    if loss.order != 1:
        raise InputError("loss", loss.name, "must have a Gauss-Newton matrix at a match")
    found = spectrum(modes(whitened(s, loss)), s.delta)
    unit = 1 / found.largest
    rate, delta = s.alpha * unit, each_eps(s, s.delta, 1)
    away = each_eps(s, s.student - s.theta0, 1) - s.eps[..., None] * delta
    taken = list(path(s, loss, rate, steps))
    moved = np.stack([*(each for each, _ in taken), taken[-1][0] + rate[:, None, None] * taken[-1][1]], axis=-2)
    update = np.stack([each for _, each in taken], axis=-2)
    start = each_eps(s, each_eps(s, s.student, 1), 1)
    trait = s.trait.value(s.functions, start + moved)
    # Every step is off as D is, and one beyond the critical rate stretches what is off before it.
    off = rate * (
        outputs_rounding(s, loss, on_channel(s)) + ROUNDINGS * UNIT * norm(update).max(axis=(1, 2)) * norm(s.delta)
    )
    growth = np.maximum(1.0, abs(1 - rate * found.largest))
    rounding = np.stack([off * t * growth**t for t in range(steps + 1)], axis=-1)
    travelled, step = (inner(each, delta[..., None, :]) for each in (moved, update))
    distance, size = norm(away[..., None, :] + moved), norm(update)
    for i in range(len(s.eps)):
        yield Training(
            loss=loss,
            eps=s.eps[i],
            rate=float(rate[i]),
            spectrum=Spectrum(found.values[i], found.along[i], found.hidden[i]),
            travelled=travelled[i],
            distance=distance[i],
            step=step[i],
            size=size[i],
            trait=trait[i],
            rounding=rounding[i],
        )
