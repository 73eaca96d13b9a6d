"""Parts of a long computation, kept as they are done: a run that was killed goes on where it stopped.

A part is a function without arguments, found again by its name. Whoever computes one for a run, this process or
another one, goes through the run's code up to the part (`answering`): earlier parts are read, others passed over.
"""

import json
import shutil
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from subtheory.errors import DataError, SubtheoryError
from subtheory.ledger.engines import Alone, Engine, Processes
from subtheory.ledger.request import Request
from subtheory.ledger.store import Arrays, Store

T = TypeVar("T")

Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and what was just done or has begun, if there is any to name."""

TEXT = "text"
"""The one array of a part that is JSON, as bytes, because a column of NumPy would turn 1 beside 2.5 into 1.0."""


class Elsewhere(SubtheoryError):
    """Parts of this run belong to other shards, and are not there yet."""

    exit_code = 3


class Done(BaseException):
    """The part that was wanted is kept: the rest of the run is not wanted."""


@dataclass
class Kept:
    """The run under way: where its parts are, who computes them, and how many were taken and computed."""

    store: Store
    engine: Engine = Alone()
    wanted: str | None = None
    names: set[str] = field(default_factory=set)
    taken: int = 0
    computed: int = 0

    def use(self, names: Iterable[str]) -> None:
        for name in names:
            if name in self.names:
                raise SubtheoryError(f"part {name!r}: must have a name of its own in this run")
            self.names.add(name)


_KEPT: ContextVar[Kept | None] = ContextVar("subtheory_kept", default=None)


@contextmanager
def keeping(folder: Path | str, request: Request, engine: Engine = Alone(), fresh: bool = False) -> Iterator[Kept]:
    """Inside the `with`, `each` and `kept` keep their parts in a folder of the run's own, under this one.

    They stay there after an error or a kill; `fresh` begins without what is there of this very run.
    """
    store = Store.under(folder, request)
    if fresh:
        store.forget()
    store.begin()
    with _under(Kept(store, engine)) as kept:
        yield kept


def forget(folder: Path | str) -> None:
    """Remove the parts of a request that is answered."""
    shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def answering(store: Store, name: str) -> Iterator[None]:
    """Inside the `with`, the part of this name is computed and kept when it is come to, and `Done` is raised."""
    with _under(Kept(store, wanted=name)):
        yield


@contextmanager
def _under(kept: Kept | None) -> Iterator[Any]:
    token = _KEPT.set(kept)
    try:
        yield kept
    finally:
        _KEPT.reset(token)


def each_of_arrays(
    parts: Mapping[str, Callable[[], Arrays]],
    group: Callable[[str], Hashable | None] = lambda name: name,
    progress: Progress | None = None,
    then: Callable[[], None] = lambda: None,
    light: bool = False,
) -> dict[str, Arrays]:
    """What every part returns, by its name and in the order given; what is kept is taken, the rest computed and kept.

    Parts of one `group` share what they compile and go to one process; those of the group None stay in this one,
    which calls `then` behind them. `light` parts are not worth a second process. A part that fails ends the run
    with its error, at once in this process, elsewhere when the others are done. Outside a run nothing is kept. Raises
    SubtheoryError if a run uses a name twice, `Elsewhere` where parts of other shards are missing.
    """
    kept = _KEPT.get()
    if kept is None:
        return _computed(parts, group, progress, then)
    if kept.wanted is not None:
        return _answered(kept, kept.wanted, parts)
    kept.use(parts)
    found = {name: arrays for name in parts if (arrays := kept.store.found(name)) is not None}
    kept.taken += len(found)
    todo = [(group(name), name) for name in parts if name not in found]
    done = len(found)
    if progress and todo:
        progress(done, len(parts), "")

    def here(name: str) -> None:
        kept.store.save(name, _inside(kept, parts[name]))

    engine = Alone() if light and isinstance(kept.engine, Processes) else kept.engine
    for name in engine.done(kept.store, todo, here, then) if todo else ():
        done += 1
        if progress:
            progress(done, len(parts), name)
    for _, name in todo:
        arrays = kept.store.found(name)
        if arrays is not None:
            found[name] = arrays
            kept.computed += 1
        elif error := kept.store.failure(name):
            raise error
    missing = [name for name in parts if name not in found]
    if missing:
        raise Elsewhere(f"parts: {len(missing)} of {len(parts)} are still missing, such as {missing[0]!r}: run again")
    return {name: found[name] for name in parts}


def _computed(
    parts: Mapping[str, Callable[[], Arrays]], group: Callable[[str], Any], progress: Progress | None,
    then: Callable[[], None],
) -> dict[str, Arrays]:  # fmt: skip
    """All of them, here and now."""
    found: dict[str, Arrays] = {}
    own = [name for name in parts if group(name) is None]
    rest = [name for name in parts if group(name) is not None]
    for names, after in ((own, then if own and rest else lambda: None), (rest, lambda: None)):
        for name in names:
            found[name] = parts[name]()
            if progress:
                progress(len(found), len(parts), name)
        after()
    return {name: found[name] for name in parts}


def _answered(kept: Kept, wanted: str, parts: Mapping[str, Callable[[], Arrays]]) -> dict[str, Arrays]:
    if wanted in parts:
        kept.store.save(wanted, _inside(kept, parts[wanted]))
        raise Done
    found = {name: kept.store.found(name) for name in parts}
    if missing := [name for name, arrays in found.items() if arrays is None]:
        raise DataError(f"part {wanted!r}: needs {missing[0]!r}, which is not there")
    return {name: arrays for name, arrays in found.items() if arrays is not None}


def answer(compute: Callable[[str], Arrays]) -> None:
    """For a run whose parts are what their names say: compute the one that is wanted, without a list of all."""
    kept = _KEPT.get()
    if kept is not None and (name := kept.wanted) is not None:
        _answered(kept, name, {name: lambda: compute(name)})


def _inside(kept: Kept, compute: Callable[[], T]) -> T:
    """What a part needs may be kept by itself, in this process; parts that need what has one name share it."""
    with _under(Kept(kept.store)):
        return compute()


def each(
    parts: Mapping[str, Callable[[], T]],
    group: Callable[[str], Hashable | None] = lambda name: name,
    progress: Progress | None = None,
) -> dict[str, T]:
    """`each_of_arrays` for rows (lists of dicts of floats, ints, strings and bools), or whatever else is plain JSON.

    They come back bit for bit. Raises SubtheoryError for a value that JSON cannot say.
    """
    told = {name: _as_text(name, compute) for name, compute in parts.items()}
    return {name: _read(arrays) for name, arrays in each_of_arrays(told, group, progress).items()}


def rows(parts: Mapping[str, Callable[[], list[T]]], progress: Progress | None = None) -> list[T]:
    """The rows of all parts, one after the other."""
    return [row for several in each(parts, progress=progress).values() for row in several]


def tables(
    parts: Mapping[str, Callable[[], Mapping[str, list[T]]]], progress: Progress | None = None
) -> dict[str, list[T]]:
    """The tables of all parts, those of one name put together."""
    found: dict[str, list[T]] = {}
    for several in each(parts, progress=progress).values():
        for name, own in several.items():
            found.setdefault(name, []).extend(own)
    return found


def kept(name: str, compute: Callable[[], T]) -> T:
    """One part by itself: `each` of one."""
    return each({name: compute})[name]


def kept_arrays(name: str, compute: Callable[[], Arrays]) -> Arrays:
    """`kept` for arrays by name, such as parameters (`trained.to_arrays`): as they are, and no text."""
    return each_of_arrays({name: compute})[name]


def _as_text(name: str, compute: Callable[[], Any]) -> Callable[[], Arrays]:
    return lambda: {TEXT: np.frombuffer(_text(name, compute()).encode(), np.uint8)}


def _read(arrays: Arrays) -> Any:
    return json.loads(arrays[TEXT].tobytes())


def _text(name: str, value: Any) -> str:
    try:
        return json.dumps(value, default=_plain)
    except (TypeError, ValueError) as error:
        raise SubtheoryError(f"part {name!r}: must be rows of numbers and text ({error})") from error


def _plain(value: Any) -> Any:
    """A NumPy number as Python's; JAX's arrays of one number are left out, for they may be traced."""
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{type(value).__name__} is neither")
