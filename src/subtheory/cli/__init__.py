"""The command line: parse, dispatch to one verb, and turn errors into one line and an exit code.

Exit codes: 0 all hold; 1 some fail; 2 wrong input, or a place that cannot be written to; 3 parts of a run are missing,
or with --strict, none fails but some are vacuous or undecided; 4 corrupt or incomplete data, wrong numbers, or no room
for the output; 70 a fault of the program; 130 interrupted. Only this module is imported for --help.
"""

import os
import signal
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module

from subtheory.cli import terminal
from subtheory.cli.parser import build
from subtheory.errors import SubtheoryError

__all__ = ["doctor", "environment", "main", "program"]

FAULT = 70
"""Exit code of a traceback: Python's own, 1, says that a claim fails."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    terminal.prepare()
    try:
        options = build().parse_args(argv)
        code = import_module(f"subtheory.cli.verbs.{options.module}").main(options)
        sys.stdout.flush()
        return int(code)
    except SubtheoryError as error:
        print(f"error: {terminal.line(error)}", file=sys.stderr)
        return error.exit_code
    except ValueError as error:
        from subtheory.cli import environment

        if not (told := environment.refused(error)):
            raise
        print(f"error: {terminal.line(told)}", file=sys.stderr)
        return told.exit_code
    except KeyboardInterrupt:
        print(terminal.interrupted(), file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone: there is nobody left to tell.
        terminal.abandon()
        return 141
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {terminal.line(f'{where}{error.strerror or error}')}", file=sys.stderr)
        terminal.abandon()  # if it is what is full, it would be written to once more
        return 4
    except MemoryError:
        print("error: out of memory", file=sys.stderr)
        return 4


def program() -> None:
    """The installed command: exits with the code of `main`, and with `FAULT` after a traceback.

    An interrupt leaves at once: worker threads may be deep in a compilation, and libraries may be
    importing where an exception would be swallowed. Files are written atomically, so nothing breaks.
    """
    # Small matrices gain nothing from BLAS's own threads, which spin; read when NumPy is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)
    try:
        code = main()
    except Exception:
        traceback.print_exc()
        code = FAULT
    sys.exit(code)


def _interrupted(*_: object) -> None:
    if workers := sys.modules.get("subtheory.ledger.workers"):
        workers.stop()
    # A live bar hides the cursor and stands in its line, with ^C behind it: it is put away, and nothing comes after.
    terminal.SCREEN.acquire(timeout=1)
    erased = "\r\x1b[2K\x1b[?25h" if terminal.moves(sys.stderr) else ""
    os.write(2, f"{erased}{terminal.fitting(terminal.interrupted(), sys.stderr)}\n".encode())
    os._exit(130)
