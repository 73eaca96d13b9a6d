"""The orbit experiment: T as a matrix, its step, a run on tiny networks, and a map that is no symmetry."""

import jax
import numpy as np
import pytest
from shapes import KINKED, SMOOTH

from subtheory import figure, records
from subtheory.init import Permutation, ReluRescaling, SignFlip, Units, units
from subtheory.networks import MLP
from subtheory.numerics import float64
from subtheory.setting.preparation import path_keys
from subtheory.study import experiment
from subtheory.theory.losses import SquaredError

DRAWS = 5


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["orbit"].module


SEEDS = tuple(range(DRAWS))
KEYS = path_keys(SEEDS)


@pytest.fixture(scope="module")
def arrays(module):
    return module.pairs(SEEDS, KINKED)


@pytest.fixture(scope="module")
def tables(module):
    cases, tiny = (("ReLU MLP", KINKED, (Permutation(), ReluRescaling())),), MLP(width=1, depth=1, activation="relu")
    return module.tables(module.Plan(cases, (1.0,), (0.7,), tiny, (("rich channel", "all", 200),), DRAWS))


@pytest.mark.parametrize(
    ("path", "network"), [(Permutation(), KINKED), (ReluRescaling(), KINKED), (SignFlip(), SMOOTH)]
)
def test_a_symmetry_is_a_permutation_times_a_diagonal(module, path, network):
    """T, from basis vectors, has the factors and origins that are told; T⁻¹T⁻ᵀ and T_ii follow from them."""
    starts, *_ = module.pairs(SEEDS, network)
    student, factor, origin = module.placed(path, starts, 0.8, KEYS)
    size = starts.layout.size
    T = path.image(starts.take(slice(1)), 0.8, KEYS[:1], np.eye(size)[None])[0].T
    v, slope, delta = np.random.default_rng(0).normal(size=(3, *starts.theta0.shape))
    found = module.foreseen(factor, origin, v, slope, delta)
    v, slope, delta = v[0], slope[0], delta[0]
    np.testing.assert_allclose(student[0], T @ starts.theta0[0], rtol=1e-14)
    np.testing.assert_allclose(T @ T.T, np.diag(factor[0] ** 2), atol=1e-14)
    moved = np.zeros_like(T)
    moved[np.arange(len(T)), origin[0]] = factor[0]
    np.testing.assert_allclose(moved, T, rtol=1e-14)
    back = np.linalg.inv(T)
    assert found["predicted"][0] == pytest.approx(slope @ back @ back.T @ v, rel=1e-11)
    fixed = np.where(np.abs(np.diag(T)) == 1, np.diag(T), 0)
    assert found["stays"][0] == pytest.approx(np.sum(fixed * v * delta) / (v @ delta), rel=1e-11)


def test_steps_are_those_of_the_definition(module, arrays):
    """Δθ_S = −∇L_S of a re-drawn student, what the teacher adds to it, and the changes of L_T, by plain gradients."""
    _, shared, redrawn, alpha = arrays
    layout, i = shared.functions.layout, 1
    found, added = module.measured(redrawn, alpha), module.subtracted(redrawn, alpha)
    x, trait = redrawn.x[i], jax.tree.map(lambda leaf: leaf[i], redrawn.trait)
    with float64():
        outputs = jax.jit(lambda theta: jax.vmap(lambda one: KINKED.apply(layout.unflatten(theta), one))(x))

        def loss(theta, y):
            return np.float64(1) * jax.numpy.mean(module.LOSS.value(outputs(theta), y, redrawn.outputs))

        theta, teacher = redrawn.student[i], [redrawn.theta0[i] + e * redrawn.delta[i] for e in (redrawn.eps[i, 0], 0)]
        step, control = (-np.asarray(jax.jit(jax.grad(loss))(theta, outputs(each))) for each in teacher)
        L_T = jax.jit(lambda theta: trait.loss(KINKED.apply, layout.unflatten(theta)))
        before, after, at_control = (float(L_T(theta + alpha[i] * each)) for each in (0 * step, step, control))
    np.testing.assert_allclose(found["update"][i], step, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(added[0][i], step - control, rtol=1e-7, atol=1e-13)
    assert found["change"][i] == pytest.approx(after - before, rel=1e-9)
    assert found["carried"][i] == found["change"][i]
    assert added[1][i] == pytest.approx(after - at_control, rel=1e-7)


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


def test_natural_steps_are_those_of_the_dense_matrix(module):
    """G⁺ of G = E[JᵀMJ] by a Jacobian at the student's init."""
    network = MLP(width=1, depth=1, activation="relu")
    starts, shared, redrawn, _ = module.pairs((0,), network, "aux", SquaredError(), 12)
    found = module.natural(starts, redrawn, SquaredError())
    layout = shared.functions.layout
    with float64():
        apply = lambda theta, x: network.apply(layout.unflatten(theta), x)  # noqa: E731
        J = np.asarray(jax.vmap(jax.jacrev(apply), (None, 0))(redrawn.student[0], redrawn.x[0]))
    G = np.einsum("nvp,v,nvq->pq", J, 2 * shared.outputs, J) / 12
    rank = np.linalg.matrix_rank(G, tol=module.CUT * np.linalg.norm(G, 2), hermitian=True)
    update = np.linalg.pinv(G, rcond=module.CUT, hermitian=True) @ module.updated(redrawn, SquaredError())[0][0]
    slope = redrawn.trait.gradient(redrawn.functions, redrawn.student)[0]
    assert found["null"][0] == layout.size - rank
    assert found["first"][0] == pytest.approx(module.STEP * slope @ update, rel=1e-6)


def test_a_map_that_is_no_symmetry_is_noticed(module, arrays):
    """Units that move without what reads them: another function, another trait change."""
    (hidden,) = units(KINKED, arrays[0].layout.unflatten(arrays[0].theta0[0]))
    broken = Permutation(spec=(Units(hidden.kind, hidden.size, hidden.incoming, (), hidden.activation),))
    (row,) = module.path_rows("ReLU MLP", broken, (1.0,), arrays, KEYS)
    assert row["function_difference"] > 0.01 and row["difference"] > 0.01


def test_saved_rows_draw_the_figure(module, tables):
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")
