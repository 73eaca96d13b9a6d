"""What a teacher's update adds to a student that starts elsewhere, beyond the student of the untrained teacher."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from subtheory.errors import InputError
from subtheory.instruments.instrument import OnStack
from subtheory.kernels.stack import (
    Stack,
    averaged,
    each_eps,
    expectation,
    inner,
    labels,
    linear,
    moved,
    norm,
    on_channel,
    pull,
    step_size,
    updates,
)
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.setting import Setting
from subtheory.theory.losses import Loss, namespace, read


@dataclass(frozen=True)
class Crossing:
    """What one loss did between a teacher at θ0 and a student at θ0_S, with and without the teacher's update.

    K values of ε. A control is the student of the untrained teacher; "added" means minus that control. Source:
    prediction P18, P35 by layer.
    """

    loss: Loss
    eps: np.ndarray
    """ε, (K,), largest first."""
    kernel: float
    """E[(J_SΔ)ᵀ M (J_TΔ)], the coefficient of ε in what is added."""
    at_teacher: float
    """E[(J_SΔ)ᵀ M (J_TΔ)] with the M of a match at the teacher's init, z = y = f_T."""
    at_student: float
    """The same with the M of a match at the student's init, z = y = f_S."""
    scale: float
    """E[‖J_SΔ‖ ‖M J_TΔ‖], what errors are measured by."""
    second: float
    """h″(0) of what is added."""
    second_rounding: float
    """Size of the rounding error of that."""
    shared: float
    """q = ΔᵀGΔ of the student at θ0: the kernel at a shared init."""
    alignment: np.ndarray
    """D(ε) = Δθ_S · Δ, raw, (K,)."""
    added: np.ndarray
    """D(ε) − D(0), (K,)."""
    approach: np.ndarray
    """Δθ_S · (θ_T − θ0_S), the alignment with the teacher as the student sees it, (K,)."""
    gap: np.ndarray
    """⟨r(ε), f_T − f_S⟩, which the approach is for a network linear in its parameters, (K,)."""
    approach_rounding: np.ndarray
    """Size of the rounding error of the approach, (K,)."""
    cosine: np.ndarray
    """cos(Δθ_S(ε), Δ), raw, (K,)."""
    alpha: float
    """The student's step size, in the same units as at a shared init."""
    trait: float
    """L_T(θ0_S)."""
    trait_change: np.ndarray
    """L_T(θ0_S + αΔθ_S(ε)) − L_T(θ0_S), raw, (K,)."""
    added_trait: np.ndarray
    """L_T(θ0_S + αΔθ_S(ε)) − L_T(θ0_S + αΔθ_S(0)), (K,)."""
    trait_slope: float
    """∇L_T(θ0_S + αΔθ_S(0)) · E[J_Sᵀ M J_TΔ]: the added trait change is αε times it, to first order in ε."""
    rounding: np.ndarray
    """Size of the rounding error of what is added, (K,)."""
    by_layer: dict[str, np.ndarray] = field(default_factory=dict)
    """(Δθ_S(ε) − Δθ_S(0))_ℓ · Δ_ℓ for every top-level subtree ℓ, each (K,)."""
    predicted_by_layer: dict[str, float] = field(default_factory=dict)
    """Δ_ℓ · (E[J_Sᵀ M J_TΔ])_ℓ, each the coefficient of ε."""


@dataclass(frozen=True)
class TwoInits(OnStack):
    """Records `Crossing`s."""

    def record(self, s: Stack, losses: Sequence[Loss], reference: Any) -> dict[str, Any]:
        """Every field of a `Crossing` with an axis (L, ...) for losses in front; ε is (..., K)."""
        if s.other is not None:
            raise InputError("student", s.other.network.name, "must have the teacher's parameters")
        xp = namespace(s.theta0)
        teacher = on_channel(s)
        taylor = teacher.taylor
        y0 = s.view.labels(taylor.z0, s.outputs)
        student = on_channel(replace(s, theta0=s.student, delta=linear(s, s.delta, 0), known=None))
        both = xp.concatenate([s.eps, xp.zeros_like(s.eps[..., :1])], axis=-1)
        y = labels(s, both)
        off = teacher.of_delta, student.of_delta
        known = _Known(taylor.z0, taylor.u, taylor.v, y0, student.taylor.z0, student.taylor.u, y, student.of_theta, off)
        each = [_crossing(s, loss, known) for loss in losses]
        return {"eps": s.eps, **{name: _stacked(xp, [one[name] for one in each]) for name in each[0]}}

    def read(self, found: dict[str, Any], losses: Sequence[Loss]) -> dict[str, list[Crossing]]:
        return {
            loss.name: [_read(found, loss, i, n) for n in range(len(found["eps"]))] for i, loss in enumerate(losses)
        }

    def finish(self, record: Crossing, setting: Setting, seed: int) -> Crossing:
        return record if setting.subtracted else replace(record, added=record.alignment)


@dataclass(frozen=True)
class _Known:
    """Teacher and student on the channel at their inits, (..., N, ..., V), and the labels of every ε, of 0 last."""

    z0: Any
    u: Any
    v: Any
    y0: Any
    z: Any
    """f_S."""
    along: Any
    """J_SΔ, on what the student trains, in its metric."""
    y: Any
    of_student: Any
    """|J_S(θ0_S ∘ s)|, see `OnChannel`."""
    of_delta: tuple[Any, Any]
    """|J(Δ ∘ s)| of the teacher and |J_S(Δ ∘ s)|: how u and J_SΔ are off."""


def _crossing(s: Stack, loss: Loss, k: _Known) -> dict[str, Any]:
    f, xp, w, lead = s.functions, namespace(s.theta0), s.outputs, s.weights.ndim - 1
    bent = f.terms(loss, k.z, k.y0, w, k.u, k.v)
    size = lambda a: xp.sqrt((a**2).sum(axis=-1))  # noqa: E731
    onto = lambda a: expectation(s, (k.along * a).sum(axis=-1))  # noqa: E731
    q = expectation(s, loss.leading(k.z0, k.u, w))
    crossed = linear(s, f.pulls(s.student, averaged(s, bent.first), s.x), 0)
    G = f.pulls(s.theta0, averaged(s, loss.hessian(k.z0, k.u, w)), s.x)
    alpha = s.alpha * step_size(loss, q, norm(G))
    measured = _steps(s, loss, k, alpha)
    end = measured.pop("end")
    slope = s.trait.gradient(f, end)
    # Outputs are off by their rounding, which what reads them sees; then comes the product over the parameters.
    largest = 1.0 + xp.maximum(abs(k.z), abs(k.y).max(axis=lead)) + k.of_student
    plain = xp.where(read(loss, k.z, w) | read(loss, k.y0, w), xp.maximum(w, 1.0), 0.0)
    bends = lambda a: xp.maximum(abs(loss.hessian(k.z, a, w)), abs(loss.hessian(k.y0, a, w)))  # noqa: E731
    felt = lambda a, b: expectation(s, (b * xp.maximum(plain * a, bends(a))).sum(axis=-1))  # noqa: E731
    ends = abs(_first(k.y, lead) - k.z)
    off = {"rounding": 4 * felt(abs(k.along), largest), "approach_rounding": 4 * felt(ends, largest)}
    # And u and J_SΔ are off themselves, which shows in the kernel.
    kernel = expectation(s, (abs(k.along) * bends(k.of_delta[0]) + bends(abs(k.u)) * k.of_delta[1]).sum(axis=-1))
    measured["rounding"] = measured["rounding"] + s.eps * kernel[..., None]
    layers = f.layout.layers()
    return {
        "kernel": onto(bent.first),
        "scale": expectation(s, size(k.along) * size(bent.first)),
        "second": onto(bent.second),
        "second_rounding": ROUNDINGS * UNIT * felt(abs(k.along), k.u**2 + abs(k.v)),
        "at_teacher": onto(loss.hessian(k.y0, k.u, w)),
        "at_student": onto(loss.hessian(k.z, k.u, w)),
        "shared": q,
        "alpha": alpha,
        "trait_slope": inner(slope, crossed),
        "predicted_by_layer": {name: inner(s.delta[..., part], crossed[..., part]) for name, part in layers.items()},
        **measured,
        **{name: ROUNDINGS * UNIT * (measured[name] + value[..., None]) for name, value in off.items()},
    }


def _steps(s: Stack, loss: Loss, k: _Known, alpha: Any) -> dict[str, Any]:
    """The student's real steps and its control's, (..., K); `end` is where the control arrives, (..., P)."""
    f, lead = s.functions, s.weights.ndim - 1
    z, delta, start = each_eps(s, k.z, k.z.ndim - lead), each_eps(s, s.delta, 1), each_eps(s, s.student, 1)
    r = pull(s, loss, z, k.y)
    axis = (slice(None),) * lead
    last, rest = (*axis, slice(-1, None)), (*axis, slice(None, -1))
    every = moved(s, r) if s.rule.linear else updates(s, loss, k.y, k.z)
    update, control = every[rest], every[last]
    # Residuals are subtracted output by output: the O(1) control is never summed.
    added = moved(s, r[rest] - r[last]) if s.rule.linear else update - control
    end = start + alpha[..., None, None] * control
    before, trait = s.trait.value(f, end), s.trait.value(f, s.student)
    ahead = each_eps(s, s.theta0 - s.student, 1) + s.eps[..., None] * delta
    pulled = r[rest] * (k.y[rest] - z)
    size = norm(update) * norm(delta)
    aligned = inner(update, delta)
    layers = f.layout.layers()
    return {
        "alignment": aligned,
        "added": inner(added, delta),
        "approach": inner(update, ahead),
        "approach_rounding": norm(update) * norm(ahead),
        "gap": pulled.sum(axis=tuple(range(lead + 1, pulled.ndim))),
        "cosine": aligned / namespace(size).where(size > 0, size, 1.0),
        "trait": trait,
        "trait_change": s.trait.value(f, start + alpha[..., None, None] * update) - trait[..., None],
        "added_trait": s.trait.value(f, end + alpha[..., None, None] * added) - before,
        "by_layer": {name: inner(added[..., part], delta[..., part]) for name, part in layers.items()},
        "rounding": norm(added) * norm(delta),
        "end": end[..., 0, :],
    }


def _first(y: Any, lead: int) -> Any:
    """Labels at the largest ε."""
    return y[(*(slice(None),) * lead, 0)]


def _stacked(xp: Any, values: list[Any]) -> Any:
    if isinstance(values[0], dict):
        return {name: xp.stack([value[name] for value in values]) for name in values[0]}
    return xp.stack(values)


def _read(found: dict[str, Any], loss: Loss, i: int, n: int) -> Crossing:
    def one(value: Any) -> Any:
        own = np.asarray(value[i][n])
        return own if own.ndim else float(own)

    fields: dict[str, Any] = {
        name: {part: one(each) for part, each in value.items()} if isinstance(value, dict) else one(value)
        for name, value in found.items()
        if name != "eps"
    }
    return Crossing(loss=loss, eps=np.asarray(found["eps"][n]), **fields)
