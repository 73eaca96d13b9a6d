"""Constructed settings of which ball arithmetic says how small ε has to be, and of which it says where that ends."""

from dataclasses import replace
from functools import cache
from typing import Any

import jax
import numpy as np
from flint import fmpq
from scipy.optimize import brentq

from subtheory.certificate.balls import BITS, precision
from subtheory.certificate.cases import CASES, CertifiedCase
from subtheory.certificate.problem import problem
from subtheory.certificate.thresholds import alignment_threshold
from subtheory.data.toys import toy
from subtheory.kernels.source import Given as Arrays
from subtheory.kernels.stack import each_eps, inner, labels, moved, one, pull
from subtheory.networks import MLP
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting, ladder
from subtheory.setting.teachers import Given
from subtheory.theory.distillation import Distillation
from subtheory.theory.losses import CrossEntropy, Loss, SquaredError
from subtheory.theory.network import Params
from subtheory.theory.trait import Bowl, FunctionTrait

SEED = 1
"""Of the numbers of the certified cases; any other seed gives other thresholds."""

SCANNED = np.linspace(0.05, 60.0, 1200)
"""ε at which the first root of D is looked for."""


def of(d: Distillation, largest: float) -> Setting:
    """The setting with exactly these arrays, and ε from `largest` downwards."""
    width = len(d.outputs)
    source = Arrays(d.theta0, d.x, d.trait, width, delta=d.delta, deterministic=True)
    chosen = tuple(int(i) for i in np.flatnonzero(d.outputs))
    return Setting(
        d.network, d.loss, outputs=chosen, teacher=Given(), source=source, relative=False, eps=ladder(largest)
    )


@cache
def both() -> tuple[Setting, ...]:
    """Two MLPs, one a loss, with their own gradient step as the teacher; ε up to 1/2."""
    return tuple(of(d, 0.5) for d in _distillations())


@cache
def bounded() -> tuple[Setting, ...]:
    """Both, up to the explicit threshold."""
    return tuple(replace(each, eps=ladder(explicit(each.distillation()))) for each in both())


@cache
def certified() -> tuple[Setting, ...]:
    """Both, up to 99 % of the first root of D."""
    return tuple(replace(each, eps=ladder(0.99 * first_root(each))) for each in both())


def first_root(setting: Setting) -> float:
    """Where D first turns negative, as float64 sees it. Raises ValueError if it does not up to `SCANNED[-1]`."""
    s = one(stack(setting, (0,)), 0)
    z = s.functions.values(s.theta0, s.x)

    def aligned(eps: Any) -> Any:
        r = pull(s, setting.loss, each_eps(s, z, z.ndim), labels(s, np.atleast_1d(eps)))
        return inner(moved(s, r), s.delta)

    first = int(np.argmax(aligned(SCANNED) < 0))
    if not first:
        raise ValueError(f"D does not turn negative up to {SCANNED[-1]}")
    return float(brentq(lambda eps: aligned(eps)[0], *SCANNED[first - 1 : first + 1]))


@cache
def _distillations() -> tuple[Distillation, ...]:
    return _case("tanh-2-4-2", SquaredError()), _case("tanh-5-12-4", CrossEntropy())


def _case(name: str, loss: Loss) -> Distillation:
    return CASES[name].distillation(SEED, loss)


def explicit(d: Distillation) -> float:
    """ε* = 2q/N(ε*), rigorous."""
    with precision(BITS):
        return alignment_threshold(problem(d), fmpq(CASES["tanh-2-4-2"].limit)).eps


@cache
def beyond() -> tuple[Setting, ...]:
    """f = sin(kθ), k = 3, at θ0 = 0: the largest ε is just above π/k, where D = 2k sin(kε) turns negative."""
    k, network = 3.0, MLP(1, 1, "sine", task=toy((1,), 1, 1))
    x: Any = np.array([[k]])
    d = replace(CertifiedCase(network, examples=1).distillation(SEED, SquaredError()), x=x)
    zeros = jax.tree.map(np.zeros_like, d.theta0)
    theta0 = zeros | {"head": {"kernel": np.array([[0.0, 1.0]]), "bias": np.zeros(2)}}
    delta = zeros | {"Dense_0": {"kernel": np.ones((1, 1)), "bias": np.zeros(1)}}
    return (of(replace(d, theta0=theta0, student=theta0, delta=delta), 1.01 * np.pi / k),)


@cache
def too_far() -> tuple[Setting, ...]:
    """The first of both, up to an ε at which its trait loss rises."""
    return (replace(both()[0], eps=ladder(8.0)),)


@cache
def climbing() -> tuple[Setting, ...]:
    """A teacher that stepped up its loss: Δ = +∇L_T(θ0)."""
    d = _distillations()[0]
    return (of(replace(d, delta=jax.tree.map(np.negative, d.delta)), 0.5),)


BETA = 2.0


@cache
def bowls() -> tuple[Setting, ...]:
    """L_T = −Δ·(θ − θ0) + ½β|θ − θ0|², written as a bowl around θ0 + Δ/β, of curvature β and of 2β."""
    return tuple(
        of(replace(_distillations()[0], trait=_bowl(_distillations()[0], beta)), 1.0) for beta in (BETA, 2 * BETA)
    )


def _bowl(d: Distillation, beta: float) -> Bowl:
    curvature = jax.tree.map(lambda leaf: np.full_like(leaf, beta), d.theta0)
    return Bowl(curvature, jax.tree.map(lambda theta, delta: theta + delta / beta, d.theta0, d.delta))


@cache
def stiff() -> tuple[Setting, ...]:
    """The same slope at θ0 with a quartic wall, so that no β bounds the curvature for every step."""
    d = _distillations()[0]

    def wall(theta: Params) -> Any:
        off = jax.tree.map(lambda a, b: a - b, theta, d.theta0)
        slope = sum(jax.tree.leaves(jax.tree.map(lambda a, b: (a * b).sum(), off, d.delta)))
        square = sum(jax.tree.leaves(jax.tree.map(lambda a: (a * a).sum(), off)))
        return -slope + BETA / 2 * square + square**2

    return (of(replace(d, trait=FunctionTrait(wall)), 1.0),)
