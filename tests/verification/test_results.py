"""A result in the hand: by name, run by run, as a file that reads back equal, as a table elsewhere, as a picture."""

import json
import sys
from dataclasses import replace
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from samples import claim, control, holding, mixed

import subtheory as st
from subtheory.claim import Evidence, Verdict
from subtheory.claims import CLAIMS
from subtheory.errors import UnknownName
from subtheory.verification.results import Verification
from subtheory.verification.runs import Runs
from subtheory.verification.verdicts import summarize

SETTING = st.Setting(st.MLP(width=4, depth=1))
OTHER = SETTING.but(outputs="aux")
FOUND = [
    (SETTING, 7, Evidence(1.25, 1.0, 0.5, eps=0.02)),
    (SETTING, 8, Evidence(np.nan, 1.0, 0.0, vacuous="nothing to see")),
    (OTHER, 7, Evidence(-3.0, 1.0, -np.inf, eps=0.01)),
]


def kept():
    """A claim judged on three runs: one holds, one says nothing, one fails beyond all bounds."""
    return summarize(CLAIMS["cosine-limit"], FOUND, 2)


def result():
    return Verification(
        (kept(), claim("sign-rule", Verdict.UNDECIDED, reason="too few")), {"seeds": [7, 8]}, ("a", "b")
    )


@pytest.mark.parametrize("name", ["alignment-is-ggn", "sign", 3])
def test_a_missing_name_is_both_errors_and_says_what_was_meant(name):
    with pytest.raises(KeyError):
        mixed()[name]
    with pytest.raises(st.InputError, match=r"claim: (unknown, did you mean '|must be )") as refused:
        mixed()[name]
    assert not str(refused.value).startswith('"') and isinstance(refused.value, UnknownName)


def test_claims_are_walked_counted_and_found():
    found = mixed()
    assert [one.name for one in found] == [one.name for one in found.claims] and len(found) == len(list(found))
    assert "zero-branch" in found and found["zero-branch"] in found and "zero" not in found


def test_a_row_is_a_run_with_its_own_numbers():
    rows = result().rows
    assert str(rows) == str(kept().rows) and len(rows) == 3, "controls and claims without runs of their own add none"
    assert [row["seed"] for row in rows] == [7, 8, 7] and rows[2]["setting"] == OTHER.shown != rows[0]["setting"]
    assert rows[0] == {"claim": "cosine-limit", "setting": SETTING.shown, "seed": 7, "eps": 0.02, "measured": 1.25,
                       "predicted": 1.0, "margin": 0.5, "verdict": "holds"}  # fmt: skip
    assert [row["verdict"] for row in rows] == ["holds", "vacuous", "fails"] and rows[2]["margin"] == -np.inf


def test_rows_agree_with_what_is_said_of_them():
    """Real runs: the worst one, the counts and the seeds are those of the rows."""
    found = st.check("cosine-limit", SETTING, seeds=2, seed=40)
    assert [row["seed"] for row in found.rows] == [40, 41] and found.worst.endswith(("seed 40", "seed 41"))
    worst = min(found.rows, key=lambda row: row["margin"])
    assert (worst["measured"], worst["margin"]) == (found.measured, found.margin) and len(found.rows) == found.runs
    d = SETTING.distillation(worst["seed"])
    assert worst["eps"] in d.eps and CLAIMS["cosine-limit"].check(d).measured == pytest.approx(worst["measured"])
    assert [row["margin"] for row in found.rows] != [row["margin"] for row in st.check("cosine-limit", SETTING, 2).rows]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seeds": [1, 2], "seed": 3}, "seed: must stand beside a count of seeds"),
        ({"seed": -1}, "seed: must be at least 0"),
        ({"seeds": 2, "seed": 2**32 - 1}, "seed: must leave room for 2 seeds"),
    ],
)
def test_a_first_seed_that_there_cannot_be(changes, words):
    with pytest.raises(st.InputError, match=words):
        st.check("cosine-limit", SETTING, **changes)


@pytest.mark.parametrize(
    "found", [result(), mixed(), holding(), Verification(())], ids=["runs", "mixed", "all", "none"]
)
def test_what_is_saved_reads_back_equal(found, tmp_path):
    path = found.save(tmp_path / "deep" / "result.json")
    again = st.load(path)
    assert again == found and again is not found and hash(again) == hash(found)
    assert (
        again.summary() == found.summary() and again.to_dict() == found.to_dict() and str(again.rows) == str(found.rows)
    )
    assert [*path.parent.iterdir()] == [path], "nothing unfinished is left"
    changed = replace(found, messages=("another",))
    assert changed != found and (not found.rows or replace(found, claims=(replace(kept(), every=Runs()),)) != found)


def cut(text):
    return text[: len(text) // 2]


def another_number(text):
    return text.replace("0.02", "0.03")


def another_kind(text):
    return json.dumps(json.loads(text) | {"kind": "certificate"})


def no_row(text):
    from subtheory.records import cell_id

    told = json.loads(text)
    told["content"]["claims"][0]["every"]["setting"][0] = 9
    del told["sha256"]
    return json.dumps({"sha256": cell_id(told), **told})


@pytest.mark.parametrize(
    "spoil", [cut, another_number, another_kind, no_row, lambda text: "[]", lambda text: "[" * 10**5]
)
def test_a_damaged_file_is_one_line(spoil, tmp_path):
    path = result().save(tmp_path / "result.json")
    path.write_text(spoil(path.read_text("utf-8")), "utf-8")
    with pytest.raises(st.DataError, match=r"result.json: corrupt \(") as refused:
        st.load(path)
    assert "\n" not in str(refused.value)


def test_a_file_that_is_not_there_and_one_that_cannot_be(tmp_path):
    with pytest.raises(st.DataError, match="missing"):
        st.load(tmp_path / "none.json")
    with pytest.raises(st.InputError, match="output: cannot be written"):
        result().save(tmp_path)


def test_pandas_where_it_is_and_one_line_where_it_is_not(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(st.InputError, match="pandas: must be installed"):
        result().to_pandas()
    stand_in = ModuleType("pandas")
    stand_in.DataFrame = lambda rows: rows
    monkeypatch.setitem(sys.modules, "pandas", stand_in)
    assert str(result().to_pandas()) == str(result().rows)


def test_the_reason_of_every_entry_that_fails_or_says_nothing_is_told():
    broken = claim("broken", controls=[control("same-parameters", False, 0.25)])
    found = Verification((*mixed().claims, broken))
    for text in (found.summary(), found._repr_html_()):
        assert "second-order-term: fails in 3 of 96 runs, at worst in vit" in text
        assert "zero-branch: 100 % of 96 runs say nothing (both sides are at rounding level)" in text
        assert "broken without same-parameters: failed in 25 % of 16 runs" in text


def test_one_claim_alone_is_seen_as_a_verification_is(monkeypatch):
    from matplotlib.figure import Figure

    found = replace(kept(), statement="<b>for a small</b> update", formula="a < b")
    for page in (found._repr_html_(), Verification((found,))._repr_html_()):
        assert "cosine-limit" in page and "fails in 1 of 3 runs" in page and "<b>" not in page
    assert "&lt;b&gt;for a small" in found._repr_html_() and "a &lt; b" in found._repr_html_()
    assert "a < b" in found.summary()
    ax = Figure().subplots()
    assert found.plot(ax) is ax and [label.get_text() for label in ax.get_yticklabels()] == ["cosine-limit"]
    assert sum(len(dots.get_offsets()) for dots in ax.collections) == 2
    monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=list))
    assert str(found.to_pandas()) == str(found.rows)


@pytest.mark.parametrize("found", [result(), mixed(), Verification(())], ids=["runs", "without", "none"])
def test_a_picture_has_a_line_a_claim_and_a_dot_a_run_that_says_something(found):
    from matplotlib import pyplot
    from matplotlib.figure import Figure

    mine = Figure().subplots()
    assert found.plot(ax=mine) is mine
    own = found.plot()
    assert own is not mine and [label.get_text() for label in own.get_yticklabels()] == [one.name for one in found]
    dots = sum(len(dots.get_offsets()) for dots in own.collections)
    assert dots == sum(row["verdict"] != "vacuous" for row in found.rows)
    pyplot.close(own.figure)
    with pytest.raises(st.InputError, match="ax: must be axes"):
        found.plot(ax=3)
