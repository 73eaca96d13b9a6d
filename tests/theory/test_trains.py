"""What a student trains: masks over the parameters, entry by entry."""

import numpy as np
import pytest

from subtheory.errors import InputError
from subtheory.theory.layout import Layout
from subtheory.theory.trains import All, Entries, Half, Layers, Leaves, OtherHalf

LAYOUT = Layout.of({"body": {"bias": np.zeros(2), "kernel": np.zeros((1, 2))}, "head": np.zeros(3)})
DRAWN = np.array([[1.0, -1.0, 0.0, 2.0, -3.0, 4.0, -0.5], [-1.0, 1.0, 1.0, -2.0, 3.0, -4.0, 0.5]])


@pytest.mark.parametrize(
    ("trains", "mask", "shown"),
    [
        (Layers("head"), [0, 0, 0, 0, 1, 1, 1], "head"),
        (Layers(("body", "head")), [1] * 7, "body-and-head"),
        (Leaves("body/kernel"), [0, 0, 1, 1, 0, 0, 0], "body/kernel"),
        (Leaves(("body/bias", "head")), [1, 1, 0, 0, 1, 1, 1], "body/bias-and-head"),
        (Leaves("body"), [1, 1, 1, 1, 0, 0, 0], "body"),
        (Entries((0, 1, 0, 0, 0, 0, True)), [0, 1, 0, 0, 0, 0, 1], "entries: 2 of 7"),
    ],
    ids=lambda value: getattr(value, "shown", ""),
)
def test_a_mask_is_one_on_what_is_named(trains, mask, shown):
    np.testing.assert_array_equal(trains.mask(LAYOUT, lambda: DRAWN), mask)
    assert trains.shown == shown


def test_two_halves_are_all_of_them_and_chance_decides():
    one, other = Half().mask(LAYOUT, lambda: DRAWN), OtherHalf().mask(LAYOUT, lambda: DRAWN)
    np.testing.assert_array_equal(one, [[1, 0, 0, 1, 0, 1, 0], [0, 1, 1, 0, 1, 0, 1]])
    np.testing.assert_array_equal(one + other, np.ones_like(DRAWN))
    assert All().mask(LAYOUT, lambda: DRAWN) is None


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Layers(()), "layers: must be names of layers, at least one"),
        (lambda: Leaves((1,)), "leaves: must be names of leaves"),
        (lambda: Layers("tail").mask(LAYOUT, None), "layers: must be some of body, head, got tail"),
        (lambda: Leaves("bod").mask(LAYOUT, None), "leaves: must be one of body/bias, body/kernel, head, or what"),
        (lambda: Entries((0, 2)), "entries: must be 0 or 1"),
        (lambda: Entries(()), "entries: must be 0 or 1"),
        (lambda: Entries((0, 1)).mask(LAYOUT, None), "entries: must be 7, one for each parameter, got 2 numbers"),
    ],
)
def test_what_is_not_there_is_named(make, words):
    with pytest.raises(InputError, match=words):
        make()
