"""Figures in files: the same bytes every time, beside the data that they show and the LaTeX that holds them."""

import io
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from subtheory import latex, table
from subtheory.figure.look import page, style
from subtheory.files import write_atomic

METADATA: dict[str, dict[str, Any]] = {
    "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    "svg": {"Creator": None, "Date": None, "Format": None, "Type": None},
    "png": {"Software": None},
}
"""Formats of a saved figure, and what each must not say: no clock, no versions."""


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
        here = page()
        wide = here.venue is not None and here.venue.column is not None and not here.single
        text = latex.figure(f"{name}.pdf", caption, f"fig:{name}", wide)
        paths["tex"] = write_atomic(folder / f"{name}.tex", text)
    return paths
