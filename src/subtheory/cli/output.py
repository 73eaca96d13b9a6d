"""What goes to standard output: one JSON object, or tables that fit the terminal."""

import json
import sys
from typing import Any

from subtheory import table


def print_json(value: Any) -> None:
    """One JSON object, strict: not-a-number has become null before."""
    print(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def print_table(title: str, rows: table.Rows) -> None:
    """A rich table on a terminal, plain text when piped."""
    if not rows:
        return
    if not sys.stdout.isatty():
        print(table.to_text(rows), end="\n\n")
        return
    from rich.console import Console
    from rich.table import Table

    styles = {"holds": "green", "fails": "bold red", "vacuous": "yellow"}
    shown = Table(*rows[0], title=title, title_justify="left")
    for row in rows:
        cells = []
        for value in row.values():
            text = table.shown(value).replace("[", "\\[")
            style = styles.get(str(value))
            cells.append(f"[{style}]{text}[/]" if style else text)
        shown.add_row(*cells)
    Console().print(shown)
