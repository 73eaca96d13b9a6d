"""Several traits on one task: a teacher and a student for each, and what every student does to all of them."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from subtheory.errors import InputError
from subtheory.instruments.first_order import rough_outputs
from subtheory.instruments.instrument import Instrument
from subtheory.kernels.stack import Stack, averaged, each_eps, labels, norm, on_channel, step_size, updates
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.setting.teachers import GradientDescent, Noise, Teacher
from subtheory.theory.losses import Loss
from subtheory.theory.trait import LabelledTrait, Margin, Trait

# Traits ---------------------------------------------------------------------------------------------


def _next(trait: LabelledTrait) -> Trait:
    on = np.flatnonzero(_read(trait))
    labels: Any = on[(np.searchsorted(on, trait.labels) + 1) % len(on)]
    return replace(trait, labels=labels)


def _elsewhere(trait: LabelledTrait) -> Trait:
    on, off = np.flatnonzero(_read(trait)), np.flatnonzero(_read(trait) == 0)
    if not len(off):
        raise InputError("trait", f"reads all {len(on)} outputs", "must leave some that another trait can be read from")
    labels: Any = off[np.searchsorted(on, trait.labels) % len(off)]
    return replace(trait, labels=labels, outputs=1.0 * (trait.outputs == 0))


def _read(trait: LabelledTrait) -> np.ndarray:
    """Outputs that a trait is read from, (V,), those of all seeds alike."""
    return np.asarray(trait.outputs).reshape(-1, np.shape(trait.outputs)[-1])[0]


TRAITS: dict[str, Callable[[LabelledTrait], Trait]] = {
    "labels": lambda trait: trait,
    "margin": lambda trait: Margin(trait.x, trait.labels, trait.outputs),
    "next labels": _next,
    "other outputs": _elsewhere,
    "other inputs": lambda trait: replace(trait, x=trait.x[..., ::-1]),
}
"""Trait losses of one task, made from its own: its labels, their margin, each label taken for the next one, labels read
from outputs that no other trait reads, and from inputs that are read backwards. To add a trait, add an entry."""


def several(trait: Trait) -> tuple[Trait, ...]:
    """The losses of `TRAITS`.

    Raises InputError on "trait" for one without labelled inputs, or that reads all outputs.
    """
    if not isinstance(trait, LabelledTrait):
        raise InputError("trait", type(trait).__name__, "must have labelled inputs")
    return tuple(made(trait) for made in TRAITS.values())


@dataclass(frozen=True)
class Another(Teacher):
    """What a teacher would do on the trait of this number in `TRAITS`, from the same init."""

    number: int
    by: Teacher = GradientDescent()
    name = "another-trait"

    def direction(self, s: Stack, drawn: Noise) -> Any:
        return self.by.direction(replace(s, trait=several(s.trait)[self.number]), drawn)


def taught(setting: Setting, seeds: tuple[int, ...]) -> list[Stack]:
    """The distillations of a teacher for each trait of `TRAITS`, all with the least of their sizes ε."""
    own = setting.teacher
    each = [stack(setting.but(teacher=Another(i, own, moves=own.moves)), seeds) for i in range(len(TRAITS))]
    eps = np.minimum.reduce([s.eps for s in each])
    return [replace(s, eps=eps) for s in each]


# What students do to them ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Confusion:
    """T traits on one init, a teacher and its student for each, one step of each student; K values of ε."""

    eps: np.ndarray
    """ε, (K,), largest first."""
    form: np.ndarray
    """g_iᵀGg_j, g_i = ∇L_i(θ0), (T, T)."""
    change: np.ndarray
    """[L_i(θ0_S + αΔθ_S) − L_i(θ0_S)]/α for the student of teacher j, (K, T, T)."""
    rounding: np.ndarray
    """Size of the rounding error of that, (T, T)."""

    @property
    def unit(self) -> np.ndarray:
        """√(g_iᵀGg_i g_jᵀGg_j), (T, T): the form over it is a matrix of cosines."""
        size = np.sqrt(np.diag(self.form))
        return np.outer(size, size)


@dataclass(frozen=True)
class Confusions(Instrument):
    """Records `Confusion`s.

    Raises InputError on "trait" as `several` does, on "student" for one with an architecture of its own. Prediction
    P36.
    """

    def records(self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]) -> dict[str, Sequence[Confusion]]:
        each = taught(setting, tuple(seeds))
        if each[0].other is not None:
            raise InputError("student", each[0].other.network.name, "must have the teacher's parameters")
        return {loss.name: list(_confusions(each, loss)) for loss in losses}


def forms(s: Stack, loss: Loss, g: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """g_iᵀGg_j and Gg_j at the teacher's init for directions g (S, T, P): (S, T, T) and (S, T, P)."""
    z, theta, x = on_channel(s).taylor.z0, each_eps(s, s.theta0, 1), each_eps(s, s.x, s.x.ndim - 1)
    u = s.functions.taylor(theta, g, x).u
    rows = s.functions.pulls(theta, averaged(s, loss.hessian(each_eps(s, z, z.ndim - 1), u, s.outputs), 1), x)
    return np.einsum("sip,sjp->sij", g, rows), rows


def _confusions(each: list[Stack], loss: Loss) -> Iterator[Confusion]:
    """One for every seed of stacks with one leading axis, a stack for every trait."""
    s, f = each[0], each[0].functions
    traits = several(s.trait)
    g = np.stack([trait.gradient(f, s.theta0) for trait in traits], axis=1)
    form, rows = forms(s, loss, g)
    alpha = step_size(loss, np.einsum("stt->st", form), norm(rows))
    z = f.values(s.student, s.x)
    steps = np.stack([updates(one, loss, labels(one, one.eps), z) for one in each], axis=2)  # (S, K, T, P)
    moved = s.student[:, None, None] + alpha[:, None, :, None] * steps
    before = np.stack([trait.value(f, s.student) for trait in traits], axis=1)
    after = np.stack([trait.value(f, moved) for trait in traits], axis=2)  # (S, K, T, T)
    rough = [averaged(s, loss.hessian(on_channel(s).taylor.z0, off, s.outputs)) for off in rough_outputs(on_channel(s))]
    blur = 2 * ROUNDINGS * UNIT * sum(norm(f.pulls(s.theta0, one, s.x)) for one in rough)
    off = ROUNDINGS * UNIT * (1 + np.abs(before))[:, :, None] / alpha[:, None] + (norm(g) * blur[:, None])[:, :, None]
    for i in range(len(s.eps)):
        yield Confusion(s.eps[i], form[i], (after[i] - before[i][:, None]) / alpha[i], off[i])
