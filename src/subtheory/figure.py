"""Figures: one look for all, drawn without global state, saved byte for byte the same beside their data."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from subtheory import table
from subtheory.records import write_atomic

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#B5A900")
"""Okabe and Ito's eight colours, told apart by the colour-blind; the yellow is darkened for white paper."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":", (0, (5, 1)), (0, (3, 1, 1, 1)), (0, (1, 1)), (0, (5, 1, 1, 1)))

WIDTH = 5.5
"""Text width of a one-column paper, in inches."""

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


@contextmanager
def style() -> Iterator[None]:
    """The style inside a `with`, from matplotlib's own defaults; a user's settings come back after it."""
    settings: dict[Any, Any] = {**matplotlib.rcParamsDefault, **STYLE}
    del settings["backend"]  # naming one would start it
    with matplotlib.rc_context(settings):
        yield


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


def drawn(figure: Figure, ending: str) -> bytes:
    """The figure as the bytes of a pdf, svg or png file, the same every time."""
    out = io.BytesIO()
    with style():
        figure.savefig(out, format=ending, metadata=METADATA[ending])
    return out.getvalue()


def save(figure: Figure, folder: Path | str, name: str, data: table.Rows) -> dict[str, Path]:
    """Write name.pdf, name.svg, name.png and, beside them, name.csv with what they show; paths by ending."""
    folder = Path(folder)
    paths = {ending: write_atomic(folder / f"{name}.{ending}", drawn(figure, ending)) for ending in METADATA}
    return {**paths, "csv": write_atomic(folder / f"{name}.csv", table.to_csv(data))}
