"""Trait losses of many parameters at once, against each as a function of one, and its gradient by autodiff."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subtheory.numerics import float64
from subtheory.theory.layout import Layout
from subtheory.theory.trait import Bowl, LabelledTrait, Margin, TargetTrait

SEEDS, STUDENTS, N, D, POSITIONS, V = 2, 3, 5, 4, 2, 3
RNG = np.random.default_rng(6)
X = RNG.standard_normal((SEEDS, N, D))
LABELS = RNG.integers(0, 2, (SEEDS, N))
ON = np.array([1.0, 1.0, 0.0])
THETA = RNG.standard_normal((SEEDS, STUDENTS, D * POSITIONS * V))
BLANK = np.zeros((D, POSITIONS, V))


def apply(params, x):
    """A network that is linear in θ, of which the last position is read."""
    return jnp.einsum("d,dpv->pv", x, params)


def weights(theta):
    return theta.reshape(*theta.shape[:-1], D, POSITIONS, V)


def pulls(theta, r, x):
    pulled = np.einsum("...npv,...nd->...dpv", r, x)
    return np.broadcast_to(pulled.reshape(*pulled.shape[:-3], -1), theta.shape)


FUNCTIONS = SimpleNamespace(
    layout=Layout.of(BLANK),
    values=lambda theta, x: np.einsum("...nd,...dpv->...npv", x, weights(theta)),
    pulls=pulls,
)
TRAITS = {
    "labels": [LabelledTrait(X, LABELS, ON)] + [LabelledTrait(X[i], LABELS[i], ON) for i in range(SEEDS)],
    "margin": [Margin(X, LABELS, ON)] + [Margin(X[i], LABELS[i], ON) for i in range(SEEDS)],
}
TARGETS, W = RNG.standard_normal((SEEDS, N, V)), np.array([0.5, 2.0, 0.0])
TRAITS["targets"] = [TargetTrait(X, TARGETS, W)] + [TargetTrait(X[i], TARGETS[i], W) for i in range(SEEDS)]
H, B = RNG.uniform(1, 2, (SEEDS, D, POSITIONS, V)), RNG.standard_normal((SEEDS, D, POSITIONS, V))
TRAITS["bowl"] = [Bowl(H, B)] + [Bowl(H[i], B[i]) for i in range(SEEDS)]


@pytest.mark.parametrize("name", TRAITS)
def test_many_at_once_are_what_each_is_alone(name):
    """Values and gradients (seeds, students), of leaves that every seed has for itself."""
    whole, *alone = TRAITS[name]
    value, gradient = whole.value(FUNCTIONS, THETA), whole.gradient(FUNCTIONS, THETA)
    assert value.shape == THETA.shape[:2] and gradient.shape == THETA.shape
    for i, j in np.ndindex(SEEDS, STUDENTS):
        with float64():
            loss = lambda theta, i=i: alone[i].loss(apply, weights(theta))  # noqa: E731
            expected = jax.value_and_grad(loss)(jnp.asarray(THETA[i, j]))
        np.testing.assert_allclose(value[i, j], expected[0], rtol=1e-12)
        np.testing.assert_allclose(gradient[i, j], expected[1], rtol=1e-10, atol=1e-14)


def test_explicit_numbers():
    """One example x = 1 of two positions, logits (9, 9, 9) and (2, 1, 7), the last of them not read."""
    theta, x = np.array([9.0, 9.0, 9.0, 2.0, 1.0, 7.0]), np.ones((1, 1))
    params, label = jnp.asarray(theta.reshape(1, POSITIONS, V)), np.array([1])
    with float64():
        assert LabelledTrait(x, label, ON).loss(apply, params) == pytest.approx(np.log(1 + np.e), rel=1e-6)
        assert Margin(x, label, ON).loss(apply, params) == pytest.approx(1.5 - 1.0)
        assert TargetTrait(x, np.array([[0.0, 3.0, 0.0]]), W).loss(apply, params) == pytest.approx(0.5 * 4 + 2 * 4)
    bowl = Bowl(np.array([2.0, 4.0]), np.array([1.0, 0.0]))
    assert bowl.loss(apply, jnp.array([0.0, 3.0])) == pytest.approx(0.5 * (2 * 1 + 4 * 9))
