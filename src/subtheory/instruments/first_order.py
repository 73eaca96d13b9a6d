"""What one student's step does, beside what the first orders in ε say of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from subtheory.instruments.instrument import OnStack
from subtheory.kernels.stack import (
    OnChannel,
    Stack,
    averaged,
    each_eps,
    expectation,
    generic_signs,
    inner,
    labels,
    norm,
    on_channel,
    pull,
    pulled,
    step_size,
    trained,
    trait_rounding,
    updates,
)
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.setting import Setting
from subtheory.theory.distillation import Distillation
from subtheory.theory.linearize import TaylorModel
from subtheory.theory.losses import Loss, namespace, read


@dataclass(frozen=True)
class Measurement:
    """What one loss did in one distillation; claims are functions of it. K values of ε."""

    loss: Loss
    eps: np.ndarray
    """ε, (K,), largest first."""
    alignment: np.ndarray
    """D(ε) = Δθ_S · Δ by the student's real update, (K,); NaN across architectures."""
    alignment_by_jvp: np.ndarray
    """⟨r(ε), J(θ0_S)Δ⟩, (K,)."""
    leading: float
    """Coefficient of ε^order; q = ΔᵀGΔ for losses of order 1."""
    trained: float
    """ΔᵀQGQΔ, Q the projection onto what the student trains: q where it trains everything."""
    second_order: float
    """h″(0)."""
    ggn_norm: float
    """‖GΔ‖."""
    update_norm: np.ndarray
    """‖Δθ_S(ε)‖, (K,)."""
    unclear: np.ndarray
    """Σ|Δ_i|, or E Σ w|u_i|, over the entries of which a student or a loss that takes signs cannot tell it, (K,)."""
    delta_norm: float
    """‖Δ‖."""
    alpha: float
    """The student's step size."""
    trait: float
    """L_T(θ0_S)."""
    trait_rounding: float
    """Size of the rounding error of a change of L_T."""
    trait_change: np.ndarray
    """L_T(θ0_S + αΔθ_S) − L_T(θ0_S), (K,)."""
    trait_slope: float
    """∇L_T(θ0) · GΔ: the trait change is αε times it, to first order."""
    visible: float
    """E‖JΔ‖² over all outputs on the reference inputs: Δ does something somewhere."""
    fastest: float
    """max |JΔ| over the channel."""
    rounding: float
    """Size of the rounding error of D that comes from the outputs."""
    blur: float
    """How far an output may be off."""
    update_rounding: float
    """Size of the rounding error of Δθ_S."""
    form_rounding: float
    """Size of the rounding error of `leading`."""
    second_rounding: float
    """Size of the rounding error of h″(0)."""
    distillation: Distillation | None = None
    """What was measured, for claims that ask more of it; None where many runs were measured at once."""

    @property
    def alignment_rounding(self) -> np.ndarray:
        """Size of the rounding error of D for every ε, (K,): outputs, and the inner product over parameters."""
        curved = 6 * (self.eps * self.fastest + self.blur) ** 2 if self.loss.order == 3 else 1.0
        form = self.eps**self.loss.order * self.form_rounding
        product = ROUNDINGS * UNIT * self.update_norm * self.delta_norm
        return self.rounding * curved + product + form + 2 * self.unclear

    @property
    def critical_step(self) -> np.ndarray:
        """Measured step 2εD/‖Δθ_S‖² at which the distance to the teacher stops falling, (K,)."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return 2 * self.eps * self.alignment / self.update_norm**2


PER_EPS = ("eps", "alignment", "alignment_by_jvp", "update_norm", "unclear", "trait_change")
"""Fields with an axis over ε."""

SHARED = ("eps", "delta_norm", "trait", "trait_rounding", "visible", "fastest", "blur")
"""Fields that all losses have in common."""


@dataclass(frozen=True)
class FirstOrder(OnStack):
    """Records `Measurement`s."""

    def record(self, s: Stack, losses: Sequence[Loss], reference: Any) -> dict[str, Any]:
        return record(s, losses, reference)

    def read(self, found: dict[str, Any], losses: Sequence[Loss]) -> dict[str, list[Measurement]]:
        """Fields of `SHARED` have the axis of the stack, the others one for losses in front of it."""
        count = len(found["eps"])
        return {loss.name: [_read(found, loss, i, s) for s in range(count)] for i, loss in enumerate(losses)}

    def of(self, d: Distillation) -> Measurement:
        return replace(super().of(d), distillation=d)

    def records(self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]) -> dict[str, Sequence[Any]]:
        measure = getattr(setting.source, "measurements", None)  # of parameters that are too many for a stack
        return measure(setting, seeds, losses) if measure else super().records(setting, seeds, losses)

    def finish(self, record: Measurement, setting: Setting, seed: int) -> Measurement:
        """A constructed setting's record keeps what was measured."""
        if not getattr(setting.source, "deterministic", False):
            return record
        return replace(record, distillation=replace(setting.distillation(seed), loss=record.loss))


def record(s: Stack, losses: Sequence[Loss], reference: Any) -> dict[str, Any]:
    """Every field of a `Measurement`: (...) or (..., K) where all losses share it, else with an axis L in front.

    `reference` are inputs at which Δ must do something for a zero branch not to be vacuous, (..., n, *example).
    """
    f, w = s.functions, s.outputs
    xp = namespace(s.theta0)
    known = on_channel(s)
    taylor = known.taylor
    y = labels(s, s.eps)
    slope = s.trait.gradient(f, s.theta0)
    # GΔ = E[Jᵀ M u] of all losses at once.
    curved = xp.stack([averaged(s, loss.hessian(taylor.z0, taylor.u, w)) for loss in losses])
    rough = [[averaged(s, loss.hessian(taylor.z0, one, w)) for loss in losses] for one in rough_outputs(known)]
    G, *spread = f.pulls(s.theta0, xp.stack([curved, *map(xp.stack, rough)]), s.x)
    each = [of_outputs(s, loss, known) for loss in losses]
    found = {name: xp.stack([own[name] for own in each]) for name in each[0]}
    form, size = found["leading"], norm(G)
    elsewhere = f.taylor(s.theta0, s.delta, reference).u
    found |= {
        "ggn_norm": size,
        "trait_slope": inner(slope, G),
        "alpha": s.alpha * xp.stack([step_size(*each) for each in zip(losses, form, size, strict=True)]),
        "trained": form if s.trains is None else _trained_form(s, losses, taylor),
        "update_rounding": update_rounding(*map(norm, spread)),
    }
    shared = {"eps": s.eps, "delta_norm": norm(s.delta), **shared_outputs(s, known)}
    shared["visible"] = _summed(elsewhere**2, s, 1) / elsewhere.shape[s.weights.ndim - 1]
    if s.other is not None:
        return found | shared | _foreign(s, losses, y, found["alpha"])
    z, velocity = (taylor.z0, taylor.u) if s.shared else f.taylor(s.student, s.delta, s.x)[:2]
    before = s.trait.value(f, s.student)
    shared |= {"trait": before, "trait_rounding": trait_rounding(s, s.student, before)}
    return found | shared | _steps(s, losses, found["alpha"], y, z, velocity, taylor, before)


def of_outputs(s: Stack, loss: Loss, known: OnChannel) -> dict[str, Any]:
    """The fields of a loss that follow from what the channel sees, (...)."""
    return {
        "leading": expectation(s, loss.leading(known.taylor.z0, known.taylor.u, s.outputs)),
        "second_order": _second(s, loss, known.taylor),
        "rounding": outputs_rounding(s, loss, known),
        "form_rounding": _form_rounding(s, loss, known),
        "second_rounding": _second_rounding(s, loss, known),
    }


def shared_outputs(s: Stack, known: OnChannel) -> dict[str, Any]:
    """The fields of all losses that follow from what the channel sees, (...)."""
    behind = tuple(range(s.weights.ndim - 1, known.taylor.u.ndim))
    return {
        "fastest": abs(known.taylor.u).max(axis=behind),
        "blur": ROUNDINGS * UNIT * _off(known).max(axis=behind),
    }


def update_rounding(*sizes: Any) -> Any:
    """The field of that name, by ‖E JᵀMo‖ of the `rough_outputs` o, (...) each."""
    return 2 * ROUNDINGS * UNIT * sum(sizes)


def _summed(values: Any, s: Stack, extra: int = 0) -> Any:
    """Sum over everything behind the leading axes (and a mean over positions, if any); `extra` says V is there."""
    lead = s.weights.ndim - 1
    positions = int(np.prod(values.shape[lead + 1 : values.ndim - extra]))
    return values.sum(axis=tuple(range(lead, values.ndim))) / (1 if extra else positions)


def _second(s: Stack, loss: Loss, taylor: TaylorModel) -> Any:
    """h″(0) = −d²/dε² E[∂_z l(z0, z0 + εu + ½ε²v) · u] at ε = 0."""
    bent = s.functions.terms(loss, taylor.z0, taylor.z0, s.outputs, taylor.u, taylor.v).second
    return expectation(s, (bent * taylor.u).sum(axis=-1))


def _trained_form(s: Stack, losses: Sequence[Loss], taylor: TaylorModel) -> Any:
    """ΔᵀQGQΔ = E[(JQΔ)ᵀM(JQΔ)] for every loss."""
    u = s.functions.taylor(s.theta0, trained(s, s.delta, 0), s.x).u
    return namespace(u).stack([expectation(s, loss.leading(taylor.z0, u, s.outputs)) for loss in losses])


def outputs_rounding(s: Stack, loss: Loss, known: OnChannel) -> Any:
    """Bound on the rounding error of D from the outputs, each off by ROUNDINGS·u of what may change it."""
    (z, u, _), w = known.taylor, s.outputs
    u = abs(u)
    return 2 * ROUNDINGS * UNIT * expectation(s, (_felt(loss, z, u, w) * _off(known)).sum(axis=-1))


def _felt(loss: Loss, z: Any, a: Any, w: Any) -> Any:
    """What outputs pull with by a ≥ 0: by w, or the curvature of the loss where that is larger; of those it reads."""
    xp = namespace(z, a)
    return xp.maximum(xp.where(read(loss, z, w), w * a, 0.0), abs(loss.hessian(z, a, w)))


def _second_rounding(s: Stack, loss: Loss, known: OnChannel) -> Any:
    """Of E[r″·u]: r″ is made of third derivatives at u² and of Mv, which may all but cancel."""
    z, u, v = known.taylor
    return ROUNDINGS * UNIT * expectation(s, (_felt(loss, z, u**2 + abs(v), s.outputs) * abs(u)).sum(axis=-1))


def _off(known: OnChannel) -> Any:
    """How far the outputs may be off, in units of ROUNDINGS·u: by the numbers of a loss, by their own size, by θ0's."""
    return 1.0 + abs(known.taylor.z0) + known.of_theta


def rough_outputs(known: OnChannel) -> tuple[Any, Any]:
    """Outputs that are off as far as they may be: all examples alike, as equal ones are, and without a pattern."""
    off = _off(known)
    shape, xp = off.shape[-2:], namespace(off)
    return off * generic_signs(xp, shape[-1]), off * generic_signs(xp, int(np.prod(shape))).reshape(shape)


def _form_rounding(s: Stack, loss: Loss, known: OnChannel) -> Any:
    """How far `leading` is off where u is, by ROUNDINGS·u of what may change it."""
    (z, u, _), off, w = known.taylor, ROUNDINGS * UNIT * known.of_delta, s.outputs
    if loss.order != 1:
        return expectation(s, loss.leading(z, abs(u) + off, w) - loss.leading(z, abs(u), w))
    changed = 2 * abs(loss.hessian(z, u, w)) + abs(loss.hessian(z, off, w))
    return expectation(s, (changed * off).sum(axis=-1))


def _largest(s: Stack, z: Any) -> Any:
    """1 + max |z|, (...)."""
    return 1.0 + abs(z).max(axis=tuple(range(s.weights.ndim - 1, z.ndim)))


def _steps(
    s: Stack, losses: Sequence[Loss], alpha: Any, y: Any, z: Any, velocity: Any, taylor: TaylorModel, before: Any
) -> dict[str, Any]:
    """The student's real updates for every loss and ε, and what they do to Δ and to L_T; each (L, ..., K)."""
    xp, lead = namespace(s.theta0), s.weights.ndim - 1
    at = each_eps(s, z, z.ndim - lead)
    pulls = [pull(s, loss, at, y) for loss in losses]
    r = xp.stack(pulls, axis=lead)  # (..., L, K, N, ..., V)
    first = pulled(s, r, 2)  # of all losses at once, whatever the rule makes of it
    trains = xp.moveaxis(trained(s, first, 2), lead, 0)
    update = xp.stack([updates(s, loss, y, z, own) for loss, own in zip(losses, trains, strict=True)], axis=lead)
    delta, start = each_eps(s, each_eps(s, s.delta, 1), 1), each_eps(s, each_eps(s, s.student, 1), 1)
    along = r * each_eps(s, each_eps(s, velocity, velocity.ndim - lead), velocity.ndim - lead)
    after = s.trait.value(s.functions, start + xp.moveaxis(alpha, 0, -1)[..., None, None] * update)
    each = {
        "alignment": inner(update, delta),
        "alignment_by_jvp": along.sum(axis=tuple(range(lead + 2, along.ndim))),
        "update_norm": norm(update),
        "trait_change": after - before[..., None, None],
    }
    faint = [faint_signs(s, loss, taylor) for loss in losses]
    unclear = xp.stack(
        [
            _unclear(s, one, gradient, z) + more
            for one, gradient, more in zip(pulls, xp.moveaxis(first, lead, 0), faint, strict=True)
        ]
    )
    return {name: xp.moveaxis(value, lead, 0) for name, value in each.items()} | {"unclear": unclear}


def _unclear(s: Stack, r: Any, gradient: Any, z: Any) -> Any:
    """Σ|Δ_i| over entries of the gradient (..., K, P) that are rounding, where a student takes signs; else 0, (..., K).

    Exact zeros have a clear sign, 0.
    """
    if s.rule.linear:
        return 0.0 * s.eps
    faint = faint_share(s, r, z) * abs(gradient).max(axis=-1)
    hidden = s.rule.unclear(gradient, faint[..., None])
    return (abs(trained(s, each_eps(s, s.delta, 1))) * hidden).sum(axis=-1)


def faint_share(s: Stack, r: Any, z: Any) -> Any:
    """What share of the largest entry of a gradient Jᵀr is rounding, (..., K).

    r is off by ROUNDINGS·u of the outputs z, and the gradient by as much of its largest entry.
    """
    xp = namespace(r)
    strongest = abs(r).max(axis=tuple(range(s.weights.ndim, r.ndim)))
    pulling = xp.where((r != 0).any(axis=s.weights.ndim - 1), z, 0.0)  # what pulls at no ε is not read
    return ROUNDINGS * UNIT * _largest(s, pulling)[..., None] / xp.maximum(strongest, UNIT**4)


def faint_signs(s: Stack, loss: Loss, taylor: TaylorModel) -> Any:
    """E Σ w|u_i| over outputs whose sign at ε need not be that of u_i, which an L1 loss takes, (..., K); else 0.

    An output moves by εu + ½ε²v + ..., off by its rounding: the first term decides the sign where |u| > ε|v|, twice
    the second term, and εu is more than the rounding.
    """
    if loss.order != 0:
        return 0.0
    moving = s.outputs * (abs(taylor.u) + abs(taylor.v)) > 0
    size = ROUNDINGS * UNIT * _largest(s, namespace(taylor.u).where(moving, taylor.z0, 0.0))
    u, v = (each_eps(s, abs(a), a.ndim - s.weights.ndim + 1) for a in (taylor.u, taylor.v))
    behind = (1,) * (u.ndim - s.weights.ndim)
    eps, size = s.eps.reshape(*s.eps.shape, *behind), size.reshape(*size.shape, 1, *behind)
    return expectation(s, (s.outputs * u * (eps * u <= size + eps**2 * v)).sum(axis=-1), 1)


def _foreign(s: Stack, losses: Sequence[Loss], y: Any, alphas: Any) -> dict[str, Any]:
    """What a student of another architecture does: only its trait loss can be compared, Δ lives elsewhere."""
    f, xp = s.students, namespace(s.theta0)
    z, before = f.values(s.student, s.x), s.trait.value(f, s.student)
    undefined = xp.full((len(losses), *s.eps.shape), xp.nan)
    changes = [
        s.trait.value(f, each_eps(s, s.student, 1) + alpha[..., None, None] * updates(s, loss, y, z))
        - before[..., None]
        for loss, alpha in zip(losses, alphas, strict=True)
    ]
    names = ("alignment", "alignment_by_jvp", "update_norm", "unclear")
    return dict.fromkeys(names, undefined) | {
        "trait": before,
        "trait_rounding": trait_rounding(s, s.student, before),
        "trait_change": xp.stack(changes),
    }


def _read(found: dict[str, Any], loss: Loss, i: int, s: int) -> Measurement:
    own = {name: np.asarray(value[s] if name in SHARED else value[i][s]) for name, value in found.items()}
    plain: dict[str, Any] = {name: value if name in PER_EPS else float(value) for name, value in own.items()}
    return Measurement(loss=loss, **plain)
