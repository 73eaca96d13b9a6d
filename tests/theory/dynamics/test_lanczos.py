"""The modes that Δ excites, by Lanczos, against the dense matrix."""

import numpy as np
import pytest
from shapes import SMOOTH

from subtheory.kernels.whitened import product, whitened
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.theory.dynamics.lanczos import ritz
from subtheory.theory.dynamics.spectrum import cosine, gained, left, modes, spectrum, without
from subtheory.theory.losses import CrossEntropy


def drawn(rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Roots (2, n, 40) whose eigenvalues fall over four decades, and Δ (2, 40)."""
    rng = np.random.default_rng(rows)
    return rng.standard_normal((2, rows, 40)) * np.logspace(0, -2, rows)[:, None], rng.standard_normal((2, 40))


@pytest.mark.parametrize("rows", [12, 60])
def test_polynomials_below_twice_the_nodes_are_exact(rows: int) -> None:
    """And not the next ones: the quadrature is Gauss's, no better."""
    B, delta = drawn(rows)
    G, k = B.mT @ B, 5
    found = spectrum(ritz(lambda v: (G @ v[..., None])[..., 0], delta, k), delta)
    exact = spectrum(modes(B), delta)
    for power in range(2 * k):
        expected = exact.form(lambda v, power=power: v**power)  # type: ignore[misc]
        np.testing.assert_allclose(found.form(lambda v, power=power: v**power), expected, rtol=1e-11)  # type: ignore[misc]
    beyond = found.form(lambda v: v ** (2 * k)) / exact.form(lambda v: v ** (2 * k))
    assert np.all(np.abs(beyond - 1) > 1e-10)


def test_as_many_nodes_as_eigenvalues_are_the_measure() -> None:
    """More nodes add nothing: the recursion ends, for an eigenvector after one of them."""
    B, delta = drawn(12)
    G, exact = B.mT @ B, spectrum(modes(B), delta)
    found = spectrum(ritz(lambda v: (G @ v[..., None])[..., 0], delta, 20), delta)
    rate = 1 / exact.largest[:, None]
    for t in (1, 10, 1000):
        np.testing.assert_allclose(found.form(left(rate, t)), exact.form(left(rate, t)), rtol=1e-10)
    np.testing.assert_allclose(cosine(found, rate, 30), cosine(exact, rate, 30), rtol=1e-8)
    # And so is what the same steps do to another direction, and steps without their part along Δ.
    other = np.random.default_rng(0).standard_normal(delta.shape)
    every = modes(B), ritz(lambda v: (G @ v[..., None])[..., 0], delta, 20)
    changes = [(spectrum(one, other).along * spectrum(one, delta).along * gained(rate, 9)(one.values)) for one in every]
    np.testing.assert_allclose(*(change.sum(axis=-1) for change in changes), rtol=1e-9)
    *_, dense = without(exact, rate, 50)
    *_, few = without(found, rate, 50)
    np.testing.assert_allclose((found.values * few**2).sum(-1), (exact.values * dense**2).sum(-1), rtol=1e-8)
    assert np.count_nonzero(found.along[0] ** 2 > 1e-20) <= 13
    top = modes(B).vectors[:, -1]
    alone = spectrum(ritz(lambda v: (G @ v[..., None])[..., 0], top, 4), top)
    np.testing.assert_allclose(alone.form(np.sqrt), np.sqrt(exact.largest), rtol=1e-12)


def test_the_product_is_that_of_the_root() -> None:
    """By a jvp and a pullback, for every seed."""
    s = stack(Setting(SMOOTH, CrossEntropy(), examples=3, trait_examples=4), (0, 1))
    B, v = whitened(s, CrossEntropy()), s.delta
    np.testing.assert_allclose(product(s, CrossEntropy(), v), (B.mT @ (B @ v[..., None]))[..., 0], rtol=0, atol=1e-13)
