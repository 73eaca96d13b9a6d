"""The experiment along every path."""

from dataclasses import replace

import jax
import numpy as np
import optax
import pytest
from ablated import SETTING
from shapes import SMOOTH

from subtheory import figure, records
from subtheory.init import PATHS
from subtheory.networks import MLP
from subtheory.numerics import float64
from subtheory.study import experiment
from subtheory.study.ablation import known_paths
from subtheory.theory.distillation import at_rest, student_update, trait_loss
from subtheory.theory.losses import SquaredError


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["init_paths"].module


def test_every_path_has_a_group_and_a_network(module):
    grouped = [name for names in module.GROUPS.values() for name in names]
    assert sorted(grouped) == sorted(PATHS)
    found = [{name for name, _ in module.walked(network, module.PLAN.paths)} for network in module.PLAN.networks]
    assert set.union(*found) == set(PATHS)
    assert set(PATHS) - found[0] == {"head-permutation", "relu-rescaling", "gain-rescaling", "stream-rescaling"}
    assert {"width", "depth", "activation", "family"} <= set(known_paths(SETTING))


def test_experiment_on_one_tiny_network(module, monkeypatch):
    """Constants and orders are 1 where they must be, a planted error shows in both, saved rows draw the figure."""
    paths, losses, fractions = ("spherical", "permutation"), (SquaredError(),), (0.0, 0.5, 1.0)
    plan = module.Plan((SMOOTH,), paths, losses, 2, fractions, widths=(8,), inits=6, between=())
    kept = []
    real = module.checks
    monkeypatch.setattr(module, "checks", lambda crossings: (kept.append(crossings), real(crossings))[1])
    tables = module.tables(plan)
    for row in tables["errors"]:
        assert row["constant"] == pytest.approx(1, abs=1e-3) == row["trait_constant"]
        assert row["order"] == pytest.approx(1, abs=0.1) and (row["raw_scatter"] > 0.1) == (row["path"] == "spherical")
    for row in tables["init_paths"]:
        assert row["alignment"] == pytest.approx(row["alignment_predicted"], abs=2e-3)
        assert row["alignment_low"] <= row["alignment"] <= row["alignment_high"]
        if row["path"] == "permutation":
            assert row["trait_change"] == pytest.approx(1, abs=1e-9)
    planted = real([replace(c, kernel=1.01 * c.kernel) for c in kept[0]])
    assert abs(planted["constant"] - 1) > 1e-3 and abs(planted["order"] - 1) > 0.1
    assert len(tables["mean_field"]) == 2 * (len(module.RHOS) - 1)
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")


def test_mean_field_steps_are_those_of_the_definition(module):
    """What the teacher adds to one step, by plain gradients of the pair of inits that the key draws."""
    network, rho, i = MLP(width=3, task=module.TASK), 0.4, 1
    with float64():
        keys = jax.random.split(jax.random.key(3), 2)
        found = module.added_steps(network, keys, (1.0, rho))
        theta0, other = (network.init(key) for key in jax.random.split(keys[i]))
        d = at_rest(network, theta0, module.X, module.AUX, module.TRAIT)
        gain = lambda theta: jax.tree.map(lambda g: -g, jax.grad(lambda theta: trait_loss(d, theta))(theta))  # noqa: E731
        far = jax.tree.map(lambda a, b: rho * a + np.sqrt(1 - rho**2) * b, theta0, other)
        for k, student in enumerate((theta0, far)):
            each = replace(d, student=student, delta=gain(theta0))
            steps = [student_update(each, eps) for eps in (module.TINY, 0.0)]
            added = jax.tree.map(lambda a, b: (a - b) / module.TINY, *steps)
            wanted = [float(optax.tree.vdot(added, along)) for along in (each.delta, gain(student))]
            np.testing.assert_allclose(found[i, k], wanted, rtol=1e-6)


def test_ratios_of_means(module):
    """Against the mean and the spread of many draws of the same."""
    rng = np.random.default_rng(0)
    base = rng.normal(3, 1, size=(400, 50))
    values = np.stack([base, 0.5 * base + rng.normal(0, 1, size=base.shape)], axis=-1)
    found = np.array([module.ratios(each) for each in values])[:, :, 0]
    assert found[:, 0].mean() == pytest.approx(0.5, abs=4 * found[:, 0].std() / np.sqrt(400))
    assert found[:, 1].mean() == pytest.approx(found[:, 0].std(), rel=0.15)
