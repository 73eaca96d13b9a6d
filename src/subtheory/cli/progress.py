"""Progress on standard error: what is done now, for how long, and about how long yet; a bar, or a line now and then."""

import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from subtheory import session
from subtheory.cli import terminal
from subtheory.ledger.parts import Progress

EVERY = 15.0
"""Seconds between plain progress lines."""

ENOUGH, SOME = 5.0, 3
"""Seconds and parts of this very run before anything is said of what is left."""

LATEST = 40
"""Parts whose pace is taken for that of the rest."""

REFRESH = 0.1
"""Seconds after which a bar is drawn again."""

BAR, NARROW = 20, 72
"""Columns of the bar, and of a terminal that has no room for it."""

ECHO = 4
"""Columns that stay free at the right: where a terminal writes ^C."""


class Pace:
    """How long a run will take yet, if each part of the rest takes as long as the latest that were computed.

    Parts of small networks come first and what is compiled serves later ones, so the mean over all would tell less.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock, self.start = clock, clock()
        self.seen: deque[tuple[float, int]] = deque(maxlen=LATEST + 1)
        self.total = 0

    def tell(self, done: int, total: int) -> None:
        """So many are done, the first time those that were kept before."""
        if self.seen and (done < self.done or total != self.total):  # another stage has parts of its own
            self.seen.clear()
        if not self.seen or done != self.done:
            self.seen.append((self.clock(), done))
        self.total = total

    @property
    def done(self) -> int:
        """Parts."""
        return self.seen[-1][1] if self.seen else 0

    @property
    def elapsed(self) -> float:
        """Seconds since it began."""
        return self.clock() - self.start

    @property
    def left(self) -> float | None:
        """Seconds; None as long as there is nothing to go by."""
        if not self.seen:
            return None
        (begun, before), (now, done) = self.seen[0], self.seen[-1]
        if done - before < SOME or now - begun < ENOUGH:
            return None
        return max((self.total - done) * (now - begun) / (done - before) - (self.clock() - now), 0.0)

    def __str__(self) -> str:
        left = self.left
        return "estimating" if left is None else f"about {rounded(left)} left"


def duration(seconds: float) -> str:
    """1:05, or 2:00:01."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def rounded(seconds: float) -> str:
    """A length of time to one digit or two: more would not be true of an estimate."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 1.5 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(5 * round(seconds / 5), 5)} s"


NOTHING = "nothing of it is kept"
COUNTED = "{done} of {total} parts are kept; the same command goes on with the rest"
"""What an interrupt says of a command that keeps nothing, and where every part that is done is kept."""


def kept_under(folder: Path) -> str:
    """The same of an experiment, which has parts of several kinds."""
    place = str(folder).replace("{", "{{").replace("}", "}}")
    return f"parts that are done are kept under {place}; the same command goes on with the rest"


@contextmanager
def progress(title: str, kept: str | None = NOTHING) -> Iterator[Progress]:
    """Yield a callback (done, total, text); `kept` is what an interrupt says, None where it is said elsewhere."""
    here = {"done": 0, "total": 0}
    if kept is not None:
        terminal.KEPT[:] = [lambda: kept.format(**here) if here["total"] else "before anything was begun"]
    shows = _bar if terminal.moves(sys.stderr) else _lines
    with shows(title) as say:

        def tell(done: int, total: int, text: str) -> None:
            here.update(done=done, total=total)
            say(done, total, text)

        yield tell
    if kept is not None:
        terminal.KEPT.clear()


@contextmanager
def _bar(title: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, ProgressColumn, Task, TextColumn
    from rich.progress import Progress as Bar
    from rich.table import Column
    from rich.text import Text

    pace = Pace()

    class Told(ProgressColumn):
        """The rest of the line, as it is at this moment."""

        max_refresh = None

        def render(self, task: Task) -> Text:
            text = terminal.fitting(told(pace, task.description), sys.stderr)
            return Text(text, no_wrap=True, overflow="ellipsis")

    width = shutil.get_terminal_size().columns
    columns: list[Any] = [TextColumn(title, table_column=Column(no_wrap=True))]
    if width >= NARROW:
        columns.append(BarColumn(BAR, table_column=Column(min_width=BAR)))
    columns.append(Told(Column(no_wrap=True, overflow="ellipsis", ratio=1)))
    console = Console(stderr=True, width=max(width - ECHO, 20))
    over = threading.Event()
    with Bar(*columns, console=console, transient=True, expand=True, auto_refresh=False) as bar:
        task = bar.add_task("", total=None)

        def say(done: int, total: int, text: str) -> None:
            pace.tell(done, total)
            bar.update(task, completed=done, total=total, description=text)

        def draw() -> None:
            while not over.wait(REFRESH):
                with terminal.SCREEN:
                    bar.refresh()

        drawing = threading.Thread(target=draw, daemon=True)
        drawing.start()
        try:
            yield say
        finally:
            over.set()
            drawing.join()


def told(pace: Pace, text: str) -> str:
    """3/57, 0:12, about 4 min left: compiling, vit, two inits. Where all is done, nothing is left to be told."""
    done, total = pace.done, pace.total
    counted, left = [f"{done}/{total}"] if total else [], [str(pace)] if done < total else []
    parts = [*counted, duration(pace.elapsed), *left]
    doing = [session.Programs.doing, text] if total else ["starting"]
    return f"{', '.join(parts)}: {', '.join(filter(None, doing))}"


@contextmanager
def _lines(title: str) -> Iterator[Progress]:
    pace = Pace()
    last = pace.start

    def say(done: int, total: int, text: str) -> None:
        nonlocal last
        pace.tell(done, total)
        if done == total or time.monotonic() - last > EVERY:
            last = time.monotonic()
            print(f"{title}: {told(pace, text)}", file=sys.stderr, flush=True)

    yield say
