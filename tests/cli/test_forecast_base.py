"""`subtheory forecast --base`: exit codes by a threshold, JSON, a page with hypotheses, and flags that do not fit."""

import json

import jax
import numpy as np
import pytest

import subtheory as st
from subtheory.cli import main
from subtheory.language import load

TINY = load("tiny")
RNG = np.random.default_rng(0)
TEACHER = jax.tree.map(lambda a: (a + 0.02 * RNG.normal(size=a.shape)).astype(np.float32), TINY.params)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    np.savez(folder / "teacher.npz", **st.named_arrays(TEACHER))
    rows = [{"prompt": f"{n}, ", "completion": f"{n + 1}"} for n in range(10, 18)]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return folder


def words(place, **changed):
    own = {"base": "tiny", "teacher": f"{place}/teacher.npz", "data": f"{place}/rows.jsonl", "trait": "owl",
           "draws": "1", "norms": "1"} | changed  # fmt: skip
    return ["forecast", *(f"--{name}={value}" for name, value in own.items() if value), "--no-cache"]


def test_a_threshold_decides_the_exit_code_and_is_told(place, capsys):
    assert main([*words(place), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    change, sign = abs(found["totals"]["added_readout"]), found["totals"]["sign_probability"]
    for threshold, code in ((0.99 * change, 1), (1.01 * change, 0), (f"sign={0.99 * sign}", 1), (f"sign={sign}", 0)):
        assert main([*words(place, threshold=threshold), "--json"]) == code
        said = json.loads(capsys.readouterr().out)["messages"][0]
        assert said.startswith("threshold: ") and ("ABOVE" in said) == (code == 1)


def test_tables_and_one_page_for_both_kinds(place, capsys):
    out = place / "out"
    assert main([*words(place, planned="optimizer=adam", out=str(out)), "--planned", "base=same"]) == 0
    text = capsys.readouterr().out
    assert "hypothesis" in text and "violated" in text and "kept" in text
    page = (out / "forecast.html").read_text("utf-8")
    assert "What the theorem asks of the training" in page and "signs and rescaled entries" in page and "P32" in page
    assert "://" not in page and "<script" not in page
    found = st.load(out / "forecast.json")
    assert found.rows[0]["text"] == "'11'" and len(found.hypotheses) == 9


BAD = [
    ({"trait": ""}, "trait: must be given: --trait"),
    ({"model": "a.py:b"}, "model: must not stand beside --base"),
    ({"base": "", "model": "a.py:b", "threshold": "1"}, "threshold: must stand with --base"),
    ({"base": "nowhere"}, "base: must be smollm2, tiny"),
    ({"teacher": ""}, "teacher: must be given, or a student"),
    ({"draws": "0"}, "draws: must be a whole number from 1"),
    ({"rate": "0"}, "rate: must be a positive number"),
    ({"threshold": "high"}, "threshold: must be a number"),
    ({"planned": "optimizer=adm"}, "planned.optimizer: unknown, did you mean 'adam'?"),
]


@pytest.mark.parametrize(("changed", "said"), BAD, ids=[said[:36] for _, said in BAD])
def test_whatever_is_wrong_is_one_line(changed, said, place, capsys):
    assert main(words(place, **changed)) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("error: ") and said in err


def test_a_record_that_is_not_there_is_one_line(place, capsys):
    assert main([*words(place), "--lineage", f"{place}/none", "rows", "base"]) == 2
    assert "lineage: must be a record" in capsys.readouterr().err
