"""What a student takes from the labels that a view shows it, beside the laws that they come from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from subtheory.errors import InputError
from subtheory.instruments.first_order import outputs_rounding
from subtheory.instruments.instrument import OnStack
from subtheory.kernels.stack import (
    Stack,
    averaged,
    each_eps,
    inner,
    inputs,
    moved,
    norm,
    on_channel,
    pull,
    updates,
)
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.setting import Setting
from subtheory.theory.distillation import Distillation
from subtheory.theory.losses import Loss, log_softmax, namespace
from subtheory.theory.views import Full, View


@dataclass(frozen=True)
class Labelling:
    """One distillation with the labels of a view; K values of ε, M places of weight, V outputs.

    A control is the student of the untrained teacher, shown its labels through the same view; "added" means minus that
    control. Places are inputs, or positions of inputs. Laws are softmaxes over the distilled outputs.
    """

    loss: Loss
    eps: np.ndarray
    """ε, (K,), largest first."""
    alignment: np.ndarray
    """D(ε) = Δθ_S · Δ by the student's real update, (K,)."""
    control: float
    """D(0) of the student of the untrained teacher."""
    added: np.ndarray
    """D(ε) − D(0), from the step of the difference of the two pulls, (K,)."""
    rounding: np.ndarray
    """Size of the rounding error of what is added, (K,)."""
    weights: np.ndarray
    """E over places, (M,), sums to 1."""
    logits: np.ndarray
    """z = f_θ0(x), (M, V)."""
    velocity: np.ndarray
    """u = J_TΔ at θ0, (M, V)."""
    log_p0: np.ndarray
    """log of the init's law p0, (M, V); −1e30 where nothing is distilled."""
    log_p: np.ndarray
    """log of the teacher's laws p_ε, (K, M, V)."""
    log_r0: np.ndarray
    """log of the law r0 of the labels of the untrained teacher, (M, V)."""
    log_r: np.ndarray
    """log of the laws r_ε of the teacher's labels, (K, M, V)."""
    distilled: np.ndarray
    """1 on outputs that are distilled, else 0, (V,)."""
    view: View = Full()
    """What the student is shown, for claims about views with numbers of their own."""

    @property
    def p0(self) -> np.ndarray:
        """The init's law, (M, V)."""
        return np.exp(self.log_p0)

    @property
    def p(self) -> np.ndarray:
        """The teacher's laws, (K, M, V)."""
        return np.exp(self.log_p)

    @property
    def r0(self) -> np.ndarray:
        """The law of the untrained teacher's labels, (M, V)."""
        return np.exp(self.log_r0)

    @property
    def r(self) -> np.ndarray:
        """The laws of the teacher's labels, (K, M, V)."""
        return np.exp(self.log_r)

    @property
    def scores(self) -> np.ndarray:
        """s = Δ · ∇log p0 = u − Σ p0 u on what is distilled, else 0, (M, V): what a label adds to the alignment."""
        mean = (self.p0 * self.velocity).sum(axis=-1, keepdims=True)
        return np.where(self.distilled > 0, self.velocity - mean, 0.0)

    @property
    def form(self) -> float:
        """q = ΔᵀGΔ = E Var_{p0}(s), of cross-entropy on full outputs."""
        return self.variance(self.p0)

    def mean(self, values: np.ndarray) -> Any:
        """E over places of (..., M), (...)."""
        return values @ self.weights

    def variance(self, law: np.ndarray) -> Any:
        """E Var_law(s) over places for laws (..., M, V), (...)."""
        s = self.scores
        centre = (law * s).sum(axis=-1, keepdims=True)
        return self.mean((law * (s - centre) ** 2).sum(axis=-1))

    def divergence(self, log_r: np.ndarray, log_r0: np.ndarray) -> Any:
        """E KL(r ‖ r0) over places, (...)."""
        r = np.exp(log_r)
        return self.mean(np.where(r > 0, r * (log_r - log_r0), 0.0).sum(axis=-1))


@dataclass(frozen=True)
class Labelled(OnStack):
    """Records `Labelling`s. Raises InputError on "student" for one with an architecture of its own."""

    def taught(self, s: Stack) -> Any:
        """The teacher's outputs y(ε) before any view, (..., K, N, *positions, V): f_{θ0 + εΔ}(x)."""
        theta = each_eps(s, s.theta0, 1) + s.eps[..., None] * each_eps(s, s.delta, 1)
        return s.functions.values(theta, inputs(s))

    def record(self, s: Stack, losses: Sequence[Loss], reference: Any) -> dict[str, Any]:
        if s.other is not None:
            raise InputError("student", s.other.network.name, "must have the teacher's parameters")
        xp, lead, w = namespace(s.theta0), s.weights.ndim - 1, s.outputs
        known = on_channel(s)
        base, u = known.taylor.z0, known.taylor.u
        logits = self.taught(s)
        beside = each_eps(s, base, base.ndim - lead)
        y = xp.concatenate([s.view.beside(logits, w, beside), s.view.labels(beside, w)], axis=lead)
        z = base if s.shared else s.functions.values(s.student, s.x)
        steps = [_steps(s, loss, z, y) for loss in losses]
        share = averaged(s, xp.ones_like(base[..., :1]))[..., 0]
        places = lambda a, front: a.reshape(*a.shape[:front], -1, a.shape[-1])  # noqa: E731
        log_r = places(log_softmax(y, w), lead + 1)
        rough = xp.stack([outputs_rounding(s, loss, known) for loss in losses])
        found = {name: xp.stack([step[name] for step in steps]) for name in steps[0]}
        # The control's pull is of order 1, and what is added a difference of two: both are off by their own rounding.
        found["rounding"] = ROUNDINGS * UNIT * found["rounding"] + 2 * rough[..., None]
        return found | {
            "eps": s.eps,
            "weights": share.reshape(*share.shape[:lead], -1),
            "logits": places(base, lead),
            "velocity": places(u, lead),
            "log_p0": places(log_softmax(base, w), lead),
            "log_p": places(log_softmax(logits, w), lead + 1),
            "log_r0": log_r[(*(slice(None),) * lead, -1)],
            "log_r": log_r[(*(slice(None),) * lead, slice(None, -1))],
            "distilled": xp.broadcast_to(w, (*s.eps.shape[:-1], *w.shape)),
        }

    def read(self, found: dict[str, Any], losses: Sequence[Loss]) -> dict[str, list[Labelling]]:
        own = {"alignment", "control", "added", "rounding"}
        return {
            loss.name: [
                Labelling(loss, **{n: _plain(v[i][k] if n in own else v[k]) for n, v in found.items()})
                for k in range(len(found["eps"]))
            ]
            for i, loss in enumerate(losses)
        }

    def of(self, d: Distillation) -> Labelling:
        return replace(super().of(d), view=d.view)

    def finish(self, record: Labelling, setting: Setting, seed: int) -> Labelling:
        added = record.added if setting.subtracted else record.alignment
        return replace(record, view=setting.view, added=added)


def _steps(s: Stack, loss: Loss, z: Any, y: Any) -> dict[str, Any]:
    """The student's real steps on labels y (..., K + 1, N, ..., V), those of the untrained teacher last."""
    lead = s.weights.ndim - 1
    delta = each_eps(s, s.delta, 1)
    r = pull(s, loss, each_eps(s, z, z.ndim - lead), y)
    axis = (slice(None),) * lead
    last, rest = (*axis, slice(-1, None)), (*axis, slice(None, -1))
    every = moved(s, r) if s.rule.linear else updates(s, loss, y, z)
    # Residuals are subtracted output by output: the control is never summed.
    added = moved(s, r[rest] - r[last]) if s.rule.linear else every[rest] - every[last]
    aligned = inner(every, delta)
    return {
        "alignment": aligned[rest],
        "control": aligned[(*axis, -1)],
        "added": inner(added, delta),
        "rounding": (norm(every[rest]) + norm(every[last])) * norm(delta),
    }


def _plain(value: Any) -> Any:
    found = np.asarray(value)
    return found if found.ndim else float(found)
