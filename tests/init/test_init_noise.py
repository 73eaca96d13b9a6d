"""Noise about an init: its law, its size, and which outputs see it."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from scipy import stats
from starts import own, sequence, values

from subtheory.errors import InputError
from subtheory.init import IsotropicNoise, NullNoise, SeenNoise, TensorNoise, fits, students
from subtheory.networks import adapt
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.theory.losses import CrossEntropy, Quartic, SquaredError

pytestmark = pytest.mark.usefixtures("double")


def test_isotropic_noise_is_uniform_on_the_sphere():
    """δ·v/r has the law of one coordinate of a unit vector in R^P: its square is Beta(1/2, (P − 1)/2)."""
    network, theta0 = adapt(lambda theta, x: theta * x, np.arange(1.0, 5.0))
    start = own(network, theta0, np.ones((1, 4)), np.ones(4))
    found = students(IsotropicNoise(), start, (0.3,), range(4000))[0] - theta0
    r = 0.3 * np.linalg.norm(theta0)
    assert np.allclose(np.linalg.norm(found, axis=1), r, rtol=ROUNDINGS * UNIT)
    for v in np.eye(4):
        assert stats.kstest((found @ v / r) ** 2, stats.beta(0.5, 1.5).cdf).pvalue > 1e-4
    assert stats.kstest(np.asarray(found[:, 0] / r) ** 2, stats.beta(0.5, 2.0).cdf).pvalue < 1e-4  # control: P = 5


def test_tensor_noise_is_normal_relative_to_each_tensor():
    theta0 = {"a": np.array([3.0, -4.0]), "b": np.array([0.01]), "zero": np.zeros(2)}
    network, _ = adapt(lambda theta, x: theta["a"] * x, theta0)
    start = own(network, theta0, np.ones((1, 2)), np.ones(2))
    found = students(TensorNoise(), start, (0.5,), range(3000))
    for name, rms in (("a", np.sqrt(12.5)), ("b", 0.01)):
        drawn = (found[name][0] - theta0[name]).ravel() / rms
        assert stats.kstest(drawn, stats.norm(scale=0.5).cdf).pvalue > 1e-4
        assert stats.kstest(drawn, stats.norm(scale=0.6).cdf).pvalue < 1e-4  # control: 20 % off
    assert not found["zero"].any()


def dense_ggn(start):
    """G with P² entries: J by reverse mode, M by differentiating the loss twice."""
    (theta0,), (x,) = start.theta0, start.x
    f = lambda theta: values(start.network, start.layout.unflatten(theta), x)  # noqa: E731
    z = f(theta0)
    J = np.asarray(jax.jit(jax.jacrev(f))(theta0)).reshape(-1, z.shape[-1], theta0.size)
    rows = z.reshape(-1, z.shape[-1])
    curve = lambda y: jax.hessian(lambda o: start.loss.value(o, y, start.outputs))(y)  # noqa: E731
    M = jax.jit(jax.vmap(curve))(rows)
    return np.einsum("nip,nij,njq->pq", J, np.asarray(M), J) / len(rows)


@pytest.mark.parametrize(("loss", "n"), [(SquaredError(), 2), (CrossEntropy(), 2), (CrossEntropy(), 6)])
def test_noise_in_the_null_space_of_g_and_in_its_complement(loss, n):
    """With fewer outputs than parameters, and with more."""
    start, paths = replace(sequence(n), loss=loss), (NullNoise(), SeenNoise(), IsotropicNoise())
    G = dense_ggn(start)
    values_, vectors = np.linalg.eigh(G)
    kept = values_ > 1e-9 * values_[-1]
    assert kept.any() and values_[~kept][-1] < 1e-13 * values_[-1], "the rank of this G is not clear-cut"
    (theta0,) = start.theta0
    null, seen, any_ = (path(start, 0.1, [0])[0] - theta0 for path in paths)
    # Eigenvectors are off by the rounding of G over its smallest eigenvalue.
    tolerance = ROUNDINGS * UNIT * values_[-1] / values_[kept][0]
    top, r = values_[-1], 0.1 * np.linalg.norm(theta0)
    for delta in (null, seen, any_):
        assert np.isclose(np.linalg.norm(delta), r, rtol=1e-12)
    assert np.linalg.norm(G @ null) < tolerance * top * r
    assert np.linalg.norm(G @ any_) > 1e3 * tolerance * top * r  # control: isotropic noise is seen
    inside = vectors[:, kept] @ (vectors[:, kept].T @ any_)
    assert np.allclose(seen, r * inside / np.linalg.norm(inside), atol=tolerance * r)
    assert np.allclose(null, r * (any_ - inside) / np.linalg.norm(any_ - inside), atol=tolerance * r)


def test_noise_without_room_and_too_many_outputs_are_refused():
    network, theta0 = adapt(lambda theta, x: theta * x, np.arange(1.0, 4.0))
    start, keys = own(network, theta0, np.ones((2, 3)), np.ones(3)), [0]
    with pytest.raises(InputError, match=r"path: must leave a direction .* null-noise where G has rank 3 of 3"):
        students(NullNoise(), start, (0.1,), keys)
    assert np.isfinite(students(NullNoise(), replace(start, outputs=np.array([1.0, 0, 1])), (0.0, 0.1), keys)).all()
    blind = replace(start, loss=Quartic())
    with pytest.raises(InputError, match="path: must see a direction at all, got seen-noise where G has rank 0"):
        students(SeenNoise(), blind, (0.1,), keys)
    assert np.isfinite(students(NullNoise(), blind, (0.1,), keys)).all()
    assert not fits(NullNoise(), replace(start, x=np.ones((1, 3000, 3)))) and fits(IsotropicNoise(), start)
