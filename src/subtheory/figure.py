"""Figures: one look for all, drawn without global state, saved byte for byte the same beside their data."""

import io
import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from subtheory import latex, table
from subtheory.arguments import shown
from subtheory.errors import InputError
from subtheory.records import write_atomic
from subtheory.suggest import choose

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#B5A900")
"""Okabe and Ito's eight colours, told apart by the colour-blind; the yellow is darkened for white paper."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (5, 1, 1, 1)))

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

METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    "svg": {"Creator": None, "Date": None, "Format": None, "Type": None},
    "png": {"Software": None},
}
"""Formats of a saved figure, and what each must not say: no clock, no versions."""


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
    """Width of the text across all its columns in inches, fonts, text and strokes relative to `STYLE`, largest text."""

    width: float
    fonts: tuple[str, ...] = TIMES
    text: float = 1.15
    strokes: float = 1.0
    columns: int = 1
    most: float = math.inf

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
    "icml": Venue(6.75, columns=2),
    "iclr": Venue(5.5),
    "jmlr": Venue(6.0),
    "tmlr": Venue(6.5),
    "nature": Venue(183 / 25.4, SANS, text=0.93, columns=2, most=7.0),
    "slides": Venue(9.0, SANS, text=1.8, strokes=1.6),
}
"""Text widths of the venues' own styles; for slides a page of 10 in. Figures have several panels: never one column."""

_VENUE: ContextVar[Venue | None] = ContextVar("subtheory_venue", default=None)


@contextmanager
def drawn_for(venue: str | None) -> Iterator[None]:
    """Inside the `with`, `style` is the venue's and `fitted` gives figures the width of its text; None changes nothing.

    Raises InputError for an unknown one.
    """
    token = _VENUE.set(None if venue is None else choose("venue", venue, VENUES))
    try:
        yield
    finally:
        _VENUE.reset(token)


@contextmanager
def style() -> Iterator[None]:
    """The style inside a `with`, from matplotlib's own defaults; a user's settings come back after it."""
    _bundled_fonts()
    venue = _VENUE.get()
    settings: dict[Any, Any] = {**DEFAULTS, **STYLE, **(venue.settings() if venue else {})}
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


def columns() -> int:
    """Columns of the venue's page; a figure goes across them."""
    venue = _VENUE.get()
    return venue.columns if venue else 1


def fitted(figure: Figure) -> Figure:
    """The figure as wide as the venue's text, in its proportions; text that had a size of its own is rescaled too."""
    venue = _VENUE.get()
    if venue is None:
        return figure
    width, height = figure.get_size_inches()
    figure.set_size_inches(venue.width, height * venue.width / width)
    with style():
        settings: dict[Any, Any] = dict(matplotlib.rcParams)
        sizes = [settings[key] for key in TEXTS]
        sizes += [settings["font.size"] * scale for scale in font_manager.font_scalings.values()]
        for text in figure.findobj(Text):
            size = float(text.get_fontsize())
            own = not any(math.isclose(size, known) for known in sizes)
            text.set_fontsize(venue.points(size) if own else min(size, venue.most))
    return figure


def mark(i: int) -> dict[str, Any]:
    """Colour, marker and dashes of the i-th line: never a colour alone."""
    return {
        "color": COLOURS[i % len(COLOURS)],
        "marker": MARKERS[i % len(MARKERS)],
        "linestyle": DASHES[i % len(DASHES)],
        "markeredgewidth": 0,
    }


def blank(columns: int = 1, height: float = 2.6, width: float = WIDTH) -> Figure:
    """An empty figure of `columns` axes side by side; no window, no pyplot. Call it inside `style`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.subplots(1, columns)
    return figure


def axes_of(ax: Any = None, height: float = 2.6) -> Any:
    """The axes that somebody draws on, or new ones of pyplot's, which a notebook shows. Call it inside `style`.

    Raises InputError on "ax" for what is none of matplotlib's.
    """
    if ax is None:
        from matplotlib import pyplot

        return pyplot.subplots(figsize=(WIDTH, height), layout="constrained")[1]
    if not isinstance(ax, Axes):
        raise InputError("ax", shown(ax), "must be axes of matplotlib")
    return ax


def drawn(figure: Figure, ending: str) -> bytes:
    """The figure as the bytes of a pdf, svg or png file, the same every time."""
    out = io.BytesIO()
    with style():
        figure.savefig(out, format=ending, metadata=METADATA[ending])
    return out.getvalue()


def save(figure: Figure, folder: Path | str, name: str, data: table.Rows, caption: str = "") -> dict[str, Path]:
    """Write name.pdf, name.svg, name.png and, beside them, name.csv with what they show; paths by ending.

    With a caption, name.tex is the LaTeX environment that holds the PDF.
    """
    folder = Path(folder)
    paths = {ending: write_atomic(folder / f"{name}.{ending}", drawn(figure, ending)) for ending in METADATA}
    paths["csv"] = write_atomic(folder / f"{name}.csv", table.to_csv(data))
    if caption:
        text = latex.figure(f"{name}.pdf", caption, f"fig:{name}", columns() > 1)
        paths["tex"] = write_atomic(folder / f"{name}.tex", text)
    return paths
