"""Views: what they show of logits, alone and one after the other."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from subtheory.errors import InputError
from subtheory.theory.losses import OFF
from subtheory.theory.views import (
    Compared,
    Drawn,
    Flips,
    Full,
    Greedy,
    NearTies,
    Only,
    Others,
    Rounded,
    Then,
    Within,
    margins,
)

LOGITS = np.random.default_rng(0).standard_normal((3, 5))
BASE = np.random.default_rng(1).standard_normal((3, 5))
W = np.array([1.0, 1.0, 0.0, 1.0, 1.0])


@dataclass(frozen=True)
class Difference(Compared):
    """What the teacher says beyond θ0."""

    name = "difference"

    def beside(self, logits, w, base):
        return logits - base


def test_a_filter_drops_what_is_outside_and_weighs_the_rest_as_before():
    r = softmax(Within((0, 2, 4)).labels(LOGITS, W), axis=-1)
    p = softmax(np.where(W > 0, LOGITS, OFF), axis=-1)
    np.testing.assert_allclose(r, p * [1, 0, 0, 0, 1] / p[:, [0, 4]].sum(axis=1)[:, None], atol=1e-15)


def test_drawn_labels_have_the_law_of_their_temperature():
    np.testing.assert_allclose(
        softmax(Drawn(10, 2.0).labels(LOGITS, W), axis=-1), softmax(LOGITS / 2, axis=-1), atol=1e-15
    )
    assert Drawn(10).count == 10 and Full().count is None


def test_a_filter_before_or_after_the_comparison_is_not_the_same():
    one, other = Then(Within((0, 1)), Difference()), Then(Difference(), Within((0, 1)))
    first = np.where([1, 1, 0, 0, 0], log_softmax(np.where(W > 0, LOGITS, OFF), axis=-1), OFF)
    second = np.where([1, 1, 0, 0, 0], log_softmax(np.where(W > 0, BASE, OFF), axis=-1), OFF)
    np.testing.assert_array_equal(one.beside(LOGITS, W, BASE), first - second)
    cut = np.where(W > 0, LOGITS - BASE, OFF)
    expected = np.where([1, 1, 0, 0, 0], log_softmax(cut, axis=-1), OFF)
    np.testing.assert_allclose(other.beside(LOGITS, W, BASE), expected, rtol=1e-14)
    assert one.compares and other.compares and not Then(Full(), Full()).compares
    assert np.all(Difference().labels(LOGITS, W) == 0)


def test_a_chain_draws_what_its_last_view_draws():
    assert Then(Within((1,)), Drawn(7)).count == 7
    assert Then(Within((1,)), Full()).count is None


def test_greedy_labels_are_the_largest_distilled_logit_alone_and_the_first_of_a_tie():
    logits = np.array([[1.0, 2.0, 9.0, 2.0, 0.0], [3.0, 2.0, 9.0, 2.0, 4.0]])
    np.testing.assert_array_equal(softmax(Greedy().labels(logits, W), axis=-1), np.eye(5)[[1, 4]])
    shown = Then(Within((0, 1, 2)), Greedy()).labels(logits, W)
    np.testing.assert_array_equal(softmax(shown, axis=-1), np.eye(5)[[1, 0]])


def test_rounded_labels_lie_on_their_grid_and_nowhere_farther_than_half_of_it():
    shown = Rounded(0.25).labels(LOGITS, W)
    np.testing.assert_array_equal(shown / 0.25, np.round(shown / 0.25))
    assert np.abs(shown - LOGITS).max() <= 0.125


def test_rows_that_are_not_chosen_show_what_they_show_of_the_init():
    logits = BASE.copy()
    logits[0, [0, 4]] = logits[0, [4, 0]] + [5.0, 0.0]  # the first row alone has another largest logit
    assert np.argmax(BASE[0] * W) != 0
    full, base = (Greedy().labels(each, W) for each in (logits, BASE))
    np.testing.assert_array_equal(Only(Greedy(), Flips()).beside(logits, W, BASE), full)
    np.testing.assert_array_equal(Only(Greedy(), Others(Flips())).beside(logits, W, BASE), base)
    lead = margins(BASE, W)
    ordered = np.sort(BASE[:, W > 0], axis=1)
    np.testing.assert_array_equal(lead, ordered[:, -1] - ordered[:, -2])
    between = float(np.sort(lead)[0] + np.sort(lead)[1]) / 2
    near = Only(Full(), NearTies(between)).beside(LOGITS, W, BASE)
    np.testing.assert_array_equal(near, np.where((lead < between)[:, None], LOGITS, BASE))


def test_other_rows_are_those_that_are_left():
    """Of 40 rows, chosen one by one: by the first logit that is distilled, and by how far it is ahead."""
    logits, base = np.random.default_rng(2).standard_normal((2, 40, 5))
    first = [[np.flatnonzero(W)[np.argmax(row[W > 0])] for row in each] for each in (logits, base)]
    ahead = [np.diff(np.sort(row[W > 0])[-2:])[0] for row in base]
    for rows, expected in ((Flips(), np.not_equal(*first)), (NearTies(0.5), np.less(ahead, 0.5))):
        assert 0 < expected.sum() < 40
        np.testing.assert_array_equal(rows.chosen(logits, W, base), expected)
        np.testing.assert_array_equal(Others(rows).chosen(logits, W, base), ~expected)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Within(()), "accepted: must be indices of outputs"),
        (lambda: Within((0, -1)), "accepted: must be indices of outputs"),
        (lambda: Within((0, 5)).labels(LOGITS, W), "accepted: must lie in 0 ... 4, got 5"),
        (lambda: Drawn(0), "count"),
        (lambda: Drawn(3, 0.0), "temperature: must be a positive number"),
        (lambda: Then(Full(), "full"), "second: must be a view"),
        (lambda: Then(Drawn(3), Full()), "first: must not draw"),
        (lambda: Rounded(0.0), "grid: must be a positive number"),
        (lambda: NearTies(-1.0), "margin: must be a positive number"),
        (lambda: Others("flips"), "rows: must be one of flips, near-ties, others"),
        (lambda: Only("greedy", Flips()), "view: must be a view"),
        (lambda: Only(Drawn(3), Flips()), "view: must not draw"),
        (lambda: Only(Greedy(), 3), "rows: must be one of"),
    ],
)
def test_what_is_no_view_is_named(make, message):
    with pytest.raises(InputError, match=message.replace("...", r"\.\.\.")):
        make()
