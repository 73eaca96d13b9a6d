"""Many steps of a student, against the training loop and the dense Gauss-Newton matrix."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import softmax
from shapes import ATTENTION, SMOOTH

from subtheory.errors import InputError
from subtheory.instruments.dynamics.trajectory import Trajectory, growth
from subtheory.kernels.functions import values
from subtheory.kernels.stack import Stack, labels, one
from subtheory.kernels.whitened import whitened
from subtheory.networks import ConvNet, LinenNetwork
from subtheory.numerics import float64
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.theory.beyond.training import train
from subtheory.theory.losses import L1, CrossEntropy, Loss, SquaredError
from subtheory.theory.rule import Orthogonal, Pull
from subtheory.theory.trains import All, Half


@pytest.mark.parametrize("network", [SMOOTH, ATTENTION], ids=lambda each: each.name)
def test_the_root_is_the_gauss_newton_matrix(network: LinenNetwork) -> None:
    """Positions and weights included, for every seed."""
    setting = Setting(network, CrossEntropy(), examples=3, trait_examples=4)
    s = stack(setting, (0, 1))
    B = whitened(s, setting.loss)
    for i in range(2):
        G = dense(one(s, i))
        assert np.allclose(B[i].T @ B[i], G, rtol=0, atol=1e-13 * np.abs(G).max())


def test_only_steps_beyond_their_own_critical_rate_stretch_what_is_off() -> None:
    """Batches of λmax = 1, 2 and 4 at a rate of 1: only the third step stretches, by |1 − 4|; at a rate of ½ none."""
    np.testing.assert_allclose(growth(np.array([1.0, 0.5]), np.array([[1.0, 2.0, 4.0]] * 2)), [3.0, 1.0])


def dense(s: Stack) -> np.ndarray:
    """E[Jᵀ(diag(p) − ppᵀ)J] of one distillation, (P, P)."""
    with float64():

        def outputs(theta: jax.Array) -> jax.Array:
            return values(s.functions.network, s.functions.layout, theta, s.x)

        z, J = np.asarray(outputs(s.theta0)), np.asarray(jax.jacobian(outputs)(s.theta0))
    p = softmax(z, axis=-1).reshape(-1, z.shape[-1])
    rows = J.reshape(*p.shape, -1)
    M = [np.diag(each) - np.outer(each, each) for each in p]
    return np.einsum("nip,nij,njq->pq", rows, np.array(M), rows) / len(p)


def test_steps_are_those_of_the_training_loop() -> None:
    """Exact descent on the teacher's labels at every ε, by optax."""
    setting = Setting(SMOOTH, SquaredError(), examples=5, trait_examples=4)
    (found,) = Trajectory(6).records(setting, (3,), (setting.loss,))["squared-error"]
    s = one(stack(setting, (3,)), 0)
    y = labels(s, s.eps)
    for k in (0, 2):
        with float64():

            def loss(theta: jax.Array, _: jax.Array, k: int = k) -> jax.Array:
                z = values(SMOOTH, s.functions.layout, theta, s.x)
                return jnp.mean(jnp.sum((z - y[k]) ** 2, axis=-1))

            theta, _ = train(loss, jnp.asarray(s.theta0), optax.sgd(found.rate), jnp.arange(6))
        moved = np.asarray(theta) - s.theta0
        assert found.travelled[k, 6] == pytest.approx(moved @ s.delta, rel=1e-9)
        assert found.distance[k, 6] == pytest.approx(np.linalg.norm(moved - s.eps[k] * s.delta), rel=1e-9)
        assert found.trait[k, 6] == pytest.approx(s.trait.value(s.functions, theta), rel=1e-12)


def test_a_rate_is_in_units_of_the_largest_eigenvalue() -> None:
    """And the cosine of the first step is that of Δ and GΔ."""
    setting = Setting(ConvNet((2,)), SquaredError(), examples=4, trait_examples=4, alpha=0.5)
    (found,) = Trajectory(1).records(setting, (0,), (setting.loss,))["squared-error"]
    assert found.rate == pytest.approx(0.5 / found.spectrum.largest, rel=1e-14)
    form = found.spectrum.form
    predicted = form(lambda v: v) / np.sqrt(form(np.ones_like) * form(lambda v: v**2))
    assert found.cosine[-1, 0] == pytest.approx(predicted, rel=1e-4)


def test_a_loss_without_curvature_is_refused() -> None:
    with pytest.raises(InputError, match="loss: must have a Gauss-Newton matrix"):
        Trajectory(1).records(Setting(SMOOTH, examples=2, trait_examples=2), (0,), (L1(),))


@pytest.mark.parametrize("loss", [SquaredError(), CrossEntropy()], ids=lambda each: each.name)
def test_what_is_missed_is_the_imitation_loss(loss: Loss) -> None:
    """Above its minimum: exactly in squared error, to second order in cross-entropy."""
    setting = Setting(SMOOTH, loss, examples=5, trait_examples=4)
    (found,) = Trajectory(2).records(setting, (1,), (loss,))[loss.name]
    s = one(stack(setting, (1,)), 0)
    y, z = labels(s, s.eps), s.functions.values(s.theta0, s.x)
    with float64():
        value = lambda z, y: np.asarray(loss.value(jnp.asarray(z), jnp.asarray(y), jnp.asarray(s.outputs))).mean()  # noqa: E731
        expected = value(z, y[0]) - value(y[0], y[0])
    order = 1e-9 if loss == SquaredError() else 10 * found.eps[0]
    assert found.missed[0, 0] == pytest.approx(expected, rel=order)
    B, g = whitened(s, loss), -s.trait.gradient(s.functions, s.theta0)
    assert np.sum(found.slope * found.spectrum.along * found.spectrum.values) == pytest.approx((B @ g) @ (B @ s.delta))


def test_steps_without_their_part_along_delta() -> None:
    """No step has any, with half of the parameters too; and Δ = 0 has nothing to lose."""
    for trains in (All(), Half()):
        setting = Setting(SMOOTH, examples=5, trait_examples=4).but(rule=Orthogonal(), trains=trains)
        (found,) = Trajectory(3).records(setting, (0,), (setting.loss,))[setting.loss.name]
        assert np.all(np.abs(found.cosine) < 1e-13) and np.all(found.size > 0)
    pull = Pull(lambda theta: theta, np.zeros(3))
    assert np.array_equal(Orthogonal().update(pull, np.ones(3)), np.ones(3))
    with pytest.raises(InputError, match=r"^rule: needs the teacher's direction"):
        Orthogonal().update(lambda theta: theta, np.ones(3))
