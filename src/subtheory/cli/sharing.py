"""Who computes the parts of a run, and where they are kept, as flags of many verbs say it."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from subtheory import session
from subtheory.cli.numbers import count
from subtheory.cli.output import writable
from subtheory.errors import InputError
from subtheory.ledger.engines import Alone, Engine, Executed, Processes, Shard
from subtheory.ledger.workers import cores

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from subtheory.ledger.parts import Kept

MOST = 256
"""Processes."""


def processes(options: Namespace, default: int | None = None) -> int:
    """As many as were asked for, else the default, else the cores there are; an accelerator has one.

    So have several devices, or hosts, that share rows: InputError where others are to compute beside them.
    """
    wanted = count("processes", options.processes, 1, MOST) if options.processes is not None else None
    if getattr(options, "multihost", False) or getattr(options, "devices", None) not in (None, "1"):
        if several(options, wanted or 1):
            alone = "must stand without --dask, --shard and more processes"
            raise InputError("devices", options.devices or "--multihost", alone)
        return 1
    if getattr(options, "device", None) not in (None, "cpu"):
        return 1
    return wanted or default or cores()


def several(options: Namespace, processes: int) -> bool:
    """Whether others compute too: their bits have to be those of one core."""
    return processes > 1 or options.dask is not None or options.shard is not None


@contextmanager
def engine(options: Namespace, processes: int) -> Iterator[Engine]:
    """Who computes. Raises InputError for a shard that is none, and for a scheduler that does not answer."""
    with ExitStack() as stack:
        found: Engine = Alone() if processes == 1 else Processes(processes)
        if options.dask is not None:
            found = Executed(stack.enter_context(dask(options.dask)))
        yield found if options.shard is None else Shard.read(options.shard, found)


@contextmanager
def dask(address: str, seconds: float = 30.0) -> "Iterator[Executor]":
    """The executor of a Dask scheduler. Raises InputError without Dask, and where nothing answers."""
    try:
        from distributed import Client
    except ImportError:
        raise InputError("dask", address, "needs Dask: pip install 'subtheory[dask]'") from None
    try:
        client = Client(address, timeout=seconds)
    except (OSError, ValueError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            "dask", address, f"must be the address of a scheduler, such as tcp://host:8786 ({said})"
        ) from None
    with client:
        yield client.get_executor(pure=False)  # a part that is tried again is another task


def say(kept: "Kept") -> None:
    """On standard error, what was not computed this time."""
    if kept.taken:
        print(f"{kept.taken} of {kept.taken + kept.computed} parts were kept by an earlier run", file=sys.stderr)


def folder(options: Namespace) -> Path:
    """Where parts are kept: what was asked for, or a folder of the user's cache. Raises InputError on "ledger"."""
    given = options.ledger or os.environ.get("SUBTHEORY_LEDGER")
    place = Path(given) if given else session.cache_folder().parent / "ledger"
    return writable(place, "ledger").resolve()
