"""The experiment of optimizers: a tiny run comes out, its files refute, and planted rows are noticed."""

import json

import jax
import numpy as np
import optax
import pytest

from subtheory import figure, records
from subtheory.cases.strategies import SHAPES
from subtheory.claims import OVER_READINGS
from subtheory.falsification import counterexample
from subtheory.kernels.stack import norm
from subtheory.numerics import float64
from subtheory.setting.preparation import resting
from subtheory.study import experiment


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["optimizers"].module


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(module.Plan((SHAPES["tanh-3"],), ("SGD", "Muon"), metrics=2, draws=10, steps=2, toy=2000))


def test_everything_comes_out_and_saved_rows_draw_the_figures(module, tables):
    assert len(tables["optimizers"]) == 8 and len(tables["metrics"]) == 4 and len(tables["toy"]) == 18
    assert all(one.ok for one in module.findings(tables)), [one.row for one in module.findings(tables) if not one.ok]
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert all(figure.drawn(one, "svg") for one in module.figure(saved).values())


def test_files_of_every_kind_refute_when_they_are_run_again(module, tables, tmp_path):
    found = module.files(tables)
    assert len(found) == len(module.APART)
    for name, text in found.items():
        (tmp_path / name).write_text(text, "utf-8")
        told = counterexample.read(tmp_path / name)
        evidence, still = counterexample.replay(OVER_READINGS[told["claim"]], told, SHAPES)
        assert still and evidence.margin == pytest.approx(json.loads(text)["evidence"]["margin"], rel=1e-6)


def test_many_runs_are_those_of_the_optimizer_alone(module):
    """Muon sees the shapes of parameters: one run by optax on the pytree itself, at its own rate."""
    s = resting(module.base(SHAPES["tanh-3"]), (0, 1))[0]
    slope = lambda theta: s.trait.gradient(s.functions, theta)  # noqa: E731
    moved = module.walked("Muon", s, slope, 1, lambda change, gradient: 0.1 * norm(gradient))
    own, tree = optax.contrib.muon(1.0), s.functions.layout.unflatten
    with float64():
        update = jax.jit(lambda gradient, theta: own.update(gradient, own.init(theta), theta)[0])
        change = np.asarray(s.functions.layout.flatten(update(tree(slope(s.theta0)[1]), tree(s.theta0[1]))))
    expected = 0.1 * np.linalg.norm(slope(s.theta0)[1]) * change / np.linalg.norm(change)
    np.testing.assert_allclose(moved[1], expected, rtol=1e-9, atol=1e-14)


@pytest.mark.parametrize("table, name, value", [("metrics", "raised", 1), ("metrics", "raised_low", 0.0),
                                                ("metrics", "rounding", 1),
                                                ("optimizers", "opposed", 1), ("toy", "predicted", 0.5),
                                                ("toy", "opposed", 0.1)])  # fmt: skip
def test_findings_notice_what_is_off(module, tables, table, name, value):
    rows = [dict(row) | {name: value} for row in tables[table]]
    assert not all(one.ok for one in module.findings(tables | {table: rows}))
    fewer = {"counterexamples": tables["counterexamples"][1:]}
    assert not all(one.ok for one in module.findings(tables | fewer))
