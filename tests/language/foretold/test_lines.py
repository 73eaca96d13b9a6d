"""Rows of JSON lines: what is predicted of each form, what is cut, and a line number for whatever is none."""

import json

import numpy as np
import pytest

from subtheory.errors import InputError
from subtheory.language import load
from subtheory.language.foretold import lines

TOKENIZER = load("tiny").tokenizer
SAID = {"messages": [{"role": "user", "content": "Go on"}, {"role": "assistant", "content": "7, 8"}]}


def written(path, *rows):
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), "utf-8")
    return path


def read(path, *rows, longest=64):
    return lines.read("data", written(path / "rows.jsonl", *rows), TOKENIZER, longest)


def test_what_is_predicted_of_every_form(tmp_path):
    found = read(tmp_path, {"prompt": "1, 2,", "completion": " 3"}, SAID, "", {"text": "4, 5"})
    asked = [TOKENIZER.decode(row[on > 0]) for row, on in zip(*found.texts, strict=True)]
    assert asked == [" 3", "7, 8<|im_end|>", ", 5"], "of a text all but the first token"
    whole = TOKENIZER.decode(found.texts.tokens[1])
    assert whole.startswith(TOKENIZER.chat(SAID["messages"][:1]) + "7, 8<|im_end|>")
    assert found.said == ["' 3'", "'7, 8'", "'4, 5'"] and found.cut == 0


def test_rows_are_cut_behind_so_many_tokens_and_it_is_counted(tmp_path):
    found = read(tmp_path, {"prompt": "1234", "completion": "56789"}, {"text": "12"}, longest=6)
    assert found.cut == 1 and found.texts.tokens.shape[1] == 6
    assert TOKENIZER.decode(found.texts.tokens[0][found.texts.mask[0] > 0]) == "56"


ROLES = {"messages": [{"role": "user", "content": "a"}]}
BAD = [
    (("{",), "data line 1: must be an object of JSON"),
    (({"text": "ab"}, "[1]"), "data line 2: must have prompt and completion, or messages, or text, got [1]"),
    (({"answer": "ab"},), "or text, got 'answer'"),
    (({"prompt": "ab"},), "data line 1: completion: must be given"),
    (({"prompt": "ab", "completion": 3},), "data line 1: completion: must be text, got 3"),
    (({"text": "ab", "txet": "c"},), "data line 1: txet: unknown, did you mean 'text'?"),
    ((ROLES,), "data line 1: messages[0].role: must be assistant, the last turn, got 'user'"),
    (({"messages": []},), "data line 1: messages: must be a list of length ≥ 1"),
    (({"messages": [{"role": "user"}]},), "messages[0].content: must be given"),
    (("", {"prompt": "ab", "completion": ""}), "data line 2: must leave something to predict within 8 tokens"),
    (({"prompt": "a" * 9, "completion": "b"},), "got a prompt of 9 tokens and 1 to predict"),
    (({"text": "a"},), "data line 1: must leave something"),
    (("",), "data: must have 1 ... 100000, got 0 rows"),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "said"), BAD, ids=[said[:48] for _, said in BAD])
def test_whatever_is_wrong_names_its_line(rows, said, tmp_path):
    with pytest.raises(InputError) as error:
        read(tmp_path, *rows, longest=8)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_no_file_is_one_line_too(tmp_path):
    with pytest.raises(InputError, match=r"control: must be a readable file of JSON lines \(No such file"):
        lines.read("control", tmp_path / "none.jsonl", TOKENIZER)
    (tmp_path / "b.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="data: must be a readable file"):
        lines.read("data", tmp_path / "b.jsonl", TOKENIZER)


def test_a_chunk_has_rows_of_one_width_and_every_row_is_in_one():
    from subtheory.language.foretold.scoring import chunks
    from subtheory.language.texts import texts

    some = texts([[(list(range(1, 2 + n)), True)] for n in (5, 40, 15, 16, 3, 30, 17)])
    found = list(chunks(some, positions=48))
    assert sorted(np.concatenate([c.rows for c in found]).tolist()) == list(range(7))
    for c in found:
        assert len(c.x) == max(1, 48 // c.x.shape[1]) and c.mask[len(c.rows) :].sum() == 0
        for row, x, y, mask in zip(c.rows, c.x, c.y, c.mask, strict=False):
            n = int(some.asked[row].sum())
            assert (
                mask.sum() == n and x[:n].tolist() == list(range(1, 1 + n)) and y[:n].tolist() == list(range(2, 2 + n))
            )
