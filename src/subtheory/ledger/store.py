"""The records of a request, one a part: whole or not at all, checked when they are read; errors are kept, too."""

import os
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from subtheory import files, records
from subtheory.errors import DataError, InputError, SubtheoryError
from subtheory.ledger.request import Request

T = TypeVar("T")

Arrays = records.Arrays

KEPT = 32
"""Requests that a cache keeps: the latest ones."""

ERROR = ".error.json"
"""Ending of the file that says why a part could not be computed."""


class PartFailed(SubtheoryError):
    """A part could not be computed."""

    exit_code = 4


@dataclass(frozen=True)
class Store:
    """The folder of one request; its parts are asked for by name."""

    folder: Path
    request: Request

    @classmethod
    def under(cls, base: Path | str, request: Request) -> "Store":
        """The store of a request in a folder that may hold those of others."""
        return cls(Path(base) / f"{request.kind}-{request.id[:16]}", request)

    def key(self, name: str) -> str:
        """The file name of a part's record."""
        return self._id(name)[:16]

    def _id(self, name: str) -> str:
        return records.cell_id({"request": self.request.id, "part": name})

    def found(self, name: str) -> Arrays | None:
        """The arrays of a part; None if there are none, or if they are damaged, which standard error is told."""
        return self._sound(name, records.load)

    def holds(self, name: str) -> bool:
        """Whether the part is there, and whole: as `found`, but nothing is unpacked."""
        return self._sound(name, lambda folder, key: (True, records.intact(folder, key))) is not None

    def _sound(self, name: str, read: Callable[[Path, str], tuple[T, records.Meta]]) -> T | None:
        key = self.key(name)
        if not (self.folder / f"{key}.json").exists():
            return None
        try:
            found, meta = read(self.folder, key)
            if meta.get("id") == self._id(name):
                return found
            raise DataError(f"{self.folder / key}.json: is the record of another part")
        except DataError as error:
            records.put_aside(self.folder, key)
            print(f"{error}; moved to {records.QUARANTINE}/, to be computed again", file=sys.stderr)
            return None

    def save(self, name: str, arrays: Arrays) -> None:
        """Keep a part; it is not waited for until it is on the disk, which takes longer than many a part."""
        key = self.key(name)
        records.save(self.folder, key, arrays, {"id": self._id(name), "part": name}, durable=False)
        (self.folder / (key + ERROR)).unlink(missing_ok=True)

    def failed(self, name: str, error: BaseException, trace: str) -> None:
        """Keep what a part raised, with its traceback."""
        told: dict[str, Any] = {"part": name, "type": type(error).__name__, "message": str(error), "traceback": trace}
        if isinstance(error, InputError):
            told |= {"field": error.field, "value": str(error.value), "wanted": error.wanted}
        records.write_atomic(self.folder / (self.key(name) + ERROR), records.canonical(told) + "\n")

    def failure(self, name: str) -> SubtheoryError | None:
        """What a part raised when it was last tried, if it did."""
        path = self.folder / (self.key(name) + ERROR)
        try:
            told = files.read_json(path)
            if "field" in told:
                return InputError(told["field"], told["value"], told["wanted"])
            return PartFailed(f"part {name!r}: {told['type']}: {told['message']} ({path})")
        except FileNotFoundError:
            return None
        except files.BROKEN as error:
            return DataError(f"{path}: corrupt ({files.reason(error)})")

    def begin(self) -> None:
        """Make the folder, and remove what killed processes left in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with suppress(OSError):
            os.utime(self.folder)
        records.tidy(self.folder)

    def forget(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.folder, ignore_errors=True)


def prune(base: Path | str, most: int = KEPT) -> None:
    """Remove all but so many of the requests in a folder that is a cache: those that were taken up longest ago."""
    ages = {}
    for path in Path(base).iterdir():
        if re.fullmatch("[a-z_]+-[0-9a-f]{16}", path.name):
            with suppress(OSError):  # another runner may remove it at this moment
                ages[path] = path.stat().st_mtime
    for old in sorted(ages, key=lambda path: -ages[path])[most:]:
        shutil.rmtree(old, ignore_errors=True)
