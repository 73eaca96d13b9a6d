"""Experiments: one file each, a question and the tables and figures that answer it; run, resumed, drawn."""

import importlib.util
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any

from matplotlib.figure import Figure

from subtheory import __version__, figure, records, resources, table
from subtheory.errors import DataError, InputError, SubtheoryError
from subtheory.files import BROKEN, LARGEST, reason
from subtheory.ledger import parts
from subtheory.ledger.engines import Alone, Engine
from subtheory.ledger.parts import Progress, each, kept
from subtheory.ledger.request import Request, code, digest
from subtheory.provenance import provenance
from subtheory.study import options
from subtheory.study.finding import Finding
from subtheory.study.options import Option, Value
from subtheory.suggest import choose

__all__ = [
    "Experiment",
    "Outcome",
    "Progress",
    "Tables",
    "draw",
    "each",
    "experiments",
    "kept",
    "of_it",
    "place",
    "run",
    "saved_tables",
    "stored",
]

Changes = figure.changes.Changes
Tables = dict[str, table.Rows]
"""Rows by table name; the first table is the one that a single figure shows."""

Caption = str | Callable[[Tables], str]
"""What a figure shows, or what says it of the tables that it shows."""

KIND = "experiment"
"""Of a request."""

RECORD = "record"
"""Key of the record that holds all tables of an experiment."""

MOST_ROWS, MOST_COLUMNS, DIGITS = 40, 10, 3
"""Of a table that is also written in LaTeX, and the significant digits of its numbers."""

DATA, MODEL = "file", "model"
"""Options that name a file or folder of data, or of a model's weights: other bytes at the same place are others."""

BYTES = {DATA: LARGEST, MODEL: 2**33}
"""That a file may have which such an option names: all of them are read, so that the file is known by them."""

PARTS = ("QUESTION", "COMMAND", "EXPECTED", "PLAN", "QUICK", "tables", "findings", "figure")
"""What a file must define to be an experiment."""


SKIPPED, WHY = "skipped", "why"
"""A table of what was named and left out, if there is any: who it is, and in the last column the reason."""


@dataclass(frozen=True)
class Outcome:
    """What a run left: files to read, its findings, and what was named and left out."""

    files: list[Path]
    findings: list[Finding]
    skipped: table.Rows

    @property
    def ok(self) -> bool:
        """Everything came out as predicted."""
        return all(one.ok for one in self.findings)

    @property
    def left_out(self) -> list[str]:
        """A line for each thing that was skipped, with the reason."""
        return [f"{' on '.join(str(row[k]) for k in row if k != WHY)}: {row[WHY]}" for row in self.skipped]


class _Source(SourceFileLoader):
    """Reads the file itself: bytecode on disk is told from an edit by whole seconds."""

    def get_code(self, fullname: str) -> Any:
        return self.source_to_code(self.get_data(self.path), self.path)


@dataclass(frozen=True)
class Experiment:
    """A file of `experiments/`; its code is run when its question, tables or figure are first asked for."""

    name: str
    path: Path

    @cached_property
    def module(self) -> ModuleType:
        """The file's code. Raises SubtheoryError if it does not define all of `PARTS`."""
        title = f"subtheory_experiment_{self.name}"
        spec = importlib.util.spec_from_file_location(title, self.path, loader=_Source(title, str(self.path)))
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

    @property
    def captions(self) -> dict[str, Caption]:
        """What the figure of a table shows, in some sentences, or a function of the tables that says it."""
        return getattr(self.module, "CAPTIONS", {})

    def plan(self, quick: bool = False) -> Any:
        """What is run: a record of networks, numbers of seeds and whatever else decides about cost."""
        return self.module.QUICK if quick else self.module.PLAN

    def options(self, quick: bool = False) -> dict[str, Option]:
        """What of it can be set by text."""
        return options.options(self.plan(quick))

    def caption(self, title: str, tables: Tables) -> str:
        """What the figure of that table shows: its caption, or the question and what is expected."""
        found = self.captions.get(title)
        if found is None:
            return f"{self.question} Expected: {self.expected.rstrip('.')}."
        return figure.captions.filled(found, tables) if isinstance(found, str) else found(tables)

    def tables(self, plan: Any, progress: Progress | None = None) -> Tables:
        """Compute the tables of a plan; nothing is stored."""
        return self.module.tables(plan, progress)

    def findings(self, tables: Tables) -> list[Finding]:
        """What was said of such tables before they were computed, and whether it came out."""
        return list(self.module.findings(tables))

    def files(self, tables: Tables) -> dict[str, str]:
        """What else lies beside the tables and is made of them, text by file name; nothing of most experiments."""
        return getattr(self.module, "files", lambda tables: {})(tables)

    def figures(self, tables: Tables) -> dict[str, tuple[str, Figure]]:
        """The figures of some tables by file name, each with the table that it shows.

        One that is returned alone is named like the experiment and shows the first table; those of a dict
        are named NAME-TABLE. Raises SubtheoryError for a key that is no table.
        """
        drawn = self.module.figure(tables)
        if isinstance(drawn, Figure):
            return {self.name: (next(iter(tables)), drawn)}
        if unknown := sorted(set(drawn) - set(tables)):
            raise SubtheoryError(f"{self.path}: figure {unknown[0]!r} must have the name of a table")
        return {f"{self.name}-{title}": (title, one) for title, one in drawn.items()}

    def identity(self, quick: bool, chosen: Mapping[str, Value] | None = None) -> dict[str, Any]:
        """What decides whether saved tables still answer the question: options, data, the file, the package's code."""
        about = {"experiment": self.name, "quick": quick, "options": dict(chosen or {})}
        given = {key: Path(str(chosen[key])).expanduser() for key in (DATA, MODEL) if chosen and chosen.get(key)}
        data = {key: digest(_files(source)) for key, source in given.items() if source.exists()}
        return {**about, **data, "source": digest([self.path]), "code": code(), "subtheory": __version__}


def _files(source: Path) -> list[Path]:
    """A file, or the files of a folder."""
    return sorted(path for path in source.iterdir() if path.is_file()) if source.is_dir() else [source]


def experiments() -> dict[str, Experiment]:
    """Every experiment by name: the files of `experiments/`, none of them run yet."""
    files = sorted(resources.experiments().glob("[!_.]*.py"))
    return {path.stem: Experiment(path.stem, path) for path in files}


def place(out: Path | str, name: str, quick: bool, chosen: Mapping[str, Value]) -> Path:
    """The folder of a run: out/NAME, or one in there for each choice of options and `quick`: none replaces another."""
    words = ["quick"] * quick + [f"{key}={options.word(value)}" for key, value in chosen.items()]
    if not words:
        return Path(out) / name
    word = ",".join(words)
    if not re.fullmatch(r"[a-z0-9=,._+-]{1,100}", word):  # not every file system tells A from a
        word = re.sub(r"[^A-Za-z0-9=,._+-]+", "_", word)[:80] + "-" + records.cell_id({"options": chosen})[:8]
    return Path(out) / name / word


def run(
    name: str,
    out: Path | str,
    quick: bool = False,
    progress: Progress | None = None,
    given: Mapping[str, Any] | None = None,
    engine: Engine = Alone(),
    fresh: bool = False,
) -> Outcome:
    """Answer one question: compute its tables, or take the saved ones, judge its findings, and draw its figures.

    `given` are options, as values or as text; `engine` computes the parts; `fresh` takes nothing that is saved. The
    files are in the folder of `place`: tables/ (a CSV a table and one of the findings, beside the record of them all
    with their provenance) and figures/. A corrupt record is put aside and computed again; a run that was killed goes on
    with the parts that it had `kept`. Raises InputError for an unknown name, an unusable option, or a place that cannot
    be written to.
    """
    experiment = choose("experiment", name, experiments())
    chosen = options.chosen(experiment.options(quick), given or {}, name)
    words = [experiment.command, *["--quick"] * quick, *(f"--set {key}={options.word(chosen[key])}" for key in chosen)]
    identity = experiment.identity(quick, chosen)
    meta = {"id": records.cell_id(identity), **identity, "provenance": provenance(command=" ".join(words))}
    folder = place(out, name, quick, chosen)
    request = Request.of(KIND, identity)

    def compute() -> records.Arrays:
        with parts.keeping((folder / "parts").resolve(), request, engine):
            return _pack(_tables(experiment, quick, chosen, progress))

    if fresh:
        parts.forget(folder / "parts")
        records.remove(folder / "tables", RECORD)
    try:
        arrays, _ = records.computed(folder / "tables", RECORD, meta, compute)
    except parts.Elsewhere as error:  # or another runner has put the tables together and removed the parts meanwhile
        try:
            arrays, found = records.load(folder / "tables", RECORD)
        except DataError:
            raise error from None
        if found.get("id") != meta["id"]:
            raise
    parts.forget(folder / "parts")
    tables = _unpack(arrays)
    findings = experiment.findings(tables)
    files = _write_tables(name, tables, folder / "tables") + _write_findings(findings, folder / "tables")
    files += [records.write_atomic(folder / "tables" / one, text) for one, text in experiment.files(tables).items()]
    return Outcome(files + draw(experiment, tables, folder / "figures"), findings, tables.get(SKIPPED, []))


def _tables(experiment: Experiment, quick: bool, chosen: Mapping[str, Value], progress: Progress | None) -> Tables:
    """Of the plan with what was chosen."""
    return experiment.tables(replace(experiment.plan(quick), **chosen), progress)


@lru_cache
def _known(name: str, source: str) -> Experiment:
    """One object for a file of this digest, whose code is run once; an edit while a worker lives is another one."""
    return choose("experiment", name, experiments())


def replay(about: Mapping[str, Any]) -> None:
    """Compute the tables again, for one of their parts."""
    experiment = _known(about["experiment"], about["source"])
    if experiment.identity(about["quick"], about["options"]) != about:
        raise SubtheoryError(f"experiment {experiment.name}: its file or its data are others here")
    _tables(experiment, about["quick"], about["options"], None)


@contextmanager
def of_it(folder: Path) -> Iterator[None]:
    """What goes wrong with tables of this folder is that they are not those of the experiment, as it is now."""
    try:
        yield
    except InputError:
        raise  # about what was asked for, not about the tables
    except BROKEN as error:
        raise DataError(f"{folder}: not the tables of this experiment ({reason(error)})") from error


def stored(out: Path | str) -> Iterator[tuple[str, Path]]:
    """Experiment and folder of every saved run."""
    for depth in ("*", "*/*"):
        for path in sorted(Path(out).glob(f"{depth}/tables/{RECORD}.json")):
            folder = path.parents[1]
            yield folder.relative_to(out).parts[0], folder


def draw(
    experiment: Experiment, tables: Tables, folder: Path,
    wanted: Collection[str] = (), changes: Changes = figure.changes.NONE, one: bool = False,
) -> list[Path]:  # fmt: skip
    """Save NAME.pdf, .svg, .png, .csv and .tex in the folder, or NAME-TABLE of each, or the wanted, of several figures.

    For what `figure.drawn_for` says. Raises InputError for a wanted figure that there is not, or if it is not `one`;
    when all others are drawn Unfit, with the names of those that do not fit there.
    """
    every = experiment.figures(tables)
    chosen = {name: choose("figure", name, every) for name in wanted} or every
    if one and len(chosen) > 1:
        raise InputError("set", experiment.name, f"has several figures, name one: {', '.join(chosen)}")
    paths: list[Path] = []
    unfit: dict[str, figure.Unfit] = {}
    for name, (title, drawn) in chosen.items():
        drawn = figure.changes.changed(drawn, changes)
        caption = figure.changes.caption(experiment.caption(title, tables), changes)
        try:
            paths += figure.save(figure.fitted(drawn, caption), folder, name, tables[title], caption).values()
        except figure.Unfit as error:
            unfit[name] = error
    if unfit:
        last = next(reversed(unfit.values()))
        raise figure.Unfit(last.field, ", ".join(unfit), last.wanted)
    return paths


def _write_tables(name: str, tables: Tables, folder: Path) -> list[Path]:
    """A CSV of every table, and LaTeX of those that fit on a page."""
    paths = []
    for title, rows in tables.items():
        paths.append(records.write_atomic(folder / f"{title}.csv", table.to_csv(rows)))
        if len(rows) <= MOST_ROWS and len(rows[0]) <= MOST_COLUMNS:
            text = table.to_latex(rows, f"{name}: {title}", f"tab:{name}-{title}", DIGITS)
            paths.append(records.write_atomic(folder / f"{title}.tex", text))
    return paths


def _write_findings(findings: Sequence[Finding], folder: Path) -> list[Path]:
    if not findings:
        return []
    return [records.write_atomic(folder / "findings.csv", table.to_csv([one.row for one in findings]))]


def saved_tables(folder: Path | str) -> Tables:
    """The tables that a run saved under `folder`. Raises DataError if they are missing or corrupt."""
    with of_it(Path(folder)):
        return _unpack(records.load(Path(folder) / "tables", RECORD)[0])


def _pack(tables: Tables) -> records.Arrays:
    """All tables as columns named table/column."""
    return {
        f"{title}/{name}": column for title, rows in tables.items() for name, column in records.columns(rows).items()
    }


def _unpack(arrays: records.Arrays) -> Tables:
    tables: dict[str, records.Arrays] = {}
    for path, column in arrays.items():
        title, _, name = path.partition("/")
        tables.setdefault(title, {})[name] = column
    return {title: records.rows(columns) for title, columns in tables.items()}
