"""What a student's step does to the trait's logits on the trait's own inputs, none of which it was shown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from subtheory.errors import InputError
from subtheory.instruments.first_order import outputs_rounding
from subtheory.instruments.instrument import Instrument
from subtheory.kernels.stack import (
    Stack,
    averaged,
    each_eps,
    expectation,
    labels,
    norm,
    on_channel,
    step_size,
    updates,
)
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.preparation import started
from subtheory.setting.setting import Setting
from subtheory.theory.losses import Loss
from subtheory.theory.trait import LabelledTrait


@dataclass(frozen=True)
class Ghost:
    """One distillation as the C trait logits on the n inputs of the trait see it, nC numbers; K values of ε.

    A = J_c J_gᵀ is the tangent kernel between them and the channel's outputs.
    """

    eps: np.ndarray
    """ε, (K,), largest first."""
    change: np.ndarray
    """[f_c(θ0_S + αΔθ_S(ε)) − f_c(θ0_S + αΔθ_S(0))]/α, (K, nC)."""
    operator: np.ndarray
    """A M Aᵀ at θ0, (nC, nC), M with the law of the channel in it."""
    residuals: np.ndarray
    """e = −∂L_T/∂z_c at θ0, (nC,)."""
    rank: int
    """mN, distilled outputs times inputs of the channel: the most that the operator can have."""
    rounding: np.ndarray
    """Size of the rounding error of ‖change‖, (K,)."""


@dataclass(frozen=True)
class Ghosts(Instrument):
    """Records `Ghost`s. Raises InputError on "trait" for one without labelled inputs. Prediction P46."""

    def records(self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]) -> dict[str, Sequence[Ghost]]:
        return {
            loss.name: list(_ghosts(s, loss)) for s, some in started(setting, tuple(seeds), losses) for loss in some
        }


def _ghosts(s: Stack, loss: Loss) -> Iterator[Ghost]:
    """One for every seed of a stack with one leading axis."""
    trait, f, w = s.trait, s.functions, s.outputs
    if not isinstance(trait, LabelledTrait):
        raise InputError("trait", type(trait).__name__, "must have labelled inputs")
    z, u, _ = on_channel(s).taylor
    x, theta = each_eps(s, trait.x, trait.x.ndim - 1), each_eps(s, s.theta0, 1)
    places, basis = _basis(trait)
    rows = f.pulls(theta, basis, x)
    A = f.taylor(theta, rows, each_eps(s, s.x, s.x.ndim - 1)).u
    bent = averaged(s, loss.hessian(each_eps(s, z, z.ndim - 1), A, w), 1)
    seen = averaged(s, loss.hessian(z, u, w))
    alpha = step_size(loss, expectation(s, loss.leading(z, u, w)), norm(f.pulls(s.theta0, seen, s.x)))
    both = np.concatenate([s.eps, np.zeros_like(s.eps[:, :1])], axis=1)
    step = updates(s, loss, labels(s, both), f.values(s.student, s.x))
    moved = f.values(each_eps(s, s.student, 1) + alpha[:, None, None] * step, x)[..., *places.T]
    off = np.abs(moved).max(axis=(1, 2)) / alpha + norm(rows).max(axis=1) * norm(step).max(axis=1)
    for i in range(len(s.eps)):
        size = np.sqrt(len(places)) * ROUNDINGS * UNIT * off[i]
        yield Ghost(
            eps=s.eps[i],
            change=(moved[i, :-1] - moved[i, -1]) / alpha[i],
            operator=np.einsum("cnv,dnv->cd", A[i], bent[i]),
            residuals=-trait.slope(f.values(s.theta0, trait.x), s.theta0)[i][*places.T],
            rank=int((w > 0).sum()) * s.x.shape[1],
            rounding=np.full(len(s.eps[i]), size + 2 * float(outputs_rounding(s, loss, on_channel(s))[i])),
        )


def _basis(trait: Any) -> tuple[np.ndarray, np.ndarray]:
    """Where the trait's logits stand, (nC, 2) of input and output, and a cotangent for each, (S, nC, n, V)."""
    seeds, n = trait.labels.shape
    places = np.array([(i, j) for i in range(n) for j in np.flatnonzero(trait.outputs[0])])
    basis = np.zeros((len(places), n, trait.outputs.shape[-1]))
    basis[np.arange(len(places)), *places.T] = 1.0
    return places, np.broadcast_to(basis, (seeds, *basis.shape))
