"""The command line: parse, dispatch to one verb, and turn errors into one line and an exit code.

Exit codes: 0 all hold; 1 some fail; 2 wrong input; 3 with --strict, none fails but some are vacuous or
undecided; 4 corrupt or incomplete data, or wrong numbers; 130 interrupted. Only this module is imported for --help.
"""

import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module

from subtheory.cli.parser import build
from subtheory.errors import SubtheoryError


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    try:
        options = build().parse_args(argv)
        code = import_module(f"subtheory.cli.{options.module}").main(options)
        sys.stdout.flush()
        return int(code)
    except SubtheoryError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # Whoever read our output has gone: there is nobody left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        print(f"error: {where}{error.strerror or error}", file=sys.stderr)
        return 4


def program() -> None:
    """The installed command: exits with the code of `main`.

    An interrupt leaves at once: worker threads may be deep in a compilation, and libraries may be
    importing where an exception would be swallowed. Files are written atomically, so nothing breaks.
    """
    # Small matrices gain nothing from BLAS's own threads, which spin; read when NumPy is loaded.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupted)
    sys.exit(main())


def _interrupted(*_: object) -> None:
    shown = "\x1b[?25h" if sys.stderr.isatty() else ""  # a live bar hides the cursor
    os.write(2, f"{shown}interrupted\n".encode())
    if workers := sys.modules.get("subtheory.verification.workers"):
        workers.stop()
    os._exit(130)
