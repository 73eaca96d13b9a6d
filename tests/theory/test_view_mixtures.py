"""Labels of several sources: their laws by enumeration, of NumPy and JAX arrays."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from subtheory.errors import InputError
from subtheory.numerics import float64
from subtheory.theory.losses import OFF
from subtheory.theory.part import restored, stated
from subtheory.theory.views import Diluted, Drawn, Least, Scored, Then, View, Within

LOGITS = np.random.default_rng(0).standard_normal((3, 5))
BASE = np.random.default_rng(1).standard_normal((3, 5))
W = np.array([1.0, 1.0, 0.0, 1.0, 1.0])
P, P0 = (softmax(np.where(W > 0, each, OFF), axis=-1) for each in (LOGITS, BASE))
SMALLER = np.minimum(P, P0)
INSIDE = np.array([1, 1, 0, 0, 0])


def normal(weights):
    """Laws in proportion to some weights."""
    return weights / weights.sum(axis=1, keepdims=True)


LAWS = [
    (Diluted(0.1), 0.1 * P + 0.9 * P0),
    (Diluted(0.0), P0),
    (Diluted(1.0), P),
    (Diluted(0.3, Scored(-1.0)), 0.3 * P + 0.7 * W / 4),
    (Diluted(0.5, Within((0, 1))), 0.5 * P + 0.5 * normal(P0 * INSIDE)),
    (Then(Diluted(0.5), Within((0, 1))), normal((P + P0) * INSIDE)),
    (Then(Within((0, 1)), Diluted(0.5)), (normal(P * INSIDE) + normal(P0 * INSIDE)) / 2),
    (Least(), normal(SMALLER)),
]


@pytest.mark.parametrize(("view", "expected"), LAWS, ids=lambda each: getattr(each, "shown", ""))
def test_a_mixture_has_the_law_of_its_sources(view, expected):
    np.testing.assert_allclose(softmax(view.beside(LOGITS, W, BASE), axis=-1), expected, atol=1e-14)
    with float64():
        found = np.asarray(view.beside(*map(jnp.asarray, (LOGITS, W, BASE))))
    np.testing.assert_allclose(softmax(found, axis=-1), expected, atol=1e-14)
    assert restored(View, stated(view)) == view and view.compares


@pytest.mark.parametrize("view", [Diluted(0.2), Least()], ids=lambda view: view.name)
def test_a_teacher_that_has_not_moved_says_what_the_init_says(view):
    np.testing.assert_allclose(softmax(view.labels(BASE, W), axis=-1), P0, atol=1e-15)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Diluted(1.5), "share: must lie in 0 ... 1, got 1.5"),
        (lambda: Diluted("half"), "share: must lie in 0 ... 1, got 'half'"),
        (lambda: Diluted(0.5, "base"), "rest: must be a view that draws nothing"),
        (lambda: Diluted(0.5, Drawn(3)), "rest: must be a view that draws nothing"),
    ],
)
def test_what_is_no_mixture_is_named(make, message):
    with pytest.raises(InputError, match=message.replace("...", r"\.\.\.")):
        make()
