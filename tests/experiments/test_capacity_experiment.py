"""The experiment on capacity: a tiny run comes out, and planted rows are noticed."""

import numpy as np
import pytest

from subtheory import figure, records
from subtheory.study import experiment


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["capacity"].module


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(module.Plan(seeds=2, widths=(6,), draws=256, digits=2, rows=512, trained=4))


def test_everything_comes_out_and_saved_rows_draw_the_figures(module, tables):
    found = module.findings(tables)
    assert [one.row for one in found if not one.ok] == [] and sum("control" in one.says for one in found) == 2
    trained = [row for row in tables["capacity"] if np.isfinite(row["kept"])]
    assert len(trained) == 2 * 3 and all(row["m"] * row["inputs"] <= 4 for row in trained)
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert all(figure.drawn(one, "svg") for one in module.figure(saved).values())


@pytest.mark.parametrize(
    ("table", "change", "says"),
    [
        ("capacity", lambda row: {"outgrown": 1.5}, "trained"),
        ("capacity", lambda row: {"share": 1 / row["inputs"]}, "added"),
        ("capacity", lambda row: {"ceiling": 0.3}, "above the ceiling"),
        ("capacity", lambda row: {"ceiling": 1.0}, "control, all"),
        ("capacity", lambda row: {"random": row["share"]}, "random"),
        ("pairs", lambda row: {"cosine": 1.01 * row["share"] ** 0.5}, "squared cosine"),
        ("layers", lambda row: {"share": 2 * row["share"]}, "widest"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_findings_notice_what_is_off(module, tables, table, change, says):
    rows = [row | change(row) for row in tables[table]]
    assert any(says in one.says for one in module.findings(tables | {table: rows}) if not one.ok)


def test_a_lent_head_is_the_class_logits_alone(module):
    """Of a network whose numbers tell whose they are."""
    workload = module.Workload(module.digit_network(4), module.Schedule(rate=1e-3), module.Schedule(rate=1e-3), 256)
    params = {"body": np.zeros(3), "head": {"kernel": np.zeros((2, 4, 13)), "bias": np.zeros((2, 13))}}
    mixed = module.lent(workload, params, {"head": {"kernel": np.ones((2, 4, 13)), "bias": np.ones((2, 13))}})
    assert mixed["body"] is params["body"]
    assert mixed["head"]["kernel"].sum() == 2 * 4 * 10 and np.array_equal(
        mixed["head"]["bias"][0], [1.0] * 10 + [0.0] * 3
    )
