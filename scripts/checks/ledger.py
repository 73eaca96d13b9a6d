"""R29, R3 and R32: the folder of a sweep in any order of what can happen to it, with two runners, and finished."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from checks import toy
from checks.row import Row
from subtheory import records
from subtheory.sweep import cells, collected, running


class Killed(BaseException):
    """What no handler of errors takes for one of its own."""


class Sweep(RuleBasedStateMachine):
    """A folder, the cells that it has to hold, and what is known to be damaged.

    Nothing that is read is wrong, nothing that is sound is computed again, nothing is lost, whatever comes in which
    order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.home = tempfile.TemporaryDirectory()
        self.folder = Path(self.home.name) / "sweep"
        self.kept: set[str] = set()
        self.calls: list[str] = []
        self.patch = mock.patch.object(cells, "compute", self.compute)
        self.patch.start()
        self.dies, self.before = -1, set[str]()
        self.asked = toy.planned(2)

    def teardown(self) -> None:
        self.patch.stop()
        self.home.cleanup()

    def compute(self, cell: Any) -> Any:
        if self.dies == len(self.calls):
            raise Killed
        self.calls.append(cell.name)
        return toy.compute(cell)

    @rule(first=st.integers(3, 7), count=st.integers(1, 4))
    def plan(self, first: int, count: int) -> None:
        """Another plan for the same folder: it may grow, shrink or move."""
        self.asked = toy.planned(count, seeds={"first": first, "count": count})

    def good(self) -> list[str]:
        return [name for name in self.asked.names if f"[{toy.BAD}," not in name or '"amount":0.5' not in name]

    @rule(limit=st.none() | st.integers(1, 3), dies=st.none() | st.integers(0, 4))
    def run(self, limit: int | None, dies: int | None) -> None:
        """Run, or resume; `dies` is the cell at which the process is killed."""
        self.calls, self.dies = [], -1 if dies is None else dies
        begun = running.begin(self.asked, self.folder, limit)
        try:
            begun.run()
        except Killed:
            self.kept |= set(self.calls) & set(self.good())
        else:
            assert set(begun.todo) == set(self.calls), "what was to be done was done"
            self.kept |= set(begun.todo) & set(self.good())
            assert not [*self.folder.rglob("*.tmp")], "what killed writers left is gone"
            status = collected.status(self.asked, begun.store)
            if limit is None:
                assert status.kept == len(self.good()) and status.failed == len(self.asked.names) - status.kept
            assert status.failed == 0 or "must be another" in status.first
        assert not set(self.calls) & (self.before & set(self.good())), "nothing that is sound is computed again"

    @invariant()
    def nothing_is_lost_and_nothing_wrong(self) -> None:
        if not (self.folder / running.FILE).exists():
            return
        _, store = running.store_of(self.folder)
        for name in self.kept:
            arrays = records.load(store.folder, store.key(name))[0]
            assert toy.right(name, arrays)
        self.before = set(self.kept)

    def _some(self, data: Any) -> tuple[Any, str] | None:
        if not self.kept:
            return None
        _, store = running.store_of(self.folder)
        return store, data.draw(st.sampled_from(sorted(self.kept)))

    @rule(
        data=st.data(), ending=st.sampled_from(["json", "npz"]), how=st.sampled_from(["cut", "flip", "gone", "empty"])
    )
    def damage(self, data: Any, ending: str, how: str) -> None:
        """One file of one record."""
        if found := self._some(data):
            store, name = found
            path = store.folder / f"{store.key(name)}.{ending}"
            self.spoil(name, path, how, data.draw(st.integers(0, path.stat().st_size - 1)))

    def spoil(self, name: str, path: Path, how: str, i: int) -> None:
        """A file of this cell's record, at this byte."""
        good = path.read_bytes()
        spoilt = {"cut": good[: i // 2], "empty": b"", "flip": good[:i] + bytes([good[i] ^ 4]) + good[i + 1 :]}
        if how == "gone":
            path.unlink()
        else:
            path.write_bytes(spoilt[how])
        self.kept.discard(name)
        assert not collected.check(self.folder).ok, "what is damaged is found"

    @rule(data=st.data())
    def swap(self, data: Any) -> None:
        """Two records take each other's place."""
        one, other = self._some(data), self._some(data)
        if not one or not other or one[1] == other[1]:
            return
        store, keys = one[0], [one[0].key(one[1]), one[0].key(other[1])]
        for ending in ("json", "npz"):
            first, second = (store.folder / f"{key}.{ending}" for key in keys)
            a, b = first.read_bytes(), second.read_bytes()
            first.write_bytes(b)
            second.write_bytes(a)
        self.kept -= {one[1], other[1]}
        assert not collected.check(self.folder).ok

    @rule(seed=st.integers(0, 99))
    def half_written(self, seed: int) -> None:
        """What a writer leaves that is killed: a temporary file, and arrays without their JSON."""
        if (self.folder / running.FILE).exists():
            _, store = running.store_of(self.folder)
            (store.folder / f".{seed:016x}.npz.{seed}.tmp").write_bytes(b"half")
            missing = [name for name in self.asked.names if name not in self.kept and not self._there(store, name)]
            if missing:
                (store.folder / f"{store.key(missing[0])}.npz").write_bytes(b"PK")

    @staticmethod
    def _there(store: Any, name: str) -> bool:
        return any((store.folder / f"{store.key(name)}.{ending}").exists() for ending in ("json", "npz"))

    @rule()
    def collect(self) -> None:
        """The table has the rows of what is sound, and says how many cells it lacks."""
        if not (self.folder / running.FILE).exists():
            return
        plan, _ = running.store_of(self.folder)
        found = collected.collect(self.folder)
        there = [name for name in plan.names if name in self.kept]
        assert (found.cells, found.missing) == (len(there), len(plan.names) - len(there))
        if there:
            table = records.load(self.folder, collected.TABLE)[0]
            wanted = np.concatenate([toy.values(running.Cell.read(name)) for name in there])
            assert np.array_equal(np.stack([table[name] for name in ("amount", "seed", "sine")], axis=1), wanted)


def r29(quick: bool = False) -> Row:
    """The state machine, so many times; Hypothesis shrinks what it finds."""
    row, runs = (
        Row("any order of plan, run, kill, damage, resume, collect", "no invariant broken"),
        25 if quick else 500,
    )
    steps: list[int] = []

    class Counted(Sweep):
        def teardown(self) -> None:
            steps.append(1)
            super().teardown()

    wrong = ""
    phases = [Phase.generate] if quick else [Phase.generate, Phase.shrink]
    chosen = settings(
        max_examples=runs, stateful_step_count=12 if quick else 25, deadline=None, database=None, phases=phases,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    try:
        run_state_machine_as_test(Counted, settings=chosen)  # type: ignore[no-untyped-call]
    except Exception as error:
        wrong = f"{type(error).__name__}: {error} {error.__notes__ if hasattr(error, '__notes__') else ''}"
    for _ in range(max(len(steps) - 1, 0)):
        row.tried()
    row.tried(wrong)
    return row


def r3(quick: bool = False) -> Row:
    """Two processes begin the same sweep at once, again and again."""
    row = Row("two runners on one folder", "50 rounds: 0 lost, no record twice")
    count, twice = 20, 0
    with tempfile.TemporaryDirectory() as home:
        file = Path(home) / "toy.toml"
        file.write_text(toy.text(count))
        for i in range(3 if quick else 50):
            folder, log = Path(home) / str(i), Path(home) / f"{i}.log"
            both = [toy.started(file, folder, log, seconds=0.01) for _ in range(2)]
            codes = [toy.ended(each) for each in both]
            told = toy.faults(folder, toy.planned(count)) + [f"exit code {code}" for code in codes if code]
            row.tried("; ".join(told))
            twice += len(toy.computed(log)) - 2 * count
    row.found = f"{twice} of {row.count * 2 * count} cells computed by both"
    return row


FINISHED = """
import sys
from subtheory.cli import main
code = main(sys.argv[1:])
sys.exit(code or 99 * ("jax" in sys.modules))
"""


def r32(quick: bool = False) -> Row:
    """`sweep run` of a finished sweep, in a process of its own: how long it takes, and that it does without JAX."""
    cells, row = 200 if quick else 10_000, Row("a finished sweep, run again", "10,000 cells: ≤ 5 s, JAX not imported")
    with tempfile.TemporaryDirectory() as home:
        file, folder = Path(home) / "toy.toml", Path(home) / "sweep"
        file.write_text(toy.text(cells // 2))
        words = [sys.executable, "-c", FINISHED, "sweep"]
        before = _seconds()
        toy.ended(toy.started(file, folder))
        writing = _seconds() - before
        took, clock = {}, time.perf_counter()
        for action, place in (("run", file), ("status", folder), ("collect", folder), ("check", folder)):
            before = _seconds()
            out = ["--out", str(folder)] if action == "run" else []
            done = subprocess.run([*words, action, str(place), *out], capture_output=True, text=True)
            took[action] = _seconds() - before
            row.tried(f"{action}: exit code {done.returncode}: {done.stderr[-200:]}" if done.returncode else "")
        clock = time.perf_counter() - clock
        if took["run"] > 5:
            row.tried(f"run: {took['run']:.1f} s")
    times = ", ".join(f"{action} {seconds:.1f} s" for action, seconds in took.items())
    row.found = f"{cells} cells: {times} of a processor, {clock:.0f} s by the clock; written in {writing:.1f} s"
    return row


def _seconds() -> float:
    """Of a processor, that processes begun here have taken: by the clock, a machine that is busy says nothing."""
    taken = os.times()
    return taken.children_user + taken.children_system
