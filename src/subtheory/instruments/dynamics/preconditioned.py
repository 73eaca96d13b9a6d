"""What a student's step in a metric of its own does to the teacher's loss, and to Δ in that metric."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from subtheory.errors import InputError
from subtheory.instruments.first_order import outputs_rounding, rough_outputs
from subtheory.instruments.instrument import OnStack
from subtheory.kernels.stack import (
    Stack,
    averaged,
    each_eps,
    expectation,
    inner,
    labels,
    linear,
    norm,
    on_channel,
    trait_rounding,
    updates,
)
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.theory.losses import Loss, namespace


@dataclass(frozen=True)
class Conditioned:
    """One loss in one distillation whose student steps by Δθ_S = −C∇L_S; C = I for a rule without a metric.

    K values of ε. Source: prediction P31.
    """

    eps: np.ndarray
    """ε, (K,), largest first."""
    form: float
    """q = ΔᵀGΔ."""
    alignment: np.ndarray
    """D(ε) = Δθ_S · Δ, (K,)."""
    in_metric: np.ndarray
    """Δθ_S · C⁻¹Δ, (K,)."""
    metric_rounding: np.ndarray
    """Size of the rounding error of that, (K,)."""
    alpha: float
    """The student's step size."""
    trait: float
    """L_T(θ0_S)."""
    trait_change: np.ndarray
    """L_T(θ0_S + αΔθ_S) − L_T(θ0_S), (K,)."""
    trait_rounding: float
    """Size of the rounding error of that."""


@dataclass(frozen=True)
class InMetric(OnStack):
    """Records `Conditioned`s; α is in units of q/(GΔ)ᵀC(GΔ), half the critical step of the distance in the metric C⁻¹.

    Raises InputError on "student" for one with an architecture of its own.
    """

    def record(self, s: Stack, losses: Sequence[Loss], reference: Any) -> dict[str, Any]:
        if s.other is not None:
            raise InputError("student", s.other.network.name, "must have the teacher's parameters")
        xp, known, y = namespace(s.theta0), on_channel(s), labels(s, s.eps)
        z = known.taylor.z0 if s.shared else s.functions.values(s.student, s.x)
        before = s.trait.value(s.functions, s.student)
        rough = trait_rounding(s, s.student, before)
        each = [_record(s, loss, z, y, before, rough) for loss in losses]
        return {name: xp.stack([one[name] for one in each]) for name in each[0]} | {"eps": s.eps, "trait": before}

    def read(self, found: dict[str, Any], losses: Sequence[Loss]) -> dict[str, list[Conditioned]]:
        shared = {"eps", "trait"}
        rows = lambda i, k: {n: _plain(v[k] if n in shared else v[i][k]) for n, v in found.items()}  # noqa: E731
        return {
            loss.name: [Conditioned(**rows(i, k)) for k in range(len(found["eps"]))] for i, loss in enumerate(losses)
        }


def _record(s: Stack, loss: Loss, z: Any, y: Any, before: Any, rough: Any) -> dict[str, Any]:
    """One loss: (...) or (..., K); L_T is `before` at the student's init, and off there by `rough`."""
    xp, known = namespace(s.theta0), on_channel(s)
    z0, u, _ = known.taylor
    curved = [averaged(s, loss.hessian(z0, one, s.outputs)) for one in (u, *rough_outputs(known))]
    raw = s.functions.pulls(s.theta0, xp.stack(curved), s.x)  # GΔ, and how far it may be off
    G, stepped = raw[0], [linear(s, one, 0) for one in raw]
    form = expectation(s, loss.leading(z0, u, s.outputs))
    alpha = s.alpha * unit(form, inner(G, stepped[0]))
    step = updates(s, loss, y, z)
    moved = each_eps(s, s.student, 1) + alpha[..., None, None] * step
    delta, lowered = (each_eps(s, each, 1) for each in (s.delta, s.rule.lowered(s.delta)))
    slope = norm(s.trait.gradient(s.functions, s.student))
    off = ROUNDINGS * UNIT * 2 * sum(norm(one) for one in stepped[1:])
    return {
        "form": form,
        "alignment": inner(step, delta),
        "in_metric": inner(step, lowered),
        "metric_rounding": outputs_rounding(s, loss, known)[..., None] + ROUNDINGS * UNIT * norm(step) * norm(lowered),
        "alpha": alpha,
        "trait_change": s.trait.value(s.functions, moved) - before[..., None],
        "trait_rounding": rough + abs(alpha) * slope * off,
    }


def unit(form: Any, stretched: Any) -> Any:
    """The unit of α, q/(GΔ)ᵀC(GΔ): half the critical step of the distance in the metric C⁻¹ (P45), (...).

    1 where the channel does not see Δ.
    """
    xp = namespace(form)
    seen = (form > 0) & (stretched > 0)
    return xp.where(seen, form / xp.where(seen, stretched, 1.0), 1.0)


def _plain(value: Any) -> Any:
    found = np.asarray(value)
    return found if found.ndim else float(found)
