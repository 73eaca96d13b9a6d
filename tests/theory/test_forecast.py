"""The row forecast against its slow definition: the gradient of every row's log-probability, by autodiff."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax
from scipy.stats import norm
from shapes import ATTENTION, SHAPES, SMOOTH

from subtheory.kernels.compiled import Kernels
from subtheory.kernels.functions import Traced, shapes_of
from subtheory.numerics import float64
from subtheory.theory import forecast
from subtheory.theory.layout import Layout

N = 5


def made(network, seed=0):
    """θ0, Δ, inputs, labels, output weights of a group and a mask of positions; everything random."""
    rng = np.random.default_rng(seed)
    layout = Layout.of(shapes_of(network))
    theta, delta = rng.normal(size=(2, layout.size)) / 2
    task = network.task
    x = rng.normal(size=(N, *task.shape)) if not task.vocabulary else rng.integers(0, task.outputs, (N, *task.shape))
    x = x if not task.vocabulary else x.astype(np.int32)
    w = np.ones(task.outputs)
    w[0] = 0.0
    f = Kernels(network, layout, task.shape)
    z = f.values(theta, x)
    y = rng.integers(1, task.outputs, z.shape[:-1])
    mask = (rng.random(y.shape) < 0.7) * 1.0
    mask[0] = 1.0
    return f, theta, delta, x, y, w, mask


def row_log_p(network, layout, x, y, w, mask):
    """θ ↦ log p(y_i|x_i) of every row, over the positions of the mask."""

    def one(theta, x, y, mask):
        z = network.apply(layout.unflatten(theta), x)
        log_p = jax.nn.log_softmax(jnp.where(w > 0, z, -jnp.inf), axis=-1)
        return jnp.sum(mask * jnp.take_along_axis(log_p, y[..., None], axis=-1)[..., 0])

    return lambda theta: jax.vmap(one, (None, 0, 0, 0))(theta, x, y, mask)


@pytest.mark.parametrize("name", ["smooth", "attention"])
def test_scores_are_gradients_of_rows_times_delta_and_add_up_to_a_step(name):
    network = SHAPES[name]
    f, theta, delta, x, y, w, mask = made(network)
    with float64():
        log_p = row_log_p(network, f.layout, x, y, w, mask)
        J = np.asarray(jax.jit(jax.jacrev(log_p))(jnp.asarray(theta)))
        difficulty = -np.asarray(jax.jit(log_p)(theta))
    z, u, _ = f.taylor(theta, delta, x)
    rows = forecast.rows(z, u, y, w, mask)
    np.testing.assert_allclose(rows.score, J @ delta, atol=1e-12)
    np.testing.assert_allclose(rows.difficulty, difficulty, atol=1e-12)
    np.testing.assert_allclose(forecast.gradients(f, theta, z, x, y, w, mask), J, atol=1e-12)
    np.testing.assert_allclose(forecast.gradient_norms(f, theta, z, x, y, w, mask), np.linalg.norm(J, axis=1))
    step = forecast.step(f, theta, z, x, y, w, mask)
    np.testing.assert_allclose(step, J.sum(axis=0) / mask.sum(), atol=1e-12)
    assert rows.alignment == pytest.approx(step @ delta, rel=1e-10)
    np.testing.assert_allclose(forecast.student_scores(f, theta, step, x, y, w, mask), J @ step, atol=1e-12)
    # Another readout: its gradient in place of Δ.
    other = np.random.default_rng(9).normal(size=theta.size)
    assert forecast.rows(z, f.taylor(theta, other, x).u, y, w, mask).alignment == pytest.approx(step @ other, rel=1e-9)


def test_a_traced_network_and_plain_arrays_say_the_same():
    f, theta, delta, x, y, w, mask = made(ATTENTION)
    traced = Traced(ATTENTION, f.layout, ATTENTION.task.shape)
    z, u, _ = f.taylor(theta, delta, x)
    plain = forecast.rows(z, u, y, w, mask)
    with float64():
        at = jnp.asarray(theta), jnp.asarray(delta), jnp.asarray(x)
        model = jax.jit(lambda *at: traced.taylor(*at))(*at)
        found = jax.jit(forecast.rows)(*model[:2], jnp.asarray(y), jnp.asarray(w), jnp.asarray(mask))
        labels = jnp.asarray(y), jnp.asarray(w)
        norms = jax.jit(lambda *at: forecast.gradient_norms(traced, *at))(at[0], model.z0, at[2], *labels)
    for a, b in zip(plain, found, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
    np.testing.assert_allclose(norms, forecast.gradient_norms(f, theta, z, x, y, w), atol=1e-12)


def test_many_rows_are_taken_a_few_at_a_time(monkeypatch):
    f, theta, _, x, y, w, mask = made(SMOOTH)
    z = f.values(theta, x)
    once = forecast.gradient_norms(f, theta, z, x, y, w, mask)
    monkeypatch.setattr(forecast, "CHUNK", 2)
    np.testing.assert_array_equal(forecast.gradient_norms(f, theta, z, x, y, w, mask), once)


def test_moments_are_those_of_every_label_at_every_position():
    """Var_p(u), h″ and second derivatives of log p, by sums over labels and by autodiff along z + tu + ½t²v."""
    rng = np.random.default_rng(0)
    z, u, v = rng.normal(size=(3, 4, 5))
    w = np.array([1.0, 1, 0, 1, 1])
    log_p = log_softmax(np.where(w > 0, z, -np.inf), axis=-1)
    p, labels = np.exp(log_p), np.broadcast_to(np.arange(5), (4, 5))
    each = np.stack([forecast.token_scores(z, u, labels[:, k], w) for k in range(5)], axis=1)
    np.testing.assert_allclose((p * each).sum(axis=1), 0, atol=1e-14)
    np.testing.assert_allclose(forecast.token_informations(z, u, w), (p * each**2).sum(axis=1))
    with float64():
        keep = np.flatnonzero(w)

        def moving(t):
            return jax.nn.log_softmax((z + t * u + t**2 / 2 * v)[:, keep], axis=-1)

        second = np.asarray(jax.jit(jax.jacfwd(jax.jacfwd(moving)))(0.0))
        h = lambda t: jnp.sum(jnp.exp(moving(t)) * each[:, keep], axis=1)  # noqa: E731
        bend = np.asarray(jax.jit(jax.jacfwd(jax.jacfwd(h)))(0.0))
    for k, label in enumerate(keep):
        y = np.full(4, label)
        np.testing.assert_allclose(forecast.token_bends(z, u, v, y, w), second[:, k], atol=1e-12)
    np.testing.assert_allclose(forecast.token_curvatures(z, u, v, w), bend, atol=1e-12)


def test_a_divergence_is_half_the_information_for_a_small_teacher():
    f, theta, delta, x, _, w, _ = made(SMOOTH)
    z, u, _ = f.taylor(theta, delta, x)
    off = []
    for eps in (1e-2, 1e-3):
        exact = forecast.token_divergences(z, f.values(theta + eps * delta, x), w)
        off.append(np.max(np.abs(exact / (eps**2 / 2 * forecast.token_informations(z, u, w)) - 1)))
    assert off[1] == pytest.approx(0.1 * off[0], rel=0.2) and off[1] < 1e-2
    assert forecast.sign_probability(2.0) == pytest.approx(norm.cdf(2.0), abs=1e-15)
    assert forecast.sign_probability(-1e-18) == 0.5


def test_the_null_keeps_sizes_and_the_gauss_newton_form_and_nothing_else():
    f, theta, delta, x, y, w, mask = made(SMOOTH)
    signs = np.random.default_rng(1).choice([-1.0, 1.0], (6, theta.size))
    scores, factors = forecast.null_scores(f, theta, delta, signs, x, y, w, mask)
    z, u, _ = f.taylor(theta, delta, x)
    known = forecast.rows(z, u, y, w, mask)
    for sign, c, score in zip(signs, factors, scores, strict=True):
        found = forecast.rows(z, f.taylor(theta, c * sign * delta, x).u, y, w, mask)
        np.testing.assert_allclose(found.score, score, atol=1e-12)
        assert found.form == pytest.approx(known.form, rel=1e-10)
        assert not np.allclose(np.abs(score), np.abs(known.score))
    unseen, none = forecast.null_scores(f, theta, 0 * delta, signs[:1], x, y, w, mask)
    assert none[0] == 0 and not unseen.any()
