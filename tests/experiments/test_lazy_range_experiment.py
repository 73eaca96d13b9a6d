"""The experiment on the lazy range: tiny tables come out, and findings refuse students that leave it earlier."""

from copy import deepcopy

import pytest

from subtheory import figure, records
from subtheory.study import experiment


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["lazy_range"].module


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(module.Plan(seeds=2, widths=1, examples=2, kinds=("perceptron", "convolutional")))


def test_small_tables_are_as_predicted_and_draw_the_figure(module, tables):
    found = module.findings(tables)
    assert [one.row for one in found if not one.ok] == []
    assert sum(one.claimed for one in found) == 5 and sum("control" in one.says for one in found) == 1
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")


BROKEN = [
    ("students", lambda row: {"covered": 0.4}, "covered"),
    ("students", lambda row: {"off_along": row["off_along"] * 20}, "half the predicted radius"),
    ("students", lambda row: {"off": row["off"] * 1.8}, "measured radius over"),
    ("students", lambda row: {"off": min(row["off"], 0.5)}, "another init"),
    ("training", lambda row: {"off_along": row["eps"] ** 2}, "slope"),
]


@pytest.mark.parametrize(("title", "change", "says"), BROKEN, ids=[each[2] for each in BROKEN])
def test_other_numbers_are_not_as_predicted(module, tables, title, change, says):
    changed = deepcopy(tables)
    for row in changed[title]:
        row.update(change(row))
    assert any(says in one.says for one in module.findings(changed) if not one.ok)
