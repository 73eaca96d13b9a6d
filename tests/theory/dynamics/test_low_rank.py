"""Adapters of low rank against dense matrices, and against a network that has them."""

import jax
import numpy as np
import pytest
from shapes import ATTENTION, SMOOTH

from subtheory.kernels.functions import shapes_of
from subtheory.numerics import float64
from subtheory.theory.dynamics import adapters
from subtheory.theory.layout import Layout


def test_law_is_that_of_the_symmetric_part():
    """Mean and variance from the eigenvalues against tr S and ‖S‖, and D of one A against tr(ASAᵀ)."""
    rng = np.random.default_rng(0)
    delta, pulled, A = (rng.standard_normal(shape) for shape in ((3, 5), (3, 5), (2, 5)))
    S = (delta.T @ pulled + pulled.T @ delta) / 2
    values = adapters.eigenvalues(delta, pulled)
    assert adapters.mean(values) == pytest.approx(np.sum(delta * pulled)) == pytest.approx(np.trace(S))
    assert adapters.variance(values, 4) == pytest.approx(2 * np.linalg.norm(S) ** 2 / 4)
    step, moved = adapters.in_factor(pulled, A), adapters.in_factor(delta, A)
    np.testing.assert_allclose(step, (pulled @ A.T).T, atol=1e-14)
    assert np.sum(step * moved) == pytest.approx(np.trace(A @ S @ A.T))


@pytest.mark.parametrize("network", [SMOOTH, ATTENTION], ids=lambda n: n.name)
def test_factors_change_nothing_at_first_and_matrices_alone_afterwards(network):
    with float64():
        layout = Layout.of(shapes_of(network))
        factors = jax.jit(adapters.drawn, static_argnums=(1, 2))(jax.random.key(1), layout, 3)
        factors = jax.tree.map(np.asarray, factors)
        params = layout.unflatten(np.arange(1.0, layout.size + 1))
        same = adapters.merged(params, factors)
        assert all(np.array_equal(a, b) for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(same), strict=True))
    factors["B"] = jax.tree.map(lambda b: b + 1.0, factors["B"])
    moved = layout.flatten(adapters.merged(params, factors)) - layout.flatten(params)
    found = adapters.matrices(layout)
    assert set(found) == {name for name, (_, shape) in layout.leaves().items() if len(shape) == 2}
    for name, (place, _) in layout.leaves().items():
        expected = (factors["B"][name] @ factors["A"][name]).T.ravel() if name in found else 0.0
        np.testing.assert_allclose(moved[place], np.broadcast_to(expected, moved[place].shape), atol=1e-14)


def test_entries_of_a_factor_have_variance_one_over_its_rank():
    with float64():
        layout = Layout.of({"kernel": np.zeros((400, 2))})
        A = np.asarray(adapters.drawn(jax.random.key(0), layout, 25)["A"]["kernel"])
    assert A.shape == (25, 400) and np.var(A) == pytest.approx(1 / 25, abs=5 * np.sqrt(2 / A.size) / 25)


@pytest.mark.parametrize("rank", [1, 8])
def test_low_ranks_take_longer_steps(rank):
    """E‖VAᵀA‖² = (1 + (d + 1)/r)‖V‖², within five standard errors: why they bear smaller rates."""
    rng = np.random.default_rng(1)
    V, A = rng.standard_normal((3, 6)), rng.standard_normal((20000, rank, 6)) / np.sqrt(rank)
    size = np.sum((V @ A.swapaxes(1, 2) @ A) ** 2, axis=(1, 2)) / np.sum(V**2)
    assert abs(size.mean() - (1 + 7 / rank)) < 5 * size.std() / np.sqrt(len(size))
