"""A base and its teacher: how the teacher is made."""

import jax
import numpy as np
import pytest

from subtheory.errors import InputError
from subtheory.language import derivatives
from subtheory.language.foretold.pairs import pair
from subtheory.language.traits import Trait

pytest.importorskip("tokenizers")


def test_a_teacher_goes_as_far_as_was_said():
    m = pair("tiny", "owl", 1, 1e-3)
    step = jax.tree.map(lambda a, b: np.asarray(a - b), m.teacher, m.theta0)
    assert derivatives.norm(step) == pytest.approx(1e-3 * derivatives.norm(m.theta0), rel=1e-3)
    assert m.changed(step) < 0


def test_a_lesson_that_leaves_nothing_to_learn_is_named(monkeypatch):
    monkeypatch.setattr(Trait, "gradient", lambda self, network, params: jax.tree.map(np.zeros_like, params))
    with pytest.raises(InputError, match="lesson"):
        pair("tiny", "owl", 2, 1e-3)
