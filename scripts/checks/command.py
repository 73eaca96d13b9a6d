"""One command of `subtheory`, run in this process: its exit code and what it printed, and whether it kept its word."""

import io
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass

from subtheory.cli import main

LONGEST = 2000
"""Letters of a line."""

PROGRESS = re.compile(r"[a-z_]+: \d+/\d+,? |\d+ of \d+ parts were kept")
"""How a line begins that says how far a computation is, or was."""


class TooLong(BaseException):
    """What no handler of errors takes for one of its own."""


@dataclass(frozen=True)
class Said:
    """What a command left; a traceback counts as code 70, as it does at the end of `subtheory.cli.program`."""

    code: int
    out: str
    err: str

    def wrong(self, codes: Sequence[int], field: str = "") -> str:
        """What is wrong with it as an error of one of these codes that names this field; empty if nothing is."""
        if self.code not in codes:
            return f"exit code {self.code}, not {codes}: {self.err[-300:]}"
        lines = [line for line in self.err.splitlines() if not PROGRESS.match(line)]
        if len(lines) != 1 or not lines[0].startswith("error: ") or len(lines[0]) > LONGEST:
            return f"{len(lines)} lines of {len(self.err)} letters: {self.err[:200]!r}"
        if not all(each.isprintable() for each in lines[0]):
            return f"what cannot be printed: {lines[0][:200]!r}"
        return f"no {field!r} in {lines[0][:300]!r}" if field not in lines[0] else ""


def said(words: Sequence[str], seconds: int = 0) -> Said:
    """Run it; with `seconds`, a command that takes longer has the code 124."""
    out, err = io.StringIO(), io.StringIO()
    argv, sys.argv = sys.argv, ["subtheory", *words]
    try:
        with redirect_stdout(out), redirect_stderr(err), limited(seconds):
            code = main(list(words))
    except TooLong:
        code = 124
    except SystemExit as left:  # of --help and --version
        code = int(left.code or 0)
    except Exception as error:
        code = 70
        err.write(f"{type(error).__name__}: {error}")
    finally:
        sys.argv = argv
    return Said(code, out.getvalue(), err.getvalue())


@contextmanager
def limited(seconds: int) -> Iterator[None]:
    """Raise TooLong after that many seconds, in the main thread; 0 is no limit."""

    def stop(*_: object) -> None:
        raise TooLong

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
