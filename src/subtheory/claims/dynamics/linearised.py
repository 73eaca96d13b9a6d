"""Many steps in mini-batches, with momentum, and to second order: where the linear model ends."""

import numpy as np

from subtheory.claim import Evidence, claim
from subtheory.claims.dynamics.settings import OF_TRAINING, followed, trained
from subtheory.claims.inits import one_step
from subtheory.envelope import limit
from subtheory.instruments.dynamics.lazy import Lazy, LazyRange
from subtheory.instruments.dynamics.trajectory import Training, Trajectory
from subtheory.setting.setting import Setting
from subtheory.theory.dynamics.momentum import companion
from subtheory.theory.rule import HeavyBall

STEPS = 16
MOMENTUM = 0.8
BATCH = 2
"""Inputs of a mini-batch, of 4 or 6."""


def remembering() -> tuple[Setting, ...]:
    """The networks of claims about training, by a student with momentum."""
    return tuple(setting.but(rule=HeavyBall(MOMENTUM)) for setting in trained())


@claim(
    formula="θ_S(T) − θ0 = ε(I − Π_t(I − αG_t))Δ + O(ε²), G_t the Gauss-Newton matrix of batch t",
    source="the step on batch t at θ0 + εd is εG_t(Δ − d) + O(ε²); prediction P21, gap g11",
    controls=OF_TRAINING,
    applies=one_step,
    settings=trained,
    reads=Trajectory(STEPS, batch=BATCH),
    proof="linearised",
)
def mini_batch_steps_have_a_product_form(r: Training) -> Evidence:
    """A student of mini-batches stands where the product of their own linear steps says, to second order in ε.

    Along Δ, after any number of steps.
    """
    return followed(r, r.travelled, r.linear)


@claim(
    formula="(θ_S(t) − θ0) · Δ = ε Σ_i c_i²(1 − [Cᵢᵗ]₁₁) + O(ε²), C = ((1 − αλ, −αb), (λ, b)), b = 0.8",
    source="a mode and its momentum move by the companion matrix of (b, λ); predictions P21 and P33",
    controls=OF_TRAINING,
    applies=one_step,
    settings=remembering,
    reads=Trajectory(STEPS),
    proof="linearised",
)
def momentum_follows_its_companion_matrix(r: Training) -> Evidence:
    """With momentum every mode of Δ is approached as its companion matrix says, to second order in ε.

    It overshoots where plain descent does not, and stays within the linear range as long.
    """
    left = [r.spectrum.form(companion(r.rate, MOMENTUM, t)) for t in range(r.steps + 1)]
    return followed(r, r.travelled, r.spectrum.form(np.ones_like) - np.array(left))


@claim(
    formula="(θ_S(16) − θ0) · Δ = ε d · Δ + ε² h · Δ + O(ε³), d = (I − (I − αG)¹⁶)Δ, h by recursion along the path",
    source="h(t+1) = h + α(½F″ − Gh), F(ε) = −∇L_S(θ0 + εd) on labels of θ0 + εΔ; P41 for many steps, gap g11",
    controls=OF_TRAINING,
    applies=one_step,
    settings=trained,
    reads=LazyRange(STEPS),
    proof="linearised",
)
def training_leaves_the_lazy_range_at_second_order(r: Lazy) -> Evidence:
    """After many steps what the closed form leaves out is of second order in ε, with a coefficient known beforehand.

    It says where the lazy range ends: at the ε at which it is 5 % of the first, say.
    """
    beyond, predicted = r.travelled - r.eps * r.first, r.eps**2 * r.second
    return limit(beyond, predicted, predicted, r.eps, 3, r.rounding + r.eps**2 * r.uncertain)
