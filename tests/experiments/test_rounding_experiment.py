"""The experiment of rounded labels: a tiny run comes out, and planted rows are noticed."""

import pytest

from subtheory import figure, records
from subtheory.study import experiment


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["rounding"].module


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(module.Plan(seeds=1, rows=2**12, few=100))


def test_everything_comes_out_and_saved_rows_draw_the_figure(module, tables):
    assert len(tables["rounding"]) == 2 * len(module.FINENESS) and len(tables["few"]) == len(module.FINENESS)
    assert all(one.ok for one in module.findings(tables)), [one.row for one in module.findings(tables) if not one.ok]
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")


@pytest.mark.parametrize("table, name, value", [("rounding", "share", 0.0), ("rounding", "share", 1.0),
                                                ("few", "silent", 0.5)])  # fmt: skip
def test_findings_notice_what_is_off(module, tables, table, name, value):
    rows = [dict(row) | {name: value} for row in tables[table]]
    assert not all(one.ok for one in module.findings(tables | {table: rows}))
