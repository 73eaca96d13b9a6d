"""Tables: rows are dicts; out as plain text, CSV, LaTeX or HTML, escaped, and back from nothing else."""

import csv
import io
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import jinja2

from subtheory import latex
from subtheory.errors import InputError

Rows = Sequence[dict[str, Any]]

VERDICTS = {"holds": "✓ holds", "fails": "✗ fails", "vacuous": "○ vacuous", "undecided": "? undecided"}
"""A verdict is a word and a sign, never a colour alone."""


def shown(value: Any) -> str:
    """A cell as people read it: five significant digits, a sign before a verdict."""
    if isinstance(value, float):
        return f"{value:.5g}"
    return VERDICTS.get(str(value), str(value))


def to_text(rows: Rows) -> str:
    """Columns padded with blanks under a ruled header; empty for no rows."""
    if not rows:
        return ""
    lines = [list(rows[0]), *([shown(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    padded = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    return "\n".join([padded[0], "  ".join("-" * width for width in widths), *padded[1:]])


def to_csv(rows: Rows) -> str:
    """Comma-separated values with a header, numbers in full."""
    out = io.StringIO()
    if rows:
        writer = csv.DictWriter(out, fieldnames=list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return out.getvalue()


def from_csv(text: str) -> list[dict[str, Any]]:
    """The rows of `to_csv`: a column of whole numbers, of numbers or of truth values is that, any other is text.

    Raises ValueError where a row has more or fewer values than there are names, or a name stands there twice.
    """
    head, *lines = csv.reader(io.StringIO(text)) if text.strip() else [[]]
    if len(set(head)) < len(head):
        raise ValueError("two columns of one name")
    for i, line in enumerate(lines, 2):
        if len(line) != len(head):
            raise ValueError(f"{len(line)} values in row {i}, {len(head)} names")
    every = [_parsed(column) for column in zip(*lines, strict=True)] if lines else []
    return [dict(zip(head, values, strict=True)) for values in zip(*every, strict=True)]


def _parsed(column: Sequence[str]) -> list[Any]:
    if set(column) <= {"True", "False"}:
        return [value == "True" for value in column]
    for kind in (int, float):
        try:
            return [kind(value) for value in column]
        except ValueError:
            continue
    return list(column)


def to_pandas(rows: Rows) -> Any:
    """A pandas.DataFrame, a column a name. Raises InputError on "pandas" where that is not installed."""
    try:
        pandas = import_module("pandas")
    except ImportError:
        raise InputError("pandas", "none", "must be installed for this: python -m pip install pandas") from None
    return pandas.DataFrame(list(rows))


def to_latex(rows: Rows, caption: str, label: str, digits: int = 5, columns: str = "") -> str:
    """A booktabs table with caption and label; numbers to the right, with so many significant digits.

    `columns` are those of `tabular`, if they are to be others. A `latex.Raw` is set as it is.
    """
    if not rows:
        return ""
    numbers = [all(_is_number(row[name]) for row in rows) for name in rows[0]]
    columns = columns or "".join("r" if number else "l" for number in numbers)
    body = [" & ".join(_cell(value, digits) for value in row.values()) + r" \\" for row in rows]
    head = " & ".join(latex.escape(name) for name in rows[0]) + r" \\"
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        head,
        r"\midrule",
        *body,
        r"\bottomrule",
        r"\end{tabular}",
        rf"\caption{{{latex.escape(caption)}}}",
        rf"\label{{{label}}}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _cell(value: Any, digits: int) -> str:
    if isinstance(value, latex.Raw):
        return value
    return latex.number(value, digits) if isinstance(value, float) else latex.escape(shown(value))


_HTML = jinja2.Environment(autoescape=True).from_string(
    "<table><thead><tr>{% for name in head %}<th>{{ name }}</th>{% endfor %}</tr></thead><tbody>"
    "{% for row in body %}<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>{% endfor %}"
    "</tbody></table>"
)


def to_html(rows: Rows) -> str:
    """An escaped HTML table; empty for no rows."""
    if not rows:
        return ""
    return _HTML.render(head=list(rows[0]), body=[[shown(value) for value in row.values()] for row in rows])


def stacked(*parts: Rows | Sequence[str]) -> str:
    """What a notebook shows of a result: escaped HTML tables one below the other; lines of text are one of a column."""
    return "".join(to_html([{"said": one} if isinstance(one, str) else one for one in part]) for part in parts)
