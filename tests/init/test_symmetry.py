"""Symmetries keep the function and can be undone, and controls break them."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from starts import (
    CONV,
    CONV_RELU,
    DECODER,
    GELU,
    KEYS,
    RELU,
    SINE,
    TANH,
    VIT,
    at,
    first,
    gap,
    home,
    made,
    own,
    stacked,
    values,
)

from subtheory.errors import InputError
from subtheory.init import (
    PATHS,
    Permutation,
    Place,
    ReluRescaling,
    SignFlip,
    Units,
    fits,
    students,
    units,
)
from subtheory.init.symmetry import Rescaling, StreamRescaling, Symmetry, Turn, act, cycle
from subtheory.networks import MLP, Linear, Transformer, adapt
from subtheory.numerics import ROUNDINGS, UNIT

pytestmark = pytest.mark.usefixtures("double")

SYMMETRIES = [name for name, path in PATHS.items() if isinstance(path, Symmetry)]
EXACT = [name for name in SYMMETRIES if name != "stream-rescaling"]
FITTING = [
    (name, network)
    for network in (TANH, RELU, SINE, GELU, CONV, CONV_RELU, DECODER, VIT)
    for name in {
        "tanh": ["permutation", "sign-flip"], "sine": ["permutation", "sign-flip"], "gelu": ["permutation"],
        "relu": ["permutation", "relu-rescaling"],
        "block": ["permutation", "head-permutation", "gain-rescaling", "stream-rescaling"],
    }[getattr(network, "activation", "block")]
]  # fmt: skip
DEEP = MLP(width=3, depth=4)
CASES = [
    ("permutation", DEEP), ("permutation", CONV_RELU), ("permutation", VIT), ("head-permutation", VIT),
    ("sign-flip", TANH), ("sign-flip", SINE), ("relu-rescaling", RELU), ("relu-rescaling", CONV_RELU),
    ("gain-rescaling", DECODER), ("stream-rescaling", VIT),
]  # fmt: skip


@pytest.mark.parametrize(("name", "network"), CASES, ids=lambda case: case if isinstance(case, str) else case.name)
def test_a_symmetry_keeps_the_function_and_can_be_undone(name, network):
    path, start = PATHS[name], made(network)
    broken = replace(path, spec=tuple(replace(group, outgoing=()) for group in path.groups(start)))
    for amount in (path.amounts[len(path.amounts) // 2], path.amounts[-1]):
        student, stray = path(start, amount, [1]), broken(start, amount, [1])
        made_of = [start.layout.unflatten(theta[0]) for theta in (start.theta0, student, stray)]
        z, same, changed = (values(network, theta, start.x[0]) for theta in made_of)
        rounding = 2 * ROUNDINGS * UNIT * (1 + float(np.abs(z).max()))
        assert gap(student, start.theta0) > 0.1
        assert np.allclose(path.undo(start, amount, [1], student), start.theta0, rtol=8 * UNIT, atol=0)
        if name in EXACT:
            assert gap(same, z) < rounding
            assert gap(changed, z) > 1e3 * rounding  # control: a group whose readers do not follow


def test_each_symmetry_fits_only_where_it_holds():
    networks = (TANH, RELU, SINE, GELU, CONV, CONV_RELU, DECODER, VIT)
    expected = set(FITTING)
    for name in SYMMETRIES:
        for network in networks:
            assert fits(PATHS[name], made(network)) == ((name, network) in expected), (name, network)
    assert not fits(PATHS["permutation"], made(Linear()))
    assert not fits(PATHS["head-permutation"], made(Transformer(width=4, heads=1)))
    with pytest.raises(InputError, match="units"):
        SignFlip().groups(made(RELU))


def test_stream_rescaling_is_broken_by_the_constant_of_the_norms_alone():
    """f_{Tθ} − f_θ = O(ε_LN/σ²): K times larger weights, σ² larger by K², the difference smaller by K²."""
    start = made(VIT)
    groups = StreamRescaling().groups(start)
    turn = lambda c: (Turn(np.arange(1), np.full(1, c)),)  # noqa: E731
    off = []
    for K in (4.0, 16.0):
        large = act(groups, turn(K), first(start))
        off.append(gap(values(VIT, act(groups, turn(3.0), large), start.x[0]), values(VIT, large, start.x[0])))
    assert 0 < off[0] < 1e-6
    assert np.isclose(np.log(off[0] / off[1]) / np.log(4), 2, atol=1e-3)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_cycle_moves_as_many_units_as_it_should(size):
    amounts = np.linspace(0, 1, 21)
    every = np.array([[cycle(size, a, np.random.default_rng(key)) for key in range(20)] for a in amounts])
    for amount, orders in zip(amounts, every, strict=True):
        moved = int(np.round(amount * size))
        assert np.array_equal(np.sort(orders), np.broadcast_to(np.arange(size), orders.shape))
        assert set((orders != np.arange(size)).sum(axis=1)) == {0 if size == 1 else 2 if moved == 1 else moved}
    # Control: at amount 1 every unit may come from every other one, and never from itself.
    found = {(i, j) for order in every[-1] for i, j in enumerate(order)}
    assert size != 2 or found == {(0, 1), (1, 0)}


def test_sign_flips_and_permutations_move_a_fraction_of_the_units():
    start = made(TANH)
    for turn in SignFlip().turns(start, 0.4, KEYS):
        assert ((turn.factor < 0).sum(axis=1) == 2).all() and np.array_equal(turn.order, [np.arange(5)] * 2)
    below, above = Permutation().turns(start, 1.0, KEYS)
    assert (below.order != np.arange(5)).all() and not np.array_equal(below.order, above.order)
    assert len({tuple(turn.factor[0]) for key in range(9) for turn in SignFlip().turns(start, 0.4, [key])}) > 3


def test_an_image_is_linear_and_undone_on_stacks_of_any_rank():
    """(S, K, P) row by row; T(a − b) = Ta − Tb."""
    starts, rng = stacked(RELU), np.random.default_rng(0)
    theta = rng.normal(size=(3, 2, starts.layout.size))
    for path in (Permutation(), ReluRescaling()):
        moved = path.image(starts, 0.5, (1, 2, 3), theta)
        assert np.array_equal(path.image(starts, 0.5, (1, 2, 3), theta[:, 1]), moved[:, 1])
        assert np.array_equal(path.image(starts, 0.5, (1, 2, 3), starts.theta0), path(starts, 0.5, (1, 2, 3)))
        difference = path.image(starts, 0.5, (1, 2, 3), theta[:, 1] - theta[:, 0])
        assert np.allclose(difference, moved[:, 1] - moved[:, 0], rtol=0, atol=1e-13)
        assert np.allclose(path.undo(starts, 0.5, (1, 2, 3), moved), theta, rtol=8 * UNIT, atol=0)
        assert gap(path.undo(starts, 0.5, (1, 2, 4), moved)[2], theta[2]) > 0.1  # control: another key


def test_only_rescalings_have_a_metric():
    """Diagonal of the dense TTᵀ, column by column of T."""
    for path in PATHS.values():
        start = made(home(path))
        metric = path.metric(start, path.amounts[-1], KEYS)
        assert (metric is not None) == isinstance(path, Rescaling)
        if isinstance(path, Symmetry):
            every = np.broadcast_to(np.eye(start.layout.size), (2, *[start.layout.size] * 2))
            T = np.swapaxes(path.image(start, path.amounts[-1], KEYS, every), 1, 2)
            square = T @ np.swapaxes(T, 1, 2)
            expected = np.ones((2, start.layout.size)) if metric is None else metric
            assert np.allclose(square, expected[..., None] * every, rtol=1e-14, atol=0)
            assert metric is None or gap(metric, np.ones_like(metric)) > 0.1


def test_orthogonal_symmetries_carry_gradients_along_and_rescalings_do_not():
    """∇L(Tθ) = T∇L(θ) for orthogonal T; a rescaling turns the gradient by T⁻¹ instead."""

    @partial(jax.jit, static_argnames="network")
    def gradient(network, theta, trait):
        return jax.grad(lambda p: trait.loss(network.apply, p))(theta)

    for path, network, holds in ((Permutation(), TANH, True), (SignFlip(), TANH, True), (ReluRescaling(), RELU, False)):
        start = made(network)
        amount, layout = path.amounts[-1], start.layout
        trees = [layout.unflatten(theta[0]) for theta in (path(start, amount, [1]), start.theta0)]
        slopes = [gradient(network, tree, at(start.trait, 0)) for tree in trees]
        moved, original = (np.asarray(layout.flatten(slope))[None] for slope in slopes)
        assert (gap(path.undo(start, amount, [1], moved), original) < 1e-13) == holds
        if not holds:
            carried = path.undo(start, amount, [1], original)
            assert gap(carried, moved) < 1e-12 * (1 + np.abs(moved).max())


def test_units_of_a_network_of_ones_own():
    network, theta = adapt(lambda theta, x: theta[1] @ jnp.tanh(theta[0] @ x), [np.eye(3) + 0.1, np.ones((2, 3))])
    start = own(network, theta, np.ones((2, 3)), np.ones(2))
    with pytest.raises(InputError, match="units"):
        units(network, theta)
    spec = (Units("hidden", 3, (Place(("0",), 0),), (Place(("1",), 1),), "tanh"),)
    for path in (Permutation(spec), SignFlip(spec)):
        student = at(students(path, start, (1.0,), [0]), 0, 0)
        assert gap(student, theta) > 0.5
        assert gap(values(network, student, start.x[0]), values(network, theta, start.x[0])) < ROUNDINGS * UNIT
    for place in (Place(("7",), 0), Place(("0",), 0, 2)):
        with pytest.raises(InputError, match="units"):
            act((Units("hidden", 3, (place,), ()),), (Turn(np.arange(3), np.ones(3)),), theta)
        assert not fits(Permutation((Units("hidden", 3, (place,), ()),)), start)
    assert fits(Permutation(spec), start)
