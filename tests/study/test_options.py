"""Options of an experiment, figures of several tables, and parts that outlive a kill."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import namedtuple
from dataclasses import dataclass
from pathlib import Path

import pytest

from subtheory import resources
from subtheory.cli import main
from subtheory.errors import InputError, SubtheoryError
from subtheory.ledger import parts
from subtheory.ledger.engines import Shard
from subtheory.study import experiment, options, saved

SLOW = """'Parts that are slow, and a file that remembers which were computed.'
import os, time
from dataclasses import dataclass
from pathlib import Path
import numpy as np
from subtheory.study.experiment import kept
from subtheory.figure import blank, style
QUESTION, COMMAND, EXPECTED = "Is it 100 % done?", "subtheory run slow", "yes"
CAPTIONS = {"squares": "Squares & x_i \u2265 0."}
@dataclass(frozen=True)
class Plan:
    seeds: int | None = None
    scale: float = 0.1
    name: str = "a"
    up: bool = True
    sizes: tuple[int, ...] = (1, 2)
PLAN, QUICK = Plan(), Plan(scale=0.2)
def tables(plan, progress=None):
    seeds, scale, name = plan.seeds, plan.scale, plan.name
    def part(i):
        with open(os.environ["SLOW_LOG"], "a") as log:
            log.write(f"{i}\\n")
        if i == 2:
            time.sleep(float(os.environ.get("SLOW_SLEEP", "0")))
        x = np.random.default_rng(i).normal()
        return [{"i": i, "x": x, "y": np.float32(x * scale), "large": i > 1, "name": name * i or "-", "odd": i or 0.5}]
    rows = []
    for i in range(seeds or 4):
        rows += kept(f"part {i}", lambda: part(i))
        if progress:
            progress(i + 1, seeds or 4, "")
    return {"rows": rows, "squares": [{"i": r["i"], "xx": r["x"] ** 2} for r in rows]}
def findings(tables):
    return []
def figure(tables):
    drawn = {}
    for title in tables:
        with style():
            drawn[title] = blank()
            drawn[title].axes[0].plot([row["i"] for row in tables[title]])
    return drawn
"""


Size = namedtuple("Size", "seeds rows")


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """A folder of experiments with one in it; the file that says which parts were computed."""
    folder, log = tmp_path / "experiments", tmp_path / "log"
    folder.mkdir()
    log.touch()
    (folder / "slow.py").write_text(SLOW)
    monkeypatch.setattr(resources, "experiments", lambda: folder)
    monkeypatch.setenv("SLOW_LOG", str(log))
    return log


def files(folder):
    """The bytes of all tables and figures."""
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and "record" not in path.name
    }


def test_options_are_fields_of_the_plan(slow):
    """Of the types that a text can give, with the plan's own values as defaults."""
    one = experiment.experiments()["slow"]
    assert {name: (each.type, each.default) for name, each in one.options().items()} == {
        "seeds": ("int | None", None), "scale": ("float", 0.1), "name": ("str", "a"), "up": ("bool", True),
    }  # fmt: skip
    given = {"up": "no", "scale": "2e-1", "seeds": "3", "name": "a"}
    assert options.chosen(one.options(), given, "slow") == {"seeds": 3, "scale": 0.2, "up": False}
    assert options.chosen(one.options(True), given, "slow") == {"seeds": 3, "up": False}, "what is quick's own is left"
    assert options.chosen(one.options(), {"scale": 1, "seeds": "none"}, "slow") == {"scale": 1.0}


def test_a_plan_is_a_frozen_record():
    @dataclass
    class Loose:
        seeds: int = 3

    @dataclass(frozen=True)
    class Plan:
        seeds: int = 3
        either: int | str = 3

    for plan in (Loose(), Plan, {"seeds": 3}):
        with pytest.raises(SubtheoryError, match="must be a record, an instance of a frozen dataclass"):
            options.options(plan)
    assert list(options.options(Plan())) == ["seeds"]


def test_plans_say_what_is_too_small():
    plan = Size(seeds=2, rows=None)
    options.at_least(plan, seeds=2, rows=1)
    with pytest.raises(InputError, match="seeds: must be at least 3, got 2"):
        options.at_least(plan, rows=1, seeds=3)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--set", "scael=1"], "option: unknown, did you mean 'scale'?; slow has seeds, scale, name, up, got 'scael'"),
        (["--set", "xyz=1"], "must be one of seeds, scale, name, up"),
        (["--set", "scale"], "set: must be KEY=VALUE, got 'scale'"),
        (["--set", "=1"], "set: must be KEY=VALUE"),
        (["--set", "scale=nan"], "scale: must be a finite number, got 'nan'"),
        (["--set", "scale=inf"], "scale: must be a finite number"),
        (["--set", "scale=1e999"], "scale: must be a finite number"),
        (["--set", "scale=none"], "scale: must be a finite number"),
        (["--set", "name="], "name: must be text of at least one letter"),
        (["--set", "up=maybe"], "up: must be true or false, got 'maybe'"),
        (["--seeds", "0"], "seeds: must be a whole number from 1 to 10000, got '0'"),
        (["--seeds", "-3"], "seeds: must be a whole number from 1"),
        (["--seeds", "2.5"], "seeds: must be a whole number or none, got '2.5'"),
        (["--seeds", "1000000000"], "from 1 to 10000"),
        (["--seeds", "9" * 5000], "seeds: must be a whole number"),
        (["--seeds", "3", "--set", "seeds=4"], "seeds: must be given once"),
    ],
)
def test_bad_options_are_one_line(slow, words, said, tmp_path, capsys):
    assert main(["run", "slow", *words, "--no-cache", "--out", str(tmp_path / "out")]) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.startswith("error: ") and err.count("\n") == 1 and said in err
    assert slow.read_text() == ""


def test_options_are_listed(slow, capsys):
    assert main(["run", "slow", "--options"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[2:4]] == [["seeds", "int", "|", "None", "none"], ["scale", "float", "0.1"]]
    assert main(["run", "slow", "--options", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["options"][3] == {"option": "up", "type": "bool", "default": True}


def test_every_choice_of_options_has_a_place_of_its_own(slow, tmp_path, monkeypatch):
    names = [{"name": name} for name in ("b", "B", "../b", "c" * 300)]
    choices = [
        (quick, each) for quick in (False, True) for each in ({}, {"seeds": 2}, {"seeds": 2, "up": False}, *names)
    ]
    places = [str(experiment.place(tmp_path, "slow", *choice).relative_to(tmp_path)) for choice in choices]
    assert {"slow", "slow/quick", "slow/seeds=2", "slow/quick,seeds=2,up=false", "slow/name=b"} < set(places)
    assert len({place.lower() for place in places}) == len(choices)
    assert all(len(place) < 120 and ".." not in place.split("/") for place in places)

    monkeypatch.setattr(experiment, "draw", lambda *_: [])
    for given in ({}, {"seeds": 2}):
        experiment.run("slow", tmp_path, given=given)
    assert (tmp_path / "slow/seeds=2/tables/squares.csv").read_text().count("\n") == 3
    assert (tmp_path / "slow/tables/squares.csv").read_text().count("\n") == 5
    computed = slow.read_text()
    experiment.run("slow", tmp_path, given={"seeds": "2"})
    experiment.run("slow", tmp_path, given={"scale": 0.1, "seeds": None})
    assert slow.read_text() == computed, "equal options take the saved tables, and a default is no option"


def test_other_data_at_the_same_place_are_other_data(slow, tmp_path):
    one, folder = experiment.experiments()["slow"], tmp_path / "data"
    folder.mkdir()
    (folder / "a").write_bytes(b"1")

    def named():
        return tuple(one.identity(False, {key: str(at)}) for key in ("file", "model") for at in (folder, folder / "a"))

    before = named()
    assert before == named() and all(each != one.identity(False) for each in before)
    (folder / "a").write_bytes(b"2")
    assert all(a != b for a, b in zip(before, named(), strict=True))
    assert one.identity(False, {"file": "fetch"})["options"] == {"file": "fetch"}


def test_a_path_of_inits_is_no_file_of_data(slow, tmp_path, monkeypatch):
    """Whatever lies in the working folder."""
    monkeypatch.chdir(tmp_path)
    one = experiment.experiments()["slow"]
    before = one.identity(False, {"path": "noise"})
    Path("noise").write_bytes(b"1")
    assert one.identity(False, {"path": "noise"}) == before


def test_several_figures_each_with_its_table(slow, tmp_path):
    paths = experiment.run("slow", tmp_path).files
    figures = tmp_path / "slow" / "figures"
    names = {f"slow-{title}.{e}" for title in ("rows", "squares") for e in ("pdf", "svg", "png", "csv", "tex")}
    assert {path.name for path in figures.iterdir()} == names and set(figures.iterdir()) <= set(paths)
    for title in ("rows", "squares"):
        assert (figures / f"slow-{title}.csv").read_text() == (tmp_path / f"slow/tables/{title}.csv").read_text()
    assert r"\caption{Squares \& x\_i \ensuremath{\ge} 0.}" in (figures / "slow-squares.tex").read_text()
    assert r"\caption{Is it 100 \% done? Expected: yes.}" in (figures / "slow-rows.tex").read_text()
    shutil.rmtree(figures)
    assert {path.name for path in saved.figures(tmp_path, ["slow"])} == names
    with pytest.raises(InputError, match="experiment: unknown, did you mean 'slow'"):
        saved.figures(tmp_path, ["slo"])


def test_a_figure_of_no_table_is_refused(slow, tmp_path):
    (resources.experiments() / "slow.py").write_text(SLOW.replace("drawn = {}", "drawn = {'none': None}"))
    with pytest.raises(SubtheoryError, match="figure 'none' must have the name of a table"):
        experiment.run("slow", tmp_path)


PROGRAM = """
import sys
from pathlib import Path
from subtheory import resources
from subtheory.study import experiment
resources.experiments = lambda: Path(sys.argv[1])
experiment.run("slow", sys.argv[2])
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
def test_a_run_that_was_killed_goes_on_where_it_stopped(slow, tmp_path):
    words = [sys.executable, "-c", PROGRAM, str(resources.experiments())]
    subprocess.run([*words, str(tmp_path / "whole")], check=True)
    assert slow.read_text().split() == ["0", "1", "2", "3"]
    slow.write_text("")
    process = subprocess.Popen([*words, str(tmp_path / "killed")], env={**os.environ, "SLOW_SLEEP": "600"})
    until = time.monotonic() + 120
    while slow.read_text().split() != ["0", "1", "2"] and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    folder = tmp_path / "killed" / "slow"
    assert len(list(folder.rglob("parts/*/*.npz"))) == 2 and not (folder / "tables").exists()
    subprocess.run([*words, str(tmp_path / "killed")], check=True)
    assert slow.read_text().split() == ["0", "1", "2", "2", "3"], "finished parts are not computed again"
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    records = [json.loads((tmp_path / name / "slow/tables/record.json").read_text()) for name in ("killed", "whole")]
    assert records[0]["arrays"] == records[1]["arrays"], "bit for bit"
    assert not (folder / "parts").exists()


def test_parts_of_an_interrupted_run_stay(slow, tmp_path, monkeypatch):
    def stop(done, total, what):
        if done == 2:
            raise KeyboardInterrupt

    with contextlib.suppress(KeyboardInterrupt):
        experiment.run("slow", tmp_path, progress=stop)
    experiment.run("slow", tmp_path)
    assert slow.read_text().split() == ["0", "1", "2", "3"] and not list(tmp_path.rglob("parts"))


def test_a_share_says_that_others_are_missing(slow, tmp_path):
    with pytest.raises(parts.Elsewhere, match="still missing"):
        experiment.run("slow", tmp_path, engine=Shard(1, 50))


def test_a_worker_runs_the_file_that_the_request_is_about(slow, tmp_path):
    """An edit while it lives is another experiment, not the old code under a new name."""
    one = experiment.experiments()["slow"]
    first = experiment._known("slow", one.identity(False)["source"])
    assert first is experiment._known("slow", one.identity(False)["source"])
    one.path.write_text(one.path.read_text() + "\n")
    assert experiment._known("slow", one.identity(False)["source"]) is not first
