"""The experiment on generations: a tiny run comes out, and planted rows are noticed."""

import pytest

from subtheory import figure, records
from subtheory.study import experiment


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["generations"].module


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(module.Plan(chains=2, hops=4, draws=20, networks=("perceptron",)))


def test_everything_comes_out_and_saved_rows_draw_the_figures(module, tables):
    found = module.findings(tables)
    assert [one.row for one in found if not one.ok] == []
    assert sum("control" in one.says for one in found) == 3
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert all(figure.drawn(each, "svg") for each in module.figure(saved).values())


def falling(row):
    return {"retention": 0.9 - 0.1 * row["hop"]} if row["kind"] == "same inputs" else {}


PLANTED = [
    ("chains", falling, "falls of the retention"),
    ("chains", lambda row: {"retention": row["retention"] + 0.01}, "ratio of moments"),
    ("chains", lambda row: {"retention": 0.5}, "control: share of chains"),
    ("chains", lambda row: {"trait": row["trait"] + 0.01}, "go on"),
    ("chains", lambda row: {"trait": row["trait"] / 2}, "product of its channels"),
    ("signs", lambda row: {"share": abs(row["share"])}, "turn away, by channel"),
    ("signs", lambda row: {"share": -row["share"]}, "draw by draw"),
    ("signs", lambda row: {"share": -row["share"]}, "one channel, control"),
    ("repaired", lambda row: {"share": -row["share"]}, "sign as predicted, of shares"),
    ("repaired", lambda row: {"share": row["share"] + 0.01}, "student's inputs, control"),
]


@pytest.mark.parametrize(("table", "change", "says"), PLANTED, ids=[says for *_, says in PLANTED])
def test_findings_notice_what_is_off(module, tables, table, change, says):
    rows = [row | change(row) for row in tables[table]]
    assert any(says in one.says for one in module.findings(tables | {table: rows}) if not one.ok)
