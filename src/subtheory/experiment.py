"""Experiments: one file each, a question and the tables and figure that answer it; run, resumed, redrawn."""

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

from matplotlib.figure import Figure

from subtheory import figure, records, resources, table
from subtheory._version import __version__
from subtheory.errors import InputError, SubtheoryError
from subtheory.provenance import provenance
from subtheory.suggest import choose

Tables = dict[str, table.Rows]
"""Rows by table name; the first table is the one that the figure shows."""

Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and what was just done."""

RECORD = "record"
"""Key of the record that holds all tables of an experiment."""

PARTS = ("QUESTION", "COMMAND", "EXPECTED", "tables", "figure")
"""What a file must define to be an experiment."""


@dataclass(frozen=True)
class Experiment:
    """A file of `experiments/`; its code is run when its question, tables or figure are first asked for."""

    name: str
    path: Path

    @cached_property
    def module(self) -> ModuleType:
        """The file's code. Raises SubtheoryError if it does not define all of `PARTS`."""
        title = f"subtheory_experiment_{self.name}"
        spec = importlib.util.spec_from_file_location(title, self.path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[title] = module
        spec.loader.exec_module(module)
        if missing := [part for part in PARTS if not hasattr(module, part)]:
            raise SubtheoryError(f"{self.path}: an experiment must define {', '.join(missing)}")
        return module

    @property
    def question(self) -> str:
        """What the experiment asks."""
        return self.module.QUESTION

    @property
    def command(self) -> str:
        """How to run it."""
        return self.module.COMMAND

    @property
    def expected(self) -> str:
        """What it ought to find, and how long it takes."""
        return self.module.EXPECTED

    def tables(self, quick: bool = False, progress: Progress | None = None) -> Tables:
        """Compute the tables; nothing is stored."""
        return self.module.tables(quick, progress)

    def figure(self, tables: Tables) -> Figure:
        """Draw the figure of some tables."""
        return self.module.figure(tables)

    def identity(self, quick: bool) -> dict[str, Any]:
        """What decides whether saved tables still answer the question: the file, and all code of the package."""
        files = [self.path, *sorted(resources.PACKAGE.rglob("*.py"))]
        source = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()
        return {"experiment": self.name, "quick": quick, "source": source, "subtheory": __version__}


def experiments() -> dict[str, Experiment]:
    """Every experiment by name: the files of `experiments/`, none of them run yet."""
    files = sorted(resources.experiments().glob("[!_.]*.py"))
    return {path.stem: Experiment(path.stem, path) for path in files}


def run(name: str, out: Path | str, quick: bool = False, progress: Progress | None = None) -> list[Path]:
    """Answer one question: compute its tables, or take the saved ones, and draw its figure.

    Returns the files to read: out/NAME/tables/ (a CSV a table, beside the record of them all with their
    provenance) and out/NAME/figures/. A corrupt record is put aside and computed again. Raises InputError
    for an unknown name, or a place that cannot be written to.
    """
    experiment = choose("experiment", name, experiments())
    identity = experiment.identity(quick)
    meta = {"id": records.cell_id(identity), **identity, "provenance": provenance(command=experiment.command)}
    folder = Path(out) / name
    arrays, _ = records.computed(folder / "tables", RECORD, meta, lambda: _pack(experiment.tables(quick, progress)))
    tables = _unpack(arrays)
    written = [
        records.write_atomic(folder / "tables" / f"{title}.csv", table.to_csv(rows)) for title, rows in tables.items()
    ]
    return written + draw(experiment, tables, folder / "figures")


def figures(out: Path | str) -> list[Path]:
    """Draw the figures of all saved experiments again, from their tables and nothing else.

    Raises InputError if `out` holds none, DataError if a saved one is corrupt.
    """
    saved = sorted(Path(out).glob(f"*/tables/{RECORD}.json"))
    if not saved:
        raise InputError("out", out, "must hold the tables of an experiment")
    paths: list[Path] = []
    for path in saved:
        folder = path.parents[1]
        experiment = choose("experiment", folder.name, experiments())
        paths += draw(experiment, saved_tables(folder), folder / "figures")
    return paths


def draw(experiment: Experiment, tables: Tables, folder: Path) -> list[Path]:
    """Draw and save NAME.pdf, .svg, .png and .csv in the folder."""
    shown = next(iter(tables.values()))
    return list(figure.save(experiment.figure(tables), folder, experiment.name, shown).values())


def saved_tables(folder: Path | str) -> Tables:
    """The tables that a run saved under `folder`. Raises DataError if they are missing or corrupt."""
    return _unpack(records.load(Path(folder) / "tables", RECORD)[0])


def _pack(tables: Tables) -> records.Arrays:
    """All tables as columns named table/column."""
    return {
        f"{title}/{name}": column for title, rows in tables.items() for name, column in records.columns(rows).items()
    }


def _unpack(arrays: records.Arrays) -> Tables:
    tables: dict[str, records.Arrays] = {}
    for path, column in arrays.items():
        title, name = path.split("/", 1)
        tables.setdefault(title, {})[name] = column
    return {title: records.rows(columns) for title, columns in tables.items()}
