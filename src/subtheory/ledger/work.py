"""What any process does for a run, wherever it stands: compute one part by its name, and keep it."""

import json
import os
import sys
import threading
import traceback
from importlib import import_module
from typing import NamedTuple

from subtheory import session
from subtheory.ledger import parts
from subtheory.ledger.request import KINDS, VARIABLES, Request
from subtheory.ledger.store import PartFailed, Store

_ONE = threading.Lock()
"""Two threads that run programs in one process can hang XLA's pool: a worker of several does one part at a time."""


class Report(NamedTuple):
    """Who worked, and how many programs it has asked for and found on disk so far; no numbers travel."""

    process: int
    asked: int
    found: int


def work(store: Store, cache: bool, name: str) -> Report:
    """Compute a part and keep it; what it raises is kept instead."""
    with _ONE:
        _prepare(store.request, cache)
        if not store.holds(name):
            try:
                if differs := store.request.differs():
                    raise PartFailed(f"a worker cannot do part {name!r}: it has {differs}")
                with parts.answering(store, name):
                    import_module(KINDS[store.request.kind]).replay(store.request.asked)
                raise PartFailed(f"part {name!r}: the run never comes to it")
            except parts.Done:
                pass
            except Exception as error:
                store.failed(name, error, traceback.format_exc())
        return Report(os.getpid(), session.Programs.asked, session.Programs.found)


def _prepare(request: Request, cache: bool) -> None:
    """Take over what the run's environment says, where JAX has not started yet."""
    if "jax" in sys.modules:
        return
    wanted = json.loads(request.machine)
    for name in VARIABLES:
        os.environ.pop(name, None)
        if name in wanted:
            os.environ[name] = wanted[name]
    session.work(cache)
