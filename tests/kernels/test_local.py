"""A loss near its match: its derivatives in programs of one shape, and functions that compare by what they are."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subtheory.kernels.local import Differentiated, OfFunction, fourth, local
from subtheory.theory.losses import KL, Quartic, SquaredError

ONES = np.ones(4)


def weighted(z, y, w):
    return jnp.sum(w * (z - y) ** 2) / 2


def entropy(z, y):
    return -jnp.sum(jax.nn.softmax(y) * jax.nn.log_softmax(z))


@pytest.mark.parametrize("shape", [(4,), (3, 4), (2, 200, 4)])
def test_derivatives_at_any_number_of_points(shape):
    """Σ(z − y)² and Σ(z − y)⁴ by hand, KL by its own closed form at the match."""
    z, y, u = np.random.default_rng(0).normal(size=(3, *shape))
    found = local(SquaredError(), z, y, ONES, u)
    np.testing.assert_allclose(found.value, ((z - y) ** 2).sum(-1), rtol=1e-13)
    np.testing.assert_allclose(found.gradient, 2 * (z - y), rtol=1e-13)
    np.testing.assert_allclose(found.curved, 2 * u, rtol=1e-13)
    np.testing.assert_allclose(fourth(Quartic(), y, ONES, u), 24 * (u**4).sum(-1), rtol=1e-12)
    np.testing.assert_allclose(local(KL(), y, y, ONES, u).curved, KL().hessian(y, u, ONES), rtol=1e-10, atol=1e-15)


def test_functions_compare_by_what_they_are():
    same = [OfFunction(partial(weighted, w=1.0)), OfFunction(partial(weighted, w=1.0))]
    assert same[0] == same[1] and hash(same[0]) == hash(same[1])
    assert OfFunction(entropy) == OfFunction(entropy) != OfFunction(weighted)
    assert OfFunction(entropy, kept=(0,)) != OfFunction(entropy) != OfFunction(entropy, weighted=True)
    arrays = partial(weighted, w=ONES)  # no hash: compared by which one it is
    assert OfFunction(arrays) == OfFunction(arrays) != OfFunction(partial(weighted, w=ONES))
    assert Differentiated("a", same[0]) == Differentiated("a", same[1]) != Differentiated("a", same[0], order=3)
