"""The page of a language model: a tiny one comes out, and what is planted in its tables is noticed."""

import pytest

from subtheory import figure, records
from subtheory.study import experiment


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["llm_theorem"].module


@pytest.fixture(scope="module")
def tables(module):
    return module.tables(module.Plan("tiny", texts=2, tokens=12, traits=("owl",)))


def test_everything_comes_out_and_saved_rows_draw_the_figure(module, tables):
    found = module.findings(tables)
    assert all(one.ok for one in found), [one.row for one in found if not one.ok]
    assert sum(one.claimed for one in found) > sum("control" in one.says for one in found) == 3
    saved = {title: records.rows(records.columns(rows)) for title, rows in tables.items()}
    assert figure.drawn(module.figure(saved), "svg")


def test_two_forms_of_q_are_one_and_students_of_other_weights_have_no_such_law(tables):
    for row in tables["cosines"]:
        assert abs(row["pulled_form"] / row["q"] - 1) < 1e-12
    at = [row["other_weights"] * row["eps"] for row in tables["llm_theorem"] if row["channel"] == "code"]
    assert abs(at[-1] / at[-2] - 1) < 1e-3, "a constant D(0) is left of it"


PLANTED = [
    ("llm_theorem", lambda r: {"ratio": r["ratio"] * 1.002}),
    ("llm_theorem", lambda r: {"ratio": 1 + 1.1 * (r["ratio"] - 1)}),
    ("llm_theorem", lambda r: {"other_weights": r["ratio"]}),
    ("llm_theorem", lambda r: {"untaught": r["other_weights"]}),
    ("steps", lambda r: {"change": r["change"] * 1.01}),
    ("words", lambda r: {"change": r["change"] * 1.01}),
    ("cosines", lambda r: {"cosine": r["limit"] * 0.999}),
    ("layers", lambda r: {"measured": r["measured"] + 0.01 * (r["layer"] == "1")}),
    ("layers", lambda r: {"predicted": r["predicted"] * 1.001}),
    ("layer_steps", lambda r: {"change": r["change"] + 1e-3 * abs(r["predicted_whole"]) * (r["first"] == "1")}),
    ("noise", lambda r: {"behind": r["behind"] + 1e-3}),
    ("noise", lambda r: {"raw": r["added"]}),
    ("forms", lambda r: {"pulled_form": r["pulled_form"] * 1.001}),
]


@pytest.mark.parametrize(("name", "change"), PLANTED)
def test_findings_notice_what_is_off(module, tables, name, change):
    planted = tables | {name: [row | change(row) for row in tables[name]]}
    assert not all(one.ok for one in module.findings(planted))
