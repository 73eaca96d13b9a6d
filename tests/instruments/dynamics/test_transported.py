"""A transplanted moment against optax's momentum, started with that moment, and against the dense companion matrix."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from shapes import SMOOTH

from subtheory.errors import InputError
from subtheory.instruments.dynamics.anchored import AnchoredTraining
from subtheory.instruments.dynamics.chains import Chains
from subtheory.instruments.dynamics.trajectory import Trajectory, path
from subtheory.instruments.dynamics.transported import Transported
from subtheory.kernels.functions import values
from subtheory.kernels.optimizing import entrywise
from subtheory.kernels.stack import one
from subtheory.kernels.whitened import whitened
from subtheory.numerics import float64
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.setting.student import Elsewhere
from subtheory.theory.losses import L1, SquaredError
from subtheory.theory.rule import Descent, HeavyBall

STEPS, DECAY = 5, 0.8
BASE = Setting(SMOOTH, SquaredError(), examples=4, trait_examples=5, alpha=0.6).but(rule=HeavyBall(DECAY))


def records(setting):
    return Transported(STEPS, DECAY).records(setting, (2, 3), (setting.loss,))[setting.loss.name]


def test_it_is_optaxs_momentum_with_that_moment() -> None:
    """And d_k is the θ-part of the dense companion matrix's powers."""
    r = records(BASE)[1]
    s = one(stack(BASE, (2, 3)), 1)
    B = whitened(s, BASE.loss)
    G, eye = B.T @ B, np.eye(B.shape[-1])
    C = np.block([[eye - r.rate * G, -r.rate * DECAY * eye], [G, DECAY * eye]])
    with float64():
        y = s.functions.values(s.theta0, s.x)
        optimizer = optax.sgd(r.rate, momentum=DECAY)

        def loss(theta: jax.Array) -> jax.Array:
            return jnp.mean(jnp.sum((values(SMOOTH, s.functions.layout, theta, s.x) - y) ** 2, axis=-1))

        @jax.jit
        def step(theta: jax.Array, state: optax.OptState) -> tuple[jax.Array, optax.OptState]:
            change, state = optimizer.update(jax.grad(loss)(theta), state)
            return theta + change, state

        theta = s.theta0
        state = (optax.TraceState(-r.eps[0] * s.delta), *optimizer.init(theta)[1:])
        power = np.concatenate([np.zeros_like(s.delta), -s.delta])
        for k in range(STEPS):
            (theta, state), power = step(theta, state), C @ power
            d, moved = power[: len(eye)], np.asarray(theta) - s.theta0
            assert r.along[0, k] == pytest.approx(moved @ d / (d @ d), rel=1e-9)
            off = np.linalg.norm(moved - r.eps[0] * d) / np.linalg.norm(d)
            assert r.across[0, k] == pytest.approx(off, rel=1e-6)


def test_without_a_memory_nothing_is_carried() -> None:
    for r in records(BASE.but(rule=Descent())):
        assert not r.along.any()
        np.testing.assert_allclose(r.across, np.broadcast_to(r.eps[:, None], r.across.shape), rtol=1e-12)


def test_a_rule_with_a_memory_trains_with_momentum() -> None:
    """Elsewhere too, or a student with momentum would be plain without a word."""
    by_rule = Trajectory(3).records(BASE, (2,), (BASE.loss,))[BASE.loss.name][0]
    plain = BASE.but(rule=Descent())
    without = Trajectory(3).records(plain, (2,), (BASE.loss,))[BASE.loss.name][0]
    assert not np.allclose(by_rule.travelled[:, 2], without.travelled[:, 2], rtol=0.1)
    held, chain = (
        each.records(BASE, (2,), (BASE.loss,))[BASE.loss.name][0] for each in (AnchoredTraining(3), Chains(1, 3))
    )
    np.testing.assert_allclose(held.free, by_rule.travelled, rtol=1e-12)
    np.testing.assert_allclose(held.travelled, by_rule.travelled, rtol=1e-12)
    np.testing.assert_allclose(chain.alignment[:, 1], by_rule.travelled[:, 3], rtol=1e-12)


def test_a_path_takes_any_optimizer() -> None:
    """Momentum as optax has it is the rule's own; Adam's first step is a sign."""
    s = stack(BASE, (2,))
    rate, shares = np.array([0.1]), np.ones((3, s.x.shape[1]))
    own, given = (list(path(s, BASE.loss, rate, shares, each)) for each in (None, entrywise(optax.trace(DECAY))))
    for one_step, other in zip(own, given, strict=True):
        np.testing.assert_array_equal(one_step, other)
    adam = path(replace(s, rule=Descent()), BASE.loss, rate, shares, entrywise(optax.scale_by_adam(eps=0.0)))
    np.testing.assert_allclose(next(adam)[0], np.sign(own[0][0]), rtol=1e-12)


def test_what_has_no_law_is_refused() -> None:
    with pytest.raises(InputError, match="loss: must have a Gauss-Newton matrix"):
        Transported(1, DECAY).records(BASE, (0,), (L1(),))
    with pytest.raises(InputError, match="student: "):
        records(BASE.but(init=Elsewhere(SMOOTH)))
