"""Who computes the parts of a run: this process, processes of this machine, or whatever an executor stands for."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from subtheory import session
from subtheory.errors import InputError
from subtheory.ledger.store import Store
from subtheory.ledger.workers import shared_out

Part = tuple[Hashable | None, str]
"""Group and name."""

Here = Callable[[str], None]
"""Computes a part in this process, and keeps it."""

TRIES = 3
"""How often a part is given to an executor whose workers die."""

BATCH = 5000
"""Parts that an executor has in its hands at a time."""


class Engine(Protocol):
    """Says which parts were dealt with as it goes; each is then in the store, or its error."""

    def done(self, store: Store, todo: Sequence[Part], here: Here, then: Callable[[], None]) -> Iterator[str]: ...


@dataclass(frozen=True)
class Alone:
    """This process, one part after the other; what a part raises is raised."""

    def done(self, store: Store, todo: Sequence[Part], here: Here, then: Callable[[], None]) -> Iterator[str]:
        own, rest = [name for group, name in todo if group is None], [name for group, name in todo if group is not None]
        for names in (own, rest):
            for name in names:
                here(name)
                yield name
            if names is own and own and rest:
                then()


@dataclass(frozen=True)
class Processes:
    """So many processes, this one among them: spawned, one thread each; one that is killed loses nothing."""

    count: int

    def done(self, store: Store, todo: Sequence[Part], here: Here, then: Callable[[], None]) -> Iterator[str]:
        from subtheory.ledger.work import work

        groups: dict[Hashable | None, list[str]] = {}
        for group, name in todo:
            groups.setdefault(group, []).append(name)
        mine, cache = groups.pop(None, []), session.wants_cache()
        theirs: dict[int, Any] = {}
        workers = min(self.count, len(todo))
        for name, report in shared_out(
            list(groups.values()), partial(work, store, cache), here, workers, session.work, (cache,), mine, then
        ):
            if report is not None:
                theirs[report.process] = report
                session.Programs.others = (
                    sum(each.asked for each in theirs.values()),
                    sum(each.found for each in theirs.values()),
                )
            yield name


@dataclass(frozen=True)
class Executed:
    """Any `concurrent.futures.Executor`, such as Dask's; its workers see the same folder and have the same code."""

    executor: Executor

    def done(self, store: Store, todo: Sequence[Part], here: Here, then: Callable[[], None]) -> Iterator[str]:
        from subtheory.ledger.work import work

        left, cache = {name: Exception() for _, name in todo}, session.wants_cache()
        for _ in range(TRIES):
            several, left = list(left), {}
            for i in range(0, len(several), BATCH):
                give = partial(self._given, work, store, cache)
                futures = {give(name): name for name in several[i : i + BATCH]}
                for future in as_completed(futures):
                    try:
                        future.result()
                        yield futures[future]
                    except Exception as error:  # what a part raises is kept, so its worker died: try again
                        left[futures[future]] = error
        for name, last in left.items():
            store.failed(name, last, f"given to {TRIES} workers, none of which came back")
            yield name

    def _given(self, *call: Any) -> Future[Any]:
        """What the executor makes of a call; one that takes no more has failed with it."""
        try:
            return self.executor.submit(*call)
        except RuntimeError as error:  # a broken pool is one
            failed: Future[Any] = Future()
            failed.set_exception(error)
            return failed


@dataclass(frozen=True)
class Shard:
    """One of `count` shares of the parts alone; the others are for other calls, where no service is allowed."""

    index: int
    count: int
    engine: Engine = Alone()

    @classmethod
    def read(cls, text: str, engine: Engine = Alone()) -> "Shard":
        """From text such as 3/8. Raises InputError for any other."""
        index, _, count = text.partition("/")
        if not (index.isdecimal() and count.isdecimal() and len(text) < 20 and 1 <= int(index) <= int(count)):
            raise InputError("shard", repr(text), "must be I/N with 1 ≤ I ≤ N, such as 3/8")
        return cls(int(index), int(count), engine)

    def done(self, store: Store, todo: Sequence[Part], here: Here, then: Callable[[], None]) -> Iterator[str]:
        own = [part for part in todo if int(store.key(part[1]), 16) % self.count == self.index - 1]
        yield from self.engine.done(store, own, here, then) if own else ()
