"""`subtheory forecast`: files in, tables, JSON and a page out, and one line for what is wrong with a file."""

import json

import numpy as np
import pytest

import subtheory as st
from subtheory.cli import main

MINE = """
import jax.numpy as jnp, numpy as np

def apply(params, x):
    return jnp.tanh(x @ params["W"]) @ params["V"]

rng = np.random.default_rng(0)
params = {"W": rng.normal(size=(3, 4)), "V": rng.normal(size=(4, 2))}
mine = dict(model=apply, params=params)
labelled = mine | {"trait": (rng.normal(size=(6, 3)), rng.integers(0, 2, 6))}

def size(params):
    return jnp.sum(params["V"] ** 2)

def stops(params):
    return params["Q"]
"""

RNG = np.random.default_rng(0)
PARAMS = {"W": RNG.normal(size=(3, 4)), "V": RNG.normal(size=(4, 2))}
TEACHER = {name: leaf + 0.1 for name, leaf in PARAMS.items()}
ROWS = {"x": np.random.default_rng(1).normal(size=(8, 3)), "y": np.arange(8) % 2}


@pytest.fixture
def place(tmp_path):
    (tmp_path / "mine.py").write_text(MINE, "utf-8")
    np.savez(tmp_path / "teacher.npz", **st.named_arrays(TEACHER))
    np.savez(tmp_path / "student.npz", **{name: leaf - 0.1 for name, leaf in PARAMS.items()})
    np.savez(tmp_path / "rows.npz", **ROWS)
    return tmp_path


def words(place, **changed):
    """The command line, with flags changed or left out."""
    own = {"model": f"{place}/mine.py:mine", "teacher": f"{place}/teacher.npz", "data": f"{place}/rows.npz",
           "trait": f"{place}/mine.py:size"} | changed  # fmt: skip
    return ["forecast", *(f"--{name}={value}" for name, value in own.items() if value), "--no-cache"]


def test_tables_and_a_page(place, capsys):
    out = place / "out"
    more = ["--student", str(place / "student.npz"), "--control", str(place / "rows.npz")]
    assert main([*words(place), *more, "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "alignment D" in text and "gradient norm" in text and "forecast.html" in text
    assert {"forecast.html", "forecast.json", "forecast.csv", "forecast.pdf", "forecast.png"} <= {
        path.name for path in out.iterdir()
    }
    page = (out / "forecast.html").read_text("utf-8")
    assert "://" not in page and "<script" not in page and "<svg" in page and "do NOT" not in page
    found = st.load(out / "forecast.json")
    assert len(found) == len(found.control) == 8 and "student" in found.rows[0]
    assert found.totals["added_alignment"] == 0, "the control's rows are the same"


def test_json_says_what_python_says(place, capsys):
    assert main([*words(place, trait="", model=f"{place}/mine.py:labelled"), "--json", "--rate", "0.5"]) == 0
    found = json.loads(capsys.readouterr().out)
    space: dict = {}
    exec(MINE, space)
    same = st.forecast(**space["labelled"], teacher=TEACHER, data=ROWS, rate=0.5).to_dict()
    assert found["rows"] == same["rows"] and found["totals"] == same["totals"] and found["audit"] == same["audit"]


def broken(place, name, **arrays):
    np.savez(place / name, **arrays)
    return f"{place}/{name}"


BAD = [
    (lambda p: {"teacher": ""}, "teacher: must be given: --teacher"),
    (lambda p: {"trait": ""}, "trait: must be given: --trait, or by the model"),
    (lambda p: {"trait": f"{p}/mine.py:sise"}, "trait: unknown, did you mean 'size'?"),
    (lambda p: {"trait": f"{p}/mine.py:stops"}, "trait: must be a function of the parameters"),
    (lambda p: {"model": "mine.py"}, "model: must be FILE.py:NAME"),
    (lambda p: {"rate": "fast"}, "rate: must be a number, got 'fast'"),
    (lambda p: {"data": f"{p}/none.npz"}, "data: must be an .npz file of arrays (No such file"),
    (lambda p: {"data": f"{p}/mine.py"}, "data: must be an .npz file of arrays (File is not a zip file)"),
    (lambda p: {"data": broken(p, "bad.npz", x=ROWS["x"])}, "data: must have x and y, or tokens"),
    (lambda p: {"data": broken(p, "bad.npz", x=ROWS["x"], y=ROWS["y"] + 1)}, "data.y: must lie in 0 ... 1, got 2"),
    (lambda p: {"data": broken(p, "bad.npz", x=ROWS["x"][:, :2], y=ROWS["y"])}, "got input of shape (2,)"),
    (lambda p: {"data": broken(p, "bad.npz", x=ROWS["x"] * np.nan, y=ROWS["y"])}, "data.x: must be finite, got nan"),
    (lambda p: {"data": broken(p, "bad.npz", x=np.array([None]), y=ROWS["y"])}, "data: must be an .npz file of arrays"),
    (lambda p: {"teacher": broken(p, "bad.npz", W=PARAMS["W"])}, "must have an array 'V', of shape (4, 2), got W"),
    (lambda p: {"teacher": broken(p, "bad.npz", U=PARAMS["W"], **TEACHER)}, "must be a leaf of the model's parameters"),
    (lambda p: {"teacher": broken(p, "bad.npz", W=PARAMS["V"], V=PARAMS["V"])}, "(3, 4), got float64[4, 2] at 'W'"),
    (lambda p: {"teacher": broken(p, "bad.npz", V=PARAMS["V"], W=PARAMS["W"] * np.inf)}, "teacher: must be finite"),
    (lambda p: {"student": broken(p, "bad.npz", **PARAMS)}, "student: must have moved away"),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "said"), BAD, ids=[said[:36] for _, said in BAD])
def test_whatever_is_wrong_is_one_line(changed, said, place, capsys):
    assert main(words(place, **changed(place))) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("error: ") and said in err


def test_a_file_that_was_cut_off_is_one_line(place, capsys):
    whole = (place / "rows.npz").read_bytes()
    (place / "rows.npz").write_bytes(whole[: len(whole) // 2])
    assert main(words(place)) == 2
    assert "data: must be an .npz file of arrays" in capsys.readouterr().err
