"""A student of several teachers' pooled outputs, one of whom may be a guest: from another init than all others."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from subtheory.errors import InputError
from subtheory.instruments.dynamics.confusion import Another, forms, taught
from subtheory.instruments.ensemble import Ensemble, inits
from subtheory.instruments.ensemble import taught as drawn
from subtheory.instruments.first_order import outputs_rounding
from subtheory.instruments.instrument import Instrument
from subtheory.kernels.draws import normals
from subtheory.kernels.stack import Stack, expectation, inner, norm, on_channel, teacher_logits, updates
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.setting import Setting
from subtheory.setting.smallness import scales
from subtheory.setting.teachers import Noise, Teacher
from subtheory.theory.losses import Loss


def guest(s: Stack, teacher: Teacher, theta: Any, numbers: Noise) -> Stack:
    """The distillations of a teacher that starts at θ, (..., P), and learns what it would have learned at θ0."""
    moved = replace(s, theta0=theta, student=theta, known=None)
    return replace(moved, delta=teacher.direction(moved, numbers))


def logits(s: Stack) -> Any:
    """A teacher's outputs, and last those before it was trained, (..., K + 1, N, ..., V)."""
    return teacher_logits(s, np.concatenate([s.eps, np.zeros_like(s.eps[..., :1])], axis=-1))


# Many teachers, one a trait -------------------------------------------------------------------------


@dataclass(frozen=True)
class Pool:
    """One student of T teachers, each of a trait of its own; K values of ε, one for all teachers.

    "Added" is beyond the student of the same teachers before they were trained.
    """

    eps: np.ndarray
    """ε, (K,), largest first."""
    weights: np.ndarray
    """Of the teachers in the pool, (T,), summing to 1."""
    form: np.ndarray
    """Δ_iᵀGΔ_j at θ0, (T, T)."""
    added: np.ndarray
    """What is added to the student's alignment with every Δ_i, (K, T)."""
    rounding: np.ndarray
    """Size of the rounding error of that, (T,)."""


@dataclass(frozen=True)
class Pools(Instrument):
    """Records `Pool`s: labels are the setting's view of Σ_j w_j f_j(x), w drawn by the seed, uniform on the simplex.

    Student and teachers start at θ0, but for the last teacher, a guest who starts at the setting's init. Raises
    InputError on "trait" as `confusion.several` does, on "student" for another architecture. Prediction P54.
    """

    def records(self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]) -> dict[str, Sequence[Pool]]:
        numbers = tuple(seeds)
        each = taught(setting, numbers)
        s, last = replace(each[0], student=each[0].theta0), each[-1]
        if last.other is not None:
            raise InputError("student", last.other.network.name, "must have the teacher's parameters")
        delta = np.stack([one.delta for one in each], axis=1)
        if not last.shared:
            trait, noise = Another(len(each) - 1, setting.teacher), normals(s.theta0.shape[-1], numbers)[:, 0]
            each[-1] = guest(last, trait, last.student, lambda: noise)
        weights = np.array([np.random.default_rng((seed, 21)).dirichlet(np.ones(len(each))) for seed in numbers])
        pooled = np.einsum("ts...,st->s...", [logits(one) for one in each], weights)
        y = s.view.beside(pooled, s.outputs, pooled[:, -1:])
        return {loss.name: list(_pools(s, delta, weights, y, loss)) for loss in losses}


def _pools(s: Stack, delta: np.ndarray, weights: np.ndarray, y: Any, loss: Loss) -> Iterator[Pool]:
    """One for every seed, of labels (S, K + 1, N, ..., V), the last those of untrained teachers."""
    known = on_channel(s)
    steps = updates(s, loss, y, known.taylor.z0)
    added = (steps[:, :-1] - steps[:, -1:]) @ np.swapaxes(delta, 1, 2)
    # What rounding does to the first Δ's alignment, it does to any other's by its length.
    size = norm(delta)
    blur = outputs_rounding(s, loss, known)[:, None] * size / size[:, :1]
    off = 2 * blur + 2 * ROUNDINGS * UNIT * norm(steps).max(axis=1)[:, None] * size
    form, _ = forms(s, loss, delta)
    for i in range(len(s.eps)):
        yield Pool(s.eps[i], weights[i], form[i], added[i], off[i])


# Many guests ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Guests:
    """Pools of two teachers of one trait in equal parts, a host at θ0 and a guest, each pool with draws of its own."""

    share: np.ndarray
    """What the guest's training adds to D along the host's Δ, over what the host's adds to first order, (draws,)."""


@dataclass(frozen=True)
class Guested(Ensemble):
    """Records `Guests` of so many pools; the student starts at θ0, the guest at the setting's init.

    Raises InputError on "student" for another architecture. Prediction P54.
    """

    def sample(self, setting: Setting, seed: int) -> Guests:
        t = drawn(setting, seed, self.draws)
        size = scales(t.s)[0] if setting.relative else np.ones(self.draws)
        s = replace(t.s, rule=setting.student.rule, eps=setting.eps[0] * size[:, None])
        host, away = logits(s), logits(guest(s, setting.teacher, inits(setting.student, t), lambda: t.numbers(4)))
        taylor = on_channel(s).taylor
        steps = updates(s, setting.loss, (host[:, :1] + away) / 2, taylor.z0)
        q = expectation(s, setting.loss.leading(taylor.z0, taylor.u, s.outputs))
        return Guests(np.asarray(2 * inner(steps[:, 0] - steps[:, 1], s.delta) / (s.eps[:, 0] * q)))
