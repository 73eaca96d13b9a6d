"""Many distillations within one seed, of which a claim judges a mean or a share."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from subtheory.errors import InputError
from subtheory.init import Start, apart
from subtheory.instruments.instrument import Instrument
from subtheory.kernels.stack import Stack
from subtheory.setting.preparation import path_keys, resting
from subtheory.setting.setting import Setting
from subtheory.setting.student import Along, Elsewhere, Redrawn, Student
from subtheory.theory.losses import Loss, SquaredError


@dataclass(frozen=True)
class Ensemble(Instrument):
    """One record a seed, which sums up so many draws."""

    draws: int
    alone = True

    @abstractmethod
    def sample(self, setting: Setting, seed: int) -> Any:
        """The record of one seed, with the setting's own loss."""

    def records(self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]) -> dict[str, Sequence[Any]]:
        return {loss.name: [self.sample(setting.but(loss=loss), seed) for seed in seeds] for loss in losses}


@dataclass(frozen=True, eq=False)
class Taught:
    """n draws of a teacher and of what its student may start from."""

    s: Stack
    """θ0, Δ, channel and trait of every draw, leading axis (n,); the student is still at θ0."""
    other: np.ndarray
    """Independent inits, (n, P)."""
    seeds: tuple[int, ...]

    @property
    def start(self) -> Start:
        """What a path leaves from."""
        s = self.s
        return Start(s.theta0, self.other, s.x, s.outputs, s.trait, s.functions)  # type: ignore[arg-type]

    def numbers(self, use: int) -> np.ndarray:
        """Standard normal parameters for one use, (n, P)."""
        return np.random.default_rng((self.seeds[0], len(self.seeds), use)).standard_normal(self.s.theta0.shape)


def within(seed: int, draws: int) -> tuple[int, ...]:
    """The seeds of the draws of one seed; two seeds below 2³²/draws have none in common.

    Raises InputError on "seeds" outside 0 ... 2³² − 1.
    """
    if not 0 <= seed < 2**32:
        raise InputError("seeds", seed, "must lie in 0 ... 4294967295")
    return tuple((seed * draws + i) % 2**32 for i in range(draws))


def taught(setting: Setting, seed: int, draws: int) -> Taught:
    """Teachers of a setting, one for every draw of a seed: they do not know what their students are."""
    return _taught(setting.but(loss=SquaredError(), student=Student()), within(seed, draws))


@lru_cache(maxsize=2)
def _taught(setting: Setting, seeds: tuple[int, ...]) -> Taught:
    network, teacher = setting.network, setting.teacher
    # The law of an init does not know the activation: the same draws serve all of them.
    law = replace(network, activation="tanh") if hasattr(network, "activation") else network  # type: ignore[type-var]
    rest, other = resting(setting.but(network=law, source=setting.origin), seeds)
    rest = replace(rest, functions=replace(rest.functions, network=network), view=setting.view)  # type: ignore[type-var]
    blank = Taught(rest, other, seeds)
    delta = teacher.direction(rest, lambda: blank.numbers(1))
    mask = teacher.moves.mask(rest.functions.layout, lambda: blank.numbers(2))
    return replace(blank, s=replace(rest, delta=delta if mask is None else delta * mask))


def inits(student: Student, t: Taught) -> np.ndarray:
    """θ0_S of every draw, (n, P). Raises InputError on "student" for one with an architecture of its own."""
    init = student.init
    if isinstance(init, Elsewhere):
        raise InputError("student", init.shown, "must have the teacher's parameters")
    if isinstance(init, Redrawn):
        return t.other
    if isinstance(init, Along):
        return apart(init.path, t.start, init.amount, path_keys(t.seeds))[0]
    return t.s.theta0


def mask(student: Student, t: Taught) -> np.ndarray | None:
    """1 where a student trains, (n, P) or (P,), drawn anew for every draw; None: everywhere."""
    return student.trains.mask(t.s.functions.layout, lambda: t.numbers(3))
