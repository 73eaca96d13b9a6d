"""Detectors against slow definitions, and on laws whose answer is known."""

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq
from scipy.sparse import csr_array

from subtheory.errors import InputError
from subtheory.statistics import (
    Area,
    at_chance,
    auroc,
    count_weights,
    linear_weights,
    n_grams,
    sums,
    visible,
)

V = 3
ROWS = np.array([[0, 1, 1], [2, 0, 1]])
MASK = np.array([[0, 1, 1], [1, 1, 0]])


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("order", lambda: n_grams(ROWS, MASK, V, 4)),
        ("mask", lambda: n_grams(ROWS, MASK[:1], V)),
        ("rows", lambda: n_grams(ROWS, MASK, 2)),
        ("negative", lambda: count_weights(n_grams(ROWS, MASK, V), n_grams(ROWS, MASK, V, 2), V)),
        ("vocabulary", lambda: count_weights(n_grams(ROWS, MASK, V), n_grams(ROWS, MASK, V), 2)),
        ("negative", lambda: linear_weights(csr_array(np.eye(2)), csr_array(np.eye(3)))),
        ("deviation", lambda: linear_weights(csr_array(np.eye(2)), csr_array(np.eye(2)), 0.0)),
        ("sets", lambda: sums(np.ones(3), 1, 0, rng())),
        ("size", lambda: sums(np.ones(3), 0, 1, rng())),
        ("negative", lambda: auroc(np.ones(2), np.ones(0))),
        ("margin", lambda: at_chance(Area(0.5, 0.1), 0.0)),
        ("positive", lambda: visible(np.ones((3, 2)), np.ones((3, 1)))),
    ],
)
def test_what_cannot_be_used_is_named(field, call):
    with pytest.raises(InputError) as error:
        call()
    assert error.value.field == field


def test_n_grams_end_at_masked_tokens():
    np.testing.assert_array_equal(n_grams(ROWS, MASK, V).toarray(), [[0, 2, 0], [1, 0, 1]])
    # 01 and 11 in the first row; 20 in the second, whose first token has none before it.
    pairs = [sorted(row.nonzero()[0]) for row in n_grams(ROWS, MASK, V, 2).toarray()]
    assert pairs == [[0 * V + 1, 1 * V + 1], [2 * V + 0]]


def test_count_weights_are_the_ratio_of_two_chains():
    """A row's score is Σ log p̂₊(v | before) − log p̂₋(v | before), each by its own loop."""
    draw = rng(1)
    samples = [draw.integers(0, V, (40, 5)) for _ in range(2)]
    mask = np.ones((40, 5))
    for order in (1, 2):
        counts = [n_grams(each, mask, V, order) for each in samples]
        scores = counts[0] @ count_weights(*counts, V)

        def law(rows, context, order=order):
            seen = [row[i] for row in rows for i in range(order - 1, 5) if order == 1 or row[i - 1] == context]
            return (np.bincount(seen, minlength=V) + 0.5) / (len(seen) + 0.5 * V)

        row = samples[0][7]
        places = range(order - 1, 5)
        wanted = sum(np.log(law(samples[0], row[i - 1])[row[i]] / law(samples[1], row[i - 1])[row[i]]) for i in places)
        assert scores[7] == pytest.approx(wanted)


def test_a_linear_classifier_is_where_its_loss_is_flat():
    """Σ_i pull_i x_i = w/deviation² at the constant where Σ_i pull_i = 0, pull the error of each probability."""
    draw = rng(2)
    x, y = draw.normal((1.0, 0.0), size=(60, 2)), draw.normal(size=(50, 2))
    both, sign = np.concatenate([x, y]), np.repeat([1.0, -1.0], [60, 50])
    for deviation in (1.0, 0.1):
        w = linear_weights(csr_array(x), csr_array(y), deviation)

        def pull(c, w=w):
            return sign / (1 + np.exp(sign * (both @ w + c)))

        c = brentq(lambda c, pull=pull: pull(c).sum(), -9, 9)
        np.testing.assert_allclose(
            both.T @ pull(c), w / deviation**2, atol=0.01
        )  # it ends where Σ falls by less than 2e-9 of itself
        assert w[0] > 0.2


def test_area_is_the_share_of_pairs_and_its_error_that_of_draws():
    draw = rng(3)
    x, y = draw.integers(0, 6, 30), draw.integers(0, 5, 20)
    pairs = (x[:, None] > y).mean() + 0.5 * (x[:, None] == y).mean()
    assert auroc(x, y).area == pytest.approx(pairs)
    assert np.isnan(auroc(x[:1], y).error)
    found = [auroc(draw.normal(1, 1, 60), draw.normal(0, 1, 40)) for _ in range(400)]
    areas = np.array([each.area for each in found])
    assert areas.mean() == pytest.approx(stats.norm.cdf(1 / np.sqrt(2)), abs=4 * areas.std() / 20)
    # s of 400 draws is off by a share of 1/√800, one deviation.
    assert np.mean([each.error for each in found]) == pytest.approx(areas.std(), rel=4 / np.sqrt(800))


def test_chance_is_tested_from_both_sides():
    assert at_chance(Area(0.51, 0.01), 0.05).equivalent and not at_chance(Area(0.51, 0.03), 0.05).equivalent
    assert not at_chance(Area(0.56, 0.001), 0.05).equivalent and not at_chance(Area(0.44, 0.001), 0.05).equivalent
    assert at_chance(Area(0.5, 0.0), 0.05).p == 0.0 and not at_chance(Area(0.5, np.nan), 0.05).equivalent
    found = at_chance(Area(0.52, 0.01), 0.05)
    assert found.p == pytest.approx(stats.norm.cdf(-3.0)) and found.high == pytest.approx(0.02 + 0.01645, abs=1e-5)


def test_what_is_visible_is_unbiased_and_bounds_the_area_of_sums():
    """Mean over draws of ½δᵀΣ⁻¹δ, also with one feature twice; 0 at no difference."""
    draw, delta = rng(4), np.array([0.6, 0.3])
    mix = np.array([[1.0, 0.5, 1.0], [0.0, 1.0, 0.0]])  # the last column repeats the first
    truth = 0.5 * delta @ delta
    for shift, wanted in ((delta, truth), (0 * delta, 0.0)):
        found = [
            visible((draw.normal(size=(40, 2)) + shift) @ mix, draw.normal(size=(30, 2)) @ mix) for _ in range(500)
        ]
        assert np.mean(found) == pytest.approx(wanted, abs=4 * np.std(found) / np.sqrt(500))
    x, y = (draw.normal(size=(20000, 2)) + each for each in (delta, 0 * delta))
    sets = [sums(each @ delta, 4, 4000, rng(5 + i)) for i, each in enumerate((x, y))]
    area = auroc(*sets)
    assert area.area == pytest.approx(stats.norm.cdf(np.sqrt(4 * truth)), abs=5 * area.error)


def test_sums_follow_their_weights():
    scores = np.array([0.0, 1.0, 10.0])
    assert sums(scores, 2, 5, rng(), np.array([0, 3, 0])).tolist() == [2.0] * 5
    assert sums(scores, 3, 20000, rng()).mean() == pytest.approx(
        11.0, abs=4 * 3 * scores.std() / np.sqrt(60000) * np.sqrt(3)
    )
