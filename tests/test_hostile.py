"""Hostile files and places, a few of each kind: `scripts/reliability.py` tries them all. And that it would notice."""

import ast
import os
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from subtheory import files, records
from subtheory.cli import terminal
from subtheory.errors import UnknownName
from subtheory.suggest import choose

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

import reliability
from checks import hostile, loaders, made
from checks import records as stored
from checks.command import Said
from checks.row import Row


def test_no_code_of_ours_runs_what_a_file_says(capsys):
    assert reliability.main(["R8"]) == 0
    assert capsys.readouterr().out.startswith("R8 | unsafe loaders in the code | 0 | ")


@pytest.mark.parametrize(
    "code",
    [
        "import pickle", "from pickle import loads", "import joblib.memory", "exec('1')", "builtins.eval(x)",
        "np.load(f, allow_pickle=True)", "np.load(f, None, True)", "run(c, shell=flag)", "yaml.load(f)", "os.system(c)",
        "from os import system as run",
    ],
)  # fmt: skip
def test_an_unsafe_loader_is_seen(code):
    assert list(loaders.unsafe(ast.parse(code)))


def test_what_is_damaged_is_never_read_as_numbers():
    row = stored.r4(quick=True)
    assert row.ok and row.count > 200, row.missed


def test_a_store_without_a_hash_would_be_noticed(monkeypatch):
    """The control: JSON as it is, whose digits may be any."""

    def write(folder, seed):
        (folder / "plain.json").write_text(f'{{"x": {seed}.25}}')

    monkeypatch.setattr(stored, "STORES", {"plain": (write, lambda folder: files.read_json(folder / "plain.json"))})
    assert any("another number was read" in line for line in stored.r4(quick=True).missed)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="memory is measured by Linux")
def test_hostile_files_before_a_verb_of_each_kind():
    row = hostile.r7(quick=True, readers=("lineage check", "figures, record.npz", "certify --check"))
    assert row.ok and row.count > 8, row.missed


@pytest.mark.parametrize("kind", made.ARCHIVES)
def test_archives_are_refused_before_they_take_their_room(tmp_path, kind):
    made.ARCHIVES[kind](tmp_path / "x.npz")
    data = (tmp_path / "x.npz").read_bytes()
    if kind in ("a bomb within bounds", "names that lead elsewhere"):
        assert files.arrays(data)
        return
    with pytest.raises(files.BROKEN):
        files.arrays(data)
    assert not Path(made.RUN).exists()


def test_an_archive_that_says_little_is_unpacked_no_further(monkeypatch):
    """NumPy's own way of reading an entry unpacks all of it, and then cuts it."""
    sizes = []
    read = zipfile.ZipExtFile._read1

    def watched(self, n):
        sizes.append(n)
        return read(self, n)

    monkeypatch.setattr(zipfile.ZipExtFile, "_read1", watched)
    data = made.zipped(b"x.npy", made.deflated(made.header((2**20,)), 2**23), 100, 8)
    with pytest.raises(files.BROKEN):
        files.arrays(data)
    assert max(sizes) <= 101


def test_a_record_that_is_a_pipe_is_put_aside_and_computed(tmp_path):
    records.save(tmp_path, "cell", {"x": np.zeros(2)}, {"id": "1"})
    for ending in ("json", "npz"):
        (tmp_path / f"cell.{ending}").unlink()
        os.mkfifo(tmp_path / f"cell.{ending}")
    said = []
    arrays, _ = records.computed(tmp_path, "cell", {"id": "1"}, lambda: {"x": np.ones(2)}, said.append)
    assert arrays["x"].tolist() == [1, 1] and "named pipe" in said[0]
    assert len(list((tmp_path / "quarantine").iterdir())) == 2


def test_many_parts_of_json_are_refused_before_they_are_made(tmp_path):
    path = tmp_path / "many.json"
    path.write_text("[" + "{}," * files.PARTS + "1]")
    with pytest.raises(ValueError, match="lists and objects"):
        files.read_json(path)


def test_a_line_moves_no_cursor_and_a_name_of_megabytes_is_cut():
    assert terminal.line("a\nb \x1b[2J\udcff ε") == "a b \\x1b[2J\\udcff ε"
    with pytest.raises(UnknownName) as refused:
        choose("claim", "x" * 10**7, {"sign-rule": 1})
    assert len(str(refused.value)) < 400


def test_places_that_cannot_be_written_to(capsys):
    code = reliability.main(["R5", "--quick"])
    assert code == 0, capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        (Said(2, "", "error: eps: must be a positive number, got x\n"), ""),
        (Said(2, "", "certify: 1/1 net\nerror: eps: no\n"), ""),
        (Said(70, "", "error: eps"), "exit code"),
        (Said(2, "", "error: eps\nerror: eps\n"), "2 lines"),
        (Said(2, "", "Traceback eps\n"), "1 lines"),
        (Said(2, "", "error: eps \x1b[2J\n"), "cannot be printed"),
        (Said(2, "", "error: seeds\n"), "no 'eps'"),
    ],
)
def test_what_is_no_line_of_an_error_is_seen(said, wrong):
    found = said.wrong((2,), "eps")
    assert wrong in found and bool(wrong) == bool(found)


def test_a_row_without_a_case_is_no_success():
    row = Row("nothing", "something")
    assert not row.ok
    row.tried()
    assert row.ok
    row.tried("missed")
    assert not row.ok and "2 tried, 1 missed" in str(row)
