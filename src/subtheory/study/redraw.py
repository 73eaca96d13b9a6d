"""A figure of an experiment drawn again by whoever publishes it: from its table, into any axes, in their own words."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from subtheory import figure, files, table
from subtheory.arguments import shown
from subtheory.errors import InputError, SubtheoryError
from subtheory.study import experiment, saved
from subtheory.study.experiment import Experiment, Tables
from subtheory.suggest import choose

RESULTS = "results"
"""Where `subtheory run` leaves tables unless it is told otherwise."""

PANELS = 100
"""More than any figure has."""


def draw(
    name: str | Path,
    table: Any = None,
    *,
    ax: Any = None,
    venue: str | None = None,
    single_column: bool = False,
    style: str | Path | None = None,
    **changes: Any,
) -> Any:
    """The figure `name` of the gallery, drawn from its table with what is changed: a Figure, or the `ax` drawn into.

    `name` is an experiment's, NAME-TABLE of one with several figures, ablation-NAME of a model of your own, or the CSV
    file that was saved beside a figure.
    `table` is where its numbers are: rows, tables by name, a CSV file or a folder of them; by default those that
    `subtheory run` left in results/NAME.

    `ax` are axes to draw into, one or as many as the figure has panels, row by row: nothing else is created, and
    their own figure keeps its size. Otherwise `venue`, one of `figure.VENUES`, gives the width and the fonts, with
    `single_column` of one column of it. `style` is a .mplstyle file, whose cycle of colours is taken too. `changes` are
    title, xlabel, ylabel, xlim, ylim (one value for all panels, or a list), labels (new texts by old ones), colours (in
    place of `figure.COLOURS`), panel (one of them alone, counted from 1) and height (inches).

        st.draw("eps_ladder", venue="neurips", panel=1, title="Mine", xlim=(1e-9, 0.1)).savefig("mine.pdf")

    Raises InputError for what is unknown or unusable, one line that names it.
    """
    one, title, tables = _source(name, table)
    settings = figure.styles.read(style) if style else {}
    wanted = figure.changes.of(changes, figure.styles.colours(settings))
    with figure.drawn_for(venue, single_column, settings):
        with _of(one), figure.counted() as made:
            every = dict(one.figures(tables).values())
        shown_by = choose("figure", title, every) if title else _only(one, every)
        if ax is None:
            return figure.fitted(figure.changes.changed(shown_by, wanted))
        given, turn = _axes(ax, wanted.panel), made.index(shown_by)
        with _of(one), figure.counted(given, turn) as made:
            one.figures(tables)
    sheet = made[turn]
    if wanted.panel is None and len(sheet.panels) != len(given):
        raise InputError("ax", f"{len(given)} axes", f"must be {len(sheet.panels)}, as many as the figure has panels")
    sheet.panels = [axes for axes in sheet.panels if axes in given]
    if not sheet.panels:
        raise InputError("panel", wanted.panel, "is more than the figure has")
    figure.changes.changed(sheet, wanted)
    return ax


def _axes(ax: Any, panel: int | None) -> list[Axes | None]:
    """The axes that were given, in the places of the panels that go there."""
    given = list(ax.flat) if isinstance(ax, np.ndarray) else list(ax) if isinstance(ax, list | tuple) else [ax]
    axes = [figure.axes_of(one if one is not None else "none") for one in given]
    if panel is None:
        return axes
    if len(axes) != 1:
        raise InputError("ax", f"{len(axes)} axes", "must be one for one panel")
    return [None] * (panel - 1) + axes + [None] * PANELS


def _only(one: Experiment, every: Mapping[str, Any]) -> Any:
    if len(every) > 1:
        names = ", ".join(f"{one.name}-{title}" for title in every)
        raise InputError("figure", shown(one.name), f"has several figures, name one: {names}")
    return next(iter(every.values()))


@contextmanager
def _of(one: Experiment) -> Iterator[None]:
    """What goes wrong with a table is that it is not of this figure."""
    try:
        yield
    except SubtheoryError:
        raise
    except files.BROKEN as error:
        raise InputError("table", shown(one.name), f"not the tables of this figure ({files.reason(error)})") from error


def _source(name: str | Path, given: Any) -> tuple[Experiment, str, Tables]:
    """The experiment, the table whose figure is meant, if one is named, and the tables."""
    if not isinstance(name, str | Path):
        raise InputError("figure", shown(name), "must be the name of a figure, or of its CSV file")
    path = Path(name)
    if path.suffix == ".csv":
        name, given = path.stem, path if given is None else given
    mine = saved.own(RESULTS).get(str(name)) if given is None else None
    if mine:
        return mine.experiment, "", mine.tables()
    stem, _, title = str(name).partition("-")
    one = choose("experiment", stem, experiment.experiments())
    if isinstance(given, str | Path) or given is None:
        return one, title, _read(one, title, given)
    if hasattr(given, "to_dict"):
        given = given.to_dict("records")  # of pandas
    if isinstance(given, Mapping):
        return one, title, {key: list(rows) for key, rows in given.items()}
    if not isinstance(given, Sequence) or not all(isinstance(row, Mapping) for row in given) or not given:
        raise InputError("table", shown(given), "must be rows, tables by name, or a file or folder of CSV")
    return one, title, {title or _first(one): list(given)}


def _first(one: Experiment) -> str:
    """The table that the figure shows, or the first does."""
    return next(iter(one.captions), one.name)


def _read(one: Experiment, title: str, given: str | Path | None) -> Tables:
    if given is None:
        folder = next((folder for name, folder in experiment.stored(RESULTS) if name == one.name), None)
        if folder is None:
            raise InputError("table", "none", f"must be given, or be in {RESULTS}/: subtheory run {one.name}")
        return experiment.saved_tables(folder)
    path = Path(given)
    if path.is_dir():
        if (path / "tables").is_dir():
            path /= "tables"
        return _Folder([path])
    return _Folder([path.parent, path.parent / ".." / "tables"], {title or _first(one): _rows(path)})


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        return table.from_csv(files.read(path).decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError("table", shown(str(path)), f"must be a CSV file ({files.reason(error)})") from None


class _Folder(dict[str, Any]):
    """Tables by name, read from the first of some folders that has them when they are asked for."""

    def __init__(self, folders: Sequence[Path], known: Mapping[str, Any] | None = None) -> None:
        super().__init__(known or {})
        self.folders = folders

    def _path(self, title: Any) -> Path | None:
        paths = [folder / f"{title}.csv" for folder in self.folders]
        return next((path for path in paths if path.is_file()), None)

    def __missing__(self, title: str) -> Any:
        path = self._path(title)
        if path is None:
            where = " or ".join(dict.fromkeys(str(folder) for folder in self.folders))
            raise InputError("table", f"{title}.csv", f"is needed too, and not in {where}")
        self[title] = _rows(path)
        return self[title]

    def __contains__(self, title: object) -> bool:
        return super().__contains__(title) or self._path(title) is not None
