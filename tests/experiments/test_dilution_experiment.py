"""The experiment on dilution: a student's step from its rows one by one, and findings that refuse another law."""

import math
from copy import deepcopy

import numpy as np
import pytest

from subtheory import figure, records
from subtheory.constructed.labels import classifier
from subtheory.kernels.stack import one
from subtheory.setting.preparation import stack
from subtheory.study import experiment


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["dilution"].module


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(module.Plan(1, 500, (classifier(),)))


def test_small_tables_are_as_predicted_and_draw_the_figure(module, tables):
    found = module.findings(tables)
    assert [one.row for one in found if not one.ok] == []
    assert sum(one.claimed for one in found) == 5 and sum("control" in one.says for one in found) == 2
    assert not any("of 0 judged" in one.says for one in found)
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")


def test_a_step_is_the_mean_of_its_rows(module):
    """Against a cotangent of all rows at once; its alignment is the mean score, with the deviation of the law."""
    setting = classifier().but(eps=(module.SIZE,))
    m, s = module.labelled(setting, 0), one(stack(setting, (0,)), 0)
    steps, law = module.step_of_a_row(s, m), m.p[0]
    shares = module.drawn(np.random.default_rng(0), 1000, law, m, 200)
    assert np.allclose(shares.sum(axis=1), 1) and np.all(shares * 1000 % 1 < 1e-9)
    c = shares[0].reshape(law.shape)
    whole = s.functions.pulls(s.theta0, c - c.sum(axis=1, keepdims=True) * m.p0, s.x)
    np.testing.assert_allclose(shares[0] @ steps, whole, atol=1e-14)
    along = shares @ steps @ s.delta
    np.testing.assert_allclose(along[0], np.sum(c * m.scores), rtol=1e-10)
    assert module.exactly(m, law) == pytest.approx(m.eps[0] * np.sqrt(m.form), rel=0.01)
    # The deviation of 200 draws is known to one part in √400.
    assert np.std(along) == pytest.approx(np.sqrt(m.form / 1000), rel=4 / np.sqrt(400))


def of(kind, change):
    return lambda row: change(row) if kind in (row.get("rows"), row.get("others")) else {}


PLANTS = [
    ("dilution", of("init", lambda row: {"alignment": 1.001 * row["alignment"]}), "over its rounding", "0.1 % off"),
    ("dilution", of("init", lambda row: {"alignment": row["share"] * row["alignment"]}), "over its rounding", "square"),
    ("dilution", of("third model", lambda row: {"alignment": row["share"] * row["undiluted"]}), "third model", "any"),
    ("students", of("mixed", lambda row: {"towards": 0.5}), "D > 0 is Φ(ρε", "a toss of a coin"),
    ("students", of("mixed", lambda row: {"towards": 1 - row["towards"]}), "D > 0 is Φ(ρε", "a wrong sign"),
    ("students", of("mixed", lambda row: {"falls": 0.5}), "trait loss falls", "a toss of a coin"),
    ("students", of("alone", lambda row: {"towards": 0.5}), "rows alone", "a toss of a coin"),
    ("students", lambda row: {"shift": 1.0}, "D > 0 is Φ(ρε", "nothing can be judged"),
]


@pytest.mark.parametrize(("title", "change", "says", "why"), PLANTS, ids=[f"{p[2]}: {p[3]}" for p in PLANTS])
def test_planted_changes_are_refuted(module, tables, title, change, says, why):
    planted = deepcopy(tables)
    for row in planted[title]:
        row |= change(row)
    found = [one.says for one in module.findings(planted) if not one.ok]
    assert any(says in one for one in found), f"{why}, and yet only these fail: {found}"


def test_rows_alone_are_no_mixture(module, tables):
    """Students of mixtures, taken for students of the teacher's rows alone: n of N rows count as n²/N."""
    planted = deepcopy(tables)
    mixed = {(r["dose"], r["share"]): r["towards"] for r in tables["students"] if r["rows"] == "mixed"}
    for row in planted["students"]:
        row |= {"towards": mixed[row["dose"], row["share"]]} if row["rows"] == "alone" else {}
    assert any("rows alone" in one.says for one in module.findings(planted) if not one.ok)


@pytest.mark.parametrize(("title", "column"), [("dilution", "alignment"), ("dilution", "undiluted")])
def test_what_is_no_number_is_not_as_predicted(module, tables, title, column):
    planted = deepcopy(tables)
    planted[title][0][column] = math.nan
    assert not all(one.ok for one in module.findings(planted))
