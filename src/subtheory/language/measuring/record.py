"""What `instruments.first_order` records of a distillation, for a model of which a few vectors fit in memory.

Every field by the same formulas, one ε after the other: beside θ0 and Δ a gradient is alive, and what a step needs.
What no control changes is found out once for a teacher: what the channel sees, and the labels.
"""

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, cast

import numpy as np

from subtheory.errors import InputError
from subtheory.instruments.first_order import (
    Measurement,
    faint_share,
    faint_signs,
    of_outputs,
    rough_outputs,
    shared_outputs,
    update_rounding,
)
from subtheory.kernels.stack import SHAKE, SHAKES, OnChannel, Stack, averaged, expectation, pull, step_size, updates
from subtheory.language.measuring.functions import OnTexts
from subtheory.language.measuring.vectors import copied, largest, moved, norm, pieces, shaken, signed
from subtheory.numerics import ROUNDINGS, UNIT, float64
from subtheory.setting.setting import Setting
from subtheory.setting.smallness import scales, up_to
from subtheory.setting.student import Redrawn, Shared, Student
from subtheory.setting.teachers import GradientDescent, Teacher
from subtheory.theory.layout import Layout
from subtheory.theory.losses import Loss, SquaredError
from subtheory.theory.trains import Trains
from subtheory.theory.views import Full


def measured(setting: Setting, seed: int, loss: Loss) -> Measurement:
    """The record of one seed. Raises InputError on "student" for an init that is neither shared nor redrawn."""
    init = setting.student.init
    if not isinstance(init, Shared | Redrawn):
        raise InputError("student", init.shown, "must be shared or redrawn for a model of this size")
    plain = setting.but(student=Student(), view=Full(), loss=SquaredError(), alpha=1.0)
    with float64():
        s, lesson = _taught(plain, seed), _lesson(plain, loss, seed)
        student = setting.source.another(seed) if isinstance(init, Redrawn) else s.theta0  # type: ignore[union-attr]
        trains = _mask(setting.student.trains, s.functions.layout, seed)
        s = replace(
            s, eps=lesson.eps, student=student, trains=trains, view=setting.view, rule=setting.student.rule
        )  # fmt: skip
        unit = setting.alpha * lesson.fields["alpha"]
        form = lesson.fields["leading"] if trains is None else _trained_form(s, loss)
        found = lesson.fields | _begun(plain, seed) if s.shared else lesson.fields | _before(s)
        found |= _steps(s, loss, lesson.labels, unit, found["trait"]) | {"alpha": unit, "trained": form}
    return Measurement(loss=loss, **found)


# Of a teacher -----------------------------------------------------------------------------------------


class Latest:
    """A function of hashable arguments that keeps its last result, and lets go of it before it computes another."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function
        self.key: Any = None
        self.result: Any = None

    def __call__(self, *key: Hashable) -> Any:
        if key != self.key:
            self.key = self.result = None
            self.result = self.function(*key)
            self.key = key
        return self.result


@Latest
def _taught(plain: Setting, seed: int) -> Stack:
    """θ0, Δ, the texts and what the channel sees, for the theorem's own student; no ε yet."""
    source: Any = plain.source
    f, theta = source.functions(), source.theta
    x = source.inputs(plain.channel, seed, plain.examples)
    count = len(x.row)
    s = Stack(
        theta0=theta, student=theta, delta=None, x=x, weights=np.full(count, 1.0 / count),
        outputs=source.weights(plain.outputs), eps=None, trait=source.learned(plain.trait_examples), alpha=1.0,
        functions=f,
    )  # fmt: skip
    s = replace(s, delta=_direction(plain.teacher, s, seed))
    taylor = f.taylor(theta, s.delta, x)
    of_delta = abs(f.velocity(theta, signed(s.delta), x))
    off = [abs(f.values(shaken(theta, turn), x) - taylor.z0) for turn in range(SHAKES)]
    return replace(s, known=OnChannel(taylor, np.max(off, axis=0) / SHAKE, of_delta))


@Latest
def _begun(plain: Setting, seed: int) -> dict[str, float]:
    """`_before` of students that start at θ0."""
    return _before(_taught(plain, seed))


def _direction(teacher: Teacher, s: Stack, seed: int) -> np.ndarray:
    """Δ, (P,)."""
    f = cast(OnTexts, s.functions)
    layout = f.layout
    delta = copied(teacher.direction(s, lambda: _normals(layout, seed, 0)))
    for mask in (f.moves, _mask(teacher.moves, layout, seed)):
        if mask is not None:
            delta *= mask
    return delta


def _mask(trains: Trains, layout: Layout, seed: int) -> np.ndarray | None:
    """Whether a parameter is trained, (P,); None: all are."""
    mask = trains.mask(layout, lambda: _normals(layout, seed, 1))
    return None if mask is None else mask.astype(bool)


def _normals(layout: Layout, seed: int, row: int) -> np.ndarray:
    """That row of `kernels.draws.normals`, (P,)."""
    rng = np.random.default_rng((seed, 4))
    for _ in range(row):
        rng.standard_normal(layout.size)
    return rng.standard_normal(layout.size)


# Of a teacher and a loss ------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Lesson:
    """What all students of a teacher have in common under one loss."""

    eps: np.ndarray
    """(K,)."""
    fields: dict[str, Any]
    """Of a `Measurement`; `alpha` is its unit."""
    labels: list[np.ndarray]
    """The teacher's logits at every ε, (M, V)."""


@lru_cache(maxsize=2)
def _lesson(plain: Setting, loss: Loss, seed: int) -> Lesson:
    s = _taught(plain, seed)
    (f, known), w = _on(s), s.outputs
    taylor = known.taylor
    back = lambda cotangent: f.pulls(s.theta0, averaged(s, cotangent), s.x)  # noqa: E731
    fields = of_outputs(s, loss, known) | shared_outputs(s, known)
    G = back(loss.hessian(taylor.z0, taylor.u, w))
    size = norm(G)
    fields |= {"ggn_norm": size, "trait_slope": _slope(plain, s, G)}
    del G
    fields |= {
        "alpha": step_size(loss, fields["leading"], size),
        "update_rounding": update_rounding(
            *(norm(back(loss.hessian(taylor.z0, one, w))) for one in rough_outputs(known))
        ),
        "delta_norm": norm(s.delta),
        "visible": float((taylor.u**2).sum() / len(taylor.u)),
    }
    eps = _sizes(plain, s, loss, size)
    labels = [f.values(moved(s.theta0, each, s.delta), s.x) for each in eps]
    return Lesson(eps, {name: float(value) for name, value in fields.items()}, labels)


def _on(s: Stack) -> tuple[OnTexts, OnChannel]:
    """The functions of a stack, and what the channel sees, as `_taught` makes them."""
    return cast(OnTexts, s.functions), cast(OnChannel, s.known)


def _slope(plain: Setting, s: Stack, G: np.ndarray) -> float:
    """∇L_T(θ0) · GΔ."""
    if plain.teacher == GradientDescent():
        return -float(s.delta @ G)
    return float(s.trait.gradient(s.functions, s.theta0) @ G)


def _sizes(plain: Setting, s: Stack, loss: Loss, size: float) -> np.ndarray:
    """ε, (K,), as `setting.preparation.started` has them; `size` is ‖GΔ‖ of the loss."""
    eps = np.asarray(plain.eps)
    if not plain.relative:
        return eps
    f, known = _on(s)
    taylor = known.taylor
    eps = eps * scales(s)[0]
    regular = loss if loss.order == 1 else SquaredError()
    bent = f.terms(regular, taylor.z0, taylor.z0, s.outputs, taylor.u, taylor.v)
    both = bent.first, bent.second
    pulled = lambda each: norm(f.pulls(s.theta0, averaged(s, each), s.x))  # noqa: E731
    first = size if loss.order == 1 else pulled(bent.first)
    along = [abs(expectation(s, (each * taylor.u).sum(axis=-1))) for each in both]
    most = up_to((first, pulled(bent.second)), (along[0], along[1]) if loss.order == 1 else None)
    return eps * np.minimum(1.0, most / eps[0])


# Of a student -----------------------------------------------------------------------------------------


def _trained_form(s: Stack, loss: Loss) -> float:
    """ΔᵀQGQΔ."""
    f, known = _on(s)
    u = f.velocity(s.theta0, s.delta * s.trains, s.x)
    return float(expectation(s, loss.leading(known.taylor.z0, cast(Any, u), s.outputs)))


def _before(s: Stack) -> dict[str, float]:
    """L_T where the student starts, and how far it is off there, by `kernels.stack.trait_rounding`."""
    value, *near = (float(s.trait.value(s.functions, at)) for at in _around(s.student))
    off = max(abs(each - value) for each in near) / SHAKE
    return {"trait": value, "trait_rounding": ROUNDINGS * UNIT * (1.0 + abs(value) + off)}


def _around(theta: np.ndarray) -> Iterator[np.ndarray]:
    """θ, and near it."""
    yield theta
    yield from (shaken(theta, turn) for turn in range(SHAKES))


def _steps(s: Stack, loss: Loss, labels: list[np.ndarray], alpha: float, before: float) -> dict[str, Any]:
    """The student's real updates, one ε after the other, and what they do to Δ and to L_T."""
    f, known = _on(s)
    z: Any = known.taylor.z0
    velocity: Any = known.taylor.u
    if not s.shared:
        z, velocity = f.values(s.student, s.x), f.velocity(s.student, s.delta, s.x)
    base = known.taylor.z0[None] if s.view.compares else None
    rows = []
    for eps, logits in zip(s.eps, labels, strict=True):
        one = replace(s, eps=np.array([eps]))
        y = s.view.beside(logits[None], s.outputs, base)
        r = pull(one, loss, z[None], y)
        gradient = f.pulls(s.student, r[0], s.x)
        unclear = _unclear(one, r, gradient, z) + np.sum(faint_signs(one, loss, known.taylor))
        if s.trains is not None:
            gradient *= s.trains
        (update,) = updates(one, loss, y, z, gradient[None])
        row = [eps, update @ s.delta, (r[0] * velocity).sum(), norm(update), unclear]
        after = np.multiply(update, alpha, out=gradient)  # in its place: from here on this is the student
        after += s.student
        rows.append([*row, float(s.trait.value(f, after)) - before])
        del gradient, update, after
    names = ("eps", "alignment", "alignment_by_jvp", "update_norm", "unclear", "trait_change")
    return dict(zip(names, np.array(rows).T, strict=True))


def _unclear(one: Stack, r: np.ndarray, gradient: np.ndarray, z: np.ndarray) -> float:
    """Σ|Δ_i| over entries of the gradient (P,) that are rounding, where a student takes signs; else 0."""
    if one.rule.linear:
        return 0.0
    faint = faint_share(one, r, z)[0] * largest(gradient)
    total = 0.0
    for piece in pieces(gradient.size):
        hidden = one.rule.unclear(gradient[piece], faint)
        seen = 1.0 if one.trains is None else one.trains[piece]
        total += float((abs(one.delta[piece]) * seen) @ hidden)
    return total
