"""`--model FILE.py:NAME`: a user's own network on the command line, and one line for what is wrong with the file."""

import inspect
import json

import pytest

import subtheory as st
from subtheory.cli import main
from subtheory.cli.model import ARGUMENTS, NEEDED
from subtheory.study import redraw

MINE = """
import jax.numpy as jnp, numpy as np

def apply(params, x):
    return jnp.tanh(x @ params["W"]) @ params["V"]

rng = np.random.default_rng(0)
params = {"W": rng.normal(size=(3, 4)), "V": rng.normal(size=(4, 2))}
plain = dict(model=apply, params=params, trait=(rng.normal(size=(6, 3)), rng.integers(0, 2, 6)),
             channel=rng.normal(size=(6, 3)), loss="squared-error", examples=2, seeds=1)

def made():
    return plain | {"loss": "kl", "eps": 0.02}

number = 3
lacking = {"model": apply, "trait": None}
misspelt = plain | {"chanel": 1}

def stops():
    return 1 / 0

missing = plain | {"model": lambda p, x: x @ p["Q"]}
shapes = plain | {"channel": rng.normal(size=(6, 2))}
"""


@pytest.fixture
def mine(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text(MINE, "utf-8")
    return str(path)


def test_the_file_gives_what_both_functions_take():
    for function in (st.verify, st.ablate):
        assert set(ARGUMENTS) < set(inspect.signature(function).parameters)
    assert set(NEEDED) < set(ARGUMENTS)


@pytest.mark.parametrize("name", ["plain", "made"])
def test_verify_takes_a_dict_or_a_function_and_flags_go_first(name, mine, tmp_path, capsys):
    words = ["verify", "cosine-limit", "--model", f"{mine}:{name}", "--json", "--no-cache"]
    assert main([*words, "--out", str(tmp_path / "out")]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [claim["name"] for claim in found["claims"]] == ["cosine-limit"] and found["provenance"]["seeds"] == [0]
    worst = found["claims"][0]["worst"]
    assert worst.startswith(f"apply / {'squared-error' if name == 'plain' else 'kl'} / given")
    assert (tmp_path / "out" / "report.html").is_file()
    assert main([*words, "--seeds", "1", "--seed", "7", "--without", "shared-init"]) == 1
    assert json.loads(capsys.readouterr().out)["provenance"]["seeds"] == [7]


def test_ablate_prints_writes_judges_and_is_drawn_again(mine, tmp_path, capsys, monkeypatch):
    words = ["ablate", "init", "--model", f"{mine}:plain", "--path", "linear,head-permutation", "--amounts", "0,1"]
    words += ["--no-cache", "--out", str(tmp_path)]
    assert main(words) == 0
    text = capsys.readouterr().out
    assert "skipped: head-permutation: units: " in text and "3 of 3 as predicted" in text and "head: V" in text
    folder = tmp_path / "ablation-plain"
    assert {"rows.csv", "means.csv", "ablation.json", "ablation.pdf"} <= {path.name for path in folder.iterdir()}
    again = st.load(folder / "ablation.json")
    assert [row["amount"] for row in again.rows] == [0.0, 1.0] and again.ok
    assert main([*words, "--json"]) == 0 and json.loads(capsys.readouterr().out)["ok"]

    redrawn = ["figures", "--out", str(tmp_path)]
    first = (folder / "ablation.svg").read_bytes()
    assert main([*redrawn, "--json"]) == 0, "it is among all that are saved"
    assert json.loads(capsys.readouterr().out)["ok"] and (folder / "ablation.svg").read_bytes() == first
    changed = ["ablation-plain", "--venue", "neurips", "--set", "title=Mine|||", "--set", "labels=NTK -> tangent"]
    assert main([*redrawn, *changed]) == 0
    assert str(folder / "neurips" / "ablation.pdf") in capsys.readouterr().out
    drawn = (folder / "neurips" / "ablation.svg").read_text("utf-8")
    assert "Mine" in drawn and "tangent" in drawn and "Mine" not in first.decode()
    assert (folder / "ablation.svg").read_bytes() == first
    monkeypatch.setattr(redraw, "RESULTS", str(tmp_path))
    assert st.draw("ablation-plain", panel=1, ylabel="mine").axes[0].get_ylabel() == "mine"
    refused = [
        ("ablation-plan", [], "figure: unknown, did you mean 'ablation-plain'?"),
        ("ablation", [], "experiment: must have tables in"),
        ("ablation-plain", ["--set", "size=3"], "set: must"),
    ]
    for name, flags, said in refused:
        assert main([*redrawn, name, *flags]) == 2
        error = capsys.readouterr().err
        assert said in error and error.count("\n") == 1
    (folder / "ablation.json").write_text((folder / "ablation.json").read_text("utf-8").replace("linear", "linaer"))
    assert main([*redrawn, "ablation-plain"]) == 4
    error = capsys.readouterr().err
    assert "ablation.json" in error and "corrupt" in error and error.count("\n") == 1


BAD = [
    ("verify", "", "model: must be FILE.py:NAME"),
    ("verify", ":plian", "model: unknown, did you mean 'plain'?"),
    ("verify", ":number", "model: number must be, or return, a dict of arguments, got 3"),
    ("ablate", ":lacking", "model: lacking must also give channel, got model, trait"),
    ("ablate", ":misspelt", "argument: unknown, did you mean 'channel'?"),
    ("verify", ":stops", "model: must run (ZeroDivisionError: division by zero), got {file}:20"),
    ("verify", ":missing", "apply: must accept one example (KeyError: 'Q'), got input of shape (3,) ({file}:22)"),
    ("ablate", ":shapes", "{file}:5)"),
    ("verify", ":plain --network mlp", "model: must stand without --network"),
    ("verify", ":plain --quick", "model: must stand without --quick"),
    ("ablate", ":plain --teacher adam", "model: must stand without --teacher"),
    ("ablate", ":plain --outputs aux", "outputs: must be all"),
    ("ablate", ":plain --amounts far", "amounts: must be numbers"),
    ("ablate", ":plain --path nose", "path: unknown, did you mean 'noise'?"),
    ("verify", ":plain --seed x", "seed: must be a whole number"),
]


@pytest.mark.parametrize(("verb", "rest", "words"), BAD, ids=lambda value: str(value)[:24])
def test_whatever_is_wrong_is_one_line(verb, rest, words, mine, tmp_path, capsys):
    name, *flags = rest.split(" ")
    given = ["--out", str(tmp_path / "out")] if verb == "ablate" else []
    assert main([verb, *(["init"] if verb == "ablate" else []), "--model", mine + name, *flags, *given]) == 2
    out, err = capsys.readouterr()
    last = err.splitlines()[-1]
    assert out == "" and last.startswith("error: ") and words.replace("{file}", mine) in last


@pytest.mark.parametrize(
    ("text", "words"), [("x = (", ":1"), ("import nothing_there", ":1"), ("raise SystemExit", ":1")]
)
def test_a_file_that_cannot_be_imported_is_one_line_with_its_number(text, words, tmp_path, capsys):
    path = tmp_path / "theirs.py"
    path.write_text(text, "utf-8")
    assert main(["verify", "--model", f"{path}:plain"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "model: must be importable (" in err and f"theirs.py{words}" in err
