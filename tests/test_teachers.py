"""Each teacher's direction against what defines it, and the training loop against one written by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

import subtheory as st
from subtheory.claims.witnesses import Formula
from subtheory.numerics import float64
from subtheory.setting import Setting
from subtheory.source import Given
from subtheory.theory.curvature import ggn
from subtheory.theory.distillation import outputs, trait_loss
from subtheory.theory.teachers import DIRECTIONS, OPTIMIZERS, SHORT, STEPS, TEACHERS, directions, noise, start


def _net(theta, x):
    return jnp.tanh(x @ theta["in"]) @ theta["out"] + theta["bias"]


@pytest.fixture(scope="module")
def d():
    rng = np.random.default_rng(3)
    params = {"in": rng.standard_normal((2, 3)), "out": rng.standard_normal((3, 4)), "bias": np.zeros(4)}
    trait = st.LabelledTrait(rng.standard_normal((6, 2)), np.array([0, 1, 2, 3, 0, 1], np.int32), np.ones(4))
    source = Given(params, rng.standard_normal((4, 2)), trait, 4, delta=params, deterministic=True)
    return Setting(Formula("small", _net), source=source, outputs=(0, 1), teacher="given").distillation()


@pytest.fixture(scope="module")
def found(d):
    with float64():
        drawn = noise(jax.random.key(0), d.theta0)
        every = jax.jit(lambda d: directions(d, drawn))(d)
        assert set(every) == set(TEACHERS) and TEACHERS == (*DIRECTIONS, *OPTIMIZERS)
        gradient = jax.jit(jax.grad(lambda theta: trait_loss(d, theta)))(d.theta0)
        return jax.tree.map(np.asarray, every | {"drawn": drawn, "gradient": gradient})


def velocity(d, delta):
    """JΔ on the channel."""
    with float64():
        return np.asarray(jax.jvp(lambda t: outputs(d.network, t, d.x), (d.theta0,), (delta,))[1])


def close(a, b, rtol=1e-12):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=1e-14), a, b)


def test_one_step_and_noise(found):
    close(found["gradient-descent"], jax.tree.map(np.negative, found["gradient"]))
    close(found["random"], found["drawn"])


def test_training_loop_is_the_textbook_one(d, found):
    """Heavy-ball momentum and Adam, written out; both stop after SHORT of the STEPS."""
    with float64():
        slope = jax.jit(jax.grad(lambda theta: trait_loss(d, theta)))
        each = lambda f, *trees: jax.tree.map(f, *trees)  # noqa: E731
        zero = each(np.zeros_like, d.theta0)
        ball, push, adam, mean, square = d.theta0, zero, d.theta0, zero, zero
        for k in range(1, SHORT + 1):
            push = each(lambda m, g: 0.9 * m + g, push, slope(ball))
            ball = each(lambda t, m: t - 0.05 * m, ball, push)
            g = slope(adam)
            mean = each(lambda m, g: 0.9 * m + 0.1 * g, mean, g)
            square = each(lambda v, g: 0.999 * v + 0.001 * g**2, square, g)
            unbiased = lambda m, v, k=k: (m / (1 - 0.9**k)) / (jnp.sqrt(v / (1 - 0.999**k)) + 1e-8)  # noqa: E731
            adam = each(lambda t, m, v, u=unbiased: t - 3e-3 * u(m, v), adam, mean, square)
        close(found["momentum"], each(np.subtract, ball, d.theta0), rtol=1e-9)
        close(found["adam"], each(np.subtract, adam, d.theta0), rtol=1e-9)


def test_converged_teacher_has_learned(d, found):
    """It ends lower than one that stops early, after all of its steps and not of one fewer."""
    with float64():
        loss = jax.jit(lambda theta: trait_loss(d, theta))
        at = lambda name: float(loss(jax.tree.map(np.add, d.theta0, found[name])))  # noqa: E731
        assert at("converged") < 0.8 * at("adam") and at("adam") < float(loss(d.theta0))
    end, losses = st.train(lambda theta, _: trait_loss(d, theta), d.theta0, OPTIMIZERS["converged"], np.arange(STEPS))
    close(found["converged"], jax.tree.map(np.subtract, end, d.theta0), rtol=1e-9)
    assert losses.shape == (STEPS,) and losses[-1] < losses[0]


def test_adversarial_teacher_hides_and_cannot_flip_the_sign(d, found):
    """It keeps what the channel cannot see, and in every visible eigendirection of G it shrinks."""
    with float64():
        flat, unravel = ravel_pytree(d.theta0)
        G = np.asarray(jax.vmap(lambda e: ravel_pytree(ggn(d, st.SquaredError())(unravel(e)))[0])(jnp.eye(flat.size)))
    values, vectors = np.linalg.eigh((G + G.T) / 2)
    before, after = (
        vectors.T @ np.concatenate([leaf.ravel() for leaf in jax.tree.leaves(found[name])])
        for name in ("random", "adversarial")
    )
    hidden = values < 1e-12 * values.max()
    assert hidden.any() and not hidden.all()
    np.testing.assert_allclose(after[hidden], before[hidden], rtol=1e-9, atol=1e-12)
    assert np.all(np.abs(after[~hidden]) < np.abs(before[~hidden]))
    assert np.abs(after[-1] / before[-1]) < 1e-3
    assert 0 < values @ after**2 < 0.3 * (values @ before**2)


def test_logit_shift_adds_one_to_every_logit(d, found):
    np.testing.assert_array_equal(velocity(d, found["logit-shift"]), 1.0)
    assert not found["logit-shift"]["in"].any()
    with float64():
        # Without an output bias there is no such direction, and none is made up.
        bare = {name: leaf for name, leaf in d.theta0.items() if name != "bias"}
        network = Formula("bare", lambda theta, x: jnp.tanh(x @ theta["in"]) @ theta["out"])
        other = st.Distillation(**{**vars(d), "theta0": bare, "network": network})
        none = DIRECTIONS["logit-shift"](start(other, bare))
    assert not any(np.asarray(leaf).any() for leaf in jax.tree.leaves(none))


def test_invisible_teacher_moves_only_what_is_not_distilled(d, found):
    u = velocity(d, found["invisible"])
    assert not u[:, :2].any() and np.abs(u[:, 2:]).min() > 1e-3
    close(found["invisible"]["out"][:, 2:], found["gradient-descent"]["out"][:, 2:])
    assert not found["invisible"]["in"].any() and not found["invisible"]["out"][:, :2].any()
