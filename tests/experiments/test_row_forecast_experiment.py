"""The row forecast experiment: its steps by autodiff, small tables that come out, and planted changes that do not."""

from copy import deepcopy

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shapes import ATTENTION, SMOOTH

from subtheory import figure, records
from subtheory.kernels.stack import one
from subtheory.numerics import float64
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.study import experiment
from subtheory.theory.losses import CrossEntropy

ROWS = 20


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["row_forecast"].module


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(module.Plan((SMOOTH, ATTENTION), seeds=2, rows=ROWS))


@pytest.mark.parametrize("network", [SMOOTH, ATTENTION], ids=lambda network: network.name)
def test_steps_on_some_rows_are_gradients_of_their_mean(module, network):
    s = one(stack(Setting(network, CrossEntropy(), examples=4), (0,)), 0)
    b = module.base(s, s.trait, np.random.default_rng(0))
    keep = np.array([[1.0, 0, 1, 1], [1, 1, 1, 1]])
    with float64():

        def mean(theta, keep):
            z = jax.vmap(lambda x: network.apply(s.functions.layout.unflatten(theta), x))(s.x)
            own = jnp.take_along_axis(jax.nn.log_softmax(z, axis=-1), b.y[..., None], axis=-1).reshape(len(s.x), -1)
            return jnp.sum(keep[:, None] * own) / jnp.sum(keep[:, None] * jnp.ones_like(own))

        slope = jax.jit(jax.grad(mean))
        slow = [np.asarray(slope(jnp.asarray(s.theta0), each)) for each in keep]
    np.testing.assert_allclose(b.steps(b.y, keep), slow, atol=1e-13)
    informations = b.known(b.y, b.delta).information
    assert informations.sum() / 2 == pytest.approx(module.DOSE)
    alpha = module.ladder(b, slow[0])
    moved = s.functions.values(s.theta0 + alpha[-1] * slow[0], s.x) - b.z
    assert np.sqrt(np.mean(moved**2) / np.mean(b.z**2)) == pytest.approx(1e-2 * 4.0**-5, rel=1e-3)


def test_small_tables_come_out_and_are_drawn(module, tables):
    found = module.findings(tables)
    assert [one.row for one in found if not one.ok] == []
    assert sum(one.claimed for one in found) == 6 and sum("control" in one.says for one in found) == 2
    assert records.columns(tables["sums"]) and records.columns(tables["dropped"])
    assert len(tables["dropped"]) == 2 * len(module.SCORES) * len(module.SHARES)
    assert figure.drawn(module.figure(tables), "png")
    first = {(row["network"], row["score"]): row for row in tables["dropped"] if row["share"] == 0.4}
    for network in (SMOOTH.name, ATTENTION.name):
        assert first[network, "forecast"]["lost_D"] > first[network, "difficulty"]["lost_D"]
        row = first[network, "forecast of the trait"]
        assert row["lost_L"] == pytest.approx(row["lost_L_forecast"], abs=1e-2)


def planted(tables, title, **columns):
    found = deepcopy(tables)
    for row in found[title]:
        row |= {name: change(row) for name, change in columns.items()}
    return found


PLANTS = [
    ("sums", {"off": lambda row: 3.0}, "over its rounding, at most"),
    ("sums", {"off": lambda row: np.nan}, "over its rounding, at most"),
    ("sums", {"outgrown": lambda row: 1.5}, "trait loss less its forecast"),
    ("sums", {"permuted": lambda row: 0.5}, "permuted rows"),
    ("sums", {"pearson_outgrown": lambda row: 2.0}, "P48"),
    ("dropped", {"beyond": lambda row: -1e-3 * (row["score"] == "difficulty")}, "beyond any others'"),
    ("dropped", {"deviations": lambda row: 6.0 * (row["score"] == "random")}, "random rows"),
]


@pytest.mark.parametrize(("title", "columns", "says"), PLANTS, ids=[plant[2] for plant in PLANTS])
def test_planted_changes_are_refuted(module, tables, title, columns, says):
    failed = [one.says for one in module.findings(planted(tables, title, **columns)) if not one.ok]
    assert len(failed) == 1 and says in failed[0]
