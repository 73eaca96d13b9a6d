"""Who computes the parts of a run, and where they are kept, as flags of many verbs say it."""

import os
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from subtheory import session
from subtheory.cli import environment
from subtheory.cli.numbers import count
from subtheory.cli.output import writable
from subtheory.errors import InputError
from subtheory.ledger.engines import Alone, Engine, Executed, Processes, Shard
from subtheory.ledger.request import Request
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
    if options.shard is not None and getattr(options, "fresh", False):
        raise InputError("fresh", "--shard", "must stand alone: every share would remove what the others have kept")
    if "jax" in sys.modules and not environment.divides():
        processes = 1
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


@contextmanager
def keeping(options: Namespace, request: Request, engine: Engine = Alone()) -> "Iterator[Kept | None]":
    """`parts.keeping` where it was asked for, or in the user's cache; None where that cannot be written, which is said.

    Raises InputError on "ledger" for a folder that was asked for and cannot be written.
    """
    from subtheory.ledger import parts, store

    given = options.ledger or os.environ.get("SUBTHEORY_LEDGER")
    place = Path(given) if given else session.cache_folder().parent / "ledger"
    try:
        place = writable(place, "ledger").resolve()
    except InputError:
        if given:
            raise
        print(f"{place}: cannot be written, so nothing is kept", file=sys.stderr)
        yield None
        return
    with parts.keeping(place, request, engine, options.fresh) as kept:
        if not given:
            store.prune(place)
        yield kept
    if kept.taken:
        print(f"{kept.taken} of {kept.taken + kept.computed} parts were kept by an earlier run", file=sys.stderr)
