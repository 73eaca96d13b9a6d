"""Layered drawings: no two boxes on each other, every edge towards what is used, and the same places every time."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from subtheory.atlas import drawing, layout, read

KNOWN = read()


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-50, 50), min_size=1, max_size=30))
def test_spread_is_the_nearest_place_with_room(wanted):
    at = layout.spread(wanted)
    steps = np.arange(len(wanted))
    np.testing.assert_allclose(at, isotonic_regression(np.array(wanted) - steps).x + steps, atol=1e-9)
    assert all(b - a >= 1 - 1e-9 for a, b in pairwise(at))


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.integers(0, 20), st.lists(st.integers(0, 20), max_size=4), max_size=21))
def test_edges_lead_down_and_boxes_have_room(graph):
    uses = {f"{a}": [f"{b}" for b in bs if b < a and b in graph] for a, bs in graph.items()}
    places = layout.layered(uses)
    assert set(places) == set(uses)
    assert all(places[a][0] > places[b][0] for a, bs in uses.items() for b in bs)
    apart(places)


def apart(places):
    for layer in {layer for layer, _ in places.values()}:
        at = sorted(y for other, y in places.values() if other == layer)
        assert all(b - a > 0.99 for a, b in pairwise(at))


def test_a_circle_is_named():
    with pytest.raises(ValueError, match="a circle through a"):
        layout.depths({"a": ["b"], "b": ["a"], "c": []})


@pytest.mark.parametrize(
    "draw", [drawing.whole, lambda m: drawing.among(m, "proof"), lambda m: drawing.among(m, "coq")]
)
def test_a_drawing_is_the_same_every_time_and_has_its_boxes(draw):
    drawn = draw(KNOWN)
    assert drawn == draw(KNOWN)
    boxes = drawn.count("<rect")
    assert boxes == drawn.count("<a href=") == drawn.count("<title>") > 30 and drawn.count("<path") > 30


def test_the_whole_has_every_node():
    assert drawing.whole(KNOWN).count("<rect") == len(KNOWN.nodes)
