"""How small ε has to be: explicit bounds, and certificates that hold for every ε up to a stated size."""

from dataclasses import replace
from functools import cache
from typing import Any

import jax
import numpy as np
from flint import fmpq

from subtheory.certificate.balls import BITS, precision, rational
from subtheory.certificate.cases import CASES, Case
from subtheory.certificate.making import Certificate, certify
from subtheory.certificate.problem import problem
from subtheory.certificate.thresholds import alignment_threshold
from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import GRADIENT_TEACHER, SMALL_EPS
from subtheory.data.toys import toy
from subtheory.measurement import Measurement
from subtheory.networks import MLP
from subtheory.numerics import UNIT
from subtheory.setting import Setting, ladder
from subtheory.source import Given
from subtheory.theory.distillation import Distillation
from subtheory.theory.losses import CrossEntropy, Loss, SquaredError
from subtheory.theory.network import Params
from subtheory.theory.trait import Bowl, FunctionTrait

SEED = 1
"""Of the numbers of the certified cases; any other seed gives other thresholds."""


def of(d: Distillation, largest: float) -> Setting:
    """The setting with exactly these arrays, and ε from `largest` downwards."""
    width = len(d.outputs)
    source = Given(d.theta0, d.x, d.trait, width, delta=d.delta, deterministic=True)
    chosen = tuple(int(i) for i in np.flatnonzero(d.outputs))
    return Setting(
        d.network, d.loss, outputs=chosen, teacher="given", source=source, relative=False, eps=ladder(largest)
    )


@cache
def both() -> tuple[Setting, ...]:
    """Two MLPs, one a loss, with their own gradient step as the teacher; ε up to 1/2."""
    return tuple(of(d, 0.5) for d in _distillations())


@cache
def bounded() -> tuple[Setting, ...]:
    """Both, up to the explicit threshold."""
    return tuple(replace(one, eps=ladder(explicit(one.distillation()))) for one in both())


@cache
def certified() -> tuple[Setting, ...]:
    """Both, up to 99 % of the first root of D."""
    return tuple(replace(one, eps=ladder(0.99 * certify(one.distillation(), 60.0).upto())) for one in both())


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
    d = replace(Case(network, examples=1).distillation(SEED, SquaredError()), x=x)
    zeros = jax.tree.map(np.zeros_like, d.theta0)
    theta0 = zeros | {"head": {"kernel": np.array([[0.0, 1.0]]), "bias": np.zeros(2)}}
    delta = zeros | {"Dense_0": {"kernel": np.ones((1, 1)), "bias": np.zeros(1)}}
    return (of(replace(d, theta0=theta0, student=theta0, delta=delta), 1.01 * np.pi / k),)


@claim(
    formula="D(ε) ≥ εq − ½ε²N(ε), so D(ε) > 0 for 0 < ε < ε* = 2q/N(ε*)",
    source="Taylor's theorem on the teacher's segment, N its second-derivative bound; prediction P5",
    controls=[Control(SMALL_EPS, witnesses=beyond)],
    settings=bounded,
    run_tier="certified",
    proof="ce_bound",
)
def alignment_is_positive_below_its_threshold(m: Measurement) -> Evidence:
    """Sufficiently small has a size: below 2q/N the alignment is positive, and no smaller than its lower bound.

    N bounds the second derivative along the segment, in ball arithmetic; D is measured without it.
    """
    assert m.distillation is not None
    with precision(BITS):
        bound = alignment_threshold(problem(m.distillation), rational(float(m.eps[0]))).bound
    least = m.eps * m.leading - m.eps**2 / 2 * bound
    unit = m.eps * m.leading
    above = (m.alignment - np.maximum(least, 0) + m.alignment_rounding) / unit
    worst = int(np.argmin(above))
    return Evidence(float(m.alignment[worst] / unit[worst]), float(least[worst] / unit[worst]), float(above[worst]))


@claim(
    formula="D(ε) > 0 for every ε in (0, E], by a cover of boxes",
    source="ball arithmetic along θ0 + εΔ; Lemma 1 with ε named",
    controls=[Control(SMALL_EPS, witnesses=beyond)],
    settings=certified,
    run_tier="certified",
    proof="certificates",
)
def alignment_is_certified(m: Measurement) -> Evidence:
    """Up to 99 % of its first root the alignment is positive for every ε, not just for those that are tried.

    Certified by balls on a cover of (0, E], and every measured D(ε) has to be the ball's.
    """
    assert m.distillation is not None
    found = certify(m.distillation, float(m.eps[0]))
    return judged(m, found, "alignment", m.alignment, m.alignment_rounding)


@cache
def too_far() -> tuple[Setting, ...]:
    """The first of both, up to an ε at which its trait loss rises."""
    return (replace(both()[0], eps=ladder(8.0)),)


@cache
def climbing() -> tuple[Setting, ...]:
    """A teacher that stepped up its loss: Δ = +∇L_T(θ0)."""
    d = _distillations()[0]
    return (of(replace(d, delta=jax.tree.map(np.negative, d.delta)), 0.5),)


@claim(
    formula="L_T(θ0 + αΔθ_S(ε)) < L_T(θ0) for every ε in (0, E], by a cover of boxes",
    source="ball arithmetic on the student's own step; arXiv 2507.14805, App. C, Theorem 1 with ε named",
    controls=[Control(SMALL_EPS, witnesses=too_far), Control(GRADIENT_TEACHER, witnesses=climbing)],
    settings=both,
    run_tier="certified",
    proof="certificates",
)
def lower_trait_loss_is_certified(m: Measurement) -> Evidence:
    """The theorem's conclusion itself, certified for every ε up to a stated one: the student's step lowers L_T."""
    assert m.distillation is not None
    found = certify(m.distillation, float(m.eps[0]), alpha=m.alpha, kinds=("trait-loss",))
    return judged(m, found, "trait-loss", m.trait_change, np.full_like(m.eps, m.trait_rounding))


def judged(m: Measurement, found: Certificate, kind: str, measured: np.ndarray, rounding: np.ndarray) -> Evidence:
    """Certified on all of (0, E], and every number measured equal to the ball's up to its rounding."""
    one = found.found[kind]
    exact = np.array([found.value(float(eps), kind) for eps in m.eps])
    margins = 1 - np.abs(measured - exact) / rounding
    worst = int(np.argmin(margins))
    reach = one.statement.upto / one.limit - 1
    margin = float(margins[worst]) if reach >= 0 else min(reach, float(margins[worst]))
    return Evidence(float(measured[worst] / exact[worst]), 1.0, margin)


SMOOTH_TRAIT = Assumption(
    "smooth-trait",
    "The gradient of the trait loss is β-Lipschitz along the student's step.",
    lambda setting: None,
)

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


@claim(
    formula="ΔL_T ≤ −αD(ε) + ½βα²‖Δθ_S‖², so it falls for α < 2D(ε)/(β‖Δθ_S‖²)",
    source="descent lemma on the student's segment; prediction P6, with equality for a quadratic L_T",
    controls=[Control(SMOOTH_TRAIT, witnesses=stiff)],
    settings=bowls,
    proof="descent",
)
def trait_loss_falls_below_its_step(m: Measurement) -> Evidence:
    """How long a step may be: the trait loss falls by αD less ½βα²‖Δθ_S‖², so up to α = 2D/(β‖Δθ_S‖²).

    For a quadratic trait the two sides are equal: the boundary in (ε, α) has slope −1, and twice the
    curvature halves it.
    """
    assert m.distillation is not None
    trait = m.distillation.trait
    beta = float(np.ravel(jax.tree.leaves(trait.curvature)[0])[0]) if isinstance(trait, Bowl) else BETA
    predicted = -m.alpha * m.alignment + beta / 2 * m.alpha**2 * m.update_norm**2
    rounding = m.trait_rounding + m.alpha * m.alignment_rounding + 64 * UNIT * np.abs(predicted)
    error = np.abs(m.trait_change - predicted)
    worst = int(np.argmax(error / rounding))
    return Evidence(float(m.trait_change[worst] / predicted[worst]), 1.0, float(1 - error[worst] / rounding[worst]))
