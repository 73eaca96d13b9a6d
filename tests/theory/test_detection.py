"""Laws of detection against sums that are drawn or summed out; what matched labels keep and what they hide."""

from itertools import product

import numpy as np
import pytest
from scipy.special import ndtr, softmax

from subtheory.errors import InputError
from subtheory.theory.beyond.detection import ahead, apart, deflection, exceeding, moments
from subtheory.theory.losses import OFF
from subtheory.theory.views import Matched, Then, Within, mass

RNG = np.random.default_rng(0)
P0 = softmax(RNG.standard_normal((2, 4)), axis=1) / 2
"""A joint law of 2 places and 4 labels."""
S = RNG.standard_normal((2, 4))
S -= (P0 * S).sum(axis=1, keepdims=True) / P0.sum(axis=1, keepdims=True)


def tilted(eps):
    """p0 e^(εs), at each place."""
    law = P0 * np.exp(eps * S)
    return law * (P0.sum(axis=1) / law.sum(axis=1))[:, None]


def kl(a, b):
    return float(np.sum(a * np.log(a / b)))


def of_sums(law, scores, rows):
    """Every value of the sum of N scores with its probability, by brute force."""
    flat, weight = scores.ravel(), law.ravel()
    draws = list(product(range(flat.size), repeat=rows))
    return np.array([flat[list(d)].sum() for d in draws]), np.array([weight[list(d)].prod() for d in draws])


def test_the_likelihood_ratio_deflects_by_the_root_of_twice_its_kl_and_the_scores_do_alike():
    for eps, rtol in ((1e-2, 1e-2), (1e-3, 1e-3), (1e-4, 1e-4)):
        law = tilted(eps)
        d = deflection(kl(law, P0), 7)
        for w in (np.log(law / P0), S):
            one, other = moments(w, law), moments(w, P0)
            assert exceeding(one, other, 7).argument == pytest.approx(d, rel=rtol)
            assert ahead(one, other, 7).argument == pytest.approx(apart(d), rel=rtol)
        # Twice the rows of a group, √2 the distance.
        assert apart(deflection(kl(law, P0)), 14) == pytest.approx(apart(deflection(kl(law, P0), 14)), rel=1e-12)


def test_no_other_weights_deflect_more():
    law = tilted(1e-4)
    d = deflection(kl(law, P0))
    for w in RNG.standard_normal((50, 2, 4)):
        assert exceeding(moments(w, law), moments(w, P0), 1).argument < d * (1 + 1e-3)


def test_what_is_neglected_bounds_the_exact_law_of_few_labels():
    """Of 4 labels all 8⁴ outcomes are summed out: far from normal, but within the bound."""
    law = tilted(0.5)
    one, other = moments(S, law), moments(S, P0)
    sums, weight = of_sums(law, S, 4)
    base, other_weight = of_sums(P0, S, 4)
    for z in (0.0, 1.645):
        threshold = 4 * other.mean + z * np.sqrt(4 * other.variance)
        found = exceeding(one, other, 4, z)
        assert abs(weight[sums > threshold].sum() - ndtr(found.argument)) <= found.neglected
    order = np.argsort(base)
    below = np.concatenate([[0.0], np.cumsum(other_weight[order])])[np.searchsorted(base[order], sums)]
    found = ahead(one, other, 4)
    assert abs(weight @ below - ndtr(found.argument)) <= found.neglected < 1


def test_a_score_without_spread_tells_nothing():
    flat = np.ones((2, 4))
    one, other = moments(flat, tilted(0.1)), moments(flat, P0)
    assert exceeding(one, other, 5, 1.0) == (-1.0, 0.0) and ahead(one, other, 5) == (0.0, 0.0)
    assert deflection(-1e-20) == 0


# Matched labels -----------------------------------------------------------------------------------

CLASSES = (0, 1, 0, 2, 1)
LOGITS, BASE = RNG.standard_normal((2, 3, 5))
W = np.array([1.0, 1.0, 1.0, 1.0, 0.0])


def laws(view):
    return tuple(softmax(y, axis=-1) for y in (view.beside(LOGITS, W, BASE), view.labels(BASE, W)))


def test_matched_labels_have_the_init_s_classes_and_the_teacher_s_choice_within_them():
    r, r0 = laws(Matched(CLASSES))
    p, p0 = (softmax(np.where(W > 0, z, OFF), axis=-1) for z in (LOGITS, BASE))
    np.testing.assert_allclose(r0, p0, atol=1e-15)
    for c in range(3):
        of = np.array(CLASSES) == c
        np.testing.assert_allclose(r[:, of].sum(axis=1), p0[:, of].sum(axis=1), atol=1e-15)
        np.testing.assert_allclose(mass(p, CLASSES)[:, of], np.tile(p[:, of].sum(axis=1)[:, None], of.sum()))
    np.testing.assert_allclose(r[:, 0] / r[:, 2], p[:, 0] / p[:, 2], rtol=1e-12)
    assert np.all(r[:, 4] == 0)


def test_kl_is_that_of_the_class_and_that_of_matched_labels():
    r, r0 = laws(Matched(CLASSES))
    p, p0 = (softmax(np.where(W > 0, z, OFF)[:, :4], axis=-1) for z in (LOGITS, BASE))
    share, share0 = (mass(each, CLASSES[:4]) for each in (p, p0))
    of_class = np.sum(p * np.log(share / share0), axis=1)
    # KL(p ‖ p0) = KL_T + E_p KL(·|T); matched labels weigh the second by the init's classes.
    within = np.sum(p * np.log((p / share) / (p0 / share0)), axis=1)
    np.testing.assert_allclose(np.sum(p * np.log(p / p0), axis=1), of_class + within, rtol=1e-12)
    expected = np.sum(p / share * share0 * np.log((p / share) / (p0 / share0)), axis=1)
    np.testing.assert_allclose(np.sum(r[:, :4] * np.log(r[:, :4] / r0[:, :4]), axis=1), expected, rtol=1e-12)


def test_a_filter_in_front_leaves_classes_out():
    r, r0 = laws(Then(Within((0, 2, 3)), Matched(CLASSES)))
    assert np.all(r[:, [1, 4]] == 0) and np.all(np.isfinite(r))
    np.testing.assert_allclose(r[:, 3], r0[:, 3], atol=1e-15)


@pytest.mark.parametrize(
    "classes, message",
    [((), "whole numbers"), ((0.5, 1), "whole numbers"), ((0, 1), "must be 5"), ("01", "whole numbers")],
)
def test_what_are_no_classes_is_named(classes, message):
    with pytest.raises(InputError, match=f"classes: .*{message}"):
        Matched(classes).labels(LOGITS, W)
