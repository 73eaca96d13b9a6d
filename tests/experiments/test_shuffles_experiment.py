"""The shuffles experiment: a share against simulation, planted slopes that findings notice, and a tiny run."""

import numpy as np
import pytest

from subtheory import figure, records
from subtheory.study import experiment


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["shuffles"].module


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(module.Plan(seeds=1, draws=100))


def test_a_skewed_sum_is_above_zero_as_often_as_simulated(module):
    """Of 12 exponential numbers each; the next term is of order 1/12."""
    rng, n, draws = np.random.default_rng(0), 12, 200_000
    noise = (rng.exponential(size=(draws, n)).sum(axis=1) - n) / np.sqrt(n)
    for signal in (0.0, 0.7, 1.5):
        found, plain = np.mean(noise > -signal), module.above_zero(signal, 0.0)
        predicted = module.above_zero(signal, 2 / np.sqrt(n))
        assert abs(found - predicted) < 0.01
        assert abs(found - predicted) < abs(found - plain) or signal > 0.9


def test_everything_comes_out_and_saved_rows_draw_the_figure(module, tables):
    assert len(tables["shuffles"]) == len(module.ORDERS) * len(module.TEACHERS) * len(module.ARMS)
    assert all(one.ok for one in module.findings(tables)), [one.row for one in module.findings(tables) if not one.ok]
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")


@pytest.mark.parametrize(
    "table, name, value",
    [
        ("shuffles", "outgrown", 2.0),
        ("two_tokens", "measured", 3.5),
        ("sampled", "mean_off", 9.0),
        ("sampled", "measured", 0.0),
    ],
)
def test_findings_notice_what_is_off(module, tables, table, name, value):
    rows = [dict(row) for row in tables[table]]
    at = max(range(len(rows)), key=lambda i: rows[i].get("signal", -i))
    rows[at][name] = value
    assert not all(one.ok for one in module.findings(tables | {table: rows}))
