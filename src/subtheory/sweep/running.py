"""A sweep that is run: every cell that is not kept yet is computed, by whoever is there, and kept, or else its error.

Who does a cell starts from its name alone, so that two sweeps have their common cells in common, and a plan may grow.
"""

import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import msgspec

from subtheory import files, session
from subtheory.errors import DataError, SubtheoryError
from subtheory.ledger import parts
from subtheory.ledger.engines import Alone, Engine
from subtheory.ledger.parts import Progress
from subtheory.ledger.request import Request
from subtheory.ledger.store import Arrays, Store
from subtheory.records import canonical, tidy, write_atomic
from subtheory.sweep.plan import Cell, Plan, planned

KIND = "sweep"

FILE = "sweep.json"
"""The plan that a folder was last run with, and what answered it."""


def request() -> Request:
    """What answers: this code, on this machine; the cells are asked for one by one."""
    return Request.of(KIND, {})


def replay(about: Mapping[str, Any]) -> None:
    """Compute the cell that is wanted."""
    parts.answer(_cell)


def _cell(name: str) -> Arrays:
    from subtheory.sweep import cells  # with JAX, which nobody needs who computes nothing

    return cells.compute(Cell.read(name))


def store_of(folder: Path | str) -> tuple[Plan, Store]:
    """The plan that a folder was last run with, and where its cells are. Raises DataError where none was."""
    path = Path(folder) / FILE
    try:
        told = files.read_json(path)
        return planned(told["plan"]), Store.under(folder, Request(**told["request"]))
    except FileNotFoundError:
        raise DataError(f"{path}: missing, so nothing was run here") from None
    except (*files.BROKEN, SubtheoryError) as error:
        raise DataError(f"{path}: corrupt ({files.reason(error)})") from None


@dataclass(frozen=True)
class Begun:
    """A folder with a plan, and the names of the cells that are still to be computed."""

    plan: Plan
    store: Store
    todo: list[str]

    def run(self, engine: Engine = Alone(), progress: Progress | None = None) -> None:
        """Compute and keep them; what one raises is kept, and tried again by the next run."""
        from subtheory.ledger.work import work

        total, done = len(self.plan.names), len(self.plan.names) - len(self.todo)

        def here(name: str) -> None:
            work(self.store, session.wants_cache(), name)

        for name in engine.done(self.store, [(_programs(name), name) for name in self.todo], here, lambda: None):
            done += 1
            if progress:
                progress(done, total, name)
        self.store.begin()  # whose writer was killed meanwhile


def begin(plan: Plan, folder: Path, most: int | None = None) -> Begun:
    """Take a folder up again, or make it, for at most so many cells: those in it that are damaged are put aside."""
    store = Store.under(folder, request())
    store.begin()
    tidy(folder)
    about = {"plan": msgspec.to_builtins(plan), "request": asdict(store.request)}
    told = json.dumps(about, indent=1, ensure_ascii=False) + "\n"
    if not _says(folder / FILE, told):
        write_atomic(folder / FILE, told)
    return Begun(plan, store, [name for name in plan.names if not store.holds(name)][:most])


def _says(path: Path, text: str) -> bool:
    try:
        return files.read(path) == text.encode()
    except (OSError, ValueError):
        return False


def _programs(name: str) -> str:
    """Cells that compile the same programs."""
    cell = Cell.read(name)
    return canonical([cell.network, cell.loss, cell.channel, cell.outputs, cell.teacher, cell.path])


@dataclass(frozen=True)
class Measured:
    """Seconds that the first cell took after its programs were compiled, seconds of that, and bytes on the disk."""

    seconds: float
    compiling: float
    bytes: int


def measured(plan: Plan) -> Measured:
    """Compute the plan's first cell twice, in a folder of its own that is removed."""
    from subtheory.ledger.work import work

    folder, name = Path(tempfile.mkdtemp(prefix="subtheory-sweep-")), plan.names[0]
    try:
        took = []
        for place in ("first", "second"):
            store, start = Store.under(folder / place, request()), time.perf_counter()
            store.begin()
            work(store, session.wants_cache(), name)
            took.append(time.perf_counter() - start)
            if error := store.failure(name):
                raise error
        return Measured(took[1], took[0] - took[1], sum(_on_disk(path) for path in store.folder.iterdir()))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _on_disk(path: Path) -> int:
    about = path.stat()
    return getattr(about, "st_blocks", 0) * 512 or about.st_size
