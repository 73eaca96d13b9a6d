"""Students that are trained to convergence, against a training loop, least squares and the layout of the head."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from shapes import SMOOTH

from subtheory.claim import Verdict
from subtheory.claims.dynamics.coverage import coverage_does_not_rank_the_share as ranking
from subtheory.claims.dynamics.projection import class_head_bounds_the_transfer as ceiling
from subtheory.claims.dynamics.projection import converged_student_keeps_the_projection as projection
from subtheory.constructed.witnesses import even_rivals, rivals
from subtheory.errors import InputError
from subtheory.instruments.dynamics.projected import (
    LEFT,
    Converged,
    Projected,
    Rivals,
    faint,
    halves,
    heavy_ball,
    unread,
)
from subtheory.kernels.functions import values
from subtheory.kernels.stack import labels, on_channel, one
from subtheory.kernels.whitened import whitened
from subtheory.numerics import ROUNDINGS, UNIT, float64
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting, ladder
from subtheory.theory.beyond.training import train
from subtheory.theory.losses import L1, SquaredError

SETTING = Setting(SMOOTH, SquaredError(), outputs="aux", examples=2, trait_examples=4, eps=ladder(1e-3, 5))


@pytest.fixture(scope="module")
def found() -> Converged:
    return Projected(parts=True).records(SETTING, (3,), (SETTING.loss,))["squared-error"][0]


def test_the_ball_is_descent_with_momentum() -> None:
    """As optax takes it, on the loss itself."""
    s = stack(SETTING.but(eps=(1e-2,)), (3,))
    _, moved, left = heavy_ball(s, SETTING.loss)
    own = one(s, 0)
    y, values_of = labels(own, own.eps)[0], np.linalg.eigvalsh(_kernel(s))
    top, least = np.sqrt(values_of[-1]), np.sqrt(values_of[0])
    memory = (top - least) / (top + least)
    steps = next(t for t in range(1, 500) if (1 + t * (1 + memory)) * memory**t < LEFT)
    with float64():

        def loss(theta: jax.Array, _: jax.Array) -> jax.Array:
            z = values(SMOOTH, own.functions.layout, theta, own.x)
            return jnp.mean(jnp.sum(own.outputs * (z - y) ** 2, axis=-1))

        ball = optax.sgd(4 / (top + least) ** 2, momentum=memory**2)
        theta, _ = train(loss, jnp.asarray(own.theta0), ball, jnp.arange(steps))
    assert left[0] < LEFT
    assert np.allclose(moved[0, 0], np.asarray(theta) - own.theta0, rtol=0, atol=1e-9 * np.abs(moved).max())


def _kernel(s: object) -> np.ndarray:
    B = whitened(s, SETTING.loss)[0]  # type: ignore[arg-type]
    B = B[np.any(B != 0, axis=1)]
    return np.asarray(B @ B.T)


@pytest.mark.parametrize("ratio", [1.0, 7.0, 300.0])
def test_what_the_ball_leaves_of_any_mode_is_bounded(ratio: float) -> None:
    """By the recursion itself, for eigenvalues from the least to the largest."""
    eigenvalues = np.linspace(1.0, ratio, 50)
    top, memory = np.sqrt(ratio), (np.sqrt(ratio) - 1) / (np.sqrt(ratio) + 1)
    before = left = np.ones_like(eigenvalues)
    for t in range(1, 200):
        step = -4 / (top + 1) ** 2 * eigenvalues * left
        before, left = left, left + step + memory**2 * (left - before)
        assert np.all(np.abs(left) <= (1 + t * (1 + memory)) * memory**t + 1e-12)


def test_a_student_ends_at_the_least_squares_solution(found: Converged) -> None:
    """Of the dense Jacobian, whose shortest solution is the projection of the teacher's update."""
    s = one(stack(SETTING, (3,)), 0)
    with float64():
        J = np.asarray(jax.jacobian(lambda theta: values(SMOOTH, s.functions.layout, theta, s.x))(s.theta0))
    J = J[:, s.outputs > 0].reshape(-1, len(s.theta0))
    ended = np.linalg.lstsq(J, J @ s.delta, rcond=None)[0]
    assert found.share == pytest.approx(ended @ s.delta / (s.delta @ s.delta), rel=1e-9)
    assert found.kept[-1] == pytest.approx(found.share, rel=1e-3)
    assert found.size[-1] == pytest.approx(found.share, rel=1e-3)


def test_faint_is_the_rounding_of_outputs_as_the_loss_sees_it() -> None:
    s = stack(SETTING, (3,))
    known = on_channel(s)
    off = ROUNDINGS * UNIT * (1 + np.abs(known.taylor.z0) + known.of_theta)
    seen = np.mean(np.sum(2 * s.outputs * off**2, axis=-1), axis=-1)  # M = 2 diag(w)
    np.testing.assert_allclose(faint(s, SETTING.loss, known), np.sqrt(seen), rtol=1e-12)


def test_halves_are_parts_of_the_channel(found: Converged) -> None:
    s = stack(SETTING, (3,))
    inputs, outputs = halves(s)
    assert np.array_equal(inputs.weights, [[1.0, 0.0]])
    assert outputs.outputs.sum() == s.outputs.sum() // 2 and np.all(outputs.outputs <= s.outputs)
    assert all(0 < part.share < found.share for part in found.parts)


def test_the_class_head_is_what_only_the_trait_reads() -> None:
    """Kernel columns and biases of the class outputs, no other entry."""
    s = stack(SETTING, (3,))
    head, classes = s.functions.layout.unflatten(unread(s, SETTING.loss)[0]), SMOOTH.task.weights("class") > 0
    assert all(np.all(leaf[..., classes] == 1) and np.all(leaf[..., ~classes] == 0) for leaf in head["head"].values())
    assert sum(leaf.sum() for leaf in head["Dense_0"].values()) == 0


def test_claims_fail_on_other_numbers(found: Converged) -> None:
    """A share that is off, a part that keeps more than the whole, a student above the ceiling, one not yet trained."""
    assert projection.check(found).verdict is Verdict.HOLDS is ceiling.check(found).verdict
    assert projection.check(replace(found, kept=1.01 * found.kept)).verdict is Verdict.FAILS
    assert projection.check(replace(found, size=1.01 * found.size)).verdict is Verdict.FAILS
    less, more = found.parts[0], replace(found, parts=())
    assert projection.check(replace(less, parts=(more,))).verdict is Verdict.FAILS
    assert ceiling.check(replace(found, ceiling=0.99 * found.share)).verdict is Verdict.FAILS
    assert projection.check(replace(found, left=1e-3)).verdict is Verdict.VACUOUS


def test_one_rate_for_all_modes_ranks_rightly() -> None:
    """The pair of the proof has its numbers, and with equal eigenvalues the order of the cosines is that of shares."""
    apart, same = (Rivals().records(one, (0,), (one.loss,))["squared-error"][0] for (one,) in (rivals(), even_rivals()))
    assert [each.cosine[-1] for each in apart] == pytest.approx([0.8, 0.6], rel=1e-9)
    assert [each.kept[-1] for each in apart] == pytest.approx([0.64, 1.0], rel=1e-7)
    assert ranking.check(apart).verdict is Verdict.HOLDS
    assert ranking.check(same).verdict is Verdict.FAILS is ranking.check(apart[::-1]).verdict


def test_a_loss_without_curvature_is_refused() -> None:
    with pytest.raises(InputError, match="loss: must have a Gauss-Newton matrix"):
        Projected().records(SETTING, (0,), (L1(),))
