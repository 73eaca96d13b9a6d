"""Cross-entropy of what comes out of a function of the label: its law, gradient and curvature, against autodiff."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from subtheory.constructed.labels import both
from subtheory.constructed.processed import Pushforward
from subtheory.errors import InputError
from subtheory.instruments.labelled import Labelled
from subtheory.numerics import float64
from subtheory.theory.losses import CrossEntropy, require_loss

LOSS = Pushforward((0, 2, 1, 0, 2, 4))
W = np.array([1.0, 1.0, 1.0, 1.0, 1.0, 0.0])
Z, Y, V = np.random.default_rng(0).standard_normal((3, 2, 6))


def merged(z):
    """Laws of the three groups that have an output of weight."""
    p = softmax(np.where(W > 0, z, -np.inf), axis=-1)
    return np.stack([p[:, [0, 3]].sum(1), p[:, 2], p[:, [1, 4]].sum(1)], axis=1)


def test_value_is_the_cross_entropy_of_groups():
    """A group without an output that is distilled has no part in it."""
    with float64():
        found = LOSS.value(jnp.asarray(Z), jnp.asarray(Y), jnp.asarray(W))
        one_each = Pushforward(tuple(range(6))).value(jnp.asarray(Z), jnp.asarray(Y), jnp.asarray(W))
        plain = CrossEntropy().value(jnp.asarray(Z), jnp.asarray(Y), jnp.asarray(W))
    np.testing.assert_allclose(found, -(merged(Y) * np.log(merged(Z))).sum(axis=1), rtol=1e-12)
    np.testing.assert_allclose(one_each, plain, rtol=1e-12)


def test_curvature_is_autodiffs_and_no_more_than_that_of_the_labels():
    with float64():
        value = lambda z: LOSS.value(z, jnp.asarray(Y), jnp.asarray(W)).sum()  # noqa: E731
        bent = jax.jvp(jax.grad(value), (jnp.asarray(Y),), (jnp.asarray(V),))[1]
    np.testing.assert_allclose(LOSS.hessian(Y, V, W), bent, atol=1e-12)
    np.testing.assert_allclose(LOSS.hessian(jnp.asarray(Y), jnp.asarray(V), jnp.asarray(W)), bent, atol=1e-6)
    form = LOSS.leading(Y, V, W)
    assert np.all((form > 0) & (form < CrossEntropy().leading(Y, V, W)))


@pytest.mark.parametrize("groups", [(), (0, -1), (0, 2), ("a", 0), 3])
def test_groups_that_are_none_are_named(groups):
    with pytest.raises(InputError, match="must have groups"):
        require_loss(Pushforward(groups))


def test_random_codes_turn_students_away_about_as_often_as_not():
    """Over permutations the mean of Σ p_i s_i s_π(i) is (Σ p s) times the mean of s, which is 0; no sign is left."""
    for setting in both():
        (m,) = Labelled().records(setting, (0,), (CrossEntropy(),))["cross-entropy"]
        p, s = (values[:, m.distilled > 0] for values in (m.p0, m.scores))
        rng = np.random.default_rng(1)
        slopes = np.array([m.mean((p * s * s[:, rng.permutation(p.shape[1])]).sum(axis=1)) for _ in range(4000)])
        # Four standard errors of a mean of independent draws.
        assert abs(slopes.mean()) < 4 * slopes.std() / np.sqrt(len(slopes))
        assert 0.4 < np.mean(slopes < 0) < 0.65
