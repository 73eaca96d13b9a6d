"""The look of all figures: colours, marks, the style and what a venue, a style file or an author changes of it."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes

from subtheory.errors import InputError
from subtheory.suggest import choose

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#B5A900")
"""Okabe and Ito's eight colours, told apart by the colour-blind; the yellow is darkened for white paper."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""A marker for each colour: nothing is told by colour alone."""

DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (5, 1, 1, 1)))
"""A line for each colour, for the same reason."""

WIDTH = 5.5
"""Text width of a one-column paper, in inches."""

DEFAULTS: dict[Any, Any] = dict(matplotlib.rcParamsDefault)
"""Matplotlib's own settings, which no user has changed."""

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 8.0,
    "axes.titlelocation": "left",
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#e4e4e4",
    "grid.linewidth": 0.5,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.2,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.size": 0,
    "ytick.minor.size": 0,
    "mathtext.fontset": "dejavusans",
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,
    "svg.hashsalt": "subtheory",
}
"""Text stays text in a PDF (no Type 3 fonts), and an SVG names its parts the same way every time."""

LEAST = 6.0
"""Points that no text falls below at a venue."""

SANS = ("Arial", "Liberation Sans", "DejaVu Sans")
TIMES = ("STIXGeneral", "DejaVu Sans")
"""The first that is installed, and the last for what it lacks; matplotlib brings DejaVu and STIX, a Times, itself."""


TEXTS = ("font.size", "axes.titlesize", "axes.labelsize", "legend.fontsize", "xtick.labelsize", "ytick.labelsize")
STROKES = (
    "axes.linewidth", "axes.labelpad", "axes.titlepad", "grid.linewidth", "hatch.linewidth", "lines.linewidth",
    "lines.markersize", "patch.linewidth", "xtick.major.pad", "xtick.major.size", "xtick.major.width",
    "ytick.major.pad", "ytick.major.size", "ytick.major.width",
)  # fmt: skip


@dataclass(frozen=True)
class Venue:
    """Width of the text across all its columns, of one of several, and height of a page's text, in inches; fonts; text
    and strokes relative to `STYLE`; the largest text; whether a caption stands below a figure."""

    width: float
    fonts: tuple[str, ...] = TIMES
    text: float = 1.15
    strokes: float = 1.0
    column: float | None = None
    most: float = math.inf
    height: float = 9.0
    captions: bool = True

    def points(self, size: float) -> float:
        """Text of that size in `STYLE` at this venue."""
        return min(self.most, max(LEAST, size * self.text))

    def settings(self) -> dict[str, Any]:
        """What differs from `STYLE`. STIX is small for its size, DejaVu wide: hence 1.15."""
        there = set(font_manager.get_font_names())
        serif = self.fonts is TIMES
        return {
            **{key: self.points(STYLE[key]) for key in TEXTS},
            **{key: self.strokes * STYLE.get(key, DEFAULTS[key]) for key in STROKES},
            "font.family": [font for font in self.fonts if font in there],
            "mathtext.fontset": "stix" if serif else "dejavusans",
        }


VENUES = {
    "neurips": Venue(5.5),
    "icml": Venue(6.75, column=3.25),
    "iclr": Venue(5.5),
    "jmlr": Venue(6.0, height=8.5),
    "tmlr": Venue(6.5),
    "nature": Venue(183 / 25.4, SANS, text=0.93, column=89 / 25.4, most=7.0, height=247 / 25.4),
    "slides": Venue(9.0, SANS, text=1.8, strokes=1.6, height=6.5, captions=False),
}
"""Widths and heights of the text in the venues' own styles; for slides, a page of 10 in by 7.5."""


@dataclass(frozen=True)
class Page:
    """What figures are drawn for: a venue, one of its columns or all, settings of a style file.

    The sheets that are `made` are counted where somebody asks; the one whose `turn` it is takes somebody's `axes`, of
    which None stands for a panel that is not wanted.
    """

    venue: Venue | None = None
    single: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)
    made: list[Any] | None = None
    turn: int = 0
    axes: tuple[Axes | None, ...] = ()

    @property
    def width(self) -> float | None:
        """In inches, where a venue says so."""
        if self.venue is None:
            return None
        return self.venue.column if self.single else self.venue.width


_PAGE: ContextVar[Page | None] = ContextVar("subtheory_page", default=None)


def page() -> Page:
    """What is drawn for, here and now."""
    return _PAGE.get() or Page()


@contextmanager
def drawn_for(venue: str | None, single: bool = False, settings: Mapping[str, Any] | None = None) -> Iterator[None]:
    """Inside the `with`, `style` is the venue's, then that of the `settings`, and `fitted` gives figures the width of
    its text, or of one of its columns if `single`; None changes nothing.

    Raises InputError for an unknown venue, and for a column of one that has no columns.
    """
    chosen = None if venue is None else choose("venue", venue, VENUES)
    if single and (chosen is None or chosen.column is None):
        several = ", ".join(name for name, one in VENUES.items() if one.column)
        raise InputError("single-column", venue or "no venue", f"needs a venue with several columns: {several}")
    with _page(replace(page(), venue=chosen, single=single, settings=dict(settings or {}))):
        yield


@contextmanager
def counted(axes: Sequence[Axes | None] = (), turn: int = 0) -> Iterator[list[Any]]:
    """A list of all sheets that are made inside the `with`; number `turn` takes its panels from these axes, if any."""
    made: list[Any] = []
    with _page(replace(page(), made=made, turn=turn, axes=tuple(axes))):
        yield made


@contextmanager
def _page(chosen: Page) -> Iterator[None]:
    token = _PAGE.set(chosen)
    try:
        yield
    finally:
        _PAGE.reset(token)


@contextmanager
def style() -> Iterator[None]:
    """The style inside a `with`, from matplotlib's own defaults; a user's settings come back after it."""
    _bundled_fonts()
    here = page()
    settings: dict[Any, Any] = {**DEFAULTS, **STYLE, **(here.venue.settings() if here.venue else {}), **here.settings}
    del settings["backend"]  # naming one would start it
    with matplotlib.rc_context(settings):
        yield


@cache
def _bundled_fonts() -> None:
    """Know the fonts that matplotlib brings, and look at them first.

    Its cache, which all its installations of a user share, may have been written by one without them. Then
    text is set in whatever the system has, after a warning for every font that mathematics wants.
    """
    folder, manager = Path(matplotlib.get_data_path(), "fonts", "ttf"), font_manager.fontManager
    known = {font.fname for font in manager.ttflist}
    for path in sorted(folder.glob("*.ttf")):
        if str(path) not in known:
            manager.addfont(path)
    manager.ttflist.sort(key=lambda font: not font.fname.startswith(str(folder)))


def mark(i: int) -> dict[str, Any]:
    """Colour, marker and dashes of the i-th line: never a colour alone."""
    return {
        "color": COLOURS[i % len(COLOURS)],
        "marker": MARKERS[i % len(MARKERS)],
        "linestyle": DASHES[i % len(DASHES)],
        "markeredgewidth": 0,
    }
