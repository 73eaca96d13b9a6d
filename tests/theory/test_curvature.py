"""Curvature, kernel and Taylor models against what they are by definition, as dense matrices."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from shapes import KINKED, SMOOTH

import subtheory as st
from subtheory.constructed.formula import Formula
from subtheory.numerics import float64, to_numpy_leaves
from subtheory.theory.distillation import at_rest, imitation_loss, outputs
from subtheory.theory.linearize import first_kink, off_kinks, taylor_model
from subtheory.theory.trait import FunctionTrait


def _net(theta, x):
    return jnp.tanh(theta["b"] + x) @ theta["W"] ** 2


def _quartic(theta):
    return jnp.sum(theta["W"] ** 4) + theta["b"][0] * theta["W"][0, 0]


@pytest.fixture(scope="module")
def d():
    draw = np.random.default_rng(1).standard_normal
    params, delta = ({"W": draw((3, 4)), "b": draw(3)} for _ in range(2))
    with float64():
        x, w = draw((5, 3)), np.array([1.0, 1.0, 0.0, 1.0])
        blank = at_rest(Formula("squares", _net), params, x, w, FunctionTrait(_quartic))
        return to_numpy_leaves(replace(blank, delta=delta, eps=np.array([1e-3])))


def columns(product, like):
    """The matrix of a linear map on parameters, by basis vectors."""
    with float64():
        flat, unravel = ravel_pytree(like)
        return np.stack([np.asarray(ravel_pytree(product(unravel(e)))[0]) for e in np.eye(flat.size)], axis=1)


@pytest.mark.parametrize("name", ("squared-error", "kl", "bregman-logistic"))
def test_ggn_is_the_hessian_of_self_distillation(d, name):
    """G = ∇²_θ E l(f_θ, f_θ0) at its minimum θ0: symmetric, PSD, of rank ≤ distilled outputs × examples."""
    loss = st.LOSSES[name]
    G = columns(st.ggn(d, loss), d.theta0)
    with float64():
        flat, unravel = ravel_pytree(d.theta0)
        z0 = outputs(d.network, d.theta0, d.x)
        imitation = lambda t: imitation_loss(d, loss, outputs(d.network, unravel(t), d.x), z0)  # noqa: E731
        dense = np.asarray(jax.jit(jax.hessian(imitation))(flat))
    np.testing.assert_allclose(G, dense, rtol=0, atol=1e-13 * np.abs(dense).max())
    assert np.linalg.eigvalsh((G + G.T) / 2).min() >= -1e-13 * np.abs(G).max()
    delta = np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(d.delta)])
    assert st.quadratic_form(replace(d, loss=loss)) == pytest.approx(delta @ G @ delta, rel=1e-12)


def test_hessian_products(d):
    """∇²L_T of a known polynomial: 12 W² on the diagonal, and 1 for the mixed term."""
    H = columns(st.trait_hessian(d), d.theta0)
    expected = np.diag(np.append(12 * d.theta0["W"].ravel() ** 2, np.zeros(3)))
    expected[0, 12] = expected[12, 0] = 1.0  # leaves in alphabetical order: W, then b
    np.testing.assert_allclose(H, expected, rtol=1e-14, atol=1e-14)
    np.testing.assert_array_equal(H, columns(st.hessian(_quartic, d.theta0), d.theta0))


def test_ntk_is_a_kernel(d):
    """K(x, x) is symmetric and PSD, K(x1, x2) = K(x2, x1)ᵀ, and r ↦ K r is its product."""
    one, two = d.x, d.x[:2] + 1.0
    K = st.ntk(d.network, d.theta0, one, one).reshape(20, 20)
    np.testing.assert_allclose(K, K.T, atol=1e-14)
    assert np.linalg.eigvalsh(K).min() > -1e-12
    across = st.ntk(d.network, d.theta0, one, two)
    assert across.shape == (5, 4, 2, 4)
    np.testing.assert_allclose(across, np.moveaxis(st.ntk(d.network, d.theta0, two, one), (2, 3), (0, 1)))
    r = np.random.default_rng(2).standard_normal((2, 4))
    np.testing.assert_allclose(st.ntk_product(d.network, d.theta0, one, two)(r), np.tensordot(across, r, 2))


def test_taylor_path_of_a_polynomial(d):
    """f = θ0 + 3θ1θ2 x along θ0 + tΔ: value, velocity and acceleration by hand."""
    poly = Formula("polynomial", lambda theta, x: theta[:1] + 3 * theta[1] * theta[2] * x)
    with float64():
        theta, delta = jnp.asarray([1.0, 2.0, -1.0]), jnp.asarray([0.5, 1.0, 4.0])
        model = taylor_model(replace(d, network=poly, theta0=theta, delta=delta, x=jnp.asarray([[2.0]])))
    assert [a.item() for a in jax.tree.leaves(model)] == [-11.0, 0.5 + 6 * (2 * 4 - 1), 6 * 2 * 4.0]


def test_first_kink_is_where_a_relu_bends():
    """The output is affine in ε up to the first kink in the last hidden layer's bias direction, and not beyond."""
    with float64():
        theta = KINKED.init(jax.random.key(0))
        zero = jax.tree.map(jnp.zeros_like, theta)
        (hidden,) = [name for name in theta if name != "head"]
        delta = zero | {hidden: zero[hidden] | {"bias": jnp.asarray([1.0, -1.0, 0.5, 2.0])}}
        x = jax.random.normal(jax.random.key(1), (3, 8, 8))
        kink = float(first_kink(KINKED, theta, delta, x))
        at = lambda t: np.asarray(  # noqa: E731
            outputs(KINKED, jax.tree.map(lambda a, b: a + t * b, theta, delta), x)
        )
        bend = lambda t: np.abs(at(t) - 2 * at(t / 2) + at(0.0)).max()  # noqa: E731
        assert 0 < kink < np.inf and bend(0.999 * kink) < 1e-14 < 1e-6 < bend(1.1 * kink)
        assert float(first_kink(SMOOTH, theta, delta, x)) == np.inf


def test_a_unit_that_is_at_zero_sits_on_a_kink():
    """Of zero weights and a bias that is 0 in one unit alone; a smooth network has no kinks to sit on."""
    with float64():
        zero = jax.tree.map(jnp.zeros_like, KINKED.init(jax.random.key(0)))
        (hidden,) = [name for name in zero if name != "head"]
        x = jax.random.normal(jax.random.key(1), (3, 8, 8))
        on, off = (zero | {hidden: zero[hidden] | {"bias": jnp.asarray([1.0, -1.0, last, 2.0])}} for last in (0.0, 0.5))
        assert not off_kinks(KINKED, on, x) and off_kinks(KINKED, off, x) and off_kinks(SMOOTH, on, x)
        rising = zero | {hidden: zero[hidden] | {"bias": jnp.asarray([0.0, 0.0, 1.0, -4.0])}}
        assert (float(first_kink(KINKED, on, rising, x)), float(first_kink(KINKED, on, rising, x, True))) == (0.0, 0.5)
