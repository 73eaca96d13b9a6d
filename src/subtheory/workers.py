"""Runs shared out among processes, spawned, one thread of Python each; a worker that is killed loses nothing.

Two threads that run programs in one process can wait for each other for ever in XLA's pool, processes cannot. All of
them share the compilation cache on disk.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

T = TypeVar("T")

CHUNK = 6
"""Runs that a worker is given at a time."""

LIVES = 3
"""How often the worker of one place is started again before the parent does what is left."""


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _prepared(setup: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    # Each process has a core to itself: XLA's pool of threads for one program would only contend.
    os.environ.setdefault("NPROC", "1")
    setup(*arguments)


def _done(work: Callable[[T], Any], items: Sequence[T]) -> list[Any]:
    return [work(item) for item in items]


class _Worker:
    """One process with the groups of work that it has taken."""

    def __init__(self, setup: Callable[..., None], arguments: tuple[Any, ...]) -> None:
        self.setup, self.arguments, self.lives = setup, arguments, LIVES
        self.queue: list[Any] = []
        self.now: list[Any] = []
        self.pool = self._start()

    def _start(self) -> ProcessPoolExecutor:
        context = multiprocessing.get_context("spawn")
        return ProcessPoolExecutor(1, context, _prepared, (self.setup, self.arguments))

    def submit(self, work: Callable[[T], Any]) -> Future[list[Any]]:
        self.now, self.queue = self.queue[:CHUNK], self.queue[CHUNK:]
        return self.pool.submit(_done, work, self.now)

    def revive(self) -> bool:
        """Put back what it was at and start again; False where it has died too often."""
        self.queue, self.now = [*self.now, *self.queue], []
        self.lives -= 1
        self.pool.shutdown(wait=False, cancel_futures=True)
        if self.lives > 0:
            self.pool = self._start()
        return self.lives > 0


def shared_out(
    groups: Sequence[Sequence[T]], work: Callable[[T], Any], processes: int,
    setup: Callable[..., None], arguments: tuple[Any, ...] = (),
) -> Iterator[tuple[T, Any]]:  # fmt: skip
    """(item, work(item)) for every item of every group, as they are done.

    A group goes to one process, which compiles for it; one that has nothing left takes half of what another still has.
    `work`, its items and results are pickled between processes, `setup(*arguments)` is called in each before anything
    else. What a killed process was at is done again, by another one or in the end by this process.
    """
    waiting, left = list(groups), []
    workers = [_Worker(setup, arguments) for _ in range(processes)]
    running: dict[Future[list[Any]], _Worker] = {}
    idle = list(workers)
    try:
        while idle or running:
            while idle:
                worker = idle.pop()
                if not worker.queue:
                    worker.queue = list(waiting.pop(0)) if waiting else _half(workers)
                if worker.queue:
                    running[worker.submit(work)] = worker
            if not running:
                break
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                worker = running.pop(future)
                try:
                    results = future.result()
                except BrokenProcessPool:
                    if worker.revive():
                        idle.append(worker)
                    else:
                        left += worker.queue
                        worker.queue = []
                    continue
                yield from zip(worker.now, results, strict=True)
                worker.now = []
                idle.append(worker)
        for item in [*left, *(item for group in waiting for item in group)]:
            yield item, work(item)
    finally:
        for worker in workers:
            worker.pool.shutdown(wait=False, cancel_futures=True)


def _half(workers: Sequence[_Worker]) -> list[Any]:
    """The second half of the longest queue, taken from it."""
    richest = max(workers, key=lambda worker: len(worker.queue))
    kept = (len(richest.queue) + 1) // 2
    taken, richest.queue = richest.queue[kept:], richest.queue[:kept]
    return taken
