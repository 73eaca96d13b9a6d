"""The detection experiment: its findings are true of a small table, and of none that says something else."""

import math
from copy import deepcopy

import pytest

from subtheory import figure, records
from subtheory.study import experiment


@pytest.fixture(scope="module")
def own():
    return experiment.experiments()["detection"].module


@pytest.fixture(scope="module")
def tables(own):
    return own.tables(own.Plan(seeds=2, draws=150))


def test_small_tables_are_as_predicted(own, tables):
    found = own.findings(tables)
    assert [one.row for one in found if not one.ok] == []
    assert 3 <= sum(one.claimed for one in found) <= 6 and any("control" in one.says for one in found)
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(own.figure(saved), "svg")


def test_arms_share_their_numbers_of_texts_and_differ_in_what_is_left(own, tables):
    doses = {arm: {row["texts"] for row in tables["detection"] if row["arm"] == arm} for arm in own.arms()}
    assert doses[own.RAW] == doses[own.FILTERED] == doses[own.MATCHED] and len(doses[own.RAW]) == 24
    left = {(row["arm"], row["seed"]): row for row in tables["residual"]}
    for seed in (0, 1):
        assert left[own.RAW, seed]["texts"] == pytest.approx(1, abs=1e-9)
        assert abs(left[own.MATCHED, seed]["letters"]) < 1e-5 < 0.05 < left[own.MATCHED, seed]["texts"]
        for row in (row for row in tables["residual"] if row["seed"] == seed):
            assert max(row["letters"], row["bigrams"]) <= row["texts"] + 1e-6


def of(changes, *names, arm=None):
    """A change of the rows of some detectors."""
    return lambda own, row: changes(row) if row["detector"] in names and arm in (None, row["arm"]) else {}


PLANTS = [
    (of(lambda row: {"towards": 1 - row["towards"]}, "student"), "student and likelihood ratio", "a wrong sign"),
    (of(lambda row: {"power": row["towards"]}, "likelihood ratio"), "student and likelihood ratio", "another level"),
    (of(lambda row: {"false": 0.2}, "likelihood ratio"), "student and likelihood ratio", "an init called a teacher"),
    (of(lambda row: {"auroc": 0.5}, "likelihood ratio"), "student and likelihood ratio", "a test at chance"),
    (of(lambda row: {"deflection": row["all_deflection"]}, "student", arm="letters matched"),
     "student and likelihood ratio", "a student that hears no more than is said"),
    (of(lambda row: {"deflection": row["all_deflection"]}, "letters"), "own Φ", "letters that see all"),
    (of(lambda row: {"auroc": 1.0}, "letters, χ²"), "no detector's AUROC", "a detector above its bound"),
    (of(lambda row: {"auroc": 0.0}, "letters, other teachers"), "no detector's AUROC", "one above it the other way"),
    (of(lambda row: {"auroc": 0.6}, "letters, fitted"), "letters matched", "a reader that sees something"),
    (of(lambda row: {"auroc": 0.5}, "letters", arm="all texts"), "control", "a reader that never sees anything"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "says", "why"), PLANTS, ids=[why for *_, why in PLANTS])
def test_planted_changes_are_refuted(own, tables, change, says, why):
    planted = deepcopy(tables)
    for row in planted["detection"]:
        row |= change(own, row)
    wrong = [one.says for one in own.findings(planted) if not one.ok]
    assert any(says in one for one in wrong), (why, wrong)


@pytest.mark.parametrize("column", ["towards", "power", "auroc"])
def test_what_is_no_number_is_not_as_predicted(own, tables, column):
    for arm in own.arms():
        planted = deepcopy(tables)
        for row in planted["detection"]:
            if row["arm"] == arm and row[f"{column}_judged"]:
                row[column] = math.nan
        assert not all(one.ok for one in own.findings(planted)), arm
