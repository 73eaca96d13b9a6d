"""Progress on standard error: a live bar on a terminal, a line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from subtheory.ledger.parts import Progress

EVERY = 15.0
"""Seconds between plain progress lines."""


@contextmanager
def progress(title: str) -> Iterator[Progress]:
    """Yield a callback (done, total, text)."""
    if sys.stderr.isatty():
        yield from _bar(title)
    else:
        yield _lines(title)


def _bar(title: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn(title),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.description}"),
    )
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("compiling", total=None)
        yield lambda done, total, text: bar.update(task, completed=done, total=total, description=text)


def _lines(title: str) -> Progress:
    last = time.monotonic()

    def say(done: int, total: int, text: str) -> None:
        nonlocal last
        if done == total or time.monotonic() - last > EVERY:
            last = time.monotonic()
            print(f"{title}: {done}/{total} {text}", file=sys.stderr, flush=True)

    return say
