"""Runs shared out among processes, spawned, one thread of Python each; a worker that is killed loses nothing.

Two threads that run programs in one process can wait for each other for ever in XLA's pool, processes cannot. All of
them share the compilation cache on disk.
"""

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, wait
from typing import Any, TypeVar

T = TypeVar("T")

CHUNK = 6
"""Runs that a worker is given at a time."""

LIVES = 3
"""How often the worker of one place is started again before the parent does what is left."""


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def stop() -> None:
    """Kill all workers of this process, which is about to leave."""
    for child in multiprocessing.active_children():
        child.kill()


# In the worker ------------------------------------------------------------------------------------


def _serve(pipe: Connection, setup: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    """Answer (work, items) by their results, or by what was raised, until the parent closes the pipe."""
    threading.Thread(target=_follow, daemon=True).start()
    setup(*arguments)
    while True:
        try:
            work, items = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send([work(item) for item in items])
        except Exception as error:
            error.add_note(traceback.format_exc())
            pipe.send(error)


def _follow() -> None:
    """Leave when the parent has gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


# In the parent ------------------------------------------------------------------------------------


@contextmanager
def _undisturbed() -> Iterator[None]:
    """An interrupt waits; a process that is started meanwhile never hears of one: its parent stops it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Worker:
    """One process with the groups of work that it has taken."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments, self.lives = arguments, LIVES
        self.queue: list[Any] = []
        self.now: list[Any] = []
        self._start()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_serve, args=(theirs, *self.arguments), daemon=True)
        with _undisturbed():
            self.process.start()
        theirs.close()

    def submit(self, work: Callable[[T], Any]) -> None:
        self.now, self.queue = self.queue[:CHUNK], self.queue[CHUNK:]
        with suppress(BrokenPipeError):  # if it has just died, its pipe says so to whoever waits for it
            self.pipe.send((work, self.now))

    def results(self) -> list[Any] | None:
        """What it was last given to do; None if it has died. Raises what the work raised."""
        try:
            found = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            return None
        if isinstance(found, Exception):
            raise found
        return list(found)

    def revive(self) -> bool:
        """Put back what it was at and start again; False where it has died too often."""
        self.queue, self.now = [*self.now, *self.queue], []
        self.lives -= 1
        self.stop()
        if self.lives > 0:
            self._start()
        return self.lives > 0

    def stop(self) -> None:
        self.pipe.close()
        self.process.kill()
        self.process.join()


def shared_out(
    groups: Sequence[Sequence[T]],
    work: Callable[[T], Any],
    here: Callable[[T], Any],
    processes: int,
    setup: Callable[..., None],
    arguments: tuple[Any, ...] = (),
    mine: Sequence[T] = (),
    then: Callable[[], None] = lambda: None,
) -> Iterator[tuple[T, Any]]:
    """(item, work(item)) for every item of every group and of `mine`, as they are done; here(item) in this process.

    This process is one of so many, and has `mine` for itself, which is never sent away and behind which it calls
    `then`. A group goes to one process, which compiles for it; one that has nothing left takes half of what another
    still has. `work`, its items and results are pickled between processes, `setup(*arguments)` is called in each worker
    before anything else. What a killed process was at is done again, by another one or in the end by this process.
    """
    waiting, alone, own = list(groups), list(mine), list[T]()
    workers = [_Worker(setup, arguments) for _ in range(processes - 1)]
    running: dict[Any, _Worker] = {}
    idle = list(workers)
    try:
        while True:
            while idle:
                worker = idle.pop()
                worker.queue = worker.queue or _next(waiting, [own, *(w.queue for w in workers)])
                if worker.queue:
                    worker.submit(work)
                    running[worker.pipe] = worker
            if alone:
                item = alone.pop(0)
                yield item, here(item)
                if not alone:
                    then()
            elif own := own or _next(waiting, [w.queue for w in workers]):
                item = own.pop(0)
                yield item, here(item)
            elif not running:
                return
            for pipe in wait(list(running), timeout=0 if alone or own else None) if running else ():
                worker = running.pop(pipe)
                results = worker.results()
                if results is not None:
                    yield from zip(worker.now, results, strict=True)
                    worker.now = []
                elif not worker.revive():
                    own += worker.queue
                    worker.queue = []
                    continue
                idle.append(worker)
    finally:
        for worker in workers:
            worker.stop()


def _next(waiting: list[Sequence[T]], queues: Sequence[list[T]]) -> list[T]:
    """The next group, or the second half of the longest queue, taken from it if that is worth compiling for again."""
    if waiting:
        return list(waiting.pop(0))
    longest = max(queues, key=len, default=[])
    kept = (len(longest) + 1) // 2 if len(longest) >= 2 * CHUNK else len(longest)
    taken = longest[kept:]
    del longest[kept:]
    return taken
