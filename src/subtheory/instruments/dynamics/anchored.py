"""Students that are held at their init while they imitate: by an anchor on outputs, or by weight decay."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from subtheory.errors import InputError
from subtheory.instruments.dynamics.trajectory import blurred, require, rounded, steps
from subtheory.instruments.first_order import outputs_rounding
from subtheory.instruments.instrument import Instrument
from subtheory.kernels.stack import (
    Descend,
    Stack,
    each_eps,
    expectation,
    inner,
    labels,
    norm,
    on_channel,
    ruled,
    trained,
)
from subtheory.kernels.whitened import whitened
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.preparation import started
from subtheory.setting.setting import Setting
from subtheory.theory.dynamics import anchors
from subtheory.theory.dynamics.spectrum import Spectrum, modes, spectrum
from subtheory.theory.losses import Loss
from subtheory.theory.rule import Anchored


@dataclass(frozen=True)
class Anchoring:
    """One student's T full-batch steps under an anchor, and as many without; K values of ε."""

    eps: np.ndarray
    """ε, (K,), largest first."""
    rate: float
    """α of every step: the setting's, in units of 1/λmax(G + γG′)."""
    weights: tuple[float, ...]
    """γ_t, (T,)."""
    spectrum: Spectrum
    """Of Δ under G at the teacher's init, (n,)."""
    travelled: np.ndarray
    """(θ_S(t) − θ_S(0)) · Δ, (K, T + 1)."""
    free: np.ndarray
    """The same of a student at the same rate that has no anchor, (K, T + 1)."""
    linear: np.ndarray
    """(θ_S(t) − θ0) · Δ/ε of the linear model with both matrices, (T + 1,)."""
    rest: float
    """Where that comes to rest under γ_0: d · Δ, d = (G + γG′)⁺GΔ."""
    unrest: np.ndarray
    """‖∇[L_S + γA]‖ of the student at θ_S(0) + εd, over ‖GΔ‖, (K,)."""
    rounding: np.ndarray
    """Size of the rounding error of what is travelled, (T + 1,)."""
    blur: float
    """Size of the rounding error of that unrest."""


@dataclass(frozen=True)
class AnchoredTraining(Instrument):
    """Records `Anchoring`s of so many steps; the anchor is that of the student's rule, weight 0 of any other rule.

    Raises InputError as `Trajectory` does, and on "trait" where the anchor looks at inputs of a trait that has none.
    Prediction P30.
    """

    steps: int

    def records(self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]) -> dict[str, Sequence[Anchoring]]:
        return {
            loss.name: list(_anchorings(s, loss, self.steps))
            for s, some in started(setting, tuple(seeds), losses)
            for loss in some
        }


@dataclass(frozen=True, eq=False)
class Held:
    """θ ↦ −∇[L_S + γA](θ), (..., K, P) ↦ (..., K, P)."""

    own: Descend
    anchor: Descend
    weight: float

    @property
    def delta(self) -> Any:
        """As `Descend` has it."""
        return self.own.delta

    def __call__(self, theta: Any) -> Any:
        own = self.own(theta)
        return own + self.weight * self.anchor(theta) if self.weight else own


def held(s: Stack, loss: Loss, place: Stack) -> tuple[Descend, Descend]:
    """−∇L_S on the teacher's labels, and −∇A on the student's own at the inputs of `place`."""
    z, lead = place.students.values(place.student, place.x), s.weights.ndim - 1
    y = np.broadcast_to(each_eps(place, z, z.ndim - lead), (*s.eps.shape, *z.shape[lead:]))
    return Descend(s, loss, labels(s, s.eps), None, None), Descend(place, loss, y, None, None)


def _place(s: Stack, rule: Anchored) -> Stack:
    """The channel, or the trait's inputs in its place."""
    if not rule.elsewhere:
        return s
    x = getattr(s.trait, "x", None)
    if x is None:
        raise InputError("trait", type(s.trait).__name__, "must have inputs")
    return replace(s, x=x, weights=np.full(x.shape[: s.weights.ndim], 1.0 / x.shape[s.weights.ndim - 1]), known=None)


def _path(s: Stack, own: Descend, anchor: Descend, rate: Any, weights: Sequence[float]) -> Any:
    """θ_S(t) − θ_S(0), (S, K, T + 1, P), of a step of the student's rule under each weight."""
    moved = np.stack([each for _, each in steps(s, (Held(own, anchor, one) for one in weights), rate)], axis=2)
    return np.concatenate([np.zeros_like(moved[:, :, :1]), moved], axis=2)


def _anchorings(s: Stack, loss: Loss, count: int) -> Iterator[Anchoring]:
    """One for every seed of a stack with one leading axis."""
    require(s, loss)
    rule = s.rule if isinstance(s.rule, Anchored) else Anchored(0.0)
    weights, place = rule.weights(count), _place(s, rule)
    B, other = whitened(s, loss), whitened(place, loss)
    known = modes(B)
    found = spectrum(known, s.delta)
    largest = np.linalg.norm(np.concatenate([B, np.sqrt(rule.weight) * other], axis=1), ord=2, axis=(1, 2)) ** 2
    rate, delta = s.alpha / largest, each_eps(s, each_eps(s, s.delta, 1), 1)
    own, anchor = held(s, loss, place)
    path = _path(s, own, anchor, rate, weights)
    free = _path(s, own, anchor, rate, [0.0] * count)
    d = np.stack([anchors.resting(B[i], other[i], s.delta[i], rule.weight) for i in range(len(B))])
    pull = Held(own, anchor, rule.weight)(each_eps(s, s.student, 1) + s.eps[..., None] * each_eps(s, d, 1))
    size = norm(np.einsum("snp,sn->sp", B, np.einsum("snp,sp->sn", B, s.delta)))
    step = norm(np.diff(path, axis=2)).max(axis=(1, 2)) / rate
    off = rounded(s, loss, rate, step) + rate * rule.weight * outputs_rounding(place, loss, on_channel(place))
    off = off / (1 - s.rule.memory)
    blur = blurred(s, loss) + rule.weight * blurred(place, loss)
    for i in range(len(s.eps)):
        yield Anchoring(
            eps=s.eps[i],
            rate=float(rate[i]),
            weights=weights,
            spectrum=found.one(i),
            travelled=inner(path, delta)[i],
            free=inner(free, delta)[i],
            linear=anchors.displaced(B[i], other[i], s.delta[i], rate[i], weights) @ s.delta[i],
            rest=float(d[i] @ s.delta[i]),
            unrest=norm(pull)[i] / size[i],
            rounding=off[i] * np.arange(count + 1),
            blur=float(blur[i] / size[i]),
        )


# Weight decay ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Decay:
    """One step with weight decay of C weights γ, in units of the threshold εq/|θ0 · Δ|; K values of ε."""

    eps: np.ndarray
    """ε, (K,), largest first."""
    form: float
    """q = ΔᵀGΔ."""
    towards: float
    """θ0 · Δ."""
    factors: np.ndarray
    """γ over its threshold, (C,)."""
    alignment: np.ndarray
    """D(ε) of the student's real step, (C, K)."""
    rounding: np.ndarray
    """Size of the rounding error of that, (K,)."""


@dataclass(frozen=True)
class Decays(Instrument):
    """Records `Decay`s: the student's rule descends L_S + ½γ‖θ‖². Raises InputError as `Trajectory` does. P30."""

    factors: tuple[float, ...]

    def records(self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]) -> dict[str, Sequence[Decay]]:
        return {
            loss.name: list(_decays(s, loss, self.factors))
            for s, some in started(setting, tuple(seeds), losses)
            for loss in some
        }


def _decays(s: Stack, loss: Loss, factors: Sequence[float]) -> Iterator[Decay]:
    """One for every seed of a stack with one leading axis."""
    require(s, loss)
    z, u, _ = on_channel(s).taylor
    q, towards = expectation(s, loss.leading(z, u, s.outputs)), inner(s.theta0, s.delta)
    threshold = s.eps * (q / np.abs(towards))[:, None]
    start = each_eps(s, s.student, 1)
    own = Descend(s, loss, labels(s, s.eps), None, None)(start)
    decay = trained(s, threshold[..., None] * start)
    steps = np.stack([ruled(s, own - factor * decay, 1) for factor in factors], axis=1)
    off = ROUNDINGS * UNIT * norm(steps).max(axis=1) * norm(s.delta)[:, None]
    rounding = off + outputs_rounding(s, loss, on_channel(s))[:, None]
    D = inner(steps, each_eps(s, each_eps(s, s.delta, 1), 1))
    for i in range(len(s.eps)):
        yield Decay(s.eps[i], float(q[i]), float(towards[i]), np.array(factors), D[i], rounding[i])
