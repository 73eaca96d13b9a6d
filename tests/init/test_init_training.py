"""Forks and behaviour-matched inits against plain training."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from starts import KEYS, TANH, at, first, gap, made, ran, sequence, values

from subtheory.errors import InputError
from subtheory.init import PATHS, BehaviourMatched, Fork, fits, students, teachers
from subtheory.init.training import OPTIMIZERS, trained
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.theory.trait import FunctionTrait

pytestmark = pytest.mark.usefixtures("double")


def test_a_fork_is_two_trainings_that_share_their_first_batches():
    path, start = Fork(steps=6, batch=4), made(TANH)
    amounts = (0.0, 0.5, 1.0)
    found, taught = students(path, start, amounts, KEYS), teachers(path, start, amounts, KEYS)
    ours, theirs = (order[0] for order in path.orders(start, KEYS))
    for order in (ours, theirs):  # an epoch is a permutation of the 16 examples
        assert order.shape == (6, 4) and sorted(order[:4].ravel()) == list(range(16))
    assert not np.array_equal(ours, theirs)

    gradient = jax.jit(jax.grad(lambda theta, trait: trait.loss(TANH.apply, theta)))

    def descend(order):
        theta, trait = first(start), at(start.trait, 0)
        for rows in order:
            part = replace(trait, x=trait.x[rows], labels=trait.labels[rows])
            theta = optax.tree.add_scale(theta, -path.rate, gradient(theta, part))
        return theta

    for i, order in enumerate((ours, np.concatenate([ours[:3], theirs[3:]]), theirs)):
        assert gap(at(found, i, 0), descend(order)) < ROUNDINGS * UNIT
        assert gap(at(taught, i, 0), descend(ours)) < ROUNDINGS * UNIT
    assert gap(at(found, 1, 0), descend(theirs)) > 1e-4  # control: nothing shared


def test_a_fork_on_a_loss_of_its_own_and_what_it_refuses():
    start = made(TANH)
    data = replace(start.trait, labels=(start.trait.labels + 1) % 10)
    path = Fork(steps=2, batch=4)
    other, default = (students(path, s, (0.5,), [1]) for s in (replace(start, pretraining=data), start))
    assert gap(other, default) > 1e-4
    adaptive = students(replace(path, optimizer="adam"), start, (0.5,), [1])
    assert gap(adaptive, default) > 1e-4
    functional = replace(start, trait=FunctionTrait(np.sum))
    assert not fits(path, functional) and fits(path, replace(functional, pretraining=data))
    assert not fits(Fork(batch=16), start)  # one order only
    for wrong in ({"optimizer": "lion"}, {"steps": 0}, {"rate": 0.0}, {"batch": 0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Fork(**wrong)


def test_a_behaviour_matched_student_behaves_like_the_base_where_it_was_matched():
    for on, x in (("channel", made(TANH).x[0]), ("trait", made(TANH).trait.x[0])):
        path, start = PATHS["behaviour-matched" if on == "channel" else "behaviour-matched-on-trait"], made(TANH)
        assert path == BehaviourMatched(on=on)
        found, _ = ran(path, TANH)
        base = values(TANH, first(start), x)
        far = [float(np.mean((values(TANH, at(found, i, 0), x) - base) ** 2)) for i in range(3)]
        assert far[0] < far[1] < far[2] and far[0] < 0.1 * far[2]
        assert gap(at(found, 0, 0), first(start)) > 0.5  # behaviour is shared, weights are not
    with pytest.raises(InputError, match="on"):
        BehaviourMatched(on="noise")
    with pytest.raises(InputError, match="steps"):
        BehaviourMatched(steps=0)
    functional = replace(made(TANH), trait=FunctionTrait(np.sum))
    assert fits(BehaviourMatched(), functional) and not fits(BehaviourMatched(on="trait"), functional)


def test_behaviour_is_matched_at_every_position_by_adam():
    """Against JAX's gradient and optax on outputs (T, V), a few steps; the rows stop at their own amounts."""
    start, path = sequence(), BehaviourMatched(steps=6)
    base = values(start.network, first(start), start.x[0])

    @jax.jit
    def step(theta, state):
        loss = lambda t: jnp.mean(jnp.sum((values(start.network, t, start.x[0]) - base) ** 2, axis=-1))  # noqa: E731
        change, state = optax.adam(path.rate).update(jax.grad(loss)(theta), state)
        return optax.apply_updates(theta, change), state

    theta = first(start, "other")
    state, ends = optax.adam(path.rate).init(theta), [theta]
    for _ in range(path.steps):
        theta, state = step(theta, state)
        ends.append(theta)
    found = students(path, start, (0.0, 0.5, 1.0), [0])
    for i, taken in enumerate((6, 3, 0)):
        assert gap(at(found, i, 0), ends[taken]) < ROUNDINGS * UNIT


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_are_those_of_optax(name):
    """Seven steps on a quartic in 30 dimensions; a row whose steps are over stays."""
    rng = np.random.default_rng(0)
    theta, scale = rng.normal(size=(2, 15)), rng.uniform(0.5, 2, (2, 15))
    gradient = lambda theta, j: scale * theta**3 + j  # noqa: E731
    optimizer = getattr(optax, name)(0.03)
    wanted, state, ends = theta, optimizer.init(theta), []
    for j in range(7):
        change, state = optimizer.update(gradient(wanted, j), state)
        wanted = wanted + np.asarray(change)
        ends.append(wanted)
    found = trained(theta, gradient, OPTIMIZERS[name], 0.03, np.array([[7.0], [3.0]]))
    assert gap(found, np.stack([ends[6][0], ends[2][1]])) < 16 * UNIT
    assert gap(trained(theta, gradient, OPTIMIZERS[name], 0.03, 0), theta) == 0
