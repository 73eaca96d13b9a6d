"""Anchors of the linear model: shares of modes, recursions with two matrices, and where they come to rest."""

import numpy as np
import pytest

from subtheory.errors import InputError
from subtheory.theory.dynamics.anchors import displaced, resting, share
from subtheory.theory.dynamics.spectrum import modes, spectrum
from subtheory.theory.rule import Anchored

RNG = np.random.default_rng(4)
B, OTHER, DELTA = RNG.standard_normal((3, 7)), RNG.standard_normal((5, 7)), RNG.standard_normal(7)
TOP = np.linalg.norm(np.concatenate([B, OTHER]), ord=2) ** 2


def test_on_the_same_inputs_modes_go_their_ways() -> None:
    """An anchor of 2, lifted after 6 of 20 steps: the recursion of the vector is that of its modes."""
    weights, rate = (2.0,) * 6 + (0.0,) * 14, 0.3 / TOP
    found, seen = displaced(B, B, DELTA, rate, weights) @ DELTA, spectrum(modes(B), DELTA)
    for t in range(21):
        assert np.isclose(found[t], seen.form(share(rate, weights[:t])), rtol=1e-12)


def test_a_constant_anchor_has_a_closed_form() -> None:
    values, rate, weight, t = np.array([0.0, 0.3, 1.0]), 0.7, 0.5, 9
    closed = (1 - (1 - rate * (1 + weight) * values) ** t) / (1 + weight)
    np.testing.assert_allclose(share(rate, (weight,) * t)(values), closed, rtol=1e-13, atol=1e-15)


def test_students_come_to_rest_where_the_pseudoinverse_says() -> None:
    G, other = B.T @ B, OTHER.T @ OTHER
    for place, form in ((B, G), (OTHER, other)):
        rest = resting(B, place, DELTA, 0.5)
        np.testing.assert_allclose(rest, np.linalg.pinv(G + 0.5 * form) @ G @ DELTA, atol=1e-10)
        np.testing.assert_allclose(displaced(B, place, DELTA, 1 / TOP, (0.5,) * 16000)[-1], rest, atol=1e-6)


def test_weights_of_an_anchor() -> None:
    assert Anchored(2, lifted=2).weights(4) == (2.0, 2.0, 0.0, 0.0)
    assert Anchored(2).weights(3) == (2.0, 2.0, 2.0)
    for field, wrong in (("weight", {"weight": -1}), ("weight", {"weight": "much"}), ("lifted", {"lifted": 0})):
        with pytest.raises(InputError, match=f"^{field}: "):
            Anchored(**wrong)
