"""The layers experiment: forms against dense matrices, the two laws against simulation, and a run on one network."""

from dataclasses import replace

import jax
import numpy as np
import pytest
from shapes import SMOOTH

from subtheory import figure, records
from subtheory.numerics import float64
from subtheory.study import experiment
from subtheory.theory.losses import SquaredError

SEEDS = 3


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["layers"].module


@pytest.fixture(scope="module")
def cases(module):
    return module.cases(SMOOTH, tuple(range(SEEDS)))


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(module.Plan((SMOOTH,), SEEDS, masks=40))


def dense(s):
    """G = E[JᵀMJ], Δ, the random half, and the places of every layer, of the first draw; M = 2w of squared error."""
    layout = s.functions.layout
    with float64():
        apply = lambda theta, x: SMOOTH.apply(layout.unflatten(theta), x)  # noqa: E731
        J = np.asarray(jax.vmap(jax.jacrev(apply), (None, 0))(s.theta0[0], s.x[0]))
    G = np.einsum("n,nvp,v,nvq->pq", s.weights[0], J, 2 * s.outputs, J)
    places = {name: np.arange(layout.size)[part] for name, part in layout.layers().items()}
    return G, s.delta[0], s.trains[0], places


@pytest.mark.parametrize("narrowed", [False, True])
def test_layers_and_halves_are_blocks(module, cases, narrowed):
    """Δ_ℓ·(GΔ)_ℓ, Δ_ℓᵀG_ℓℓΔ_ℓ, Δ_i(GΔ)_i and ΔᵀQGQΔ from the matrix; G has rank one on a narrowed channel."""
    assert module.LOSS == SquaredError()
    s = cases["random"]
    s = module.narrow(s) if narrowed else s
    found, half = module.measured(s), module.halved(s)
    G, Delta, mask, where = dense(s)
    assert (np.linalg.matrix_rank(G, tol=1e-10 * np.abs(G).max()) == 1) == narrowed
    # Of the smallest ε; the order of what is left is judged by its slope elsewhere.
    eps = found["eps"][0, -1]
    assert found["q"][0] == pytest.approx(Delta @ G @ Delta, rel=1e-10)
    for i, name in enumerate(module.names(s)):
        at = where[name]
        wanted = [Delta[at] @ (G @ Delta)[at], Delta[at] @ G[np.ix_(at, at)] @ Delta[at]]
        got = [found[key][0, i, -1] / eps for key in ("predicted", "matched")]
        np.testing.assert_allclose(got, wanted, rtol=1e-10)
        assert found["pull"][0, i] == pytest.approx(np.sum((G @ Delta)[at] ** 2), rel=1e-10)
    np.testing.assert_allclose(half["predicted"][0], Delta * (G @ Delta), rtol=1e-9, atol=1e-12 * Delta @ G @ Delta)
    assert half["matched"][0] == pytest.approx((mask * Delta) @ G @ (mask * Delta), rel=1e-10)
    assert half["frozen"][0] == pytest.approx(np.sum(mask * half["measured"][0]), rel=1e-9)


def test_an_independent_student_keeps_its_control_apart(module, cases):
    """What is raw has the step of the untrained teacher's student in it, what is subtracted has not."""
    found = module.measured(cases[module.APART])
    untrained = replace(cases[module.APART], trains=None, eps=np.zeros((SEEDS, 1)))
    parts, step = untrained.functions.layout.layers(), module.step(untrained)[:, 0] * untrained.delta
    for i, name in enumerate(module.names(untrained)):
        control = step[:, parts[name]].sum(axis=1, keepdims=True)
        np.testing.assert_allclose(found["raw"][:, i] - control, found["subtracted"][:, i], atol=1e-12)
    assert np.all(np.abs(step.sum(axis=1)) > 10 * np.abs(found["subtracted"][..., -1].sum(axis=1)))


def test_rank_one_law_is_that_of_two_signs(module):
    """P(a_ℓ Σa < 0) = arccos(√κ_ℓ)/π for independent normals a_ℓ of variances κ_ℓ, by simulation."""
    rng, kappa, draws = np.random.default_rng(0), np.array([0.05, 0.25, 0.7]), 40_000
    a = rng.normal(size=(draws, 3)) * np.sqrt(kappa)
    found = {"eps": np.ones((draws, 1)), "q": a.sum(axis=1) ** 2, "pull": np.tile(kappa, (draws, 1))}
    D = (a * a.sum(axis=1, keepdims=True))[..., None]
    found |= dict.fromkeys(("raw", "subtracted", "predicted", "student", "both", "matched"), D)
    for row in module.layer_rows("toy", "random", ("a", "b", "c"), found, True):
        # Four standard errors of a share.
        assert abs(row["negative"] - row["rank_one_law"]) < 4 * np.sqrt(0.25 / draws)


def test_half_frozen_law_is_that_of_a_random_half(module):
    """Many p_i of like size, half of them at random: the share below 0 is the normal law's, and far from 0."""
    p = np.random.default_rng(1).normal(size=(4, 300))
    p += 0.05 - p.mean(axis=1, keepdims=True)
    half = {"measured": p, "predicted": p, "mask": np.ones_like(p), "frozen": p.sum(axis=1)}
    half |= {"both": np.ones(4), "matched": np.ones(4)}
    row = module.frozen_row("toy", "random", "any", half, 4000)
    assert 0.05 < row["predicted"] < 0.45
    assert abs(row["negative"] - row["predicted"]) < 4 * row["error"] + 0.005
    assert row["mask_difference"] == row["matched_difference"] == 0


def test_run_on_one_network(module, tables):
    """Layers add up to the whole, at a shared init to one; restricted pairs never turn away; errors fall like ε."""
    assert [row["layer"] for row in tables["layers"][:2]] == ["Dense_0", "head"]
    for row in tables["sums"]:
        assert row["layers_over_whole"] < module.SAME and row["slope"] == pytest.approx(1, abs=0.1)
        assert (abs(row["predicted_sum"] - 1) < module.SAME) == (row["case"] != module.APART)
    for row in tables["layers"]:
        assert row["restricted_difference"] < module.SAME
        assert row["case"] == module.APART or row["matched_least"] >= 0
    assert all(row["matched_negative"] == 0 and row["mask_difference"] < module.SAME for row in tables["frozen"])
    assert any(row["negative"] > 0 for row in tables["frozen"])


def test_layers_in_another_order_are_noticed(module, cases):
    found, names = module.measured(cases["random"]), module.names(cases["random"])
    planted = found | {"predicted": found["predicted"][:, ::-1]}
    rows = [module.layer_rows("mlp", "random", names, each, False) for each in (found, planted)]
    good, bad = (max(row["difference"] for row in each) for each in rows)
    assert good < 0.01 < 0.05 < bad


def test_saved_rows_draw_the_figure(module, tables):
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")
