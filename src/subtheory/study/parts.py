"""Parts of a long computation, kept as they are done: a run that was killed goes on where it stopped."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from subtheory import records
from subtheory.errors import SubtheoryError

T = TypeVar("T")

TEXT = "text"
"""The one array of a part that is JSON, as bytes, because a column of NumPy would turn 1 beside 2.5 into 1.0."""


@dataclass
class _Run:
    """The folder that takes the parts of the run under way, and the names that it has used."""

    folder: Path
    identity: str
    names: set[str] = field(default_factory=set)


_RUN: ContextVar[_Run | None] = ContextVar("subtheory_run", default=None)


@contextmanager
def keeping(folder: Path | str, identity: Mapping[str, Any]) -> Iterator[None]:
    """Inside the `with`, `kept` keeps its parts under the folder; those of another identity are removed.

    They stay there after an error or a kill; `forget` removes them once what they were for is saved.
    """
    name = records.cell_id(identity)
    mine = Path(folder) / name[:16]
    for other in Path(folder).glob("*"):
        if other != mine:
            shutil.rmtree(other, ignore_errors=True)
    token = _RUN.set(_Run(mine, name))
    try:
        yield
    finally:
        _RUN.reset(token)


def forget(folder: Path | str) -> None:
    """Remove the parts of a run that is finished."""
    shutil.rmtree(folder, ignore_errors=True)


def kept(name: str, compute: Callable[[], T]) -> T:
    """What `compute` returns, taken from an earlier, killed run of the same identity if it got that far.

    For rows (lists of dicts of floats, ints, strings and bools), or whatever else is plain JSON; they come
    back bit for bit. Outside a run nothing is kept. A corrupt part is put aside and computed again. Raises
    SubtheoryError if a run uses a name twice, or for a value that JSON cannot say.
    """
    text = kept_arrays(name, lambda: {TEXT: np.frombuffer(_text(name, compute()).encode(), np.uint8)})
    return json.loads(text[TEXT].tobytes())


def kept_arrays(name: str, compute: Callable[[], records.Arrays]) -> records.Arrays:
    """`kept` for arrays by name, such as parameters (`trained.to_arrays`): as they are, and no text."""
    run = _RUN.get()
    if run is None:
        return compute()
    if name in run.names:
        raise SubtheoryError(f"part {name!r}: must have a name of its own in this run")
    run.names.add(name)
    meta = {"id": records.cell_id({"run": run.identity, "part": name}), "part": name}
    return records.computed(run.folder, meta["id"][:16], meta, compute)[0]


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
