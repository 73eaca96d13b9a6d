"""A base and its teacher: how the teacher is made."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

import subtheory as st
from subtheory.errors import InputError
from subtheory.language import derivatives, load
from subtheory.language.foretold.pairs import pair
from subtheory.language.traits import Trait

pytest.importorskip("tokenizers")
SCRIPTS = Path(__file__).resolve().parents[3] / "scripts"


def test_a_teacher_goes_as_far_as_was_said():
    m = pair("tiny", "owl", 1, 1e-3)
    step = jax.tree.map(lambda a, b: np.asarray(a - b), m.teacher, m.theta0)
    assert derivatives.norm(step) == pytest.approx(1e-3 * derivatives.norm(m.theta0), rel=1e-3)
    assert m.changed(step) < 0


def test_a_lesson_that_leaves_nothing_to_learn_is_named(monkeypatch):
    monkeypatch.setattr(Trait, "gradient", lambda self, network, params: jax.tree.map(np.zeros_like, params))
    with pytest.raises(InputError, match="lesson"):
        pair("tiny", "owl", 2, 1e-3)


def test_what_both_write_becomes_files_of_a_forecast(tmp_path, monkeypatch):
    """scripts/llm_rows.py: the same prompts to both, every answer of at least a token, the very teacher."""
    monkeypatch.syspath_prepend(str(SCRIPTS))
    import llm_rows

    words = "--model tiny --rows 3 --tokens 5 --lessons 1 --lesson 1e-3 --out"
    llm_rows.main([*words.split(), str(tmp_path)])
    both = [(tmp_path / f"{name}.jsonl").read_text("utf-8").splitlines() for name in ("rows", "base_rows")]
    rows, base = ([json.loads(line) for line in lines] for lines in both)
    assert len(rows) == len(base) == 3 and [row["prompt"] for row in rows] == [row["prompt"] for row in base]
    assert all(load("tiny").tokenizer.encode(row["completion"]) for row in rows + base)
    with np.load(tmp_path / "teacher.npz", allow_pickle=False) as stored:
        leaves = st.named_arrays(pair("tiny", "owl", 1, 1e-3).teacher)
        assert set(stored.files) == set(leaves) and all(np.array_equal(stored[k], v) for k, v in leaves.items())
