"""Fixed preconditioners: symmetric, positive, undone by what lowers, the same for NumPy, JAX and every process."""

import jax.numpy as jnp
import numpy as np
import pytest

from subtheory.errors import InputError
from subtheory.numerics import float64
from subtheory.theory.rule import Descent, DrawnMetric, HeavyBall, Rule, Scaled, Signs

P = 7
EACH = (Scaled(tuple(0.5 + i for i in range(P))), DrawnMetric(), DrawnMetric(5, 0.3))


def matrix(rule):
    return rule.raised(np.eye(P))


@pytest.mark.parametrize("rule", EACH, ids=lambda rule: rule.shown)
def test_a_preconditioner_is_symmetric_positive_and_undone(rule):
    C = matrix(rule)
    np.testing.assert_allclose(C, C.T, atol=1e-14)
    assert np.linalg.eigvalsh(C).min() > 0
    np.testing.assert_allclose(rule.lowered(C), np.eye(P), atol=1e-12)
    v = np.random.default_rng(0).standard_normal((3, 2, P))
    np.testing.assert_allclose(rule.update(lambda _: v, None), v @ C, atol=1e-13)
    with float64():
        np.testing.assert_allclose(rule.raised(jnp.asarray(v)), v @ C, atol=1e-13)
        np.testing.assert_allclose(rule.lowered(jnp.asarray(v)), rule.lowered(v), atol=1e-13)


def test_a_drawn_one_is_log_normal_not_diagonal_and_fixed_by_its_key():
    C = matrix(DrawnMetric(4, 2.0))
    logs = np.random.default_rng((4, P)).standard_normal((2, P))[0]
    np.testing.assert_allclose(np.linalg.eigvalsh(C), np.sort(np.exp(2 * logs)), rtol=1e-10)
    off = C - np.diag(np.diag(C))
    assert np.abs(off).max() > 0.05 * np.abs(C).max()
    np.testing.assert_array_equal(C, matrix(DrawnMetric(4, 2.0)))
    assert not np.allclose(C, matrix(DrawnMetric(5, 2.0)))


def test_rules_without_a_metric_lower_nothing():
    v = np.arange(3.0)
    assert Descent().lowered(v) is v and Signs().lowered(v) is v and Rule.linear is False


def test_every_kind_is_known_to_whoever_reads_a_rule():
    """A kind that is written elsewhere is unknown until its module is imported: files that name it cannot be read."""
    ours = [kind for kind in Rule.kinds().values() if kind.__module__.startswith("subtheory.")]
    assert ours and {kind.__module__ for kind in ours} == {Rule.__module__}


def test_a_first_step_has_no_momentum():
    v = np.arange(3.0)
    assert HeavyBall(0.5).update(lambda _: v, None) is v and HeavyBall(0.5).memory == 0.5
    assert Descent().memory == Signs().memory == DrawnMetric().memory == 0.0


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Scaled((1.0, 0.0)), "entries: must be a positive number, got 0.0"),
        (lambda: Scaled(()), "entries: must be a positive number"),
        (lambda: Scaled(2.0), "entries: must be a positive number"),
        (lambda: Scaled((1.0, 2.0)).raised(np.ones(3)), "entries: must be 3, one for each parameter, got 2 numbers"),
        (lambda: DrawnMetric(-1), "key: must be at least 0, got -1"),
        (lambda: HeavyBall(1.0), "decay: must lie between 0 and 1, got 1.0"),
        (lambda: DrawnMetric(0, 0.0), "spread: must be a positive number, got 0.0"),
    ],
)
def test_numbers_without_a_meaning_are_refused(make, words):
    with pytest.raises(InputError, match=words) as caught:
        make()
    assert "\n" not in str(caught.value)
