"""How alike two inits are, against permuted and rotated copies, every permutation, and dense Jacobians."""

from functools import cache
from itertools import permutations

import jax
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from reference import network_functions

from subtheory.data.toys import toy
from subtheory.errors import InputError
from subtheory.init.measures import (
    cka,
    cross_ntk_overlap,
    distance,
    functional_distance,
    match,
    matched_distance,
    ntk_overlap,
)
from subtheory.networks import MLP, ConvNet, Transformer
from subtheory.numerics import float64

TASK = toy((3,), 2, 2)
ONE = MLP(width=5, depth=1, task=TASK)
TWO = MLP(width=6, depth=2, task=TASK)
CONV = ConvNet(channels=(3, 4), task=toy((4, 4), 2, 2))
ATTENTION = Transformer(width=8, heads=4, task=toy((3,), 2, 2, tokens=4))

HEADS = (
    *((name, leaf, axis) for name in ("query", "key", "value") for leaf, axis in (("kernel", 1), ("bias", 0))),
    ("out", "kernel", 0),
)
HIDDEN = {
    ONE: [[("Dense_0/kernel", 1), ("Dense_0/bias", 0), ("head/kernel", 0)]],
    TWO: [
        [("Dense_0/kernel", 1), ("Dense_0/bias", 0), ("Dense_1/kernel", 0)],
        [("Dense_1/kernel", 1), ("Dense_1/bias", 0), ("head/kernel", 0)],
    ],
    CONV: [
        [("Conv_0/kernel", 3), ("Conv_0/bias", 0), ("Conv_1/kernel", 2)],
        [("Conv_1/kernel", 3), ("Conv_1/bias", 0), ("head/kernel", 0)],
    ],
    ATTENTION: [
        [(("Block_0", "MultiHeadDotProductAttention_0", name, leaf), axis) for name, leaf, axis in HEADS],
        [("Block_0/Dense_0/kernel", 1), ("Block_0/Dense_0/bias", 0), ("Block_0/Dense_1/kernel", 0)],
    ],
}
"""Sets of units that can be renamed: hidden units, channels, and attention heads."""


@cache
def drawn(network, seed):
    """Parameters N(0, 1/fan_in) in NumPy."""
    rng = np.random.default_rng(seed)
    with float64():
        shapes = jax.eval_shape(network.init, jax.random.key(0))
    return jax.tree.map(
        lambda leaf: rng.standard_normal(leaf.shape) / np.sqrt(leaf.shape[0] if leaf.ndim > 1 else 4), shapes
    )


def inputs(network, n=4, seed=9):
    rng = np.random.default_rng(seed)
    shape = (n, *network.task.shape)
    return rng.integers(0, 4, shape) if network is ATTENTION else rng.standard_normal(shape)


def leaf_of(params, path):
    for key in path.split("/") if isinstance(path, str) else path:
        params = params[key]
    return params


def renamed(network, params, seed=1, only=None):
    """A copy with the units of every group (or of one) in another order, by plain indexing; and the orders."""
    rng, copy, orders = np.random.default_rng(seed), jax.tree.map(np.array, params), []
    for g, group in enumerate(HIDDEN[network]):
        units = min(leaf_of(params, path).shape[axis] for path, axis in group)
        order = rng.permutation(units) if only in (None, g) else np.arange(units)
        orders.append(order)
        for path, axis in group:
            leaf = leaf_of(copy, path)
            blocks = leaf.shape[axis] // units
            leaf[...] = np.take(leaf, [b * units + i for b in range(blocks) for i in order], axis)
    return copy, orders


def norm(params):
    return np.sqrt(sum(np.sum(leaf**2) for leaf in jax.tree.leaves(params)))


# Distances in parameters


def test_distance_by_hand():
    """‖(3, 0, 4)‖/‖(0, 2, 0)‖ with leaves of different shapes."""
    one, two = ({"a": np.array([a]), "b": [np.array([[2.0, b]])]} for a, b in ((0.0, 0.0), (3.0, 4.0)))
    assert distance(one, two) == 2.5
    a = drawn(ONE, 0)
    assert distance(a, a) == 0.0
    assert distance(a, jax.tree.map(np.zeros_like, a)) == 1.0


def test_distance_of_independent_draws_is_about_the_square_root_of_two():
    """‖a − b‖²/‖a‖² = 1 + ‖b‖²/‖a‖² − 2a·b/‖a‖² has mean 2 and standard deviation √(8/P); four of them."""
    a, b = np.random.default_rng(0).standard_normal((2, 10_000))
    assert abs(distance(a, b) ** 2 - 2) < 8 * np.sqrt(2 / 10_000)


@pytest.mark.parametrize("network", HIDDEN, ids=lambda network: f"{network.name}-{getattr(network, 'depth', '')}")
def test_a_permuted_network_is_at_matched_distance_zero(network):
    """Exactly 0, with the permutation and the parameters recovered, though the plain distance is not small."""
    theta0 = drawn(network, 0)
    student, orders = renamed(network, theta0)
    x = inputs(network)
    assert distance(theta0, student) > 0.3
    assert functional_distance(network, theta0, student, x) < 1e-13
    found = match(theta0, student, HIDDEN[network])
    assert found.distance == matched_distance(theta0, student, HIDDEN[network]) == 0.0
    for matched, order in zip(found.permutations, orders, strict=True):
        np.testing.assert_array_equal(order[matched], np.arange(len(order)))
    jax.tree.map(np.testing.assert_array_equal, found.student, theta0)
    assert match(theta0, theta0, HIDDEN[network]).distance == 0.0


def test_a_group_left_out_is_not_undone():
    """Control: without its second group, or with units of two layers renamed by one order, 0 is out of reach."""
    theta0 = drawn(TWO, 0)
    student, _ = renamed(TWO, theta0)
    first, second = HIDDEN[TWO]
    assert 0.1 < matched_distance(theta0, student, [first]) < distance(theta0, student)
    assert matched_distance(theta0, student, []) == distance(theta0, student)
    only, _ = renamed(TWO, theta0, only=1)
    assert matched_distance(theta0, only, [second]) == 0.0 < 0.1 < matched_distance(theta0, only, [first])


def test_against_every_permutation_of_five_units():
    """One hidden layer: the minimum over all 120 orders, for independent inits and noisy copies alike."""
    (group,) = HIDDEN[ONE]
    theta0 = drawn(ONE, 0)
    for seed in range(1, 6):
        copy, _ = renamed(ONE, theta0, seed)
        noisy = jax.tree.map(lambda a, b: a + 0.3 * b, copy, drawn(ONE, 50 + seed))
        for student in (drawn(ONE, seed), noisy):
            tried = []
            for order in permutations(range(5)):
                moved = jax.tree.map(np.array, student)
                for path, axis in group:
                    leaf = leaf_of(moved, path)
                    leaf[...] = np.take(leaf, order, axis)
                tried.append(norm(jax.tree.map(np.subtract, moved, theta0)) / norm(theta0))
            assert np.isclose(matched_distance(theta0, student, [group]), min(tried), rtol=1e-13)
            assert min(tried) < tried[0]


def test_two_layers_are_bounded_by_the_joint_minimum_and_the_plain_distance():
    """Every pair of orders of 3 and 3 units: never below the joint minimum, and at it in most of 40 draws."""
    network = MLP(width=3, depth=2, task=TASK)
    groups, hits = HIDDEN[TWO], 0
    for seed in range(40):
        theta0, student = drawn(network, 2 * seed), drawn(network, 2 * seed + 1)
        tried = []
        for one in permutations(range(3)):
            for two in permutations(range(3)):
                moved = jax.tree.map(np.array, student)
                for group, order in zip(groups, (one, two), strict=True):
                    for path, axis in group:
                        leaf = leaf_of(moved, path)
                        leaf[...] = np.take(leaf, order, axis)
                tried.append(norm(jax.tree.map(np.subtract, moved, theta0)) / norm(theta0))
        found = match(theta0, student, groups)
        assert min(tried) - 1e-14 <= found.distance <= distance(theta0, student)
        assert np.isclose(norm(jax.tree.map(np.subtract, found.student, theta0)) / norm(theta0), found.distance)
        hits += np.isclose(found.distance, min(tried), rtol=1e-12)
    assert hits > 20


def test_an_axis_longer_than_its_units():
    """Units of two entries each, laid out (outer, units, inner) = (2, 5, 2): by hand, and not by other splits."""
    rng = np.random.default_rng(0)
    W, b, order = rng.standard_normal((2, 5, 2, 3)), rng.standard_normal(5), rng.permutation(5)
    theta0 = {"W": W.reshape(20, 3), "b": b}
    student = {"W": W[:, order].reshape(20, 3), "b": b[order]}
    assert matched_distance(theta0, student, [[("W", 0, 2), ("b", 0)]]) == 0.0
    assert matched_distance(theta0, student, [[("W", 0), ("b", 0)]]) > 0.1
    assert matched_distance(theta0, student, [[("W", 0, 4), ("b", 0)]]) > 0.1


def test_unusable_input():
    a = drawn(ONE, 0)
    with pytest.raises(InputError, match="student"):
        distance(a, drawn(TWO, 0))
    with pytest.raises(InputError, match="theta0"):
        distance(np.zeros(3), np.ones(3))
    for group in ([("nowhere", 0)], [("head/kernel", 2)], [], [("head/kernel", 0), ("head/kernel", 1)],
                  [("head/kernel", 0), ("head/bias", 0)], [("head/bias", 0, 8)]):  # fmt: skip
        with pytest.raises(InputError, match="groups"):
            matched_distance(a, a, [group])
    x = inputs(ONE)
    for measure in (functional_distance, ntk_overlap, cross_ntk_overlap):
        with pytest.raises(InputError, match="weights"):
            measure(ONE, a, a, x, np.ones(3))
    with pytest.raises(InputError, match="student"):
        cross_ntk_overlap(ONE, a, drawn(TWO, 0), x)
    with pytest.raises(InputError, match="student"):
        functional_distance(ONE, a, drawn(ATTENTION, 0), inputs(ATTENTION), student_network=ATTENTION)
    with pytest.raises(InputError, match="second"):
        cka(np.eye(3), np.eye(4))
    with pytest.raises(InputError, match="first"):
        cka(np.ones((3, 2)), np.eye(3))


# Distances of functions


W = np.array([1.0, 2.0, 0.0, 0.5])


@cache
def jacobians(network, seed):
    """Outputs (N·V) and Jacobian (N·V, P), dense."""
    with float64():
        theta, unravel = ravel_pytree(drawn(network, seed))
        f, jacobian, _ = network_functions(network, unravel)
        z = np.stack([np.asarray(f(theta, x)) for x in inputs(network)])
        return z, np.stack([np.asarray(jacobian(theta, x)) for x in inputs(network)]).reshape(z.size, -1)


def cosine(a, b):
    return np.sum(a * b) / np.sqrt(np.sum(a**2) * np.sum(b**2))


@pytest.mark.parametrize("network", (ONE, CONV), ids=("mlp", "convnet"))
@pytest.mark.parametrize("weights", (None, W), ids=("all", "weighted"))
def test_overlaps_against_dense_jacobians(network, weights):
    a, b, x = drawn(network, 0), drawn(network, 1), inputs(network)
    (z_T, J_T), (z_S, J_S) = jacobians(network, 0), jacobians(network, 1)
    w = np.ones(4) if weights is None else weights
    root = np.sqrt(np.tile(w, len(J_T) // 4))[:, None]
    J_T, J_S = root * J_T, root * J_S
    expected = np.sqrt(np.sum(w * (z_S - z_T) ** 2) / np.sum(w * z_T**2))
    assert np.isclose(functional_distance(network, a, b, x, weights), expected, rtol=1e-12)
    kernels = cosine(J_S @ J_S.T, J_T @ J_T.T)
    assert np.isclose(ntk_overlap(network, a, b, x, weights), kernels, rtol=1e-12)
    cross = np.trace(J_S @ J_T.T) / (np.linalg.norm(J_S) * np.linalg.norm(J_T))
    assert abs(cross_ntk_overlap(network, a, b, x, weights) - cross) < 1e-13
    assert 0 < kernels < 0.999 and abs(cross) < 0.9, "values that other formulas do not share"
    if weights is not None:
        assert not np.isclose(ntk_overlap(network, a, b, x), kernels, rtol=1e-3)


@pytest.mark.parametrize("network", (ONE, ATTENTION), ids=("mlp", "transformer"))
def test_identical_and_permuted_inits(network):
    """Identical: 0 and 1. Permuted: the same function and kernel, but not the same Jacobian in shared coordinates."""
    a, x = drawn(network, 0), inputs(network, 2)
    permuted, _ = renamed(network, a)
    assert functional_distance(network, a, a, x) == 0.0
    for overlap in (ntk_overlap, cross_ntk_overlap):
        assert abs(overlap(network, a, a, x) - 1) < 4e-16
    assert functional_distance(network, a, permuted, x) < 1e-13
    assert abs(ntk_overlap(network, a, permuted, x) - 1) < 1e-13
    assert cross_ntk_overlap(network, a, permuted, x) < 1 - 1e-3
    # Control: undoing the permutation restores it.
    restored = match(a, permuted, HIDDEN[network]).student
    assert abs(cross_ntk_overlap(network, a, restored, x) - 1) < 4e-16


def test_a_student_of_another_architecture():
    """Function and kernel compare across architectures; both change with the student's network, and 1 is not met."""
    a, b, x = drawn(ONE, 0), drawn(TWO, 1), inputs(ONE)
    (z_T, J_T), (z_S, J_S) = jacobians(ONE, 0), jacobians(TWO, 1)
    expected = np.linalg.norm(z_S - z_T) / np.linalg.norm(z_T)
    assert np.isclose(functional_distance(ONE, a, b, x, student_network=TWO), expected, rtol=1e-12)
    found = ntk_overlap(ONE, a, b, x, student_network=TWO)
    assert np.isclose(found, cosine(J_S @ J_S.T, J_T @ J_T.T), rtol=1e-12) and found < 0.999


# CKA


def test_cka_is_invariant_under_rotations_shifts_and_scale_only():
    rng = np.random.default_rng(0)
    A = rng.standard_normal((20, 6))
    rotation = np.linalg.qr(rng.standard_normal((6, 6)))[0]
    assert cka(A, A) == pytest.approx(1.0, abs=4e-16)
    assert cka(A, 3.0 * A @ rotation + rng.standard_normal(6)) == pytest.approx(1.0, abs=1e-14)
    assert cka(A, A[:, ::-1]) == pytest.approx(1.0, abs=1e-14)
    # Control: an invertible map that is no rotation, and an independent representation.
    assert cka(A, A @ np.diag([10, 1, 1, 1, 1, 0.1])) < 0.9
    assert cka(A, rng.standard_normal((20, 6))) < 0.6


def test_cka_by_centred_gram_matrices():
    """Independent formula: HSIC of K = AAᵀ and L = BBᵀ with the centring matrix; widths may differ."""
    rng = np.random.default_rng(1)
    A, B = rng.standard_normal((5, 3, 4)), rng.standard_normal((5, 3, 2))
    H = np.eye(15) - 1 / 15
    K, L = (H @ X @ X.T @ H for X in (A.reshape(15, 4), B.reshape(15, 2)))
    assert cka(A, B) == pytest.approx(cosine(K, L), rel=1e-12)
    assert cka(A, B) == pytest.approx(cka(B, A), rel=1e-12)


def test_cka_of_outputs_and_hidden_layers():
    """Outputs of a permuted network are the same; its hidden layer is a permutation, hence a rotation."""
    a, x = drawn(ONE, 0), inputs(ONE, 12)
    permuted, (order,) = renamed(ONE, a)
    hidden = lambda p: np.tanh(x @ p["Dense_0"]["kernel"] + p["Dense_0"]["bias"])  # noqa: E731
    np.testing.assert_allclose(hidden(permuted), hidden(a)[:, order], rtol=0, atol=1e-15)
    assert cka(hidden(a), hidden(permuted)) == pytest.approx(1.0, abs=1e-14)
    assert cka(hidden(a), hidden(drawn(ONE, 3))) < 0.99
