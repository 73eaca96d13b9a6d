"""Each teacher's direction against what defines it, on both kinds of functions, and the training loop by hand."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

import subtheory as st
from subtheory.constructed.formula import Formula
from subtheory.errors import InputError
from subtheory.kernels.compiled import Kernels
from subtheory.kernels.stack import Stack, labels, stack_of, updates
from subtheory.numerics import float64, to_numpy_leaves
from subtheory.setting.teachers import (
    OPTIMIZERS,
    SHORT,
    STEPS,
    TEACHERS,
    Given,
    GradientDescent,
    Random,
    Ruled,
    Teacher,
)
from subtheory.theory.beyond.sign_law import noise
from subtheory.theory.curvature import ggn
from subtheory.theory.distillation import at_rest, outputs, student_update, trait_loss
from subtheory.theory.rule import Carried, Descent, DrawnMetric, Orthogonal, Scaled, Signs
from subtheory.theory.trains import Layers
from subtheory.theory.views import Accepted

SEED = 5


def _net(theta, x):
    return jnp.tanh(x @ theta["in"]) @ theta["out"] + theta["bias"]


@pytest.fixture(scope="module")
def d():
    rng = np.random.default_rng(3)
    params = {"in": rng.standard_normal((2, 3)), "out": rng.standard_normal((3, 4)), "bias": np.zeros(4)}
    trait = st.LabelledTrait(rng.standard_normal((6, 2)), np.array([0, 1, 2, 3, 0, 1], np.int32), np.ones(4))
    with float64():
        x = rng.standard_normal((4, 2))
        return to_numpy_leaves(at_rest(Formula("small", _net), params, x, np.array([1.0, 1.0, 0.0, 0.0]), trait))


@pytest.fixture(scope="module")
def drawn(d):
    """Standard normal parameters, (P,)."""
    with float64():
        return np.asarray(ravel_pytree(noise(jax.random.key(SEED), d.theta0))[0])


def stack(d) -> Stack:
    """The distillation twice, through compiled programs on NumPy arrays; the second one starts elsewhere."""
    with float64():
        two = [to_numpy_leaves(stack_of(each, Kernels)) for each in (d, replace(d, theta0=shaken(d.theta0)))]
    both = jax.tree.map(lambda *leaves: np.stack(leaves), *two)
    return replace(both, outputs=two[0].outputs)


def shaken(theta):
    return jax.tree.map(lambda leaf: leaf + 0.1 * np.cos(np.arange(leaf.size).reshape(leaf.shape)), theta)


@pytest.fixture(scope="module")
def found(d, drawn):
    """Every Δ of the first distillation by the compiled programs, the noise and ∇L_T, as pytrees."""
    s = stack(d)
    every = {name: teacher.direction(s, lambda: np.stack([drawn, drawn]))[0] for name, teacher in TEACHERS.items()}
    assert all(isinstance(delta, np.ndarray) and delta.shape == (22,) for delta in every.values())
    with float64():
        gradient = jax.jit(jax.grad(lambda theta: trait_loss(d, theta)))(d.theta0)
    as_trees = {name: s.functions.layout.unflatten(vector) for name, vector in (every | {"drawn": drawn}).items()}
    return as_trees | {"gradient": to_numpy_leaves(gradient)}


def velocity(d, delta):
    """JΔ on the channel."""
    with float64():
        return np.asarray(jax.jvp(lambda t: outputs(d.network, t, d.x), (d.theta0,), (delta,))[1])


def flat(params):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])


def close(a, b, rtol=1e-12, atol=1e-14):
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, rtol=rtol, atol=atol), a, b)


# On both kinds of functions ------------------------------------------------------------------------


@pytest.mark.parametrize("name", TEACHERS)
def test_traced_functions_give_the_same(d, found, drawn, name):
    """In a notebook and compiled as a whole; the noise of a key is that of `noise`."""
    assert st.TEACHERS is TEACHERS and TEACHERS[name].name == name
    key = jax.random.key(SEED)
    close(st.teacher_update(d, name, key=key), found[name], rtol=1e-9)
    with float64():
        compiled = jax.jit(lambda s: TEACHERS[name].direction(s, lambda: jnp.asarray(drawn)))(stack_of(d))
    np.testing.assert_allclose(compiled, flat(found[name]), rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("name", ("gradient-descent", "adversarial", "logit-shift", "invisible", "momentum"))
def test_distillations_of_a_stack_do_not_see_each_other(d, drawn, name):
    other = replace(d, theta0=shaken(d.theta0))
    both = TEACHERS[name].direction(stack(d), lambda: np.stack([drawn, drawn]))
    close(stack(d).functions.layout.unflatten(both[1]), st.teacher_update(other, name, key=jax.random.key(SEED)), 1e-9)


# By definition -------------------------------------------------------------------------------------


def test_one_step_and_noise(d, found):
    close(found["gradient-descent"], jax.tree.map(np.negative, found["gradient"]))
    close(found["random"], found["drawn"])
    with float64():
        default = to_numpy_leaves(noise(jax.random.key(0), d.theta0))
    close(st.teacher_update(d, "random"), default)


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


def test_an_optimizer_of_ones_own_and_what_is_not_known(d, found):
    """Any optax optimizer: plain steps of 0.3 by hand. No teacher is the distillation's own Δ."""
    with float64():
        slope = jax.jit(jax.grad(lambda theta: trait_loss(d, theta)))
        theta = d.theta0
        for _ in range(3):
            theta = jax.tree.map(lambda t, g: t - 0.3 * g, theta, slope(theta))
    close(st.teacher_update(d, optax.sgd(0.3), steps=3), jax.tree.map(np.subtract, theta, d.theta0))
    close(st.teacher_update(d, optax.sgd(1.0)), found["gradient-descent"])
    close(st.teacher_update(replace(d, delta=found["random"])), found["random"])
    with pytest.raises(st.InputError, match=r"teacher: must be one of gradient-descent, random, .*, got 'nobody'"):
        st.teacher_update(d, "nobody")


def test_adversarial_teacher_hides_and_cannot_flip_the_sign(d, found):
    """It keeps what the channel cannot see, and in every visible eigendirection of G it shrinks."""
    with float64():
        theta, unravel = ravel_pytree(d.theta0)
        G = np.asarray(jax.vmap(lambda e: ravel_pytree(ggn(d, st.SquaredError())(unravel(e)))[0])(jnp.eye(theta.size)))
    values, vectors = np.linalg.eigh((G + G.T) / 2)
    before, after = (vectors.T @ flat(found[name]) for name in ("random", "adversarial"))
    hidden = values < 1e-12 * values.max()
    assert hidden.any() and not hidden.all()
    np.testing.assert_allclose(after[hidden], before[hidden], rtol=1e-9, atol=1e-12)
    assert np.all(np.abs(after[~hidden]) < np.abs(before[~hidden]))
    assert np.abs(after[-1] / before[-1]) < 1e-3
    assert 0 < values @ after**2 < 0.3 * (values @ before**2)


def test_logit_shift_adds_one_to_every_logit(d, found):
    np.testing.assert_array_equal(velocity(d, found["logit-shift"]), 1.0)
    assert not found["logit-shift"]["in"].any()
    # Without an output bias there is no such direction, and none is made up.
    bare = {name: leaf for name, leaf in d.theta0.items() if name != "bias"}
    network = Formula("bare", lambda theta, x: jnp.tanh(x @ theta["in"]) @ theta["out"])
    with float64():
        other = to_numpy_leaves(at_rest(network, bare, d.x, d.outputs, d.trait))
    assert not any(leaf.any() for leaf in jax.tree.leaves(st.teacher_update(other, "logit-shift")))
    assert not TEACHERS["logit-shift"].direction(stack(other), None).any()


def test_invisible_teacher_moves_only_what_is_not_distilled(d, found):
    u = velocity(d, found["invisible"])
    assert not u[:, :2].any() and np.abs(u[:, 2:]).min() > 1e-3
    close(found["invisible"]["out"][:, 2:], found["gradient-descent"]["out"][:, 2:])
    assert not found["invisible"]["in"].any() and not found["invisible"]["out"][:, :2].any()


# As parts ------------------------------------------------------------------------------------------


def test_teachers_are_records():
    """Equal by value, known by name; the two that the channel is meant not to see say so."""
    assert set(TEACHERS) | {"given"} <= set(Teacher.kinds())
    assert GradientDescent() == TEACHERS["gradient-descent"] != Random()
    assert {name for name, teacher in TEACHERS.items() if teacher.unseen} == {"logit-shift", "invisible"}
    assert GradientDescent().shown == "gradient-descent"
    assert GradientDescent(moves=Layers(("in", "out"))).shown == "gradient-descent of in-and-out"
    with pytest.raises(NotImplementedError):
        Given().direction(None, None)


def test_a_teacher_takes_the_step_of_a_students_rule(d):
    """−sign ∇L_T, −C∇L_T and −∇L_T itself; a metric that a path would carry, and what is no rule, are refused."""
    s = stack(d)
    plain = GradientDescent().direction(s, None)
    assert np.array_equal(Ruled(Descent()).direction(s, None), plain) and plain.any()
    assert np.array_equal(Ruled().direction(s, None), np.sign(plain))
    entries = tuple(np.linspace(0.5, 2, plain.shape[-1]))
    assert np.array_equal(Ruled(Scaled(entries)).direction(s, None), plain * entries)
    assert np.array_equal(Ruled(DrawnMetric(3)).direction(s, None), DrawnMetric(3).raised(plain))
    assert Ruled(DrawnMetric(3)).shown == "ruled by drawn-metric(key=3)" and Ruled() != Ruled(DrawnMetric())
    for wrong in (Carried(), Signs, "signs", None):
        with pytest.raises(InputError, match=r"^rule: must be of a kind that needs no path: [^\n]+$"):
            Ruled(wrong)


def test_a_stack_of_one_distillation(d):
    """Every array as a vector in the order of the layout, view and rule as they are; another pytree is refused."""
    metric = jax.tree.map(lambda leaf: 2 + leaf, d.theta0)
    e = replace(d, student=shaken(d.theta0), delta=d.theta0, metric=metric, view=Accepted(), rule=Carried())
    with float64():
        s = stack_of(e)
    assert not s.shared and s.view == Accepted() and s.rule == Carried()
    for vector, tree in ((s.theta0, e.theta0), (s.student, e.student), (s.delta, e.delta), (s.metric, metric)):
        np.testing.assert_array_equal(vector, flat(tree))
    assert np.all(np.asarray(s.trains) == 1) and s.trains.shape == (22,) and s.x.shape == (4, 2)
    with float64():
        assert stack_of(replace(d, student=d.theta0)).shared
        with pytest.raises(ValueError):
            stack_of(replace(d, delta={"in": np.zeros((2, 3))}))


@pytest.mark.parametrize("rule", (Signs(), Carried(), DrawnMetric(2), Orthogonal()), ids=lambda rule: rule.name)
def test_the_students_step_is_that_of_the_flat_twin(d, rule):
    """`student_update` on pytrees and `stack.updates` on vectors: one rule, one mask, one view."""
    rng = np.random.default_rng(6)
    metric = jax.tree.map(lambda leaf: rng.uniform(0.5, 2, leaf.shape), d.theta0)
    mask = jax.tree.map(lambda leaf: rng.integers(2, size=leaf.shape) * 1.0, d.theta0)
    e = replace(d, student=shaken(d.theta0), delta=metric, metric=metric, trainable=mask, view=Accepted(), rule=rule,
                loss=st.KL())  # fmt: skip
    with float64():
        one = flat(to_numpy_leaves(student_update(e, e.eps[0])))
        s = to_numpy_leaves(stack_of(e, Kernels))
    y, z = labels(s, s.eps), s.functions.values(s.student, s.x)
    np.testing.assert_allclose(updates(s, e.loss, y, z)[0], one, rtol=1e-11, atol=1e-15)
    assert one.any() and not one[flat(mask) == 0].any()
