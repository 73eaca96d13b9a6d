"""The second order of training, against the derivatives of the whole training loop."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shapes import SMOOTH

from subtheory.errors import InputError
from subtheory.instruments.dynamics.lazy import LazyRange, expansion
from subtheory.instruments.dynamics.trajectory import Trajectory, batches
from subtheory.kernels.functions import values
from subtheory.kernels.stack import one
from subtheory.kernels.whitened import whitened
from subtheory.numerics import float64
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.theory.dynamics.linearised import coefficients
from subtheory.theory.dynamics.momentum import companion
from subtheory.theory.losses import CrossEntropy


def test_both_orders_are_derivatives_of_the_trained_parameters() -> None:
    """d and h of θ_S(T) = θ0 + εd + ε²h, by differentiating T steps of descent twice in ε."""
    setting = Setting(SMOOTH, CrossEntropy(), examples=5, trait_examples=4)
    s = stack(setting, (3,))
    B = whitened(s, setting.loss)
    rate = 0.7 / np.linalg.eigvalsh(B[0] @ B[0].T)[-1]
    found = expansion(s, setting.loss, B, np.array([rate]), 3)
    d = one(s, 0)
    with float64():

        def outputs(theta: jax.Array) -> jax.Array:
            return values(SMOOTH, d.functions.layout, theta, d.x)

        def travelled(eps: jax.Array) -> jax.Array:
            y = jax.nn.softmax(outputs(d.theta0 + eps * d.delta))
            theta = jnp.asarray(d.theta0)
            for _ in range(3):
                theta -= rate * jax.grad(lambda t: -jnp.mean(jnp.sum(y * jax.nn.log_softmax(outputs(t)), -1)))(theta)
            return (theta - d.theta0) @ d.delta

        slope = jax.jacfwd(travelled)
        expected = float(slope(0.0)), float(jax.jacfwd(slope)(0.0)) / 2
    assert found.d[0] @ d.delta == pytest.approx(expected[0], rel=1e-9)
    assert abs(found.h[0] @ d.delta - expected[1]) < found.uncertain[0] < 1e-3 * abs(expected[1])


def test_a_radius_is_where_the_second_order_is_the_tolerance() -> None:
    setting = Setting(SMOOTH, CrossEntropy(), examples=5, trait_examples=4)
    (found,) = LazyRange(3).records(setting, (3,), (setting.loss,))["cross-entropy"]
    eps = found.radius(0.05)
    assert eps * max(abs(found.second / found.first), found.bend) == pytest.approx(0.05, rel=1e-12)
    assert 0 < found.covered < 1
    assert found.strayed[-1] == pytest.approx(found.bend * found.eps[-1], rel=1e-3)


@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_the_recursion_over_outputs_is_the_dense_one(momentum: float) -> None:
    """Product form and momentum in R^P, with batches whose matrices do not commute."""
    rng = np.random.default_rng(1)
    B, delta, shares = rng.standard_normal((4, 7)), rng.standard_normal(7), rng.integers(0, 3, (5, 4)) * 1.0
    a = coefficients(B @ B.T, B @ delta, shares, 0.02, momentum)
    d, m = np.zeros(7), np.zeros(7)
    for t, each in enumerate(shares):
        assert np.allclose(B.T @ a[t], d, atol=1e-13)
        m = momentum * m + B.T @ np.diag(each) @ B @ (delta - d)
        d = d + 0.02 * m
    assert np.allclose(B.T @ a[-1], d, atol=1e-13)


def test_a_mode_follows_the_companion_matrix() -> None:
    lam, b, rate = np.array([3.0, 0.4, 0.0]), 0.8, 0.5
    left, carried = np.ones(3), np.zeros(3)
    for t in range(6):
        assert np.allclose(companion(rate, b, t)(lam), left, rtol=1e-13)
        carried = b * carried + lam * left
        left = left - rate * carried


def test_batches_are_epochs_of_all_inputs() -> None:
    """Each input once before any of them twice; weights sum to those of a full batch."""
    shares = batches(6, 9, 2)
    assert np.all(shares.sum(axis=1) == 6.0)
    assert np.all((shares[:3] > 0).sum(axis=0) == 1) and np.all((shares[:9] > 0).sum(axis=0) == 3)
    assert np.all(batches(6, 2, None) == 1.0)
    with pytest.raises(InputError, match="must be 1"):
        batches(6, 2, 7)


def test_a_full_batch_is_the_closed_form() -> None:
    """The recursion and the spectrum say the same of plain descent."""
    setting = Setting(SMOOTH, CrossEntropy(), examples=5, trait_examples=4)
    (found,) = Trajectory(4).records(setting, (1,), (setting.loss,))["cross-entropy"]
    closed = [found.spectrum.form(lambda v, t=t: 1 - (1 - found.rate * v) ** t) for t in range(5)]  # type: ignore[misc]
    assert np.allclose(found.linear, closed, rtol=1e-12)
