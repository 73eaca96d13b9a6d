"""`subtheory sweep`: plan, run, look at, collect and check many cells; JAX is loaded when one has to be computed."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

from subtheory.cli import environment, sharing, terminal
from subtheory.cli.numbers import count
from subtheory.cli.output import print_json, print_table, writable
from subtheory.errors import InputError
from subtheory.sweep import collected, plan, running

if TYPE_CHECKING:
    from subtheory.ledger.parts import Progress

ONLY = {"out": "run", "limit": "run", "processes": "run", "dask": "run", "shard": "run", "csv": "collect",
        "measure": "plan"}  # fmt: skip
"""Flags that one action has."""

WINDOW = 60.0
"""Seconds over which the rate is taken."""


def main(options: Namespace) -> int:
    """One of the actions. Raises InputError for flags of another one."""
    for flag, action in ONLY.items():
        if getattr(options, flag) and options.action != action:
            raise InputError(flag, options.action, f"must go with {action}")
    actions = {"plan": _plan, "run": _run, "status": _status, "collect": _collect, "check": _check}
    return actions[options.action](options)


def _device() -> str | None:
    """A CPU, on which a cell's bits are the same everywhere, unless JAX_PLATFORMS says otherwise."""
    return None if os.environ.get("JAX_PLATFORMS") else "cpu"


def _plan(options: Namespace) -> int:
    """What it is, and what it would take if that was measured; nothing is written."""
    from subtheory.sweep import cells

    asked = plan.read(options.place)
    environment.prepare(_device(), not options.no_cache, one_core=True)
    cells.require(asked)
    rows = [{"field": name, "values": len(values), "of": _listed(values)} for name, values in _axes(asked)]
    places, number, seeds = sum(1 for _ in asked.places), len(asked.names), asked.seeds.count
    found: dict[str, float] = {"cells": number, "combinations": places, "seeds": seeds, "rows": places * seeds}
    if options.measure:
        one = running.measured(asked)
        found |= {"seconds_per_cell": one.seconds, "seconds_compiling": one.compiling, "bytes_per_cell": one.bytes}
    if options.json:
        print_json(found)
        return 0
    print_table("grid", rows)
    print(f"{number} cells: {places} combinations, {asked.seeds.count} seeds, {asked.seeds.per_cell} in a cell.")
    if options.measure:
        size = f"{one.bytes * number / 1e6:.1f} MB on disk"
        print(f"If all are like the first, {one.seconds:.3f} s beside {one.compiling:.1f} s for its programs: "
              f"{_duration(one.seconds * number)} on one core, {size}.")  # fmt: skip
    else:
        print("How long that takes is not known before one is computed: --measure.")
    return 0


def _axes(asked: plan.Plan) -> list[tuple[str, tuple[object, ...]]]:
    return [(name, getattr(asked.grid, name)) for name in plan.AXES]


def _listed(values: tuple[object, ...]) -> str:
    """The first ones."""
    return ", ".join(map(str, values[:6])) + (" ..." if len(values) > 6 else "")


def _run(options: Namespace) -> int:
    """Compute what is not there yet."""
    asked = plan.read(options.place)
    most = count("limit", options.limit, 1, plan.MOST) if options.limit else None
    folder = Path(options.out) if options.out else Path("sweeps") / Path(options.place).stem
    writable(folder)
    processes = sharing.processes(options, 1)
    environment.settle(_device(), one_core=True)
    begun = running.begin(asked, folder.resolve(), most)
    number = len(asked.names)
    here = {"done": number - len(begun.todo)}
    terminal.KEPT.append(lambda: f"{here['done']} of {number} cells are kept in {folder}; the same command goes on")
    if begun.todo:
        _compute(options, begun, processes, here)
    found = collected.status(asked, begun.store)
    _print_status(options, found, folder)
    return found.exit_code


def _compute(options: Namespace, begun: running.Begun, processes: int, here: dict[str, int]) -> None:
    from subtheory.cli.progress import progress
    from subtheory.sweep import cells

    environment.prepare(_device(), not options.no_cache, one_core=True)
    cells.require(begun.plan)
    with sharing.engine(options, processes) as engine, progress("sweep", None) as report:
        begun.run(engine, _paced(report, here))


def _paced(report: Progress, here: dict[str, int]) -> Progress:
    """Says the rate of the last minute, and how long the rest takes if that does not change."""
    seen = deque([(time.monotonic(), here["done"])])

    def say(done: int, total: int, name: str) -> None:
        now, here["done"] = time.monotonic(), done
        seen.append((now, done))
        while len(seen) > 2 and now - seen[0][0] > WINDOW:
            seen.popleft()
        (start, before), text = seen[0], ""
        if done > before and now > start:
            rate = (done - before) / (now - start)
            text = f"{rate:.1f}/s, {_duration((total - done) / rate)} left at this rate"
        report(done, total, text)

    return say


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def _status(options: Namespace) -> int:
    asked, store = running.store_of(options.place)
    found = collected.status(asked, store)
    _print_status(options, found, Path(options.place))
    return found.exit_code


def _print_status(options: Namespace, found: collected.Status, folder: Path) -> None:
    if options.json:
        print_json({
            "cells": found.cells, "kept": found.kept, "failed": found.failed, "missing": found.missing,
            "first_failure": found.first or None, "of_other_plans": found.others, "folder": str(folder),
        })  # fmt: skip
        return
    others = f" {found.others} of other plans are kept beside them." if found.others else ""
    print(f"{folder}: {found.kept} of {found.cells} cells are kept, {found.failed} failed, "
          f"{found.missing} are missing.{others}")  # fmt: skip
    if found.first:
        print(f"the first that failed: {found.first}")


def _collect(options: Namespace) -> int:
    found = collected.collect(Path(options.place), Path(options.csv) if options.csv else None)
    if options.json:
        record = str(found.record) if found.record else None
        print_json({"rows": found.rows, "cells": found.cells, "missing": found.missing, "csv": str(found.csv),
                    "record": record})  # fmt: skip
    else:
        print(found.csv, *([found.record] if found.record else []), sep="\n")
        print(f"{found.rows} rows of {found.cells} cells.")
        if found.rows and not found.record:
            print("They are too many for one record: the CSV file is all there is.")
    if found.missing:
        print(f"MISSING: {found.missing} of {found.cells + found.missing} cells are not in the table", file=sys.stderr)
    return 3 if found.missing else 0


def _check(options: Namespace) -> int:
    found = collected.check(Path(options.place))
    lists = {"damaged": found.damaged, "halves": found.halves, "unfinished": found.unfinished}
    if options.json:
        print_json({"ok": found.ok, "sound": found.sound, **lists, "put_aside": found.aside})
    else:
        for what, each in lists.items():
            print(*(f"{what}: {line}" for line in each), sep="\n", end="\n" if each else "")
        print(f"{found.sound} records are sound, {sum(map(len, lists.values()))} files are not, "
              f"{found.aside} were put aside before.")  # fmt: skip
    return 0 if found.ok else 4
