"""How many of many students, whose init is off by a random δ, step towards their teacher, beside the sign law.

Students start at θ0_S + δ, the teacher goes from θ0 to θ0 + εΔ; `theory.beyond.sign_law` states the law. Any network
will do.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np

from subtheory.errors import InputError
from subtheory.init import IsotropicNoise, Noise
from subtheory.instruments.ensemble import Ensemble
from subtheory.instruments.first_order import outputs_rounding
from subtheory.kernels.stack import Stack, averaged, inner, labels, norm, on_channel, one
from subtheory.numerics import public
from subtheory.setting.preparation import resting, stack, start
from subtheory.setting.setting import Setting
from subtheory.setting.student import Redrawn, Shared, Student, path_of
from subtheory.theory.beyond import sign_law
from subtheory.theory.losses import Loss
from subtheory.theory.rule import Descent
from subtheory.theory.trains import All
from subtheory.theory.views import Full

CHUNK = 100
"""Students of a cell that take their step at once."""

POINTS = 2048
"""Probabilities of one call."""

sign_probability, critical_radius = public(sign_law.sign_probability), public(sign_law.critical_radius)
inside, log_slope = public(jax.jit(sign_law.inside)), public(jax.jit(sign_law.log_slope))
fitted_radius = public(sign_law.fitted_radius)


@dataclass(frozen=True)
class Frequencies:
    """How many of so many students stepped towards their teacher: K sizes ε, R radii."""

    eps: np.ndarray
    """ε, (K,)."""
    critical: np.ndarray
    """Predicted r*, (K,)."""
    relative: np.ndarray
    """r/r*, (R,) or (K, R)."""
    counts: np.ndarray
    """Students with D > 0, (K, R)."""
    draws: int
    """Students in every cell."""
    predicted: np.ndarray
    """P(D > 0), shape of `relative`."""
    shift: np.ndarray
    """Bound on what the neglected terms do to that, from other draws, (K, R)."""
    P: int
    """Number of parameters."""

    @property
    def inside(self) -> np.ndarray:
        """Whether a cell may be judged, (K, R): what the law neglects is below chance."""
        return np.asarray(inside(self.shift, self.predicted, self.draws))

    @property
    def summed_inside(self) -> np.ndarray:
        """Whether the sum over all ε at one r/r* may be judged, (R,)."""
        return np.asarray(inside(np.mean(self.shift, axis=0), self.predicted, len(self.eps) * self.draws))

    @property
    def fit(self) -> tuple[np.ndarray, np.ndarray]:
        """r* as the counts have it at every ε, and its relative standard error, (K,) each; NaN where they have none."""
        return fitted_radius(self.critical[:, None] * self.relative, self.counts, self.draws, self.P)

    def slope(self, judged: np.ndarray) -> tuple[float, float]:
        """d log r*/d log ε over the judged ε, and its standard error."""
        fitted, error = self.fit
        return log_slope(self.eps[judged], fitted[judged], error[judged])


@dataclass(frozen=True)
class SignLaw(Ensemble):
    """Records `Frequencies` of real steps at radii in units of r*; `draws` students in every cell, each with its own δ.

    δ is drawn along the setting's path if that is a `Noise`, else isotropically; its amount does not count. A redrawn
    init is off by δ as well. What the law says is of θ0_S = θ0, the full outputs and isotropic δ: what else the
    setting has is drawn, and not predicted. Raises InputError on "loss", "rule" or "trains" for a student that does
    not descend plainly on all parameters, or whose D is not of first order in ε. Source: prediction P16.
    """

    relative: tuple[float, ...]
    """r/r*, (R,)."""

    def sample(self, setting: Setting, seed: int) -> Frequencies:
        require_plain(setting)
        known = _law(setting.but(student=Student(), view=Full()), seed, (self.relative,))
        if not np.all(known.critical > 0):
            return replace(known.frequencies(self.draws), shift=np.full(known.radius.shape, np.inf))
        seen = _seen(setting.but(view=Full()), seed, self.relative, self.draws)
        counts = np.sum(alignments(replace(known.s, view=setting.view), setting.loss, seen) > 0, axis=-1)
        found, shift = known.frequencies(self.draws), regime(known, setting.loss, (seed, 7))
        return replace(found, counts=counts, shift=shift)


class Seen(NamedTuple):
    """What the channel sees of students, each (K, R, C, N, ..., V)."""

    z: np.ndarray
    """Outputs."""
    u: np.ndarray
    """JΔ, what they would change by along Δ."""


@dataclass(frozen=True, eq=False)
class Law:
    """What the sign law knows of one teacher before a student is drawn; K sizes ε, R radii."""

    s: Stack
    """One distillation, without leading axes."""
    q: float
    """ΔᵀGΔ, G at the teacher's init."""
    size: float
    """‖GΔ‖."""
    along: np.ndarray
    """GΔ/‖GΔ‖, (P,): the only direction of δ that counts."""
    critical: np.ndarray
    """r*, (K,)."""
    relative: np.ndarray
    """r/r*, (R,) or (K, R)."""
    predicted: np.ndarray
    """P(D > 0) to first order, shape of `relative`."""

    @property
    def P(self) -> int:  # noqa: N802
        """Number of parameters."""
        return int(self.along.size)

    @property
    def radius(self) -> np.ndarray:
        """r, (K, R)."""
        return self.critical[:, None] * self.relative

    def frequencies(self, draws: int) -> Frequencies:
        """Still without counts, and the shift not a number."""
        blank = np.zeros(self.radius.shape)
        return Frequencies(
            self.s.eps, self.critical, self.relative, blank, draws, self.predicted, blank + np.nan, self.P
        )

    def students(self, drawn: np.ndarray, t: Any = None, init: Any = None) -> Seen:
        """Students in directions (K, R, C, P), off by their cell's radius from an init (P,), θ0 by default.

        With t (K, R) the component of δ along GΔ is r·t, whatever is drawn.
        """
        s, parts = self.s, []
        for begin in range(0, drawn.shape[2], CHUNK):
            off = mismatch(drawn[:, :, begin : begin + CHUNK], self.radius, self.along, t)
            parts.append(s.functions.taylor((s.theta0 if init is None else init) + off, s.delta, s.x)[:2])
        return Seen(*(np.concatenate(each, axis=2) for each in zip(*parts, strict=True)))


def alignments(s: Stack, loss: Loss, seen: Seen) -> np.ndarray:
    """D(ε) = ⟨r(ε), J(θ0_S)Δ⟩, plain descent's Δθ_S · Δ, of students of the teachers at every ε, (K, R, C)."""
    y = labels(s, s.eps)[:, None, None]
    along = averaged(s, s.functions.terms(loss, seen.z, y, s.outputs).r, 3) * seen.u
    return np.asarray(along.sum(axis=tuple(range(3, along.ndim))))


def law(setting: Setting, seed: int, relative: Any) -> Law:
    """The sign law of a setting's teacher at radii r/r*, (R,) or (K, R). Raises InputError on "delta" where GΔ = 0."""
    known = _law(setting, seed, tuple(map(tuple, np.atleast_2d(np.asarray(relative, float)))))
    if not known.size > 0:
        raise InputError("delta", "GΔ = 0", "must change what the channel sees")
    return known


@lru_cache(maxsize=32)
def _law(setting: Setting, seed: int, relative: tuple[tuple[float, ...], ...]) -> Law:
    s = one(stack(setting, (seed,)), 0)
    taylor = s.functions.taylor(s.theta0, s.delta, s.x)
    G = s.functions.pulls(s.theta0, averaged(s, setting.loss.hessian(taylor.z0, taylor.u, s.outputs)), s.x)
    q, size, P = float(inner(s.delta, G)), float(norm(G)), s.delta.size
    ratios = np.asarray(relative)
    # √P c = r*/r, whatever ε is.
    predicted = probability(1 / (np.sqrt(P) * ratios), P)
    flat = slice(None) if len(ratios) > 1 else 0
    critical = critical_radius(s.eps, q, size, P) if 0 < size < np.inf and q > 0 else 0.0 * q * size * s.eps
    return Law(s, q, size, G / (size or 1.0), critical, ratios[flat], predicted[flat])


@lru_cache(maxsize=4)  # a control changes students, not the law
def regime(known: Law, loss: Loss, seed: Any, draws: int = CHUNK) -> np.ndarray:
    """Bound on how far the terms that the law neglects shift P(D > 0), for every ε and radius, (K, R).

    δ is drawn where the law puts the boundary, δ·GΔ = εq, uniform otherwise: what D is there is neglected terms
    and nothing else. X of them act like εq + X in place of εq, so that the law at ε + X/q gives the shift of
    one draw. Returned is its mean *absolute* value: terms that would cancel count in full, and what is left out
    is smaller by the relative size of X. Where the sphere does not reach the boundary, its nearest point is taken.
    """
    signal, noise = known.s.eps[:, None] * known.q, known.radius * known.size
    c = signal / noise
    t = np.minimum(c, 1.0)
    drawn = np.random.default_rng(seed).standard_normal((*c.shape, draws, known.P))
    neglected = alignments(known.s, loss, known.students(drawn, t)) - (signal - noise * t)[..., None]
    # Where D is below its rounding, as that of outputs that a loss saturates at, the law says nothing either.
    neglected = np.abs(neglected) + outputs_rounding(known.s, loss, on_channel(known.s))
    moved = c[..., None] + neglected / noise[..., None]
    return np.asarray(np.mean(np.abs(probability(moved, known.P) - known.predicted[..., None]), axis=-1))


def harmless(known: Law, loss: Loss, seed: Any, draws: int = CHUNK) -> np.ndarray:
    """D(ε) of δ orthogonal to GΔ, εq to first order at any r, (K, R, draws); null(G) is part of that space."""
    drawn = np.random.default_rng(seed).standard_normal((*known.radius.shape, draws, known.P))
    return alignments(known.s, loss, known.students(drawn, np.zeros(known.radius.shape)))


def mismatch(drawn: np.ndarray, r: np.ndarray, along: np.ndarray, t: Any = None) -> np.ndarray:
    """δ = r(t GΔ/‖GΔ‖ + √(1 − t²) s), s the part of what is drawn across GΔ, of length 1; (K, R, C, P).

    r and t are (K, R); without t it is that of what is drawn, δ = r drawn/‖drawn‖.
    """
    r = r[..., None, None]
    if t is None:
        return r * drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)
    across = drawn - (drawn @ along)[..., None] * along
    t = t[..., None, None]
    return r * (t * along + np.sqrt(1 - t**2) * across / np.linalg.norm(across, axis=-1, keepdims=True))


def require_plain(setting: Setting) -> None:
    """InputError unless students descend plainly on all parameters, and D is of first order in ε."""
    student = setting.student
    if setting.loss.order != 1:
        raise InputError("loss", setting.loss.name, "must have an alignment of first order in ε")
    for name, part, plain in (("rule", student.rule, Descent()), ("trains", student.trains, All())):
        if part != plain:
            raise InputError(name, part.shown, f"must be {plain.shown}")


def probability(c: Any, P: int) -> np.ndarray:
    """P(D > 0) of the sphere's law at c = εq/(r‖GΔ‖) of either sign, odd about ½; in calls of one shape."""
    flat, found = np.ravel(c), []
    for begin in range(0, flat.size, POINTS):
        some = flat[begin : begin + POINTS]
        padded = np.concatenate([np.abs(some), np.zeros(POINTS - some.size)])
        found.append(np.sign(some) * (sign_probability(padded, 1.0, 1.0, 1.0, P)[: some.size] - 0.5))
    return 0.5 + np.concatenate(found).reshape(np.shape(c))


@lru_cache(maxsize=2)
def _seen(setting: Setting, seed: int, relative: tuple[float, ...], draws: int) -> Seen:
    """The students of a setting, whatever they are shown."""
    known = law(setting.but(student=Student()), seed, relative)
    drawn = directions(setting, seed, known.radius.size * draws).reshape(*known.radius.shape, draws, known.P)
    redrawn = isinstance(setting.student.init, Redrawn)
    return known.students(drawn, init=resting(setting, (seed,))[1][0] if redrawn else None)


def directions(setting: Setting, seed: int, count: int) -> np.ndarray:
    """Directions of δ along the path of a setting, isotropic without one, (count, P).

    Raises InputError on "init" for a student that is not off by noise.
    """
    init = setting.student.init
    path = path_of(init)
    if not (isinstance(path, Noise) or isinstance(init, Shared | Redrawn)):
        raise InputError("init", init.shown, "must be shared, redrawn, or along a path of noise")
    noise = path if isinstance(path, Noise) else IsotropicNoise()
    return _directions(noise, setting.but(student=Student(), view=Full()), seed, count)


@lru_cache(maxsize=1)
def _directions(noise: Noise, setting: Setting, seed: int, count: int) -> np.ndarray:
    begin = replace(start(setting, (seed,)), loss=setting.loss)
    return noise.kept(begin, np.random.default_rng((seed, 8)).standard_normal((count, begin.layout.size)))
