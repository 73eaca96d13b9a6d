"""What goes to standard output: one JSON object, a line a claim, or tables that fit the terminal; no name is cut."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from subtheory import table
from subtheory.cli import terminal
from subtheory.errors import InputError

if TYPE_CHECKING:
    from subtheory.verification.results import ClaimResult, ControlResult, Verification

STYLES = {"holds": "green", "fails": "bold red", "vacuous": "yellow", "undecided": "yellow"}
"""Of a verdict on a terminal, beside its word and its sign."""

PROSE = 16
"""Columns to which a cell of several words may be folded."""

EXPLAINED = {
    "broken": "assumptions that were broken on purpose, and without how many of them the claim fails as declared",
    "margin": "of the worst run, 1 is exact and below 0 fails",
    "runs": "settings times seeds",
}
"""The columns beside verdict and claim, from the most telling to the least, as they are explained under them."""


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
    """A rich table on a terminal where all names fit, plain text elsewhere; spelled out where there is no Greek."""
    if not rows:
        return
    if not sys.stdout.isatty() or _narrowest(rows) > _width():
        text = table.to_text(rows)
        print(text if terminal.takes(text) else _in_ascii(rows), end="\n\n")
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=title, title_justify="left")
    for name in rows[0]:
        shown.add_column(terminal.fitting(name), no_wrap=not any(" " in _cell(row[name]) for row in rows))
    for row in rows:
        cells = []
        for value in row.values():
            text = _cell(value).replace("[", "\\[")
            style = STYLES.get(str(value))
            cells.append(f"[{style}]{text}[/]" if style else text)
        shown.add_row(*cells)
    Console().print(shown)


def _cell(value: Any) -> str:
    return str(terminal.fitting(table.shown(value)))


def _width() -> int:
    return shutil.get_terminal_size().columns


def _narrowest(rows: table.Rows) -> int:
    """Columns of the terminal that a table needs at least: prose may be folded, names and numbers are not."""
    widths = []
    for name in rows[0]:
        cells = [_cell(row[name]) for row in rows]
        longest = max(len(word) for text in [name, *cells] for word in text.split() or [""])
        widths.append(max(longest, min(PROSE, *map(len, cells))))
    return sum(width + 3 for width in widths) + 1


def _in_ascii(rows: table.Rows) -> str:
    """The table with its cells spelled out before their widths are taken."""
    spelled = terminal.spelled
    return table.to_text([{spelled(name): spelled(table.shown(v)) for name, v in row.items()} for row in rows])


# A verification -----------------------------------------------------------------------------------


def print_claims(found: Verification, every: bool = False) -> None:
    """The lines of `claim_lines`, as wide as the terminal is; a pipe has all columns."""
    tty = sys.stdout.isatty()
    lines = claim_lines(found, _width() if tty else None, every)
    if not tty:
        for line in lines:
            print(terminal.fitting(line))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console()
    for line in lines:
        text = Text(terminal.fitting(line))
        for verdict, style in STYLES.items():
            text.highlight_regex(rf"^\S {verdict}\b", style)
        console.print(text, soft_wrap=True)


def claim_lines(found: Verification, width: int | None = None, every: bool = False) -> list[str]:
    """A line a claim, under it whatever is not as it should be, or with `every` all there is; then what columns say.

    Columns that do not fit into the width are left out, the last first; a name is never cut.
    """
    if not found.claims:
        return []
    rows = [_row(claim) for claim in found.claims]
    names = [*rows[0]]
    widths = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
    while width and len(names) > 2 and sum(widths[name] + 2 for name in names) - 2 > width:
        names.pop()
    lines = ["  ".join(name.ljust(widths[name]) for name in names).rstrip()]
    for claim, row in zip(found.claims, rows, strict=True):
        lines.append("  ".join(row[name].ljust(widths[name]) for name in names).rstrip())
        for line in _unfolded(claim, every):
            lines += _folded(line, width)
    told = "; ".join(f"{name}: {EXPLAINED[name]}" for name in names if name in EXPLAINED)
    return [*lines, "", *wrap(f"{told}.", min(width or 100, 100))] if told else lines


def _folded(line: str, width: int | None) -> list[str]:
    """A line under a claim, in several that fit; a name that does not is not broken."""
    if not width:
        return [f"    {line}"]
    return wrap(
        line, max(width, 40), initial_indent=" " * 4, subsequent_indent=" " * 8, break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def _row(claim: ClaimResult) -> dict[str, str]:
    margin = f"{claim.margin:.3g}" if claim.margin == claim.margin else "-"
    broken = f"{claim.broke} of {len(claim.tried)}" if claim.tried else "-"
    verdict = table.shown(str(claim.verdict))
    return {"verdict": verdict, "claim": claim.name, "broken": broken, "margin": margin, "runs": str(claim.runs)}


def _unfolded(claim: ClaimResult, every: bool) -> list[str]:
    """Why a claim does not simply hold, and each control that did not simply break it."""
    lines = [*claim.why]
    if every and claim.worst:
        lines.append(f"measured {claim.measured:.5g}, predicted {claim.predicted:.5g}, in the worst run: {claim.worst}")
    lines += [_told(control) for control in claim.tried if every or not control.as_declared]
    apart: dict[str, list[str]] = {}
    for control in claim.controls:
        if not control.tried:
            apart.setdefault(control.reason, []).append(control.without)
    return lines + [f"not broken: {', '.join(names)}: {why}" for why, names in apart.items()]


def _told(control: ControlResult) -> str:
    """What happened without an assumption."""
    share = f"fails in {100 * control.failed_fraction:.3g} % of {control.runs} runs" if control.runs else "says nothing"
    if control.as_declared:
        return f"without {control.without}: {share}, as declared"
    why = f": {control.reason}" if control.reason else ""
    word = "undecided" if control.shown == "undecided" else "NOT AS DECLARED" if control.wrong else control.shown
    return f"without {control.without}: {word}, {share}, declared: {control.declared}{why}"


def summary(found: Verification) -> str:
    """The verdict on everything, in a sentence."""
    verdicts = [str(claim.verdict) for claim in found.claims]
    rest = ", ".join(f"{verdicts.count(word)} {word}" for word in STYLES if word in verdicts and word != "holds")
    held = f"{verdicts.count('holds')} of {len(verdicts)} claims hold{f' ({rest})' if rest else ''}"
    return f"{held}; {found.broke} of {found.tried} controls break as declared."
