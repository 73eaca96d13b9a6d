"""What a student takes from the labels that a view shows it, beside the laws that they come from."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from subtheory.errors import InputError
from subtheory.instruments.first_order import outputs_rounding, rough_outputs
from subtheory.instruments.instrument import OnStack
from subtheory.kernels.stack import (
    Stack,
    averaged,
    each_eps,
    inner,
    moved,
    norm,
    on_channel,
    pull,
    teacher_logits,
    updates,
)
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.setting import Setting
from subtheory.theory.distillation import Distillation
from subtheory.theory.losses import Loss, covariance, log_softmax, namespace, softmax
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
        return teacher_logits(s, s.eps)

    def record(self, s: Stack, losses: Sequence[Loss], reference: Any) -> dict[str, Any]:
        if s.other is not None:
            raise InputError("student", s.other.network.name, "must have the teacher's parameters")
        xp, lead, w = namespace(s.theta0), s.weights.ndim - 1, s.outputs
        known = on_channel(s)
        base, u = known.taylor.z0, known.taylor.u
        logits = self.taught(s)
        y, z = shown(s, logits), _start(s)
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


def shown(s: Stack, logits: Any) -> Any:
    """What the view shows of a teacher's logits (..., K, N, ..., V), and last of θ0's: (..., K + 1, N, ..., V)."""
    base, w, lead = on_channel(s).taylor.z0, s.outputs, s.weights.ndim - 1
    beside = each_eps(s, base, base.ndim - lead)
    return namespace(logits).concatenate([s.view.beside(logits, w, beside), s.view.labels(beside, w)], axis=lead)


def _start(s: Stack) -> Any:
    """Outputs at the student's init, (..., N, ..., V)."""
    return on_channel(s).taylor.z0 if s.shared else s.functions.values(s.student, s.x)


def added(s: Stack, loss: Loss, z: Any, y: Any) -> tuple[Any, Any]:
    """The student's real steps on labels y, (..., K + 1, P), and what the first K have beyond the last, (..., K, P).

    y, (..., K + 1, N, ..., V), ends with the untrained teacher's; z are the outputs at the student's init.
    """
    lead = s.weights.ndim - 1
    axis = (slice(None),) * lead
    last, rest = (*axis, slice(-1, None)), (*axis, slice(None, -1))
    r = pull(s, loss, each_eps(s, z, z.ndim - lead), y)
    if not s.rule.linear:
        every = updates(s, loss, y, z)
        return every, every[rest] - every[last]
    # Residuals are subtracted output by output: the control is never summed.
    return moved(s, r), moved(s, r[rest] - r[last])


def sizes(steps: Any) -> Any:
    """‖Δθ_S(ε)‖ + ‖Δθ_S(0)‖, (..., K), of steps (..., K + 1, P), the untrained teacher's last."""
    size = norm(steps)
    return size[..., :-1] + size[..., -1:]


def _steps(s: Stack, loss: Loss, z: Any, y: Any) -> dict[str, Any]:
    """The student's real steps on labels y (..., K + 1, N, ..., V), those of the untrained teacher last."""
    every, more = added(s, loss, z, y)
    delta = each_eps(s, s.delta, 1)
    aligned = inner(every, delta)
    return {
        "alignment": aligned[..., :-1],
        "control": aligned[..., -1],
        "added": inner(more, delta),
        "rounding": sizes(every) * norm(delta),
    }


@dataclass(frozen=True)
class Direction:
    """Where a student's step points that the untrained teacher's is subtracted from; K values of ε.

    Beside FΔ, F = E Jᵀ(diag(p0) − p0p0ᵀ)J the Fisher matrix of the teacher's init, in units of it.
    """

    loss: Loss
    eps: np.ndarray
    """ε, (K,), largest first."""
    along: np.ndarray
    """The coefficient of FΔ in the step, (K,)."""
    across: np.ndarray
    """Size of what is left of the step over ‖FΔ‖, (K,)."""
    rounding: np.ndarray
    """Size of the rounding error of both, (K,)."""
    view: View = Full()
    """What the student is shown."""

    @property
    def cosine(self) -> np.ndarray:
        """Of the angle between step and FΔ, (K,)."""
        return self.along / np.hypot(self.along, self.across)


@dataclass(frozen=True)
class Directed(OnStack):
    """Records `Direction`s. Raises InputError on "student" for one with an architecture of its own. Source: P37."""

    def record(self, s: Stack, losses: Sequence[Loss], reference: Any) -> dict[str, Any]:
        if s.other is not None:
            raise InputError("student", s.other.network.name, "must have the teacher's parameters")
        xp, known = namespace(s.theta0), on_channel(s)
        (z, u, _), w = known.taylor, s.outputs
        curved = [averaged(s, covariance(softmax(z, w), one)) for one in (u, *rough_outputs(known))]
        F, *rough = s.functions.pulls(s.theta0, xp.stack(curved), s.x)
        size, blur, F = norm(F)[..., None], sum(map(norm, rough))[..., None], each_eps(s, F, 1)
        y, start = shown(s, teacher_logits(s, s.eps)), _start(s)
        found: dict[str, list[Any]] = {"along": [], "across": [], "rounding": []}
        for loss in losses:
            every, step = added(s, loss, start, y)
            along = inner(step, F) / size**2
            found["along"].append(along)
            found["across"].append(norm(step - along[..., None] * F) / size)
            found["rounding"].append(ROUNDINGS * UNIT * (sizes(every) + 4 * blur) / size)
        return {name: xp.stack(values) for name, values in found.items()} | {"eps": s.eps}

    def read(self, found: dict[str, Any], losses: Sequence[Loss]) -> dict[str, list[Direction]]:
        eps, *own = (np.asarray(found[name]) for name in ("eps", "along", "across", "rounding"))
        return {
            loss.name: [Direction(loss, eps[k], *(each[i][k] for each in own)) for k in range(len(eps))]
            for i, loss in enumerate(losses)
        }

    def of(self, d: Distillation) -> Direction:
        return replace(super().of(d), view=d.view)

    def finish(self, record: Direction, setting: Setting, seed: int) -> Direction:
        return replace(record, view=setting.view)


def _plain(value: Any) -> Any:
    found = np.asarray(value)
    return found if found.ndim else float(found)
