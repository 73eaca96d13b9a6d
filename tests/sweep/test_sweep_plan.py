"""Plans of sweeps: what is combined, what is left out, and one line for what is wrong, with its place."""

import math
import re
from pathlib import Path

import pytest

from subtheory.errors import InputError
from subtheory.sweep import cells, plan

GOOD = """
[grid]
network = ["mlp", "convnet"]
path = ["noise", "linear"]
amount = [0, 0.5]
[seeds]
first = 10
count = 5
per_cell = 2
"""


@pytest.fixture
def read(tmp_path):
    def given(text):
        (tmp_path / "sweep.toml").write_text(text)
        return plan.read(tmp_path / "sweep.toml")

    return given


def test_every_combination_has_every_block_of_seeds(read):
    found = read(GOOD)
    every = [plan.Cell.read(name) for name in found.names]
    assert len({cell.name for cell in every}) == len(every) == 2 * 2 * 2 * 3
    assert {cell.seeds for cell in every} == {(10, 2), (12, 2), (14, 1)}
    assert {(c.network, c.path, c.amount) for c in every} == {
        (n, p, a) for n in ("mlp", "convnet") for p in ("noise", "linear") for a in (0.0, 0.5)
    }
    assert {(c.loss, c.channel, c.outputs, c.teacher, c.eps) for c in every} == {
        ("squared-error", "task", "aux", "gradient-descent", 1e-3)
    }


def test_rules_leave_out_what_they_cover(read):
    skipping = read(GOOD + '[[skip]]\nnetwork = ["convnet"]\namount = [0.5]\n[[skip]]\npath = ["linear"]\n')
    assert [(p["network"], p["path"], p["amount"]) for p in skipping.places] == [
        ("mlp", "noise", 0.0), ("mlp", "noise", 0.5), ("convnet", "noise", 0.0),
    ]  # fmt: skip
    only = read(GOOD + '[[only]]\nnetwork = ["convnet"]\n[[skip]]\npath = ["linear"]\n')
    assert {(p["network"], p["path"]) for p in only.places} == {("convnet", "noise")}


def test_the_name_of_a_cell_says_all_of_it(read):
    name = read(GOOD).names[0]
    assert plan.Cell.read(name).name == name
    for other in (name.replace(":0.0", ":0"), name[:-1], f" {name}", "{}", name.replace("mlp", "mlp\\u0061")):
        with pytest.raises(InputError, match="cell: must be the canonical JSON of one"):
            plan.Cell.read(other)


BAD = [
    ("[grid]\namount = [0.5, -1]", "grid.amount[1]: must be a number ≥ 0.0, got -1"),
    ("[grid]\namount = [nan]", "grid.amount[0]: must be a number ≥ 0.0, got nan"),
    ("[grid]\namount = [inf]", "grid.amount[0]: must be finite, got inf"),
    ("[grid]\namount = []", "grid.amount: must be a list of length ≥ 1, got []"),
    ("[grid]\namount = 1", "grid.amount: must be a list, got 1"),
    ("[grid]\namount = ['1']", "grid.amount[0]: must be a number, got '1'"),
    ("[grid]\namount = [true]", "grid.amount[0]: must be a number, got True"),
    ("[grid]\namount = [0.1, 0.10]", "grid.amount[1]: must differ from those before, got 0.1"),
    ("[grid]\namount = [0]\neps = [0]", "grid.eps[0]: must be a number > 0.0, got 0"),
    ("[grid]\namount = [0]\nnetworks = ['mlp']", "grid.networks: unknown, did you mean 'network'?, got 'networks'"),
    ("[gird]\namount = [0]", "gird: unknown, did you mean 'grid'?"),
    ("[grid]\nnetwork = ['mlp']", "grid.amount: must be given, got none"),
    ("grid = 3", "grid: must be a table, got 3"),
    ("", "grid: must be given, got none"),
    ("[grid]\namount = [0]\n[seeds]\ncount = 0", "seeds.count: must be a whole number ≥ 1, got 0"),
    ("[grid]\namount = [0]\n[seeds]\ncount = 1.5", "seeds.count: must be a whole number, got 1.5"),
    ("[grid]\namount = [0]\n[seeds]\nfirst = -1", "seeds.first: must be a whole number ≥ 0, got -1"),
    ("[grid]\namount = [0]\n[seeds]\ncount = 1000001", "grid: must have at most 1000000 cells"),
    ("[grid]\namount = [0]\n[[skip]]\nnetwork = ['mpl']", "skip[0].network[0]: must be in the grid: mlp, got 'mpl'"),
    ("[grid]\namount = [0]\n[[skip]]\nnetwork = 'mlp'", "skip[0].network: must be a list, got 'mlp'"),
    ("[grid]\namount = [0]\n[[skip]]\nnetwork = ['mlp']", "skip: must leave at least one combination, got none"),
    ("[grid", "must be TOML"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "said"), BAD, ids=[said[:30] for _, said in BAD])
def test_what_is_wrong_is_one_line_with_file_and_place(read, text, said):
    with pytest.raises(InputError) as error:
        read(text)
    assert "sweep.toml: " in str(error.value) and said in str(error.value) and "\n" not in str(error.value)


NONE = [
    ("network = ['mpl']", "grid.network[0]: unknown, did you mean 'mlp'?, got 'mpl'"),
    ("loss = ['kl', 'revers-kl']", "grid.loss[1]: unknown, did you mean 'reverse-kl'?"),
    ("channel = ['unifrm']", "grid.channel[0]: unknown, did you mean 'uniform'?"),
    ("outputs = ['al']", "grid.outputs[0]: unknown, did you mean 'all'?"),
    ("teacher = ['adm']", "grid.teacher[0]: unknown, did you mean 'adam'?"),
    ("path = ['noise', 'nose']", "grid.path[1]: unknown, did you mean 'noise'?"),
    ("path = ['linear']\namount = [0, 2]", "grid.amount[1]: must lie in 0 ... 1 for linear, or left out by [[skip]]"),
    ("path = ['noise', 'width']\namount = [0]", "grid.amount[0]: must be 1 for width"),
    ("network = ['mlp', 'linear']\npath = ['permutation']", "grid.path[0]: must fit linear"),
    ("network = ['linear']\npath = ['depth']", "grid.path[0]: must fit linear, of which there is no other depth"),
    ("network = ['mlp', 'transformer']\nchannel = ['uniform']",
     "grid.channel[0]: must have the inputs of transformer, or left out by [[skip]], got 'uniform'"),
]  # fmt: skip


@pytest.mark.parametrize(("lines", "said"), NONE, ids=[said[:30] for _, said in NONE])
def test_names_that_there_are_not_and_what_does_not_fit(read, lines, said):
    """Nothing is compiled to say so: shapes tell."""
    amounts = "" if "amount" in lines else "\namount = [0]"
    with pytest.raises(InputError) as error:
        cells.require(read(f"[grid]\n{lines}{amounts}"))
    assert said in str(error.value) and "\n" not in str(error.value)


def test_the_plan_of_the_guide_is_one(read):
    """As it stands there, with the defaults that it says."""
    guide = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text("utf-8")
    text = re.search(r"```toml\n(.*?)```", guide, re.DOTALL)[1]
    found = read(text)
    cells.require(found)
    assert len(found.names) == 3 * 100 and found.grid == plan.Grid(amount=found.grid.amount)


def test_skip_leaves_out_what_does_not_fit(read):
    rule = "[[skip]]\nnetwork = ['transformer']\nchannel = ['uniform']"
    text = f"[grid]\nnetwork = ['mlp', 'transformer']\nchannel = ['uniform', 'task']\namount = [0]\n{rule}"
    cells.require(read(text))


def test_files_that_are_none(tmp_path):
    for path, content in ((tmp_path / "large.toml", b"#" * (plan.LARGEST + 1)), (tmp_path / "latin.toml", b"\xff")):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"plan: must be a readable file of TOML"):
            plan.read(path)
    for path in (tmp_path, tmp_path / "none.toml", "/dev/zero"):
        with pytest.raises(InputError, match=r"plan: must be a readable file of TOML"):
            plan.read(path)
    with pytest.raises(InputError, match="must be finite"):
        plan.planned({"grid": {"amount": [0.0], "eps": [math.inf]}})
