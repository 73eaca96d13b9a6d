"""Toy tasks draw what they say."""

import jax
import numpy as np

from subtheory.data.toys import toy
from subtheory.numerics import float64


def test_toy_tasks_draw_what_they_say():
    with float64():
        x, y, weights = toy((3,), 2, 1).labelled(jax.random.key(0), 50)
        tokens, labels, _ = toy((4,), 2, 3, tokens=5).labelled(jax.random.key(0), 50)
    assert x.shape == (50, 3) and set(np.asarray(y)) == {0, 1} and weights.tolist() == [1, 1, 0]
    assert tokens.shape == (50, 4) and set(np.asarray(tokens).ravel()) == set(range(5))
    assert set(np.asarray(labels)) == {0, 1} and toy((3,), 2, 1) is toy((3,), 2, 1)
