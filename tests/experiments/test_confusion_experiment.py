"""The experiment of several traits: a tiny run comes out, and planted rows are noticed."""

import numpy as np
import pytest
from shapes import SMOOTH

from subtheory import figure, records
from subtheory.study import experiment


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["confusion"].module


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(module.Plan(networks=(SMOOTH,), seeds=2, bases=2, rows=128, width=4, guests=100))


def test_everything_comes_out_and_saved_rows_draw_the_figures(module, tables):
    assert len(tables["confusion"]) == 2 * 25 and len(tables["trained"]) == 2 * 49 and len(tables["bases"]) == 2
    assert all(one.ok for one in module.findings(tables)), [one.row for one in module.findings(tables) if not one.ok]
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert all(figure.drawn(one, "svg") for one in module.figure(saved).values())


def test_seven_ways_to_label_the_same_images(module):
    known = module.lessons()
    assert len(known) == 7 and len({one.x.shape for one in known.values()}) == 1
    assert all(set(np.unique(one.labels)) <= set(range(10)) for one in known.values())
    assert np.array_equal(known["mirrored"].labels, known["digit"].labels)


@pytest.mark.parametrize("table, name, value", [("steps", "off", 1.0), ("steps", "elsewhere", 0.0),
                                                ("pools", "outgrown", 2.0), ("guests", "beyond", 2.0),
                                                ("guests", "beyond", 0.0)])  # fmt: skip
def test_findings_notice_what_is_off(module, tables, table, name, value):
    rows = [dict(row) | {name: value} for row in tables[table]]
    assert not all(one.ok for one in module.findings(tables | {table: rows}))


def test_correlations_are_claimed_of_enough_bases_alone(module, tables):
    rows = [dict(row) | {"base": base} for base in range(module.DECIDES) for row in tables["bases"][:1]]
    turned = [row | {"own": 1.0 + 0.1 * row["base"], "displacement, change": -0.5 - 0.01 * row["base"]} for row in rows]
    planted = tables | {"bases": turned, "summary": module.summary_rows(turned)}
    claimed = [one for one in module.findings(planted) if one.says.startswith(("trained", "the same with"))]
    assert sum(one.claimed for one in claimed) == 2 and not any(one.ok for one in claimed if one.claimed)
