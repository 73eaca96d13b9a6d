"""Shuffled, recoded and contextual labels: against sums over texts by hand, and the slopes against differences."""

from itertools import permutations, product

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from subtheory.constructed import orders
from subtheory.errors import InputError
from subtheory.instruments.labelled import Labelled
from subtheory.numerics import float64
from subtheory.theory.beyond import shuffling
from subtheory.theory.losses import CrossEntropy
from subtheory.theory.views import Contextual, Recoded, Shuffled, Then, Within

RNG = np.random.default_rng(0)
LETTERS, LENGTH = 3, 3
TEXTS = list(product(range(LETTERS), repeat=LENGTH))
W = np.array([0.0] * 2 + [1.0] * len(TEXTS))
LOGITS = RNG.standard_normal((2, len(W)))


def law(logits, w=W):
    return softmax(np.where(w > 0, logits, -np.inf), axis=-1)[:, 2:]


def by_hand(p, across):
    """r of one law p (V,), text by text."""
    at = {text: i for i, text in enumerate(TEXTS)}
    m = [np.mean([sum(p[at[y]] for y in TEXTS if y[t] == a) for t in range(LENGTH)]) for a in range(LETTERS)]
    if across:
        return np.array([np.prod([m[a] for a in y]) for y in TEXTS])
    return np.array([np.mean([p[at[order]] for order in permutations(y)]) for y in TEXTS])


@pytest.mark.parametrize("across", [False, True])
def test_a_shuffle_is_the_mean_over_orders_or_the_product_of_letters(across):
    view = Shuffled(LETTERS, LENGTH, across)
    shown = view.labels(LOGITS, W)
    wanted = [by_hand(p, across) for p in law(LOGITS)]
    np.testing.assert_allclose(law(shown), wanted, atol=1e-14)
    np.testing.assert_array_equal(shown[:, :2], LOGITS[:, :2])
    # The texts' share of all outputs stays.
    every = np.ones_like(W)
    np.testing.assert_allclose(law(shown, every).sum(1), law(LOGITS, every).sum(1), atol=1e-14)
    with float64():
        np.testing.assert_allclose(view.labels(jnp.asarray(LOGITS), jnp.asarray(W)), shown, atol=1e-13)


@pytest.mark.parametrize("across", [False, True])
def test_letters_that_a_filter_takes_away_stay_away(across):
    kept = tuple(2 + i for i, text in enumerate(TEXTS) if 2 not in text)
    shown = Then(Within(kept), Shuffled(LETTERS, LENGTH, across)).labels(LOGITS, W)
    r = law(shown)
    assert np.all(np.isfinite(shown)) and np.all(r[:, [2 in text for text in TEXTS]] == 0)
    np.testing.assert_allclose(r.sum(axis=1), 1.0, atol=1e-14)


def test_slopes_are_those_of_the_shuffled_laws():
    """Σ (dr/dε) s by differences, at any law; the closed forms where p is exchangeable, or of independent letters."""
    view, across, step = Shuffled(LETTERS, LENGTH), Shuffled(LETTERS, LENGTH, True), 1e-5
    z, u = LOGITS[:, 2:], RNG.standard_normal((2, len(TEXTS)))
    alone = log_softmax(RNG.standard_normal(LETTERS))
    for base in (z, z[:, view.orders()].mean(axis=1), np.tile([alone[list(y)].sum() for y in TEXTS], (2, 1))):
        p = softmax(base, axis=-1)
        s = u - (p * u).sum(axis=-1, keepdims=True)
        for shown, slope in ((view, shuffling.slope_within), (across, shuffling.slope_across)):
            r = [softmax(shown.labels(base + t * u, np.ones(len(TEXTS))), axis=-1) for t in (step, -step)]
            wanted = ((r[0] - r[1]) * s).sum(axis=-1) / (2 * step)
            np.testing.assert_allclose(slope(p, s, shown), wanted, rtol=1e-6)
        kept, lost = shuffling.split(p, s, view)
        orderless = np.allclose(base[:, view.orders()], base[:, None])
        assert np.allclose(kept, shuffling.slope_within(p, s, view)) == orderless
        assert np.allclose(kept + lost, (p * s**2).sum(axis=-1)) == orderless
    np.testing.assert_allclose(shuffling.letters_part(p, s, across), shuffling.slope_across(p, s, across), rtol=1e-12)
    assert np.all(shuffling.letters_part(p, s, across) < kept)


def test_an_orderless_init_has_independent_letters_of_one_law_and_a_half_ordered_one_has_not():
    view = orders.shuffled()
    for order in (0.0, 0.5):
        setting = orders.ordered(order).but(examples=2)
        (m,) = Labelled().records(setting, (0,), (CrossEntropy(),))["cross-entropy"]
        p = m.p0[:, m.distilled > 0]
        alone = p[:, view.texts_with()].sum(axis=-1)
        independent = np.prod([alone[:, t, said] for t, said in enumerate(view.letters_of())], axis=0)
        assert np.allclose(p, independent, atol=1e-12) == (order == 0)
        assert np.allclose(alone, alone[:, :1], atol=1e-12) == (order == 0)


def test_recoded_labels_are_the_permuted_ones():
    order = (2, 0, 3, 1)
    shown = Recoded(order).labels(LOGITS[:, :4], np.ones(4))
    np.testing.assert_array_equal(shown[:, list(order)], LOGITS[:, :4])


def test_a_context_goes_as_far_as_it_says_and_either_way():
    base, w = RNG.standard_normal(LOGITS.shape), np.ones_like(W)
    np.testing.assert_allclose(Contextual(-2.0).beside(LOGITS, w, base), 3 * base - 2 * LOGITS, atol=1e-14)
    np.testing.assert_allclose(Contextual(1.0).beside(LOGITS, w, base), LOGITS, atol=1e-14)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Shuffled(0, 2), "letters"),
        (lambda: Shuffled(2, 7), "length: must be at most 6"),
        (lambda: Shuffled(2, 2, across=1), "across: must be True or False"),
        (lambda: Shuffled(3, 3).labels(LOGITS[:, :4], np.ones(4)), "length: must leave at most 4 texts"),
        (lambda: Recoded((0, 2)), "order: must hold each of"),
        (lambda: Recoded(("a",)), "order: must hold each of"),
        (lambda: Recoded((1, 0)).labels(LOGITS, W), "order: must be of 29"),
        (lambda: Contextual("against"), "along: must be a finite number"),
    ],
)
def test_what_is_no_view_is_named(make, message):
    with pytest.raises(InputError, match=message):
        make()
