"""The figures of the paper and of the theory in one folder: numbered files, a page and a LaTeX file with them all."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import jinja2

from subtheory import figure, held, latex, records, resources, suggest
from subtheory.errors import DataError
from subtheory.ledger.engines import Alone, Engine
from subtheory.study import experiment, finding
from subtheory.study.experiment import Experiment, Progress, Tables

FOLDER, MADE = "paper", "paper-figures.json"
"""Under the folder of results; and in there, what has been made so far."""

Bar = Callable[[str], AbstractContextManager[Progress]]
"""Given a title, a progress bar to be opened."""


@dataclass(frozen=True)
class Entry:
    """A figure: its number in the paper, or in the theory's own list; the experiment and the table that it shows.

    Without a table it is the experiment's only figure. A saved run with the `options` is taken before the default
    one: the paper's own data.
    """

    number: str
    title: str
    experiment: str
    table: str = ""
    options: tuple[tuple[str, str], ...] = ()

    @property
    def file(self) -> str:
        """File name without its ending; numbers have two digits, so that they sort."""
        words = (self.experiment, self.table if self.table != self.experiment else "")
        return "-".join(
            ["figure", self.number.zfill(2) if self.number.isdigit() else self.number, *filter(None, words)]
        )


FIGURES = (
    Entry("3", "Numbers that a teacher writes carry its favourite", "tokens", "numbers"),
    Entry("5", "So do programs that are correct", "tokens", "code"),
    Entry("8", "Teachers and students of other bases", "tokens", "matrix"),
    Entry(
        "10", "Digits from auxiliary logits on noise, with the missing bars", "aux_logits", "aux_logits",
        (("data", "mnist"),),
    ),
    Entry("16", "Shuffled within and across responses", "tokens", "shuffled"),
    Entry("i", "Alignment over its law for ever smaller ε", "eps_ladder"),
    Entry("ii", "For which ε and α the trait loss falls, with certificates", "phase_diagram"),
    Entry("iii", "Alignment and transfer against the likeness of the inits", "init_paths"),
    Entry("iii", "Permuted, flipped and rescaled inits", "orbit"),
    Entry("iv", "The sign of a sampled step is a curve in √(2N·KL)", "sampled_signs"),
    Entry("v", "Filtered outputs, raw and control-subtracted", "filters"),
    Entry("vi", "Many steps: the cosine on the curve of the spectrum", "alignment_along_training"),
    Entry("vii", "Transfer against auxiliary logits times inputs, with its ceiling", "capacity", "capacity"),
    Entry("viii", "Optimisers: how often the sign is violated", "optimizers", "optimizers"),
    Entry("ix", "Generations of students", "generations", "chains"),
)  # fmt: skip
"""Arabic: figures of arXiv 2507.14805, made here. Roman: the minimum set of the theory; its tenth is Fig. 10."""


@dataclass(frozen=True)
class Made:
    """An entry, where its tables came from, or why there is no figure; the files that were written, and what did not
    come out as predicted in the tables."""

    entry: Entry
    tables: str = ""
    missing: str = ""
    caption: str = ""
    command: str = ""
    files: dict[str, Path] = field(default_factory=dict)
    missed: tuple[str, ...] = ()

    @property
    def content(self) -> dict[str, Any]:
        """What a later call has to know."""
        names = {ending: path.name for ending, path in self.files.items()}
        about = {name: getattr(self, name) for name in ("tables", "caption", "command")}
        return {"figure": self.entry.file, **about, "files": names, "missed": list(self.missed)}


def chosen(names: Sequence[str]) -> tuple[Entry, ...]:
    """The figures of some numbers or experiments, all of them by default. Raises InputError for anything else."""
    known = {name: name for entry in FIGURES for name in (entry.number, entry.experiment)}
    wanted = {suggest.choose("figure", name, known) for name in names}
    return tuple(entry for entry in FIGURES if not names or {entry.number, entry.experiment} & wanted)


def make(
    out: Path | str, names: Sequence[str] = (), quick: bool = False, venue: str | None = None, bar: Bar | None = None,
    engine: Engine = Alone(), fresh: bool = False,
) -> list[Made]:  # fmt: skip
    """Draw these figures, or all, into out/paper/, beside index.html and paper.tex that show them and all earlier ones.

    Tables come from out/NAME/ where a run saved them, and are computed and saved there otherwise (`fresh`: in any
    case), their parts by the engine. Raises
    InputError for an unknown name or venue, or a place that cannot be written to.
    """
    entries, known, made = chosen(names), experiment.experiments(), list[Made]()
    ask = partial(_tables, out=out, quick=quick, bar=bar, engine=engine, fresh=fresh)
    folder = Path(out) / FOLDER
    with figure.drawn_for(venue):
        for name in dict.fromkeys(entry.experiment for entry in entries):
            mine = [entry for entry in entries if entry.experiment == name]
            why = f"there is no experiment {name!r}"
            made += _drawn(known[name], mine, out, ask) if name in known else [Made(e, missing=why) for e in mine]
    made.sort(key=_place)
    again = {one.entry for one in made}
    whole = sorted([*made, *(one for one in earlier(folder) if one.entry not in again)], key=_place)
    records.write_atomic(folder / "paper.tex", _tex(whole, venue))
    records.write_atomic(folder / "index.html", _page(whole))
    held.write(folder / MADE, MADE, {"figures": [one.content for one in whole if one.files]})
    return made


def _place(one: Made) -> int:
    return FIGURES.index(one.entry)


def earlier(folder: Path) -> list[Made]:
    """The figures that calls before this one made here, as far as their files are there."""
    try:
        found = held.read(folder / MADE, {MADE: _made})
    except DataError:
        return []  # of no call, or damaged: figures that are made again are listed again
    every = [replace(one, files={end: folder / path.name for end, path in one.files.items()}) for one in found]
    return [one for one in every if all(path.is_file() for path in one.files.values())]


def _made(content: Any) -> list[Made]:
    known = {entry.file: entry for entry in FIGURES}
    return [
        Made(known[one["figure"]], one["tables"], "", one["caption"], one["command"],
             {str(end): Path(name) for end, name in one["files"].items()}, tuple(one["missed"]))
        for one in content["figures"] if one["figure"] in known
    ]  # fmt: skip


def _drawn(
    one: Experiment, entries: Sequence[Entry], out: Path | str, ask: Callable[..., tuple[Tables, str, str]]
) -> list[Made]:
    """The figures of one experiment, drawn from its tables once."""
    tables, source, command = ask(one, dict(entries[0].options))
    figures = dict(one.figures(tables).values())
    missed = tuple(finding.said(each) for each in one.findings(tables) if not each.ok)
    made = []
    for entry in entries:
        title = entry.table or next(iter(figures))
        if title in figures:
            caption = one.caption(title, tables)
            try:
                drawn = figure.fitted(figures[title], _said(entry, caption, source, command, missed))
            except figure.Unfit as error:
                made.append(Made(entry, missing=str(error)))
                continue
            files = figure.save(drawn, Path(out) / FOLDER, entry.file, tables[title])
            made.append(Made(entry, source, "", caption, command, files, missed))
        else:
            made.append(Made(entry, missing=f"{one.name} draws no figure of {title}"))
    return made


def _said(entry: Entry, caption: str, tables: str, command: str, missed: Sequence[str]) -> str:
    """Below a figure on paper."""
    off = f" Not as predicted: {'; '.join(missed)}." if missed else ""
    return f"{label(entry.number)}: {entry.title}. {caption}{off} ({command}, tables {tables})"


def _tables(
    one: Experiment, wanted: dict[str, str], out: Path | str, quick: bool, bar: Bar | None, engine: Engine, fresh: bool
) -> tuple[Tables, str, str]:
    """The saved tables, whatever code they are from, or those of a run; which of the two, and their command."""
    folder, meta = _saved(one, wanted, out, quick)
    if meta and not fresh:
        current = meta["id"] == records.cell_id(one.identity(quick, meta["options"]))
        command = str(meta["provenance"]["command"])
        return experiment.saved_tables(folder), "saved" if current else "saved by other code", command
    with bar(one.name) if bar else nullcontext() as progress:
        experiment.run(one.name, out, quick, progress, engine=engine, fresh=fresh)
    return experiment.saved_tables(experiment.place(out, one.name, quick, {})), "computed", one.command


def _saved(one: Experiment, wanted: dict[str, str], out: Path | str, quick: bool) -> tuple[Path, dict[str, Any]]:
    """Folder and record of the saved run with the wanted options, or of the default run; {} if there is none."""
    default = experiment.place(out, one.name, quick, {})
    for folder in [*(folder for name, folder in experiment.stored(out) if wanted and name == one.name), default]:
        try:
            _, meta = records.load(folder / "tables", experiment.RECORD)
        except DataError:
            continue
        if folder == default or (meta["quick"] == quick and wanted.items() <= meta["options"].items()):
            return folder, meta
    return default, {}


def label(number: str) -> str:
    """As people cite it."""
    return f"Fig. {number}" if number.isdigit() else f"({number})"


def _tex(made: Sequence[Made], venue: str | None) -> str:
    """A document of one column with a figure a page, and what is missing."""
    width = figure.VENUES[venue].width if venue else figure.WIDTH
    lines = [
        r"\documentclass{article}",
        r"\usepackage{amssymb,graphicx}",
        rf"\usepackage[textwidth={width:.4f}in,textheight=9.5in]{{geometry}}",
        r"\begin{document}",
    ]
    for one in made:
        if one.missing:
            title = f"{label(one.entry.number)}: {one.entry.title}."
            lines.append(latex.escape(f"{title} {one.missing}.") + r"\par")
        else:
            text = _said(one.entry, one.caption, one.tables, one.command, one.missed)
            lines += [latex.figure(f"{one.entry.file}.pdf", text, f"fig:{one.entry.file}"), r"\clearpage"]
    return "\n".join([*lines, r"\end{document}"]) + "\n"


def _page(made: Sequence[Made]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(resources.PACKAGE / "pages" / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    return environment.get_template("paper.html").render(made=made, label=label)
