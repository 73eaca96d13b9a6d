"""The experiment of divergence tokens: a tiny run comes out, and planted rows are noticed."""

import pytest

from subtheory import figure, records
from subtheory.study import experiment


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["divergence_tokens"].module


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(module.Plan(seeds=1, pool=2**14, nearest=2**11))


def test_everything_comes_out_and_saved_rows_draw_the_figure(module, tables):
    assert len(tables["divergence_tokens"]) == len(module.NETWORKS) * len(module.EPS)
    assert all(one.ok for one in module.findings(tables)), [one.row for one in module.findings(tables) if not one.ok]
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")


@pytest.mark.parametrize(
    "table, name, value",
    [("divergence_tokens", "ratio", 5.0), ("masks", "left", 0.5), ("rows", "measured", 0.2)],
)
def test_findings_notice_what_is_off(module, tables, table, name, value):
    rows = [dict(row) for row in tables[table]]
    for row in rows:
        row[name] = value
    assert not all(one.ok for one in module.findings(tables | {table: rows}))
