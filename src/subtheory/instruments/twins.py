"""Two students of one teacher, one at θ0 and one at another point of its orbit: their updates and trait changes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from subtheory.errors import InputError
from subtheory.init import Symmetry
from subtheory.instruments.instrument import Instrument
from subtheory.kernels.stack import (
    Stack,
    averaged,
    each_eps,
    expectation,
    inner,
    labels,
    norm,
    on_channel,
    step_size,
    updates,
)
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.preparation import path_keys, stack, start
from subtheory.setting.setting import Setting
from subtheory.setting.student import amount_of, path_of
from subtheory.theory.losses import Loss, read
from subtheory.theory.rule import Descent

NEAR = 1e-8
"""Two trait losses that are no farther apart, relative to 1 + L_T, are the same but for rounding."""


@dataclass(frozen=True)
class Pair:
    """The student at θ0 and the one at θ0_S = Tθ0, of the same teacher, with one loss and one α; K values of ε."""

    trait_change: np.ndarray
    """L_T(θ + αΔθ(ε)) − L_T(θ) from θ = θ0 and from θ = θ0_S, (2, K)."""
    cosine: np.ndarray
    """cos(Δθ(ε), Δ), raw, (2, K)."""
    off: np.ndarray
    """‖Δθ_S(ε) − Tv(ε)‖/‖Tv(ε)‖, v the step from θ0 and T = 1 if the path is no symmetry, (K,)."""
    rounding: np.ndarray
    """Relative rounding of the trait change, that of the labels and of where the student arrives included, (K,)."""
    invariant: bool = True
    """Whether the path is no symmetry, or L_T(Tθ) = L_T(θ) near θ0: L_T need not be a function of the outputs alone."""


@dataclass(frozen=True)
class Twins(Instrument):
    """Records `Pair`s of a setting whose student starts along a path; α counts in q/‖GΔ‖² at θ0 for both."""

    def records(self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]) -> dict[str, Sequence[Pair]]:
        numbers = tuple(seeds)
        own = stack(setting, numbers)
        if own.other is not None:
            raise InputError("student", own.other.network.name, "must have the teacher's parameters")
        shared = replace(own, student=own.theta0, rule=Descent(), metric=None)
        known = on_channel(own)
        taylor = known.taylor
        z, y = own.functions.values(own.student, own.x), labels(own, own.eps)
        before = [one.trait.value(one.functions, one.student)[:, None] for one in (shared, own)]
        same = _invariant(setting, numbers, shared, own)
        behind = tuple(range(2, y.ndim))
        size = np.abs(y).max(axis=1) + known.of_theta
        moved = np.max(np.abs(y - each_eps(own, taylor.z0, taylor.z0.ndim - 1)) * own.outputs, axis=behind)
        found: dict[str, Sequence[Pair]] = {}
        for loss in losses:
            G = own.functions.pulls(own.theta0, averaged(own, loss.hessian(taylor.z0, taylor.u, own.outputs)), own.x)
            q = expectation(own, loss.leading(taylor.z0, taylor.u, own.outputs))
            alpha = own.alpha * step_size(loss, q, norm(G))
            looks = read(loss, taylor.z0, own.outputs)
            largest = 1.0 + np.max(np.where(looks, size, 0.0), axis=tuple(range(1, size.ndim)))[:, None]
            both = [updates(shared, loss, y, taylor.z0), updates(own, loss, y, z)]
            change = [_changed(one, alpha, each) - b for one, each, b in zip((shared, own), both, before, strict=True)]
            expected = _image(setting, numbers, both[0])
            off = norm(both[1] - expected) / norm(expected)
            delta = own.delta[:, None]
            cosine = [inner(each, delta) / (norm(each) * norm(delta)) for each in both]
            lost = 1 + np.abs(before[0]) + _felt(shared, alpha, both[0], largest / moved)
            rounding = ROUNDINGS * UNIT * (largest / moved + lost / np.abs(change[0]))
            # A step beside which θ0 is rounded away, as exponential losses take them, ends where nothing is known.
            far = UNIT * norm(alpha[:, None, None] * both[0]) > norm(shared.student)[:, None]
            rounding = np.where(far, np.inf, rounding)
            found[loss.name] = [
                Pair(np.stack([c[s] for c in change]), np.stack([c[s] for c in cosine]), off[s], rounding[s], same[s])
                for s in range(len(numbers))
            ]
        return found


def _changed(s: Stack, alpha: np.ndarray, update: np.ndarray) -> Any:
    """L_T where the student arrives, (S, K)."""
    return s.trait.value(s.functions, s.student[:, None] + alpha[:, None, None] * update)


def _invariant(setting: Setting, seeds: tuple[int, ...], shared: Stack, own: Stack) -> list[bool]:
    """Whether L_T(θ + η) = L_T(Tθ + Tη) with a generic η, if there is a T; for every seed."""
    size = norm(shared.theta0)[:, None] / np.sqrt(shared.theta0.shape[-1])
    off = 0.3 * size * np.cos(np.arange(1.0, shared.theta0.shape[-1] + 1) ** 2)
    moved = _image(setting, seeds, off[:, None])[:, 0]
    one, other = (s.trait.value(s.functions, s.student + d) for s, d in ((shared, off), (own, moved)))
    symmetry = isinstance(path_of(setting.student.init), Symmetry)
    return [bool(same) or not symmetry for same in np.abs(one - other) <= NEAR * (1 + np.abs(one))]


def _felt(s: Stack, alpha: np.ndarray, update: np.ndarray, relative: np.ndarray) -> Any:
    """What L_T is off by, in roundoffs, where θ and a step of that relative error add up, (S, K)."""
    step = alpha[:, None, None] * update
    end = s.student[:, None] + step
    slope = s.trait.gradient(s.functions, end)
    return norm(slope * end) + norm(slope) * norm(step) * relative


def _image(setting: Setting, seeds: tuple[int, ...], update: np.ndarray) -> np.ndarray:
    """T on updates (S, K, P): the symmetry that takes θ0 to θ0_S, with the draws of the setting."""
    path = path_of(setting.student.init)
    if not isinstance(path, Symmetry):
        return update
    return path.image(start(setting, seeds), amount_of(setting.student.init), path_keys(seeds), update)
