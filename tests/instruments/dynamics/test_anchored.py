"""Anchored students against the training loop of their own loss, and weight decay against its gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from shapes import SMOOTH

from subtheory.constructed.formula import constructed
from subtheory.errors import InputError
from subtheory.instruments.dynamics.anchored import AnchoredTraining, Anchoring, Decays
from subtheory.instruments.dynamics.trajectory import Trajectory
from subtheory.instruments.first_order import FirstOrder
from subtheory.kernels.functions import values
from subtheory.kernels.stack import labels, one, updates
from subtheory.numerics import float64
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.theory.losses import CrossEntropy, SquaredError
from subtheory.theory.rule import Anchored

SETTING = Setting(SMOOTH, SquaredError(), examples=5, trait_examples=4)


def anchoring(rule: Anchored, steps: int) -> Anchoring:
    (found,) = AnchoredTraining(steps).records(SETTING.but(rule=rule), (3,), (SETTING.loss,))["squared-error"]
    return found


@pytest.mark.parametrize("rule", [Anchored(0.5, lifted=4), Anchored(3.0, elsewhere=True)], ids=lambda rule: rule.shown)
def test_steps_are_those_of_the_training_loop(rule: Anchored) -> None:
    """Descent on E‖f − y‖² + γE′‖f − f_θ0‖², by automatic derivatives; E′ over the channel or the trait's inputs."""
    found, s, k = anchoring(rule, 6), one(stack(SETTING, (3,)), 0), 1
    with float64():
        f = lambda theta, x: values(SMOOTH, s.functions.layout, theta, x)  # noqa: E731
        y, x = labels(s, s.eps)[k], s.trait.x if rule.elsewhere else s.x
        base = f(s.theta0, jnp.asarray(x))

        @jax.jit
        def slope(theta: jax.Array, weight: float) -> jax.Array:
            def loss(theta: jax.Array) -> jax.Array:
                own = jnp.mean(jnp.sum((f(theta, s.x) - y) ** 2, axis=-1))
                return own + weight * jnp.mean(jnp.sum((f(theta, x) - base) ** 2, axis=-1))

            return jax.grad(loss)(theta)

        theta = s.theta0
        for t, weight in enumerate(found.weights):
            np.testing.assert_allclose(found.travelled[k, t], (theta - s.theta0) @ s.delta, rtol=1e-9, atol=1e-15)
            theta = optax.apply_updates(theta, -found.rate * slope(theta, weight))


def test_without_an_anchor_it_is_free() -> None:
    held, free = anchoring(Anchored(0.0), 5), anchoring(Anchored(2.0), 5)
    assert np.array_equal(held.travelled, held.free) and np.all(held.unrest < 1e-2 * held.eps)
    assert np.all(free.travelled[:, 2:] < free.free[:, 2:])
    np.testing.assert_allclose(free.rest, held.rest / 3, rtol=1e-10)


def test_others_who_take_many_steps_refuse_it() -> None:
    """One step is descent's, as the anchor has no gradient at the init; a second one would leave it out."""
    held = SETTING.but(rule=Anchored(2.0))
    one_step = [FirstOrder().records(one, (3,), (one.loss,))["squared-error"][0] for one in (SETTING, held)]
    assert np.array_equal(*(each.alignment for each in one_step))
    with pytest.raises(InputError, match="rule: pulls from the second step on"):
        Trajectory(2).records(held, (3,), (held.loss,))


def test_decay_is_a_pull_to_zero() -> None:
    setting, factors = SETTING.but(loss=CrossEntropy()), (0.0, 0.5, 3.0)
    (found,) = Decays(factors).records(setting, (3,), (setting.loss,))["cross-entropy"]
    s = one(stack(setting, (3,)), 0)
    plain = updates(s, setting.loss, labels(s, s.eps), s.functions.values(s.theta0, s.x))
    for factor, D in zip(factors, found.alignment, strict=True):
        gamma = factor * s.eps * found.form / abs(s.theta0 @ s.delta)
        np.testing.assert_allclose(D, (plain - gamma[:, None] * s.theta0) @ s.delta, rtol=1e-9)


def test_an_anchor_needs_inputs() -> None:
    setting = constructed("sum", lambda theta, x: jnp.sum(theta * x, keepdims=True), np.zeros(1), np.ones(1))
    with pytest.raises(InputError, match="trait: must have inputs"):
        AnchoredTraining(2).records(setting.but(rule=Anchored(elsewhere=True)), (0,), (setting.loss,))
