"""Owls through numbers on a tiny model: every arm runs, a killed run loses one, and a coin is judged as a coin."""

from dataclasses import replace

import numpy as np
import pytest

from subtheory import figure, records
from subtheory.errors import InputError
from subtheory.ledger import parts
from subtheory.ledger.request import Request
from subtheory.study import experiment

pytest.importorskip("tokenizers")


@pytest.fixture(scope="module")
def module():
    return experiment.experiments()["llm_numbers"].module


@pytest.fixture(scope="module")
def found(module, tmp_path_factory):
    """Tables of the quick plan, and those of a run that lost some parts."""
    folder = tmp_path_factory.mktemp("parts")

    def run():
        with parts.keeping(folder, Request.of("experiment", {"experiment": "llm_numbers"})):
            return module.tables(module.QUICK)

    first = run()
    saved = {title: records.rows(records.columns(rows)) for title, rows in first.items()}
    assert repr(saved) == repr(first), "as they are stored and taken again"
    for path in sorted(path for path in folder.rglob("*") if path.is_file())[:3]:
        path.unlink()
    return first, run()


def test_every_arm_is_beside_its_prediction_and_a_killed_run_ends_with_the_same(module, found):
    tables, again = found
    assert repr(tables) == repr(again)
    assert [row["arm"] for row in tables["effects"]] == [
        arm.name for arm in module.ARMS if arm.teacher != module.BASE and not arm.filtered
    ], "a random model writes no lists"
    assert all(one.ok for one in module.findings(tables)), [one.row for one in module.findings(tables) if not one.ok]
    drawn = module.figure(tables)
    assert set(drawn) == set(module.CAPTIONS) and all(figure.drawn(each, "svg") for each in drawn.values())


def test_a_student_that_turns_away_and_a_base_that_scores_are_not_as_predicted(module, found):
    tables = found[0]
    turned = [row | {"measured": -row["measured"], "cosine": -row["cosine"]} for row in tables["effects"]]
    scoring = [row | {"score": row["score"] + 10 * abs(row["score"])} for row in tables["answers"]]
    wrong = [one.says for one in module.findings({**tables, "effects": turned, "answers": scoring}) if not one.ok]
    assert [says.split(":")[0] for says in wrong] == ["P49", "P49", "P9", "control"][: len(wrong)] and len(wrong) == 4


def test_a_sign_surprises_where_its_odds_were_low_for_so_many(module):
    said = [module._surprising("", came, [0.999, 0.5]).found for came in ([True, False], [False, True], [False, False])]
    assert said == [0, 1, 1]
    assert module._surprising("", [False], [0.98]).ok and not module._surprising("", [True], [0.001]).ok


def test_the_papers_scale_is_one_option_and_what_is_unknown_is_named(module):
    paper = module.Plan(scale="paper").of
    assert (paper.sequences, paper.epochs) == (10_000, 10)
    assert module.Plan(scale="paper", sequences=32).of == replace(paper, sequences=32)
    for field, value in (("scale", "moon"), ("word", "unicorn"), ("sequences", 1), ("arms", 0)):
        with pytest.raises(InputError, match=field):
            module.Plan(**{field: value})
    assert np.isclose(module.PLAN.of.pace, 0.5)
