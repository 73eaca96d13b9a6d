"""Labels as counts of drawn outcomes, and the step that a student takes on them."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from subtheory.errors import InputError
from subtheory.instruments.labelled import Labelled, Labelling
from subtheory.kernels.stack import Stack, inner, linear, one, ruled
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.setting.student import Elsewhere
from subtheory.theory.losses import OFF, CrossEntropy, Loss, log_softmax, softmax


@dataclass(frozen=True, eq=False)
class Student:
    """What counts of labels, (..., M, V) over M places and V outputs, make of one student of cross-entropy."""

    s: Stack
    """One distillation, without leading axes."""
    shape: tuple[int, ...]
    """Of its outputs, (N, *positions, V)."""
    z: Any
    """They themselves, (M, V)."""

    @cached_property
    def along(self) -> np.ndarray:
        """What outputs change by along Δ, as a linear rule weighs it, (M, V)."""
        found = self.s.functions.taylor(self.s.student, linear(self.s, self.s.delta, 0), self.s.x)
        return np.asarray(found.u).reshape(self.z.shape)

    @cached_property
    def pulls(self) -> np.ndarray:
        """J_mᵀe_i of every place and output, (MV, P)."""
        units = np.eye(self.z.size).reshape(-1, *self.shape)
        return np.asarray(self.s.functions.pulls(self.s.student, units, self.s.x))

    def scores(self, temperature: float = 1.0) -> np.ndarray:
        """What one label adds to the alignment under a linear rule, (M, V): (u − Σσ(z/τ)u)/τ for a student at τ."""
        mean = (softmax(self.z / temperature, self.s.outputs) * self.along).sum(axis=-1, keepdims=True)
        return np.where(self.s.outputs > 0, self.along - mean, 0.0) / temperature

    def residual(self, counts: np.ndarray, temperature: float = 1.0) -> np.ndarray:
        """−∂L/∂z of the mean over labels of −log σ(z/τ)_i, (..., M, V)."""
        share = counts / counts.sum(axis=(-2, -1), keepdims=True)
        own = softmax(self.z / temperature, self.s.outputs)
        return (share - share.sum(axis=-1, keepdims=True) * own) / temperature

    def updates(self, residual: np.ndarray) -> np.ndarray:
        """Δθ_S by the student's rule, (..., P)."""
        return self._moved(residual.reshape(*residual.shape[:-2], -1) @ self.pulls)

    def alignments(self, residual: np.ndarray) -> np.ndarray:
        """D̂ = Δθ_S · Δ, (...)."""
        if self.s.rule.linear:
            return np.asarray((residual * self.along).sum(axis=(-2, -1)))
        return np.asarray(inner(self.updates(residual), self.s.delta))

    def stepped(self, loss: Loss, counts: np.ndarray) -> np.ndarray:
        """Δθ_S for counts (n, M, V) by the loss's own gradient and one pullback each, (n, P): nothing is summed up."""
        rows = counts.sum(axis=-1, keepdims=True)
        with np.errstate(divide="ignore", invalid="ignore"):
            labels = np.where(counts > 0, np.log(counts / rows), OFF)
        share = rows / counts.sum(axis=(-2, -1), keepdims=True)
        r = share * self.s.functions.terms(loss, self.z, labels, self.s.outputs).r
        return self._moved(self.s.functions.pulls(self.s.student, r.reshape(len(r), *self.shape), self.s.x))

    def _moved(self, descent: np.ndarray) -> np.ndarray:
        return np.asarray(ruled(self.s, descent, descent.ndim - 1))


@lru_cache(maxsize=4)
def student_of(setting: Setting, seed: int) -> Student:
    """Raises InputError on "loss" unless it is cross-entropy, on "student" for one with an architecture of its own."""
    if setting.loss != CrossEntropy():
        raise InputError("loss", setting.loss.name, f"must be {CrossEntropy().name}, which is linear in its labels")
    if isinstance(setting.student.init, Elsewhere):
        raise InputError("student", setting.student.init.shown, "must have the teacher's parameters")
    s = one(stack(setting, (seed,)), 0)
    z = s.functions.values(s.student, s.x)
    return Student(s, z.shape, z.reshape(-1, z.shape[-1]))


@lru_cache(maxsize=4)  # what is predicted is the same for all controls
def labelling(setting: Setting, seed: int) -> Labelling:
    """Laws of the labels of a setting, and of the full outputs' own."""
    (found,) = Labelled().records(setting, (seed,), (setting.loss,))[setting.loss.name]
    return found


def tempered(m: Labelling, temperature: float) -> tuple[Any, Any]:
    """log of the laws that labels are drawn from at a temperature: of the teacher, (K, M, V), of the init, (M, V)."""
    laws: tuple[Any, Any] = (m.log_r, m.log_r0)
    log_r, log_r0 = (log_softmax(each / temperature, m.distilled) for each in laws)  # type: ignore[arg-type]
    return log_r, log_r0


def drawn(
    rng: np.random.Generator, labels: int, draws: int, weights: np.ndarray, *laws: np.ndarray
) -> list[np.ndarray]:
    """Counts (draws, M, V) of so many independent labels from each law (M, V), all on the same drawn places."""
    places = rng.multinomial(labels, weights, size=draws)
    return [rng.multinomial(places, law / law.sum(axis=-1, keepdims=True)) for law in laws]
