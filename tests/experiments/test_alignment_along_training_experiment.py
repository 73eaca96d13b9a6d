"""The experiment of alignment along training: a tiny run comes out, and planted rows are noticed."""

import numpy as np
import pytest

from subtheory import figure, records
from subtheory.study import experiment


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["alignment_along_training"].module


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(module.Plan(seeds=8, steps=24, examples=16, all_steps=8, all_examples=16, width=8))


def test_everything_comes_out_and_saved_rows_draw_the_figure(module, tables):
    found = module.findings(tables)
    assert all(one.ok for one in found), [one.row for one in found if not one.ok]
    assert 3 <= sum(one.claimed for one in found) <= 6 and any("control" in one.says for one in found)
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")


def test_what_is_predicted_of_another_loss_is_measured(tables):
    """Within a twentieth of the largest change of its student: signs that cancel leave little to compare."""
    for seed in range(8):
        own = [row for row in tables["first_step"] if row["seed"] == seed]
        change, predicted = (np.array([row[name] for row in own]) for name in ("change", "predicted"))
        assert np.abs(change - predicted).max() < 0.05 * np.abs(change).max()


PLANTED = [
    ("cosine", lambda row: row["cosine"] * (0.9 if row["reach"] == "near" else 1.0)),
    ("cosine", lambda row: -row["cosine"] if row["reach"] == "far" else row["cosine"]),
    ("left", lambda row: row["left"] * (1.1 if row["student"] == "without Δ" and row["step"] else 1.0)),
    ("trait_change", lambda row: -row["trait_change"]),
]


@pytest.mark.parametrize(("name", "change"), PLANTED)
def test_findings_notice_what_is_off(module, tables, name, change):
    rows = [row | {name: change(row)} for row in tables["alignment_along_training"]]
    found = module.findings(tables | {"alignment_along_training": rows})
    assert not all(one.ok for one in found if one.claimed)


def test_a_sign_that_turns_before_the_bound_is_noticed(module, tables):
    late = max(row["step"] for row in tables["first_step"] if row["step"] < row["bound"])
    rows = [row | {"change": -row["change"] if row["step"] == late else row["change"]} for row in tables["first_step"]]
    found = module.findings(tables | {"first_step": rows})
    assert [one.says for one in found if not one.ok] == ["P53: changes before the bound with the first one's sign"]
