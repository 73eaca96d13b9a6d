"""A chain of students, each taught by the one before, beside what the spectra of its channels make of the teacher."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import numpy as np

from subtheory.errors import InputError
from subtheory.instruments.dynamics.trajectory import require, steps
from subtheory.instruments.first_order import outputs_rounding
from subtheory.instruments.instrument import Instrument
from subtheory.kernels.stack import Descend, Stack, each_eps, inner, inputs, norm, on_channel, trait_rounding, viewed
from subtheory.kernels.whitened import whitened
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.preparation import started
from subtheory.setting.setting import Setting
from subtheory.setting.student import Continued
from subtheory.theory.dynamics.generations import continued, moments, through
from subtheory.theory.dynamics.spectrum import modes, spectrum
from subtheory.theory.losses import Loss
from subtheory.theory.views import InTurn


@dataclass(frozen=True)
class Chain:
    """A teacher, which is generation 0, and H generations of students; K values of ε."""

    eps: np.ndarray
    """ε, (K,), largest first."""
    alignment: np.ndarray
    """How far each generation stands along Δ from where it started, (K, H + 1); the teacher ε‖Δ‖²."""
    inherited: np.ndarray
    """By how much its trait loss is lower than where it started, (K, H + 1)."""
    moments: np.ndarray
    """r_k = ΔᵀAᵏΔ through one channel of all the inputs, (H + 1,)."""
    expected: np.ndarray
    """What the generations' own channels make of Δ, along Δ, (H + 1,): the moments where all have the same inputs."""
    seen: float
    """‖ΠΔ‖², Π onto the range of the matrix of all the inputs."""
    rounding: np.ndarray
    """Size of the rounding error of the alignment, (H + 1,)."""
    trait_rounding: float
    """Size of the rounding error of what is inherited."""


@dataclass(frozen=True)
class Chains(Instrument):
    """Records `Chain`s of so many generations, each of so many steps from the student's init by the student's own rule.

    The rate is the setting's `alpha` in units of 1/λmax(G), of the inputs that a generation is shown: all of them, or
    by the view `InTurn` every so many of them. Students of init `Continued` start where the generation before ended and
    are all taught by the first teacher. Raises InputError on "loss" for one without a Gauss-Newton matrix, on "student"
    for one with an architecture of its own, on "examples" for fewer than there are turns. Predictions P28, P40, P47.
    """

    hops: int
    steps: int

    def records(self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]) -> dict[str, Sequence[Chain]]:
        parts = setting.view.parts if isinstance(setting.view, InTurn) else 1
        own = isinstance(setting.student.init, Continued)
        return {
            loss.name: list(_chains(s, loss, self, parts, own))
            for s, some in started(setting, tuple(seeds), losses)
            for loss in some
        }


def _chains(s: Stack, loss: Loss, plan: Chains, parts: int, own: bool) -> Iterator[Chain]:
    """One for every seed of a stack with one leading axis."""
    require(s, loss)
    if s.x.shape[1] < parts:
        raise InputError("examples", s.x.shape[1], f"must be at least {parts}, one for each turn")
    whole = modes(whitened(s, loss))
    turns = [s] if parts == 1 else [turn(s, i, parts) for i in range(parts)]
    seen = [whole] if parts == 1 else [modes(whitened(each, loss)) for each in turns]
    order = [k % parts for k in range(plan.hops)]
    channels = [(seen[i], s.alpha / seen[i].values[:, -1]) for i in order]
    measure = spectrum(whole, s.delta)
    one = moments(measure, s.alpha / measure.largest[:, None], plan.steps, plan.hops)
    law = continued if own else through
    expected = inner(law(channels, plan.steps, s.delta), s.delta[:, None])
    rates = [rate for _, rate in channels]
    moved, longest = _generations(loss, [turns[i] for i in order], rates, plan.steps, own)
    start = np.stack([s.theta0, *[s.student] * plan.hops], axis=1)[:, None]
    before = s.trait.value(s.functions, start)
    rough = np.max([trait_rounding(s, start[:, 0, i], before[:, 0, i]) for i in (0, -1)], axis=0)
    inherited = before - s.trait.value(s.functions, start + moved)
    # A step is off as one alignment is; a step below the critical rate does not stretch what is off before it.
    product = ROUNDINGS * UNIT * longest * norm(s.delta)
    off = np.max(rates, axis=0) * (outputs_rounding(s, loss, on_channel(s)) + product) / (1 - s.rule.memory)
    for i in range(len(s.eps)):
        yield Chain(
            eps=s.eps[i],
            alignment=inner(moved[i], s.delta[i]),
            inherited=inherited[i],
            moments=one[i],
            expected=expected[i],
            seen=float((measure.along[i] ** 2).sum()),
            rounding=off[i] * (1 + plan.steps * np.arange(plan.hops + 1.0)),
            trait_rounding=float(rough[i]),
        )


def turn(s: Stack, first: int, parts: int) -> Stack:
    """The channel of every `parts`-th input from number `first` on."""
    w = s.weights[:, first::parts]
    return replace(s, x=s.x[:, first::parts], weights=w / w.sum(axis=-1, keepdims=True), known=None)


def taught(s: Stack, loss: Loss, teacher: Any, rate: Any, count: int, moved: Any) -> tuple[np.ndarray, np.ndarray]:
    """How far a student stands from θ0_S after so many steps on what it is shown of teachers (..., K, P).

    It starts `moved` away, (..., K, P), and the rate is (...). And the longest of its updates, (...).
    """
    descend = Descend(s, loss, viewed(s, s.functions.values(teacher, inputs(s))), None, None)
    longest = np.zeros(moved.shape[:-2])
    for update, ahead in steps(s, repeat(descend, count), rate, moved=moved):
        longest, moved = np.maximum(longest, norm(update).max(axis=-1)), ahead
    return moved, longest


def _generations(
    loss: Loss, turns: Sequence[Stack], rates: Sequence[Any], steps: int, own: bool
) -> tuple[np.ndarray, np.ndarray]:
    """How far each generation stands from where it started, (S, K, H + 1, P), and the longest update, (S,)."""
    s = turns[0]
    start = each_eps(s, s.student, 1)
    away = s.eps[..., None] * each_eps(s, s.delta, 1)
    first = each_eps(s, s.theta0, 1) + away
    moved, longest = [away], np.zeros(len(away))
    for k, (shown, rate) in enumerate(zip(turns, rates, strict=True)):
        teacher = start + moved[-1] if k and not own else first
        begin = moved[-1] if k and own else np.zeros_like(away)
        now, update = taught(shown, loss, teacher, rate, steps, begin)
        moved.append(now)
        longest = np.maximum(longest, update)
    return np.stack(moved, axis=2), longest
