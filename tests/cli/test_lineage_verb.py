"""`subtheory lineage`: add, check and ask from the command line; each fault is one line and exit code 2."""

import hashlib
import json
from pathlib import Path

import pytest

from subtheory.cli import main


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.fixture
def file(tmp_path):
    path = str(tmp_path / "lineage.jsonl")
    (tmp_path / "weights").write_bytes(b"base")
    for words in (
        ["add-model", "base", "--file", str(tmp_path / "weights")],
        ["add-data", "owls", "--hash", sha("owls")],
        ["add-model", "teacher", "--hash", sha("teacher"), "--initialised-from", "base", "--trained-on", "owls"],
        ["add-data", "numbers", "--hash", sha("numbers"), "--generated-by", "teacher", "--view", "within",
         "--channel", "x"],
    ):  # fmt: skip
        assert main(["lineage", path, *words]) == 0
    return path


def test_what_was_added_is_checked_and_asked(file, capsys):
    capsys.readouterr()
    assert main(["lineage", file, "check", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["lines"] == 4
    assert main(["lineage", file, "check", "--head", found["head"]]) == 0
    assert "4 lines, in order" in capsys.readouterr().out
    assert main(["lineage", file, "ask", "numbers", "base", "--json"]) == 0
    asked = json.loads(capsys.readouterr().out)
    assert asked["shared"] and asked["sign"] == "positive beyond a control"
    assert main(["lineage", file, "ask", "numbers", "base"]) == 0
    assert capsys.readouterr().out.startswith("numbers and base: init shared")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["ask", "numbers"], "ask: must be given DATA STUDENT"),
        (["ask", "numbers", "bsae"], "student: must be a model that is recorded before, got 'bsae'"),
        (["check", "more"], "check: must be given no name"),
        (["check", "--view", "full"], "view: must stand with add-data"),
        (["check", "--head", sha("none")], "head: must be the SHA-256 of a line"),
        (["check", "--head", "none"], "head: must be a SHA-256"),
        (["add-model"], "add-model: must be given NAME, got nothing"),
        (["add-model", "new"], "hash: must be given"),
        (["add-model", "base", "--hash", sha("new")], "name: must be new"),
        (["add-model", "new", "--hash", sha("new"), "--trianed-on", "owls"], "did you mean --trained-on?"),
        (
            ["add-model", "new", "--hash", sha("new"), "--generated-by", "base"],
            "generated-by: must stand with add-data",
        ),
        (["remove", "base"], "remove"),
    ],
)
def test_what_does_not_fit_is_one_line(file, words, said, capsys):
    capsys.readouterr()
    assert main(["lineage", file, *words]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and said in err


def test_a_damaged_line_is_named_and_an_unfinished_one_is_put_aside(file, capsys):
    capsys.readouterr()
    with open(file, "ab") as record:
        record.write(b'{"sha2')
    assert main(["lineage", file, "check"]) == 2
    assert f"{file}, line 5: must have an end" in capsys.readouterr().err
    assert main(["lineage", file, "check", "--mend"]) == 0
    path = Path(file)
    path.write_bytes(path.read_bytes().replace(b"owls", b"cats", 1))
    assert main(["lineage", file, "ask", "numbers", "base"]) == 2
    assert f"{file}, line 2: must have the SHA-256 that it states" in capsys.readouterr().err
    assert main(["lineage", f"{file}.none", "check"]) == 2
