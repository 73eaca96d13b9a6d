"""Labels of the init's own that a teacher's log-ratio picks: laws by pairs and by counting, of NumPy and JAX arrays."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, softmax

from subtheory.errors import InputError
from subtheory.numerics import float64
from subtheory.theory.losses import OFF
from subtheory.theory.part import restored, stated
from subtheory.theory.views import Best, Preferred, View

LOGITS = np.random.default_rng(0).standard_normal((3, 5))
BASE = np.random.default_rng(1).standard_normal((3, 5))
LOGITS[0, 1], BASE[0, 1] = LOGITS[0, 3], BASE[0, 3]  # two labels of one log-ratio, and as likely
W = np.array([1.0, 1.0, 0.0, 1.0, 1.0])
P, P0 = (softmax(np.where(W > 0, each, OFF), axis=-1) for each in (LOGITS, BASE))
RATIO = np.where(W > 0, np.log(np.where(W > 0, P, 1) / np.where(W > 0, P0, 1)), 0)


def winners(odds):
    """The law of the winner of a pair from p0, pair by pair."""
    law = np.zeros_like(P0)
    for x, p, ratio in zip(range(3), P0, RATIO, strict=True):
        for i, j in np.ndindex(5, 5):
            chance = odds(ratio[i] - ratio[j])
            law[x, i] += p[i] * p[j] * chance
            law[x, j] += p[i] * p[j] * (1 - chance)
    return law


def verdict(ahead):
    return (1 + np.sign(ahead)) / 2


def top(share):
    """p0 label by label from the largest log-ratio down, as far as there is room."""
    law = np.zeros_like(P0)
    for x, p, ratio in zip(range(3), P0, RATIO, strict=True):
        room = share
        for i in np.argsort(-ratio):
            law[x, i] = min(p[i], room)
            room -= law[x, i]
    law[0, [1, 3]] = law[0, [1, 3]].mean()  # of a tie as many of each as there are
    return law / share


LAWS = [
    (Preferred(), winners(expit)),
    (Preferred(hard=True), winners(verdict)),
    (Best(1.0), P0),
    *((Best(share), top(share)) for share in (0.1, 0.3, 0.6, 0.9)),
]


def shown(view, namespace):
    with float64():
        return softmax(np.asarray(view.beside(*map(namespace.asarray, (LOGITS, W, BASE)))), axis=-1)


@pytest.mark.parametrize("namespace", [np, jnp])
@pytest.mark.parametrize(("view", "expected"), LAWS, ids=lambda each: getattr(each, "shown", ""))
def test_what_is_picked_has_the_law_of_pairs_and_quantiles(view, expected, namespace):
    np.testing.assert_allclose(shown(view, namespace), expected, atol=1e-14)
    assert restored(View, stated(view)) == view and view.compares


@pytest.mark.parametrize("view", [Preferred(), Preferred(hard=True), Best(0.3)], ids=lambda view: view.shown)
def test_of_a_teacher_that_has_not_moved_all_labels_are_alike(view):
    np.testing.assert_allclose(softmax(view.labels(BASE, W), axis=-1), P0, atol=1e-15)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Preferred("very"), "hard: must be True or False, got 'very'"),
        (lambda: Best(0.0), "share: must be"),
        (lambda: Best(1.5), "share: must be at most 1, got 1.5"),
    ],
)
def test_what_is_no_such_view_is_named(make, message):
    with pytest.raises(InputError, match=message):
        make()
