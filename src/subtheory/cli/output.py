"""What goes to standard output: one JSON object, or tables that fit the terminal."""

import json
import os
import sys
from pathlib import Path
from typing import Any

from subtheory import table
from subtheory.cli import terminal
from subtheory.errors import InputError


def writable(folder: Path | str, field: str = "out") -> Path:
    """Make the folder, before anything is computed; InputError on `field` if that cannot be done."""
    path = Path(folder)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            field, repr(str(folder)), f"must be a folder that can be written ({error.strerror})"
        ) from error
    if not os.access(path, os.W_OK):
        raise InputError(field, repr(str(folder)), "must be a folder that can be written")
    return path


def print_json(value: Any) -> None:
    """One JSON object, strict: not-a-number has become null before; in ASCII where the terminal has no more."""
    text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    print(text if terminal.takes(text) else json.dumps(value, indent=1, ensure_ascii=True, allow_nan=False))


def print_table(title: str, rows: table.Rows) -> None:
    """A rich table on a terminal, plain text when piped; spelled out where the encoding has no Greek."""
    if not rows:
        return
    if not sys.stdout.isatty():
        text = table.to_text(rows)
        print(text if terminal.takes(text) else _in_ascii(rows), end="\n\n")
        return
    from rich.console import Console
    from rich.table import Table

    styles = {"holds": "green", "fails": "bold red", "vacuous": "yellow"}
    shown = Table(*map(terminal.fitting, rows[0]), title=title, title_justify="left")
    for row in rows:
        cells = []
        for value in row.values():
            text = terminal.fitting(table.shown(value)).replace("[", "\\[")
            style = styles.get(str(value))
            cells.append(f"[{style}]{text}[/]" if style else text)
        shown.add_row(*cells)
    Console().print(shown)


def _in_ascii(rows: table.Rows) -> str:
    """The table with its cells spelled out before their widths are taken."""
    spelled = terminal.spelled
    return table.to_text([{spelled(name): spelled(table.shown(v)) for name, v in row.items()} for row in rows])
