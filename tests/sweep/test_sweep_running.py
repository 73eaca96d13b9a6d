"""Sweeps that are run: nothing is lost, nothing is done twice, whatever happens to them. The cells are arithmetic."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from subtheory import records
from subtheory.cli import main
from subtheory.errors import DataError
from subtheory.ledger.engines import Shard
from subtheory.sweep import cells, collected, running
from subtheory.sweep.plan import Cell

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from checks import kills, ledger, toy


@pytest.fixture
def log(tmp_path, monkeypatch):
    """Cells are toys, and are added to this file."""
    monkeypatch.setattr(cells, "compute", toy.compute)
    monkeypatch.setenv(toy.LOG, str(tmp_path / "log"))
    monkeypatch.setenv("NPROC", "1")  # which the command line sets
    monkeypatch.chdir(tmp_path)
    return tmp_path / "log"


def test_a_plan_that_grows_keeps_what_is_there(log, tmp_path):
    small, large = toy.planned(3), toy.planned(5)
    running.begin(small, tmp_path / "sweep", most=2).run()
    assert toy.computed(log) == small.names[:2]
    for asked in (small, large, large):
        running.begin(asked, tmp_path / "sweep").run()
        assert toy.faults(tmp_path / "sweep", asked) == []
    assert sorted(toy.computed(log)) == sorted(large.names)
    running.begin(small, tmp_path / "sweep").run()
    found = collected.status(*running.store_of(tmp_path / "sweep"))
    assert (found.cells, found.kept, found.missing, found.others, found.exit_code) == (6, 6, 0, 4, 0)


def test_shards_compute_each_cell_once(log, tmp_path):
    asked = toy.planned(8)
    for i in (1, 2, 3):
        running.begin(asked, tmp_path / "sweep").run(Shard.read(f"{i}/3"))
    assert sorted(toy.computed(log)) == sorted(asked.names) and toy.faults(tmp_path / "sweep", asked) == []


def test_a_cell_that_raises_stops_nothing_and_is_tried_again(log, tmp_path, monkeypatch):
    asked = toy.planned(3, seeds={"first": toy.BAD - 1, "count": 3})
    for _ in range(2):
        running.begin(asked, tmp_path / "sweep").run()
        found = collected.status(*running.store_of(tmp_path / "sweep"))
        assert (found.kept, found.failed, found.missing, found.exit_code) == (5, 1, 0, 1)
        assert f'"seeds":[{toy.BAD},1]' in found.first and "seed: must be another, got 7" in found.first
    assert len(toy.computed(log)) == 7
    monkeypatch.setattr(toy, "BAD", 99)
    running.begin(asked, tmp_path / "sweep").run()
    assert toy.faults(tmp_path / "sweep", asked) == [] and not list(tmp_path.rglob("*.error.json"))


def test_real_cells_have_the_rows_of_ablate(tmp_path):
    from shapes import LINEAR

    from subtheory.init import PATHS
    from subtheory.setting.setting import Setting
    from subtheory.study.ablation import ablate

    place = {"loss": "squared-error", "channel": "task", "outputs": "aux", "teacher": "gradient-descent"}
    cell = Cell(network="line", path="noise", amount=0.5, eps=1e-3, seeds=(3, 2), **place)
    cells.placed.cache_clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(cells.KNOWN["network"], "line", LINEAR)
        found = cells.compute(cell)
    cells.placed.cache_clear()
    wanted = ablate(PATHS["noise"], Setting(LINEAR, outputs="aux"), (0.5,), [3, 4], 1e-3).rows
    assert found["columns"].tolist() == list(wanted[0])
    assert np.array_equal(found["values"], [list(row.values()) for row in wanted], equal_nan=True)


# The command ----------------------------------------------------------------------------------------


@pytest.fixture
def file(log, tmp_path):
    path = tmp_path / "toy.toml"
    path.write_text(toy.text(3))
    return str(path)


def said(capsys, *words):
    code = main(["sweep", *words])
    return code, *capsys.readouterr()


def test_a_sweep_from_plan_to_table(file, log, tmp_path, capsys):
    code, out, _ = said(capsys, "plan", file, "--json")
    assert code == 0 and json.loads(out) == {"cells": 6, "combinations": 2, "seeds": 3, "rows": 6}
    assert not (tmp_path / "sweeps").exists() and not log.exists()
    code, out, _ = said(capsys, "plan", file, "--measure")
    assert code == 0 and "6 cells: 2 combinations, 3 seeds" in out and "on one core" in out
    log.unlink()
    code, out, _ = said(capsys, "run", file, "--limit", "2", "--no-cache")
    assert code == 3 and "sweeps/toy: 2 of 6 cells are kept, 0 failed, 4 are missing" in out
    code, out, err = said(capsys, "collect", "sweeps/toy")
    assert code == 3 and "MISSING: 4 of 6 cells are not in the table" in err
    assert said(capsys, "run", file, "--no-cache")[0] == 0 and len(toy.computed(log)) == 6
    code, out, _ = said(capsys, "status", "sweeps/toy", "--json")
    assert code == 0 and json.loads(out)["kept"] == 6
    code, out, _ = said(capsys, "collect", "sweeps/toy", "--csv", "all.csv", "--json")
    assert code == 0 and json.loads(out)["rows"] == 6
    rows = list(csv.DictReader(Path("all.csv").read_text().splitlines()))
    arrays = records.load("sweeps/toy", "table")[0]
    assert [row["seed"] for row in rows] == ["10", "11", "12"] * 2 and {row["network"] for row in rows} == {"mlp"}
    assert (
        [float(row["sine"]) for row in rows]
        == arrays["sine"].tolist()
        == np.sin(arrays["seed"] + arrays["amount"]).tolist()
    )
    assert arrays["network names"][arrays["network"]].tolist() == ["mlp"] * 6
    assert said(capsys, "check", "sweeps/toy")[:2] == (
        0,
        "6 records are sound, 0 files are not, 0 were put aside before.\n",
    )


def test_check_finds_what_is_damaged_and_the_next_run_mends_it(file, tmp_path, capsys):
    assert said(capsys, "run", file, "--no-cache")[0] == 0
    (one, two, three, *_) = sorted((tmp_path / "sweeps/toy").glob("*/*.npz"))
    one.write_bytes(one.read_bytes()[:-1])
    two.with_suffix(".json").unlink()
    three.with_suffix(".json").replace(two.with_suffix(".json").with_name(f".{two.stem}.json.0.tmp"))
    code, out, _ = said(capsys, "check", "sweeps/toy")
    assert code == 4 and f"damaged: sweeps/toy/{one.parent.name}/{one.name}: corrupt" in out
    assert (
        out.count("halves: ") == 2 and out.count("unfinished: ") == 1 and "3 records are sound, 4 files are not" in out
    )
    assert said(capsys, "run", file, "--no-cache")[0] == 0
    assert said(capsys, "check", "sweeps/toy")[:2] == (
        0,
        "6 records are sound, 0 files are not, 2 were put aside before.\n",
    )


def test_the_exit_code_says_that_a_cell_failed(file, capsys):
    Path(file).write_text(toy.text(3).replace("first = 10", f"first = {toy.BAD}"))
    code, out, _ = said(capsys, "run", file, "--no-cache")
    assert code == 1 and "5 of 6 cells are kept, 1 failed" in out and "the first that failed: " in out
    assert said(capsys, "status", "sweeps/toy")[0] == 1


WRONG = [
    (["run", "none.toml"], "error: plan: must be a readable file of TOML"),
    (["run", "toy.toml", "--limit", "0"], "error: limit: must be a whole number from 1"),
    (["run", "toy.toml", "--csv", "x"], "error: csv: must go with collect, got run"),
    (["run", "toy.toml", "--shard", "3/2"], "error: shard: must be I/N"),
    (["plan", "toy.toml", "--out", "x"], "error: out: must go with run, got plan"),
    (["go", "toy.toml"], "error: argument ACTION: invalid choice: 'go'"),
]


@pytest.mark.parametrize(("words", "line"), WRONG, ids=lambda value: value[1] if isinstance(value, list) else "")
def test_bad_input_is_one_line(file, words, line, capsys):
    code, out, err = said(capsys, *words)
    assert code == 2 and out == "" and err.startswith(line) and err.count("\n") == 1


@pytest.mark.parametrize("text", [None, "", "{}", '{"plan": 1, "request": {}}', "\xff"])
def test_a_folder_without_a_sweep(file, text, tmp_path, capsys):
    (tmp_path / "sweeps/toy").mkdir(parents=True)
    if text is not None:
        (tmp_path / "sweeps/toy/sweep.json").write_text(text)
    for action in ("status", "collect", "check"):
        code, out, err = said(capsys, action, "sweeps/toy")
        assert code == 4 and out == "" and err.count("\n") == 1 and "sweeps/toy/sweep.json: " in err
    with pytest.raises(DataError):
        running.store_of(tmp_path)


def test_an_interrupt_says_what_is_kept(file, tmp_path, monkeypatch, capsys):
    calls = []

    def interrupted(cell):
        calls.append(cell)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return toy.compute(cell)

    monkeypatch.setattr(cells, "compute", interrupted)
    code, _, err = said(capsys, "run", file, "--no-cache")
    assert code == 130
    assert err.splitlines()[-1] == "interrupted: 2 of 6 cells are kept in sweeps/toy; the same command goes on"


# The measurements of docs/trust.md, a few of each ---------------------------------------------------


@pytest.mark.parametrize("measure", [ledger.r29, ledger.r3, ledger.r32, kills.r1], ids=lambda row: row.__name__)
def test_what_is_promised_of_a_sweep(measure, capsys):
    row = measure(quick=True)
    assert row.ok, row.missed


def test_a_ledger_that_takes_what_is_damaged_would_be_noticed(monkeypatch):
    """The control: without its hash a record is believed, which the rules of the machine do not let pass."""
    for believes in (False, True):
        machine = ledger.Sweep()
        machine.run(None, None)
        machine.nothing_is_lost_and_nothing_wrong()
        path = next(machine.folder.glob("*/*.npz"))
        name = records.intact(path.parent, path.stem)["part"]
        if believes:
            monkeypatch.setattr(records, "_bytes", lambda path, sha256: path.read_bytes())
            with pytest.raises(AssertionError, match="what is damaged is found"):
                machine.spoil(name, path, "flip", 200)
        else:
            machine.spoil(name, path, "flip", 200)
        machine.teardown()
