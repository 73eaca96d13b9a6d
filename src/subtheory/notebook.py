"""Alignment and its predictions of one distillation, by the kernels that claims run on; NumPy in, NumPy or floats out.

Each is defined in `subtheory.theory.alignment`, in the words and letters of the theory; these are the same numbers
without a program of their own, so that what a notebook has asked of a network costs the next claim nothing.
"""

from collections.abc import Callable
from inspect import cleandoc
from math import isfinite
from typing import Any, TypeVar

import numpy as np

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.kernels.stack import Stack, averaged, each_eps, expectation, inner, labels, norm, one, pull, updates
from subtheory.setting.preparation import stacked
from subtheory.setting.whole import whole
from subtheory.theory import alignment as definitions
from subtheory.theory import distillation
from subtheory.theory.distillation import Distillation
from subtheory.theory.linearize import TaylorModel
from subtheory.theory.network import Params

T = TypeVar("T", bound=Callable[..., Any])

RAISES = "Raises InputError, naming the part, for what is no distillation, or one whose parts do not fit."


def _like(definition: Any) -> Callable[[T], T]:
    """The docstring of the definition, and what is raised here of a distillation that comes from outside."""

    def documented(function: T) -> T:
        function.__doc__ = f"{cleandoc(definition.__doc__)}\n\n{RAISES}"
        return function

    return documented


def _of(d: Distillation) -> Stack:
    return one(stacked([whole(d)]), 0)


def _taylor(s: Stack) -> TaylorModel:
    return s.functions.taylor(s.theta0, s.delta, s.x)


def _updates(s: Stack, d: Distillation) -> np.ndarray:
    """Δθ_S for every ε, (K, P)."""
    return np.asarray(updates(s, d.loss, labels(s, s.eps), s.functions.values(s.student, s.x)))


def _ggn(s: Stack, d: Distillation) -> np.ndarray:
    """GΔ, (P,)."""
    taylor = _taylor(s)
    return np.asarray(s.functions.pulls(s.theta0, averaged(s, d.loss.hessian(taylor.z0, taylor.u, s.outputs)), s.x))


@_like(distillation.student_update)
def student_update(d: Distillation, eps: Any) -> Params:
    s = _of(d)
    known = arguments.number(eps)
    if known is None or not isfinite(known):
        raise InputError("eps", arguments.shown(eps), "must be one finite number, the size of the teacher's update")
    size = np.full(1, known)
    update = updates(s, d.loss, labels(s, size), s.functions.values(s.student, s.x))
    return s.functions.layout.unflatten(update[0])


@_like(definitions.alignment)
def alignment(d: Distillation) -> np.ndarray:
    s = _of(d)
    return np.asarray(inner(_updates(s, d), s.delta))


@_like(definitions.alignment_by_jvp)
def alignment_by_jvp(d: Distillation) -> np.ndarray:
    s = _of(d)
    z, velocity, _ = s.functions.taylor(s.student, s.delta, s.x)
    along = pull(s, d.loss, each_eps(s, z, z.ndim), labels(s, s.eps)) * velocity
    return np.asarray(along.sum(axis=tuple(range(1, along.ndim))))


@_like(definitions.predicted_alignment)
def predicted_alignment(d: Distillation, order: int = 1) -> np.ndarray:
    s = _of(d)
    order = arguments.whole("order", order, 1, 2)
    taylor = _taylor(s)
    first = s.eps * expectation(s, d.loss.leading(taylor.z0, taylor.u, s.outputs))
    return np.asarray(first if order == 1 else first + s.eps**2 / 2 * _second(s, d, taylor))


def _second(s: Stack, d: Distillation, taylor: TaylorModel) -> Any:
    bent = s.functions.terms(d.loss, taylor.z0, taylor.z0, s.outputs, taylor.u, taylor.v).second
    return expectation(s, (bent * taylor.u).sum(axis=-1))


def second_order(d: Distillation) -> float:
    """h″(0), the coefficient of ½ε² in D(ε) = εq + ½ε²h″(0) + O(ε³); scalar (P41).

    Raises InputError, naming the part, for what is no distillation, or one whose parts do not fit.
    """
    s = _of(d)
    return float(_second(s, d, _taylor(s)))


@_like(definitions.quadratic_form)
def quadratic_form(d: Distillation) -> float:
    s = _of(d)
    taylor = _taylor(s)
    return float(expectation(s, (taylor.u * d.loss.hessian(taylor.z0, taylor.u, s.outputs)).sum(axis=-1)))


@_like(definitions.cosine)
def cosine(d: Distillation) -> np.ndarray:
    s = _of(d)
    update = _updates(s, d)
    return np.asarray(inner(update, s.delta) / (norm(update) * norm(s.delta)))


@_like(definitions.cosine_limit)
def cosine_limit(d: Distillation) -> float:
    s = _of(d)
    G = _ggn(s, d)
    return float(inner(s.delta, G) / (norm(G) * norm(s.delta)))


@_like(definitions.critical_step)
def critical_step(d: Distillation) -> float:
    s = _of(d)
    G = _ggn(s, d)
    return float(2 * inner(s.delta, G) / inner(G, G))


def _step(alpha: Any) -> float:
    """α as a finite number. Raises InputError on "alpha" for anything else."""
    found = arguments.number(alpha)
    if found is None or not isfinite(found):
        raise InputError("alpha", arguments.shown(alpha), "must be a finite number")
    return found


@_like(definitions.distance_change)
def distance_change(d: Distillation, alpha: float) -> np.ndarray:
    s, alpha = _of(d), _step(alpha)
    update = _updates(s, d)
    return np.asarray(alpha * alpha * inner(update, update) - 2 * alpha * s.eps * inner(update, s.delta))


@_like(definitions.trait_change)
def trait_change(d: Distillation, alpha: float) -> np.ndarray:
    s, alpha = _of(d), _step(alpha)
    after = s.trait.value(s.functions, s.student + alpha * _updates(s, d))
    return np.asarray(after - s.trait.value(s.functions, s.student))


@_like(definitions.predicted_trait_change)
def predicted_trait_change(d: Distillation, alpha: float) -> np.ndarray:
    s, alpha = _of(d), _step(alpha)
    return np.asarray(alpha * s.eps * inner(s.trait.gradient(s.functions, s.theta0), _ggn(s, d)))
