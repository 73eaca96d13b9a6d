"""The experiment on sampled signs: findings hold on a small plan, and refuse another law, another variable, a coin."""

import math
from copy import deepcopy

import numpy as np
import pytest
from scipy.stats import norm

from subtheory import figure, records
from subtheory.constructed.labels import classifier, texts
from subtheory.study import experiment


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["sampled_signs"].module


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(module.Plan((classifier().network,), (texts().network,), seeds=1, draws=1000))


def test_small_tables_are_as_predicted_and_draw_the_figure(module, tables):
    found = module.findings(tables)
    assert [one.row for one in found if not one.ok] == []
    assert sum(one.claimed for one in found) == 5 and sum("control" in one.says for one in found) == 2
    cells = tables["sampled_signs"]
    assert len(cells) == len(tables["control"]) == 2 * 2 * 4 * 3 * 5
    small = [row for row in cells if row["relative_size"] < 1e-3 and row["student"] == module.OWN]
    for at in {(row["run"], row["group"]) for row in small}:
        same = [row["deflection"] for row in small if (row["run"], row["group"]) == at]
        assert len(same) == 9 and np.ptp(same) < 1e-2, "cells of one number are compared with each other"
    assert all(row["judged"] == (row["shift"] < 0.2) for row in cells)
    assert all(row["judged"] for row in cells if row["relative_size"] < 1e-3)
    assert not all(row["judged"] for row in cells if row["relative_size"] > 0.1)
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")


def redrawn(law, where=lambda row: True):
    rng = np.random.default_rng(4)
    draw = lambda row: rng.binomial(row["draws"], norm.cdf(law(row))) / row["draws"]  # noqa: E731
    return lambda row: {"measured": float(draw(row))} if where(row) else {}


PLANTS = [
    ("sampled_signs", redrawn(lambda row: 2**0.5 * row["deflection"]), "Φ(√(2N KL))", "twice the divergence"),
    ("sampled_signs", redrawn(lambda row: 2**0.5 * row["deflection"]), "Φ(√(N KL))", "a control without noise"),
    ("sampled_signs", redrawn(lambda row: row["deflection"] / row["temperature"]), "of other ε", "τ counts as well"),
    ("sampled_signs", redrawn(lambda row: 0.0), "Φ(√(2N KL))", "a coin"),
    ("control", redrawn(lambda row: row["deflection"]), "control, labels", "labels of the init that know the teacher"),
    ("sampled_signs", lambda row: {"judged": False}, "can be judged", "nothing can be judged"),
]


@pytest.mark.parametrize(("title", "change", "says", "what"), PLANTS, ids=[plant[-1] for plant in PLANTS])
def test_what_is_not_the_law_is_found(module, tables, title, change, says, what):
    planted = deepcopy(tables)
    planted[title] = [row | change(row) for row in planted[title]]
    assert any(says in one.says and not one.ok for one in module.findings(planted)), what


def test_what_is_no_number_is_not_as_predicted(module, tables):
    for title in tables:
        planted = deepcopy(tables)
        next(row for row in planted[title] if row["judged"] and row["student"] == module.OWN)["measured"] = math.nan
        assert not all(one.ok for one in module.findings(planted))
