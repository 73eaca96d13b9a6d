"""Defended students: nothing done is plain imitation, and each defence is what it says where that is known exactly."""

from dataclasses import replace

import jax
import numpy as np
import optax
import pytest

from subtheory.errors import InputError
from subtheory.numerics import float64
from subtheory.theory.distillation import outputs
from subtheory.theory.trait import FunctionTrait
from subtheory.trained.images import (
    Defence,
    Schedule,
    Workload,
    class_trait,
    defend,
    digit_images,
    digit_network,
    imitate,
    inits,
    teach,
)

QUICK = Schedule(rate=1e-2, batch=64, epochs=2)
WORKLOAD = Workload(digit_network(width=8), teacher=QUICK, student=QUICK, rows=256)
ARMS = (
    Defence(), Defence(anchor=1.0), Defence(steps=0.0), Defence(anchor=5.0, until=0.0), Defence(mixed=1.0),
    Defence(consensus="mean"), Defence(rows=0.5), Defence(without="displacement"), Defence(without="trait"),
    Defence(consensus="least"), Defence(anchor=50.0, everywhere=True), Defence(anchor=50.0),
)  # fmt: skip


@pytest.fixture(scope="module")
def run():
    """Two teachers, their students, and plain imitation; the other sources of a consensus are the teacher itself."""
    images, keys = digit_images(), jax.random.split(jax.random.key(0), 2)
    theta0 = inits(WORKLOAD, keys)
    taught = teach(WORKLOAD, theta0, images, keys)
    copies = jax.tree.map(lambda leaf: np.repeat(leaf[:, None], len(ARMS), axis=1), theta0)
    sources = jax.tree.map(lambda leaf: leaf[:, None], taught)
    found = defend(WORKLOAD, copies, theta0, taught, sources, class_trait(WORKLOAD, images), keys, ARMS)
    plain = imitate(WORKLOAD, jax.tree.map(lambda leaf: leaf[:, :1], copies), taught, keys)
    return theta0, taught, found, plain


def flat(tree, *at):
    """Parameters as vectors, (K, P)."""
    return np.concatenate([leaf[at].reshape(2, -1) for leaf in jax.tree.leaves(tree)], axis=1)


def arm(found, name: Defence):
    return flat(found.params, slice(None), ARMS.index(name))


def test_nothing_done_is_plain_imitation(run):
    _, _, found, plain = run
    theta, expected = arm(found, Defence()), flat(plain.params, slice(None), 0)
    assert np.allclose(theta, expected, rtol=0, atol=1e-4 * np.abs(expected).max())
    assert np.all(found.left[:, 0] < 0.9)


def test_what_is_the_same_in_the_end(run):
    """No steps leave θ0; an anchor never on, and sources that agree, are none."""
    theta0, _, found, _ = run
    start, plain = flat(theta0, slice(None)), arm(found, Defence())
    assert np.array_equal(arm(found, Defence(steps=0.0)), start)
    assert np.allclose(found.left[:, ARMS.index(Defence(steps=0.0))], 1.0, rtol=1e-6)
    for same in (Defence(anchor=5.0, until=0.0), Defence(consensus="mean"), Defence(consensus="least")):
        assert np.allclose(arm(found, same), plain, rtol=0, atol=1e-4 * np.abs(plain).max())
    for other in (Defence(anchor=1.0), Defence(rows=0.5)):
        assert np.abs(arm(found, other) - plain).max() > 1e-3


def test_rows_of_the_init_alone_teach_nothing(run):
    """By plain descent: Adam makes steps of its rounding. Eight steps of float32 leave less than 1e-5 of the loss."""
    theta0, taught, _, _ = run
    workload = replace(WORKLOAD, student=Schedule("sgd", rate=0.1, batch=64, epochs=2))
    copies = jax.tree.map(lambda leaf: np.repeat(leaf[:, None], 2, axis=1), theta0)
    sources, keys = jax.tree.map(lambda leaf: leaf[:, None], taught), jax.random.split(jax.random.key(0), 2)
    trait = class_trait(WORKLOAD, digit_images())
    left = defend(workload, copies, theta0, taught, sources, trait, keys, (Defence(mixed=1.0), Defence())).left
    assert np.allclose(left[:, 0], 1.0, rtol=0, atol=1e-5)
    assert np.all(left[:, 1] < 0.99)


def test_steps_less_their_part_along_the_displacement_never_move_along_it(run):
    theta0, taught, found, _ = run
    start, delta = flat(theta0, slice(None)), flat(taught, slice(None)) - flat(theta0, slice(None))
    for name, least in ((Defence(without="displacement"), 0.0), (Defence(), 1e-2)):
        moved = arm(found, name) - start
        along = np.abs((moved * delta).sum(1)) / (np.linalg.norm(moved, axis=1) * np.linalg.norm(delta, axis=1))
        assert np.all(along < 1e-5) if least == 0 else np.all(along > least)


def test_steps_less_their_part_along_the_traits_descent_do_not_follow_it(run):
    """For a trait with −∇L_T = v everywhere, v where an undefended student went: nothing is left along v but what
    goes against it."""
    theta0, taught, found, _ = run
    first = lambda tree: jax.tree.map(lambda leaf: leaf[:1], tree)  # noqa: E731
    plain = jax.tree.map(lambda leaf: leaf[:1, 0], found.params)
    v = jax.tree.map(lambda end, start: (end - start)[0], plain, first(theta0))
    trait = FunctionTrait(lambda params: -optax.tree.vdot(v, params))
    start = jax.tree.map(lambda leaf: leaf[:, None], first(theta0))
    sources = jax.tree.map(lambda leaf: leaf[:, None], first(taught))
    keys = jax.random.split(jax.random.key(0), 2)[:1]
    arms = (Defence(without="trait"),)
    left = defend(WORKLOAD, start, first(theta0), first(taught), sources, trait, keys, arms).params
    moved = jax.tree.map(lambda end, begin: (end - begin)[0, 0], left, start)
    assert optax.tree.vdot(v, moved) <= 1e-5 * optax.tree.vdot(v, v)
    assert optax.tree.norm(moved) > 0.1 * optax.tree.norm(v)


def test_an_anchor_everywhere_holds_the_logits_that_are_not_distilled(run):
    """A strong one on all logits keeps the class logits nearer to the init's than one on the auxiliary alone does."""
    theta0, _, found, _ = run
    x = digit_images().test_x[:100]

    def classes(tree, *at):
        with float64():
            z = outputs(WORKLOAD.network, jax.tree.map(lambda leaf: leaf[(0, *at)], tree), x)
        return np.asarray(z)[:, :10]

    everywhere, distilled, plain = (
        np.abs(classes(found.params, ARMS.index(name)) - classes(theta0)).mean()
        for name in (Defence(anchor=50.0, everywhere=True), Defence(anchor=50.0), Defence())
    )
    assert everywhere < distilled and everywhere < plain


@pytest.mark.parametrize(
    ("field", "value"),
    [("anchor", -1.0), ("until", 2.0), ("mixed", "much"), ("consensus", "all"), ("without", "signs")],
)
def test_what_is_out_of_range_is_refused(field, value):
    with pytest.raises(InputError, match=f"^{field}: "):
        Defence(**{field: value})
