"""The cross-kernel of students that take other steps."""

from dataclasses import dataclass, replace

import jax
import numpy as np
from crossed import EPS, LOSSES_OF, distillation, every_loss, slopes
from jax.flatten_util import ravel_pytree

from subtheory.numerics import public
from subtheory.theory.beyond import cross_kernel as cross
from subtheory.theory.distillation import student_update
from subtheory.theory.layout import Layout
from subtheory.theory.losses import KL
from subtheory.theory.rule import Carried, Rule, Signs


@public
@jax.jit
def _updates(d, eps):
    """Δθ_S(ε) and Δθ_S(0), what is added, and its limit, as vectors."""
    steps = student_update(d, eps), student_update(d, 0.0)
    found = *steps, cross.control_subtracted_update(d, eps), cross.cross_update(d)
    return tuple(ravel_pytree(update)[0] for update in found)


def vector(params):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])


def test_a_metric_that_is_carried_along():
    """Δθ_S = m ∘ D ∘ (−∇L_S): D joins the mask wherever it stands, and the law and its order stay."""
    d = distillation("mlp")
    rng = np.random.default_rng(4)
    metric = jax.tree.map(lambda leaf: rng.uniform(0.5, 2, leaf.shape), d.theta0)
    mask = jax.tree.map(lambda leaf: rng.integers(2, size=leaf.shape) * 1.0, d.theta0)
    plain = replace(d, loss=KL())
    carried = replace(plain, metric=metric, trainable=mask, rule=Carried())
    factor = vector(metric) * vector(mask)
    for one, all_of_it in zip(_updates(carried, EPS[0]), _updates(plain, EPS[0]), strict=True):
        np.testing.assert_allclose(one, factor * all_of_it, rtol=1e-12, atol=1e-15)
    f = public(every_loss)(carried, LOSSES_OF["mlp"], True)["kl"]
    assert np.isclose(f["kernel"], f["update"] @ vector(d.delta), rtol=1e-11)
    assert abs(slopes((f["D"] - np.array(EPS) * f["kernel"])[:-1])[-1] - 2) < 0.02
    # Without the record the metric is not carried, and a student without a metric carries nothing.
    for same in (replace(plain, metric=metric), replace(plain, rule=Carried())):
        np.testing.assert_array_equal(_updates(same, EPS[0])[0], _updates(plain, EPS[0])[0])


def test_signs_are_subtracted_step_by_step():
    """Δθ_S(ε) − Δθ_S(0) = sign g(ε) − sign g(0), neither the sign of a difference nor a difference's residual."""
    plain = replace(distillation("mlp"), loss=KL())
    on, off, added, taken = _updates(replace(plain, rule=Signs()), 1.0)
    full, untrained, difference, limit = _updates(plain, 1.0)
    np.testing.assert_array_equal(on, np.sign(full))
    np.testing.assert_array_equal(off, np.sign(untrained))
    np.testing.assert_array_equal(added, on - off)
    assert added.any() and np.any(added != np.sign(difference))
    np.testing.assert_array_equal(taken, limit)  # the law is that of the plain student


@dataclass(frozen=True)
class TwoSteps(Rule):
    """Two steps of gradient descent, of size 0.1."""

    name = "two-steps"

    def update(self, descend, theta, metric=None):
        first = descend(theta)
        return first + descend(theta + 0.1 * first)


def test_a_rule_of_several_steps_sees_the_gradient_where_it_is():
    d = replace(distillation("mlp"), loss=KL())
    first = _updates(d, EPS[0])[0]
    moved = jax.tree.map(np.add, d.student, Layout.of(d.student).unflatten(0.1 * first))
    second = _updates(replace(d, student=moved), EPS[0])[0]
    two = _updates(replace(d, rule=TwoSteps()), EPS[0])
    np.testing.assert_allclose(two[0], first + second, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(two[2], two[0] - two[1])
