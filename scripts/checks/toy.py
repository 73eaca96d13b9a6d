"""Sweeps whose cells are arithmetic, and tell who computed them: real ones but for what a cell costs.

    SUBTHEORY_TOY=1 python scripts/checks/toy.py PLAN.toml FOLDER [-j N] [--dask ADDRESS]

runs one, as `subtheory sweep run` does. Where the variable is set, this process and its workers compute no other cells.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from subtheory import session
from subtheory.cli import environment, sharing
from subtheory.errors import InputError
from subtheory.ledger.engines import Alone, Engine, Executed, Processes
from subtheory.sweep import collected, plan, running

TOY, LOG, SECONDS = "SUBTHEORY_TOY", "SUBTHEORY_TOY_LOG", "SUBTHEORY_TOY_SECONDS"
"""Variables: whether cells are toys, the file that each is added to when it is begun, and how long one takes."""

BAD = 7
"""The seed that cannot be computed at amount 0.5."""


def planned(count: int, **more: Any) -> plan.Plan:
    """Two amounts for each of so many seeds."""
    return plan.planned({"grid": {"amount": [0.0, 0.5]}, "seeds": {"first": 10, "count": count}, **more})


def text(count: int) -> str:
    """The same, as the file of a plan."""
    return f"[grid]\namount = [0.0, 0.5]\n[seeds]\nfirst = 10\ncount = {count}\n"


def values(cell: plan.Cell) -> np.ndarray:
    """The rows of a cell."""
    first, count = cell.seeds
    return np.array([[cell.amount, first + i, np.sin(first + i + cell.amount)] for i in range(count)])


def compute(cell: plan.Cell) -> dict[str, np.ndarray]:
    """In place of `subtheory.sweep.cells.compute`."""
    if log := os.environ.get(LOG):
        with open(log, "ab", buffering=0) as file:
            file.write(f"{os.getpid()} {cell.name}\n".encode())
    if seconds := float(os.environ.get(SECONDS, "0")):  # none would still let everybody else go first
        time.sleep(seconds)
    if (cell.seeds[0], cell.amount) == (BAD, 0.5):
        raise InputError("seed", BAD, "must be another")
    return {"columns": np.array(["amount", "seed", "sine"]), "values": values(cell)}


def computed(log: Path) -> list[str]:
    """Names of cells, in the order in which they were begun."""
    return [line.split(" ", 1)[1] for line in log.read_text().splitlines()] if log.exists() else []


def right(name: str, arrays: Mapping[str, np.ndarray]) -> bool:
    """Whether these are the arrays of the cell."""
    return bool(np.array_equal(arrays["values"], values(plan.Cell.read(name))))


def faults(folder: Path, asked: plan.Plan) -> list[str]:
    """What is wrong with a sweep that is said to be complete: lost, wrong or repeated cells, and litter."""
    _, store = running.store_of(folder)
    found, wrong = collected.check(folder), []
    for name in asked.names:
        arrays = store.found(name)
        if arrays is None or not right(name, arrays):
            wrong.append(f"{name}: {'lost' if arrays is None else 'wrong'}")
    if found.sound != len(asked.names):
        wrong.append(f"{found.sound} records of {len(asked.names)} cells")
    return wrong + found.damaged + found.halves + found.unfinished


def started(
    file: Path, folder: Path, log: Path | None = None, *words: str, seconds: float = 0.0
) -> "subprocess.Popen[str]":
    """A process that runs the plan of a file."""
    more = {TOY: "1", SECONDS: str(seconds)} | ({LOG: str(log)} if log else {})
    return subprocess.Popen([sys.executable, __file__, str(file), str(folder), *words], env={**os.environ, **more},
                            stdout=subprocess.PIPE, text=True, start_new_session=True)  # fmt: skip


def ended(process: "subprocess.Popen[str]") -> int:
    """Its exit code, when it has one."""
    process.communicate()
    return process.returncode


def nothing(*_: Any) -> None:
    """What a worker of toys has to prepare."""


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("plan")
    parser.add_argument("folder", type=Path)
    parser.add_argument("-j", type=int, default=1)
    parser.add_argument("--dask")
    given = parser.parse_args(words)
    environment.settle("cpu", one_core=True)
    begun = running.begin(plan.read(given.plan), given.folder)
    print("begun", len(begun.todo), flush=True)
    with sharing.dask(given.dask) if given.dask else nullcontext() as executor:
        engine: Engine = Executed(executor) if executor else Processes(given.j) if given.j > 1 else Alone()
        begun.run(engine)
    return collected.status(begun.plan, begun.store).exit_code


if os.environ.get(TOY):  # in workers too, which import this file before anything else
    sys.modules["subtheory.sweep.cells"] = sys.modules[__name__]
    session.work = nothing

if __name__ == "__main__":
    sys.exit(main())
