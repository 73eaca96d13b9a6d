"""Hypotheses of a planned training, traits from files and thresholds: what is read, told and refused."""

import json

import numpy as np
import pytest

from subtheory.errors import InputError
from subtheory.language import load
from subtheory.language.foretold import planned, readout, threshold
from subtheory.language.traits import TRAITS
from subtheory.lineage import Lineage

TINY = load("tiny")


def verdicts(*settings):
    return {row["hypothesis"]: row["verdict"] for row in planned.table(planned.read(settings))}


def test_what_nobody_said_is_unknown_and_each_field_decides_one_hypothesis():
    assert set(verdicts().values()) == {planned.UNKNOWN}
    keeps = ("base=same", "optimizer=sgd", "steps=1", "filtered=false", "prompted=false", "greedy=false",
             "shuffled=false", "lora_rank=0", "packing=false")  # fmt: skip
    breaks = ("base=gpt2", "optimizer=adam", "steps=100", "filtered=true", "prompted=true", "greedy=true",
              "shuffled=true", "lora_rank=8", "packing=true")  # fmt: skip
    assert len(keeps) == len(planned.HYPOTHESES) and set(verdicts(*keeps).values()) == {planned.KEPT}
    for keep, other in zip(keeps, breaks, strict=True):
        decided = [{k: v for k, v in verdicts(one).items() if v != planned.UNKNOWN} for one in (keep, other)]
        assert [list(d.values()) for d in decided] == [[planned.KEPT], [planned.VIOLATED]]
        assert list(decided[0]) == list(decided[1]), "the same hypothesis"
    for row in planned.table(planned.read(breaks)):
        assert row["otherwise"] and row["see"].startswith("P") and row["planned"]


def test_a_record_says_whether_the_init_is_shared(tmp_path):
    record = Lineage(tmp_path / "record.jsonl")
    record.add_model("base", "a" * 64)
    record.add_model("other", "b" * 64)
    record.add_model("teacher", "c" * 64, initialised_from="base")
    record.add_data("rows", "d" * 64, generated_by="teacher")
    for student, verdict in (("base", planned.KEPT), ("other", planned.VIOLATED)):
        first = planned.table(planned.Planned(), record.shares_init("rows", student))[0]
        assert first["verdict"] == verdict and f"rows, {student}" in first["planned"]


def test_a_plan_is_a_file_or_settings_and_later_ones_count(tmp_path):
    (tmp_path / "plan.toml").write_text('optimizer = "adam"\nsteps = 10\n', "utf-8")
    assert planned.read([str(tmp_path / "plan.toml"), "steps=3"]) == planned.Planned(optimizer="adam", steps=3)


BAD = [
    ("optimiser=adam", "planned.optimiser: unknown, did you mean 'optimizer'?"),
    ("optimizer=adm", "planned.optimizer: unknown, did you mean 'adam'?"),
    ("steps=0", "planned.steps: must be a whole number ≥ 1, got 0"),
    ("rate=fast", "planned.rate: must be a number, got 'fast'"),
    ("filtered=maybe", "planned.filtered: must be true or false, got 'maybe'"),
    ("nowhere.toml", "planned: must be a file of TOML, or NAME=VALUE"),
]


@pytest.mark.parametrize(("given", "said"), BAD, ids=[said[:40] for _, said in BAD])
def test_a_plan_that_does_not_fit_is_one_line(given, said):
    with pytest.raises(InputError) as error:
        planned.read([given])
    assert said in str(error.value)


# Traits ----------------------------------------------------------------------------------------------


def test_a_contrast_of_a_file_is_the_one_of_that_name(tmp_path):
    owl = TRAITS["owl"]
    content = {"kind": "contrast", "word": owl.word, "among": owl.among, "questions": owl.questions}
    (tmp_path / "owl.json").write_text(json.dumps(content), "utf-8")
    lists = {name: json.dumps(content[name]) for name in ("among", "questions")}
    text = f'kind = "contrast"\nword = "owl"\namong = {lists["among"]}\nquestions = {lists["questions"]}\n'
    (tmp_path / "owl.toml").write_text(text, "utf-8")
    named = readout.read("owl", TINY.tokenizer)
    for name in ("owl.json", "owl.toml"):
        found = readout.read(tmp_path / name, TINY.tokenizer)
        assert found.loss.wanted.tolist() == named.loss.wanted.tolist()
        for a, b in zip((*found.read, found.loss.among), (*named.read, named.loss.among), strict=True):
            np.testing.assert_array_equal(a, b)


def test_answers_of_a_file_are_read_behind_what_a_user_asks(tmp_path):
    (tmp_path / "a.json").write_text('{"kind": "answers", "answers": [["Who?", "me"], ["You?", "I"]]}', "utf-8")
    found = readout.read(tmp_path / "a.json", TINY.tokenizer)
    assert TINY.tokenizer.decode(found.loss.y) == "meI"
    asked = TINY.tokenizer.chat([{"role": "user", "content": "Who?"}])
    assert TINY.tokenizer.decode(found.read.x[0]).startswith(asked + "m")


TRAITS_BAD = [
    ("{}", "trait.kind: must be contrast or answers, got None"),
    ('{"kind": "answers"}', "trait.answers: must be given"),
    ('{"kind": "answers", "answers": [["a"]]}', "trait.answers[0]: must be a list of length 2"),
    ('{"kind": "contrast", "word": "owl", "among": ["cat", "dog"], "questions": [["a", "b"]]}', "trait.word: must"),
    ('{"kind": "contrast", "wrod": "owl"}', "trait.wrod: unknown, did you mean 'word'?"),
    ("{", "trait: must be owl, oak, blue, or a file of TOML or JSON ("),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), TRAITS_BAD, ids=[said[:40] for _, said in TRAITS_BAD])
def test_a_trait_that_does_not_fit_is_one_line(text, said, tmp_path):
    (tmp_path / "t.json").write_text(text, "utf-8")
    with pytest.raises(InputError) as error:
        readout.read(tmp_path / "t.json", TINY.tokenizer)
    assert said in str(error.value)


@pytest.mark.parametrize("text", ["much", "-1", "sign=2", "size=1", "nan", "sign="])
def test_a_threshold_that_is_none_is_refused(text):
    with pytest.raises(InputError, match="threshold: must be a number, at least 0, or sign=P"):
        threshold.read(text)
