"""Filters of labels: the laws of what passes by enumeration, of NumPy and JAX arrays, alone and after one another."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import softmax

from subtheory.errors import InputError
from subtheory.numerics import float64
from subtheory.theory.losses import OFF
from subtheory.theory.part import restored, stated
from subtheory.theory.views import Drawn, Scored, Then, Thinned, TopK, View, Within

LOGITS = np.random.default_rng(0).standard_normal((3, 5))
BASE = np.random.default_rng(1).standard_normal((3, 5))
W = np.array([1.0, 1.0, 0.0, 1.0, 1.0])


def law(logits):
    """Probabilities of the distilled outputs, one by one, (3, 5)."""
    weights = np.exp(logits) * W
    return weights / weights.sum(axis=1, keepdims=True)


P, P0 = law(LOGITS), law(BASE)


def passed(rates):
    """The law of labels that are drawn from P and pass at some rates, by the rule of Bayes."""
    return P * rates / (P * rates).sum(axis=1, keepdims=True)


def likeliest(p, k):
    """1 on the k largest entries of every row."""
    return np.array([[sum(row > each) < k for each in row] for row in p]) * W


LAWS = [
    (TopK(2, "base"), passed(likeliest(P0, 2))),
    (TopK(3, "teacher"), passed(likeliest(P, 3))),
    (TopK(9), P),
    (Thinned(0.0), P),
    (Thinned(1.0), P0),
    (Thinned(2.5), passed(np.where(W > 0, (P0 / np.where(W > 0, P, 1)) ** 2.5, 0))),
    (Scored(1.5, "teacher"), passed(P**1.5)),
    (Scored(-1.0, "teacher"), np.tile(W / 4, (3, 1))),
    (Scored(-0.5, "base"), passed(np.where(W > 0, np.where(W > 0, P0, 1) ** -0.5, 0))),
    (Then(Within((0, 3, 4)), Thinned(2.0)), passed(np.isin(range(5), (0, 3, 4)) * (P0 / np.where(W > 0, P, 1)) ** 2)),
    (Then(TopK(2, "base"), Drawn(5, 0.5)), passed(likeliest(P0, 2) * P)),
]


@pytest.mark.parametrize(("view", "expected"), LAWS, ids=lambda each: getattr(each, "shown", ""))
def test_what_passes_has_the_law_of_bayes(view, expected):
    np.testing.assert_allclose(softmax(view.beside(LOGITS, W, BASE), axis=-1), expected, atol=1e-14)
    with float64():
        found = np.asarray(view.beside(*map(jnp.asarray, (LOGITS, W, BASE))))
    np.testing.assert_allclose(softmax(found, axis=-1), expected, atol=1e-14)


@pytest.mark.parametrize("view", [view for view, _ in LAWS], ids=lambda view: view.shown)
def test_a_filter_is_a_view_that_a_file_tells(view):
    assert restored(View, stated(view)) == view and view.compares


def test_the_untrained_teacher_passes_its_own_filter():
    """Thinning by the ratio leaves it alone; one by its likelihood does not, and there lies the term of order zero."""
    np.testing.assert_allclose(softmax(Thinned(3.0).labels(BASE, W), axis=-1), P0, atol=1e-15)
    np.testing.assert_allclose(
        softmax(Scored(1.0).labels(BASE, W), axis=-1), P0**2 / (P0**2).sum(1, keepdims=True), atol=1e-15
    )


def test_what_a_filter_dropped_stays_out_whatever_the_power():
    """Not so by arithmetic alone: 1 − λ is negative, and so is the logit of what is never shown."""
    first = Then(TopK(1, "teacher"), Thinned(2.0)).beside(LOGITS, W, LOGITS)
    assert np.all((first > OFF / 2) == likeliest(P, 1))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TopK(0), "k: must be at least 1, got 0"),
        (lambda: TopK(2, "student"), "of: must be one of teacher, base, got 'student'"),
        (lambda: Thinned(float("inf")), "power: must be a finite number, got inf"),
        (lambda: Scored("much"), "power: must be a finite number, got 'much'"),
        (lambda: Scored(1.0, "teachers"), "of: unknown, did you mean 'teacher'"),
    ],
)
def test_what_is_no_filter_is_named(make, message):
    with pytest.raises(InputError, match=message):
        make()
