"""The page of a row forecast: one page that opens offline and runs no code, its figure, and its rows as files."""

from pathlib import Path

from subtheory import figure, table
from subtheory.files import write_atomic
from subtheory.pages.report import inline, template
from subtheory.study.forecast import Forecast, drawn

NAME = "forecast"

QUESTION = "What would each row do to a student of these rows?"


def write(found: Forecast, folder: Path | str) -> list[Path]:
    """Write forecast.html and .json, the figure, and the rows as forecast.csv; their paths, the page first.

    Equal inputs give equal bytes.
    Raises InputError on "output" for a place that cannot be written.
    """
    folder = Path(folder)
    files = figure.save(figure.fitted(drawn.figure(found)), folder, NAME, found.rows)
    shown = inline(files["svg"].read_text("utf-8"), QUESTION)
    page = template(f"{NAME}.html").render(
        found=found, figure=shown, question=QUESTION, shown=table.shown, tables=[("Totals", found.sums),
        ("What the theorem asks of the training", found.hypotheses), ("How scores rank the rows", found.audit),
        ("Heaviest rows", found.heaviest())],
    )  # fmt: skip
    return [write_atomic(folder / f"{NAME}.html", page), found.save(folder / f"{NAME}.json"), *files.values()]
