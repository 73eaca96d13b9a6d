"""What earlier runs saved, found by name, drawn again and judged: of experiments, and of models of one's own."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from subtheory import figure, held
from subtheory.errors import InputError
from subtheory.study.experiment import Experiment, Tables, draw, experiments, of_it, saved_tables, stored
from subtheory.study.finding import Finding
from subtheory.suggest import choose

ABLATION = "ablation"
"""The experiment whose figure an ablation of a model of one's own has, and the name of the file that it saves."""


class Saved(NamedTuple):
    """One run: the name that it is asked for by, the experiment that draws and judges it, and where it is."""

    name: str
    experiment: Experiment
    folder: Path

    @property
    def own(self) -> bool:
        """Whether it is an ablation of a model of one's own: one file, with the figures beside it."""
        return self.name != self.experiment.name

    def tables(self) -> Tables:
        """Its tables. Raises DataError if they are missing or corrupt."""
        if not self.own:
            return saved_tables(self.folder)
        from subtheory.study.own import KIND, Ablations  # which takes a second, and is seldom needed

        return held.read(self.folder / f"{ABLATION}.json", {KIND: Ablations.read}).tables


def figures(
    out: Path | str, names: Sequence[str] = (), venue: str | None = None, single: bool = False,
    style: Path | str | None = None, given: Mapping[str, Any] | None = None,
) -> list[Path]:  # fmt: skip
    """Draw the figures of these, or of all, saved runs again, from their tables and nothing else.

    A name is an experiment's, where that has several a figure's, NAME-TABLE, or ablation-NAME of a model of one's own.
    For a venue of `figure.VENUES` they go to VENUE/ beside the usual ones, for a `single` one of its columns to
    VENUE-column/. `style` is a file of matplotlib's settings; `given` are changes of one figure, which is then named.
    Raises InputError for what is unknown or unusable, or if `out` holds none of the tables, DataError if they are
    corrupt; Unfit, when all others are drawn, with the names of those that have no room there.
    """
    settings = figure.styles.read(style) if style else {}
    changes = figure.changes.of(given or {}, figure.styles.colours(settings))
    if given and len(names) != 1:
        raise InputError("set", ", ".join(given), "changes one figure: name it")
    paths: list[Path] = []
    unfit: list[figure.Unfit] = []
    for one, wanted in _wanted(out, names):
        with of_it(one.folder), figure.drawn_for(venue, single, settings):
            place = one.folder / ("" if one.own else "figures") / (f"{venue}-column" if single else venue or "")
            try:
                paths += draw(one.experiment, one.tables(), place, wanted, changes, bool(given))
            except figure.Unfit as error:
                unfit.append(error)
    if unfit:
        raise figure.Unfit(unfit[-1].field, ", ".join(str(each.value) for each in unfit), unfit[-1].wanted)
    return paths


def missed(out: Path | str, names: Sequence[str] = ()) -> list[tuple[Path, Finding]]:
    """What did not come out as predicted in the saved tables of these runs, or of all, and in which folder."""
    found = []
    for one, _ in _wanted(out, names):
        with of_it(one.folder):
            found += [(one.folder, each) for each in one.experiment.findings(one.tables()) if not each.ok]
    return found


def own(out: Path | str) -> dict[str, Saved]:
    """The ablations of models of one's own that are saved in `out`, by name."""
    drawing = experiments().get(ABLATION)
    paths = sorted(Path(out).glob(f"{ABLATION}-*/{ABLATION}.json")) if drawing else []
    return {path.parent.name: Saved(path.parent.name, drawing, path.parent) for path in paths if drawing}


def _wanted(out: Path | str, names: Sequence[str]) -> Iterator[tuple[Saved, set[str]]]:
    """Saved runs, and names of their figures that are wanted: none named is all."""
    known, mine = experiments(), own(out)
    saved = [Saved(name, choose("experiment", name, known), folder) for name, folder in stored(out)]
    if not saved and not mine:
        raise InputError("out", out, "must hold the tables of an experiment")
    asked: dict[str, set[str]] = {}
    for name in names:
        if name in mine or (mine and name.startswith(f"{ABLATION}-")):  # whose experiment has one figure, ABLATION
            asked[choose("figure", name, mine).name] = set()
            continue
        one = choose("experiment", name.partition("-")[0], known).name
        if one not in {each.name for each in saved}:
            raise InputError("experiment", name, f"must have tables in {out}")
        asked.setdefault(one, set()).update({name} if name != one else ())
    yield from ((one, asked.get(one.name, set())) for one in [*saved, *mine.values()] if not names or one.name in asked)
