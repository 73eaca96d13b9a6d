"""The layers experiment: forms against dense matrices, the two laws against simulation, and a run on one network."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from subtheory import experiment, figure, records
from subtheory.init import layers
from subtheory.networks import MLP
from subtheory.numerics import float64, to_numpy
from subtheory.theory.curvature import ggn

SEEDS = 3
NETWORK = MLP(width=3, depth=1)


@pytest.fixture(scope="module")
def module():
    with pytest.MonkeyPatch.context() as patch:
        found = experiment.experiments()["layers"].module
        patch.setattr(found, "QUICK_SEEDS", SEEDS)
        patch.setattr(found, "NETWORKS", (NETWORK,))
        patch.setattr(found, "MASKS", 40)
        yield found


@pytest.fixture(scope="module")
def cases(module):
    return module.cases(NETWORK, tuple(range(SEEDS)))


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(quick=True)


def dense(d):
    """G, Δ, the random half, and the slice of every layer, of the first draw."""
    one = jax.tree.map(lambda leaf: jnp.asarray(leaf)[0], d)
    flat, unravel = ravel_pytree(one.theta0)
    G = jax.vmap(lambda v: ravel_pytree(ggn(one)(unravel(v)))[0])(jnp.eye(flat.size))
    index = unravel(jnp.arange(flat.size, dtype=flat.dtype))
    where = {name: np.asarray(ravel_pytree(index[name])[0]).astype(int) for name in layers(one.theta0)}
    return np.asarray(G), np.asarray(ravel_pytree(one.delta)[0]), np.asarray(ravel_pytree(one.trainable)[0]), where


@pytest.mark.parametrize("narrowed", [False, True])
def test_layers_and_halves_are_blocks(module, cases, narrowed):
    """Δ_ℓ·(GΔ)_ℓ, Δ_ℓᵀG_ℓℓΔ_ℓ, Δ_i(GΔ)_i and ΔᵀQGQΔ from the matrix; G has rank one on a narrowed channel."""
    with float64():
        d = cases["random"]
        d = module.narrow(d) if narrowed else d
        found, half = to_numpy(module.measured(d)), to_numpy(module.halved(d))
        G, Delta, mask, where = dense(d)
    assert (np.linalg.matrix_rank(G, tol=1e-10 * np.abs(G).max()) == 1) == narrowed
    # Of the smallest ε; the order of what is left is judged by its slope elsewhere.
    eps = found["eps"][0, -1]
    for i, name in enumerate(where):
        at = where[name]
        wanted = [Delta[at] @ (G @ Delta)[at], Delta[at] @ G[np.ix_(at, at)] @ Delta[at]]
        got = [found[key][0, i, -1] / eps for key in ("predicted", "matched")]
        np.testing.assert_allclose(got, wanted, rtol=1e-10)
        assert found["pull"][0, i] == pytest.approx(np.sum((G @ Delta)[at] ** 2), rel=1e-10)
    np.testing.assert_allclose(half["predicted"][0], Delta * (G @ Delta), rtol=1e-9, atol=1e-12 * Delta @ G @ Delta)
    assert half["matched"][0] == pytest.approx((mask * Delta) @ G @ (mask * Delta), rel=1e-10)
    assert half["frozen"][0] == pytest.approx(np.sum(mask * half["measured"][0]), rel=1e-9)


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


def test_half_frozen_law_is_that_of_a_random_half(module, monkeypatch):
    """Many p_i of like size, half of them at random: the share below 0 is the normal law's, and far from 0."""
    monkeypatch.setattr(module, "MASKS", 4000)
    p = np.random.default_rng(1).normal(size=(4, 300))
    p += 0.05 - p.mean(axis=1, keepdims=True)
    half = {"measured": p, "predicted": p, "mask": np.ones_like(p), "frozen": p.sum(axis=1)}
    half |= {"both": np.ones(4), "matched": np.ones(4)}
    row = module.frozen_row("toy", "random", "any", half)
    assert 0.05 < row["predicted"] < 0.45
    assert abs(row["negative"] - row["predicted"]) < 4 * row["error"] + 0.005
    assert row["mask_difference"] == row["matched_difference"] == 0


def test_run_on_one_network(module, tables):
    """Layers add up to the whole, at a shared init to one; restricted pairs never turn away; errors fall like ε."""
    names = layers(module.cases(NETWORK, (0,))["random"].theta0)
    assert [row["layer"] for row in tables["layers"][: len(names)]] == list(names)
    for row in tables["sums"]:
        assert row["layers_over_whole"] < module.SAME and row["slope"] == pytest.approx(1, abs=0.1)
        assert (abs(row["predicted_sum"] - 1) < module.SAME) == (row["case"] != module.APART)
    for row in tables["layers"]:
        assert row["restricted_difference"] < module.SAME
        assert row["case"] == module.APART or row["matched_least"] >= 0
    assert all(row["matched_negative"] == 0 and row["mask_difference"] < module.SAME for row in tables["frozen"])
    assert any(row["negative"] > 0 for row in tables["frozen"])


def test_layers_in_another_order_are_noticed(module, cases):
    with float64():
        found = to_numpy(module.measured(cases["random"]))
    names = layers(cases["random"].theta0)
    planted = found | {"predicted": found["predicted"][:, ::-1]}
    rows = [module.layer_rows("mlp", "random", names, each, False) for each in (found, planted)]
    good, bad = (max(row["difference"] for row in each) for each in rows)
    assert good < 0.01 < 0.05 < bad


def test_saved_rows_draw_the_figure(module, tables):
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")
