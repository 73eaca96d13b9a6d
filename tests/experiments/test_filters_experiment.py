"""The experiment on filters: accept sets are what they are called, and findings refuse what is off by a hundredth."""

import math
from copy import deepcopy

import numpy as np
import pytest

from subtheory import figure, records
from subtheory.constructed.labels import classifier, distilled, texts
from subtheory.study import experiment


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["filters"].module


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(module.Plan(1, (classifier(),)))


def test_small_tables_are_as_predicted_and_draw_the_figure(module, tables):
    found = module.findings(tables)
    assert [one.row for one in found if not one.ok] == []
    assert 3 <= len(found) <= 6 and sum("control" in one.says for one in found) == 2
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")


def test_accept_sets_are_many_and_none_is_a_single_output(module):
    """Those of texts by going through all of them, letter by letter."""
    setting = texts()
    found = list(module.of_texts(setting.network, 0))
    assert len({name for _, name, _ in found}) == len(found) >= 20
    assert {kind for kind, *_ in found} == set(module.KINDS[:3])
    counts = {name: int(chosen.sum()) for _, name, chosen in found}
    assert all(2 <= count < 64 for count in counts.values())
    assert counts["without 1"] == 27 and counts["not first 3"] == 48 and counts["ends as it begins"] == 16
    assert counts["no letter twice in a row"] == 36 and counts["no letter twice"] == 24 and counts["even sum"] == 32
    assert counts["letters in order"] == 20 and counts["two letters at most"] == 40
    known = distilled(classifier())
    assert all(2 <= chosen.sum() < len(known) for _, _, chosen in module.of_labels(known, 0))


def scaled(column, factor, where=lambda row: True):
    return lambda row: {column: factor * row[column]} if where(row) else {}


def shared(row):
    return row["init"] == "shared"


PLANTS = [
    ("filters", scaled("added", 1.01, shared), "variance of what passes", "a constant 1 % off"),
    ("filters", scaled("added", -1, shared), "variance of what passes", "a wrong sign"),
    ("thinning", scaled("added", 1.01), "variance of what passes", "thinning 1 % off"),
    ("thinning", lambda row: {"added": abs(row["added"])}, "variance of what passes", "thinning never turns it"),
    ("filters", scaled("constant", 1.01), "raw D off", "a constant 1 % off"),
    ("filters", lambda row: {"raw": row["added"]}, "slope of log|D/ε|", "nothing diverges"),
    ("filters", lambda row: {"raw": row["raw"] * row["relative_size"] ** 0.1}, "slope of log|D/ε|", "a slope of −0.9"),
    ("filters", lambda row: {"raw": abs(row["raw"])}, "behind a filter by", "never negative"),
    ("inputs", scaled("raw", 1.01), "filter of inputs", "q is 1 % off"),
    ("filters", lambda row: {"added": row["eps"] * row["variance"]}, "another init", "any init will do"),
]


@pytest.mark.parametrize(("title", "change", "says", "why"), PLANTS, ids=[f"{p[0]}: {p[3]}" for p in PLANTS])
def test_planted_changes_are_refuted(module, tables, title, change, says, why):
    planted = deepcopy(tables)
    for row in planted[title]:
        row |= change(row)
    found = [one.says for one in module.findings(planted) if not one.ok]
    assert any(says in one for one in found), f"{why}, and yet only these fail: {found}"


@pytest.mark.parametrize(
    ("title", "column"), [("filters", "raw"), ("filters", "added"), ("thinning", "added"), ("inputs", "raw")]
)
def test_what_is_no_number_is_not_as_predicted(module, tables, title, column):
    planted = deepcopy(tables)
    planted[title][-1 if title != "filters" else 5][column] = math.nan
    assert not all(one.ok for one in module.findings(planted))


def test_a_slope_of_minus_one_is_allowed_what_the_trait_part_makes_of_it(module):
    """D = 2 + 3ε between ε = 4e-3 and 1e-3."""
    eps = np.array([4e-3, 1e-3])
    run = {"raw": 2 + 3 * eps, "eps": eps, "variance": np.full(2, 3.0), "constant": np.full(2, 2.0)}
    slope, allowed = module.raw_slope(run)
    assert -1 < slope and abs(slope + 1) < allowed < 3 * abs(slope + 1)
