"""What one step passes on of a trait between two inits, in many draws: first order in ε and in the student's step."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from subtheory.init import ShareParts
from subtheory.instruments.ensemble import Ensemble, Taught, inits, taught
from subtheory.kernels.stack import averaged, inner
from subtheory.setting.setting import Setting
from subtheory.setting.student import Student
from subtheory.theory.losses import Loss
from subtheory.theory.trait import Margin

HEADS = ShareParts(distilled=True, silent=True)
AUX = ShareParts(distilled=True)
CLASS = ShareParts(silent=True)
ARMS = (ShareParts(body=True, distilled=True, silent=True), HEADS, AUX, CLASS)
"""All shared; then the body re-drawn, and with it neither head, the class head, or the aux head."""


@dataclass(frozen=True)
class Parts:
    """What one init passes on in n draws beside a shared one, each (n,)."""

    shared: np.ndarray
    """The trait part at a shared init."""
    part: np.ndarray
    """The trait part of this init."""
    alignment: np.ndarray
    """Δ · E[J_Sᵀ M J_TΔ] of this init."""


@dataclass(frozen=True)
class Turned:
    """What students pass on before and after one of their heads is turned."""

    straight: np.ndarray
    """The trait part of the arms in turn: of `ARMS[i mod 4]` in draw i, (n,)."""
    turned: np.ndarray
    """The same with the student's aux head times −1, and with its class head times −1, (n, 2)."""


@dataclass(frozen=True)
class TraitParts(Ensemble):
    """Records `Parts`: T = ∇m(θ0_S) · E[J_Sᵀ M J_TΔ], the rise of the margin m(θ) = E[z_y − mean_k z_k] per αε.

    θ0_S is the setting's own init, M that of a match at the teacher's. The trait has to have labels y.
    Source: prediction P18 for any direction; gap g10.
    """

    def sample(self, setting: Setting, seed: int) -> Parts:
        t = taught(setting, seed, self.draws)
        part, alignment = trait_parts(t, inits(setting.student, t)[:, None], setting.loss)
        return Parts(_at_shared(setting.but(student=Student()), seed, self.draws), part[:, 0], alignment[:, 0])


@lru_cache(maxsize=64)
def _at_shared(setting: Setting, seed: int, draws: int) -> np.ndarray:
    t = taught(setting, seed, draws)
    return np.asarray(trait_parts(t, t.s.theta0[:, None], setting.loss)[0][:, 0])


@dataclass(frozen=True)
class TurnedHeads(Ensemble):
    """Records `Turned`, T as in `TraitParts`, whatever init the setting has.

    What a head is goes by the groups "aux" and "class" of the source's outputs, whatever is distilled.
    """

    def sample(self, setting: Setting, seed: int) -> Turned:
        t = taught(setting, seed, self.draws)
        start = replace(t.start, outputs=np.asarray(setting.origin.weights("aux"), np.float64))
        keys = range(self.draws)
        each = np.stack([path(start, 1.0, keys) for path in ARMS])
        straight = each[np.arange(self.draws) % len(ARMS), np.arange(self.draws)]
        turned = [np.where(head.entries(start), -straight, straight) for head in (AUX, CLASS)]
        part, _ = trait_parts(t, np.stack([straight, *turned], axis=1), setting.loss)
        return Turned(part[:, 0], part[:, 1:])


def trait_parts(t: Taught, students: np.ndarray, loss: Loss) -> tuple[Any, Any]:
    """T and Δ · E[J_Sᵀ M J_TΔ] of students (n, A, P) of every teacher, (n, A) each."""
    s, f = t.s, t.s.functions
    taylor = f.taylor(s.theta0, s.delta, s.x)
    pulled = averaged(s, loss.hessian(taylor.z0, taylor.u, s.outputs))
    added = f.pulls(students, pulled[:, None], s.x[:, None])
    margin: Any = s.trait
    margin = Margin(margin.x, margin.labels, margin.outputs)
    return -inner(margin.gradient(f, students), added), inner(s.delta[:, None], added)
