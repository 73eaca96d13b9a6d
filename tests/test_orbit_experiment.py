"""The orbit experiment: T as a matrix, its step, a run on tiny networks, and a map that is no symmetry."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from subtheory import experiment, figure, records
from subtheory.init import Permutation, ReluRescaling, SignFlip, Units, units
from subtheory.networks import MLP
from subtheory.numerics import float64

DRAWS = 5
RELU, TANH = (MLP(width=4, depth=1, activation=name) for name in ("relu", "tanh"))


@pytest.fixture(scope="module")
def module():
    with pytest.MonkeyPatch.context() as patch:
        found = experiment.experiments()["orbit"].module
        patch.setattr(found, "QUICK_DRAWS", DRAWS)
        patch.setattr(found, "FRACTIONS", (1.0,))
        patch.setattr(found, "STRETCHES", (0.7,))
        patch.setattr(found, "CASES", {"ReLU MLP": (RELU, (Permutation(), ReluRescaling()))})
        patch.setattr(found, "NATURAL", MLP(width=1, depth=1, activation="relu"))
        patch.setattr(found, "NATURAL_CASES", {"rich channel": ("all", 200)})
        yield found


@pytest.fixture(scope="module")
def keys():
    with float64():
        return jax.random.split(jax.random.key(0), DRAWS)


@pytest.fixture(scope="module")
def arrays(module):
    with float64():
        return module.pairs(jnp.arange(DRAWS), RELU)


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(quick=True)


def flat(tree):
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree)]
    return np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], axis=1)


@pytest.mark.parametrize(("path", "network"), [(Permutation(), RELU), (ReluRescaling(), RELU), (SignFlip(), TANH)])
def test_a_symmetry_is_a_permutation_times_a_diagonal(module, keys, arrays, path, network):
    """T, from basis vectors, has the factors and origins that are told; T⁻¹T⁻ᵀ and T_ii follow from them."""
    with float64():
        starts = replace(arrays[0], network=network)
        student, factor, origin = module.placed(path, starts, jnp.asarray(0.8), keys)
        start = jax.tree.map(lambda leaf: leaf[0], starts)
        theta, unravel = ravel_pytree(start.theta0)
        turn = lambda v: ravel_pytree(path(replace(start, theta0=unravel(v)), jnp.asarray(0.8), keys[0]))[0]  # noqa: E731
        T = np.asarray(jax.vmap(turn)(jnp.eye(theta.size))).T
        rng = np.random.default_rng(0)
        v, slope, delta = (jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape)), starts.theta0) for _ in "vsd")
        found = module.foreseen(factor, origin, v, slope, delta)
        v, slope, delta = (flat(tree)[0] for tree in (v, slope, delta))
        theta = np.asarray(theta)
    np.testing.assert_allclose(flat(student)[0], T @ theta, rtol=1e-14)
    np.testing.assert_allclose(T @ T.T, np.diag(flat(factor)[0] ** 2), atol=1e-14)
    moved = np.zeros_like(T)
    moved[np.arange(len(T)), flat(origin)[0].astype(int) - 1] = flat(factor)[0]
    np.testing.assert_allclose(moved, T, rtol=1e-14)
    back = np.linalg.inv(T)
    assert found["predicted"][0] == pytest.approx(slope @ back @ back.T @ v, rel=1e-11)
    fixed = np.where(np.abs(np.diag(T)) == 1, np.diag(T), 0)
    assert found["stays"][0] == pytest.approx(np.sum(fixed * v * delta) / (v @ delta), rel=1e-11)


def test_permuted_students_change_the_trait_loss_alike(module, tables):
    """To the rounding of one loss or a few; the cosine is another one, and comes back."""
    row = next(row for row in tables["orbit"] if row["orthogonal"])
    assert row["difference"] < 16 * row["rounding"] < module.SAME
    assert row["cosine_difference"] < module.SAME and row["function_difference"] < 1e-14
    # All four units have moved; the bias of the head stays, but no teacher moves what of it the student does.
    assert row["stays"] == 0 and row["cosine_ratio_low"] < 0.5


def test_rescaled_students_need_a_carried_metric(module, tables):
    """The function is equal, the change is not; its first order is as predicted, and T Tᵀ restores it."""
    row = next(row for row in tables["orbit"] if not row["orthogonal"])
    assert row["function_difference"] < 1e-14 and row["difference"] > 0.1
    assert row["predicted_difference"] < module.SAME
    assert row["carried_roundings"] < 16 and row["carried_difference"] < 1e-8


def test_a_redrawn_init_is_not_restored_by_matching(module, tables):
    """The matching that finds a permutation without being told it does nothing for an independent init."""
    for row in tables["control"]:
        near = row["init"] == "permuted"
        assert (row["matched_difference"] < module.SAME) == near
        assert (row["difference"] < module.SAME) == near


def test_natural_gradients_do_not_see_a_rescaling(tables):
    """One unit, all outputs, a rich channel: null(G) is the one direction of its rescaling."""
    (row,) = tables["natural"]
    assert row["null_low"] == row["null_high"] == 1
    assert row["first_order_difference"] < row["rounding"] < 1e-6


def test_a_map_that_is_no_symmetry_is_noticed(module, keys, arrays):
    """Units that move without what reads them: another function, another trait change."""
    with float64():
        (hidden,) = units(RELU, jax.tree.map(lambda leaf: leaf[0], arrays[0].theta0))
        broken = Permutation(spec=(Units(hidden.kind, hidden.size, hidden.incoming, (), hidden.activation),))
        (row,) = module.path_rows("ReLU MLP", broken, arrays, keys)
    assert row["function_difference"] > 0.01 and row["difference"] > 0.01


def test_saved_rows_draw_the_figure(module, tables):
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")
    assert {row["quantity"].split(":")[0] for row in saved["summary"]} > {"orthogonal T", "rescaling, carried metric"}
