"""What a sweep has left, read without computing anything: how far it is, one table of it, and whether it is sound."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from subtheory import files, records
from subtheory.errors import DataError
from subtheory.ledger.store import ERROR, Store
from subtheory.sweep.plan import AXES, Cell, Plan
from subtheory.sweep.running import store_of

TABLE = "table"
"""Key of the record of all rows, and name of their CSV file."""

NAMES = AXES[:6]
"""Columns of text; the rest of the coordinates are columns of the rows."""


@dataclass(frozen=True)
class Status:
    """Cells of the plan, those kept, failed and missing; the first that failed, and cells kept of other plans."""

    cells: int
    kept: int
    failed: int
    first: str
    others: int

    @property
    def missing(self) -> int:
        return self.cells - self.kept - self.failed

    @property
    def exit_code(self) -> int:
        """1 where cells failed, else 3 where some are missing."""
        return 1 if self.failed else 3 if self.missing else 0


def status(plan: Plan, store: Store) -> Status:
    """By the names of files: `check` looks into them."""
    there = {path.name for path in store.folder.iterdir()} if store.folder.exists() else set[str]()
    keys = {store.key(name): name for name in plan.names}
    kept = {key for key in keys if f"{key}.json" in there}
    failed = [name for key, name in keys.items() if key not in kept and key + ERROR in there]
    every = {name[: -len(".json")] for name in there if re.fullmatch(r"[0-9a-f]{16}\.json", name)}
    first = f"{failed[0]}: {_told(store, failed[0])}" if failed else ""
    return Status(len(keys), len(kept), len(failed), first, len(every - keys.keys()))


def _told(store: Store, name: str) -> str:
    """What a cell raised, without its name."""
    error = store.failure(name)
    return str(error).removeprefix(f"part {name!r}: ") if error else "it is there now"


# One table ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Collected:
    """Rows and cells in the table, cells that it lacks, and the files; the record is None for more than fits one."""

    rows: int
    cells: int
    missing: int
    csv: Path
    record: Path | None


def collect(folder: Path, target: Path | None = None) -> Collected:
    """Write a CSV file of all rows that there are, in the order of the plan, and a record of them in the folder.

    Raises InputError if the file cannot be written, DataError for a folder without a sweep.
    """
    plan, store = store_of(folder)
    path = files.writable(target or folder / f"{TABLE}.csv", "csv")
    with files.whole(path) as file:
        text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
        columns, places, values = _written(text, _kept(plan, store))
        text.detach()
    rows, record = sum(map(len, values)), None
    if rows and sum(each.nbytes for each in values) + 4 * len(NAMES) * rows <= records.LARGEST:
        about = {"cells": len(values), "of": len(plan.names)}
        record = records.save(folder, TABLE, _columns(columns, places, values), about)
    return Collected(rows, len(values), len(plan.names) - len(values), path, record)


def _kept(plan: Plan, store: Store) -> Iterator[tuple[Cell, records.Arrays]]:
    for name in plan.names:
        arrays = store.found(name)
        if arrays is not None:
            yield Cell.read(name), arrays


Table = tuple[list[str], list[tuple[str, ...]], list[np.ndarray]]
"""Names of the numbers, the names of each cell, and the numbers of each cell (rows, columns)."""


def _written(file: TextIO, cells: Iterator[tuple[Cell, records.Arrays]]) -> Table:
    """Write the rows as they come."""
    table, columns = csv.writer(file, lineterminator="\n"), list[str]()
    places, values = list[tuple[str, ...]](), list[np.ndarray]()
    for cell, arrays in cells:
        if not columns:
            columns = arrays["columns"].tolist()
            table.writerow([*NAMES, *columns])
        if arrays["columns"].tolist() != columns:
            raise DataError(f"cell {cell.name}: has other columns than those before")
        place = tuple(getattr(cell, name) for name in NAMES)
        for row in arrays["values"].tolist():
            table.writerow([*place, *(int(v) if name == "seed" else v for name, v in zip(columns, row, strict=True))])
        places.append(place)
        values.append(arrays["values"])
    return columns, places, values


def _columns(columns: list[str], places: list[tuple[str, ...]], values: list[np.ndarray]) -> records.Arrays:
    """The table by columns: numbers as they are, text as whole numbers beside the list of what they stand for."""
    found, repeats = dict[str, Any](), [len(each) for each in values]
    for i, name in enumerate(NAMES):
        known = {text: k for k, text in enumerate(dict.fromkeys(place[i] for place in places))}
        found[f"{name} names"] = np.array(list(known))
        found[name] = np.repeat([known[place[i]] for place in places], repeats).astype(np.int32)
    return found | dict(zip(columns, np.concatenate(values).T, strict=True))


# Soundness ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Soundness:
    """Records that are sound; files that are damaged, halves of records, what killed writers left; those put aside."""

    sound: int
    damaged: list[str]
    halves: list[str]
    unfinished: list[str]
    aside: int

    @property
    def ok(self) -> bool:
        return not (self.damaged or self.halves or self.unfinished)


def check(folder: Path) -> Soundness:
    """Read every record of a sweep, whichever plan it is of, and change nothing. Raises DataError as `store_of`."""
    _, store = store_of(folder)
    there = {path.name for path in store.folder.iterdir()} if store.folder.exists() else set[str]()
    keys = sorted({name.partition(".")[0] for name in there if re.fullmatch(r"[0-9a-f]{16}\.(json|npz)", name)})
    whole = [key for key in keys if {f"{key}.json", f"{key}.npz"} <= there]
    damaged = [said for key in whole if (said := _damage(store.folder, key, store))]
    table = _damage(folder, TABLE) if (folder / f"{TABLE}.json").exists() else ""
    left = [
        str(path) for place in (folder, store.folder) for path in sorted(place.glob(".*.tmp")) if files.abandoned(path)
    ]
    halves = [str(store.folder / key) for key in keys if key not in whole]
    aside = store.folder / records.QUARANTINE
    return Soundness(
        len(whole) - len(damaged),
        [*damaged, *[table] * bool(table)],
        halves,
        left,
        len(list(aside.iterdir())) if aside.exists() else 0,
    )


def _damage(folder: Path, key: str, store: Store | None = None) -> str:
    """What is wrong with a record, in a line; empty for nothing."""
    try:
        about = records.intact(folder, key)
    except DataError as error:
        return str(error)
    other = store is not None and store.key(str(about.get("part"))) != key
    return f"{folder / key}.json: is the record of another cell" if other else ""
