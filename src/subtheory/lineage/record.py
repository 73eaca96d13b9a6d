"""A file of sealed lines: each carries its own SHA-256 and that of the line before, and is only ever appended.

A line is one JSON object, `{"sha256": s, "after": a, ...}`: s is the SHA-256 of the bytes of the line without the first
pair, a the s of the line before, or the name of the format on the first line. Whoever changes, drops, adds or moves a
line breaks the line itself or the one after it. Whoever writes all lines anew, or cuts the last ones off, breaks
nothing in the file: the s of the last line, kept elsewhere, tells that.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from subtheory import files
from subtheory.arguments import shown
from subtheory.errors import InputError
from subtheory.records import canonical

try:
    from fcntl import LOCK_EX, flock
except ImportError:  # Windows has no such locks
    flock = None  # type: ignore[assignment]

FORMAT = "subtheory-lineage-1"

OPENS, CLOSES = b'{"sha256":"', b'",'
"""What stands around the SHA-256 at the beginning of a line."""

MOST, LONGEST = 64 * 2**20, 2**20
"""Bytes of a file, and of a line."""

DIGITS = 64
"""Of a SHA-256 in hexadecimal."""

Entry = dict[str, Any]


def sealed(entry: Mapping[str, Any], after: str) -> tuple[bytes, str]:
    """The line of an entry that follows the line of SHA-256 `after`, and its own SHA-256."""
    body = canonical({"after": after, **entry}).encode()
    sha256 = hashlib.sha256(body).hexdigest()
    return OPENS + sha256.encode() + CLOSES + body[1:] + b"\n", sha256


def unsealed(line: bytes, after: str) -> tuple[Entry, str]:
    """The entry of a line without its end, and its SHA-256. Raises ValueError if it is altered, or follows another."""
    start = len(OPENS) + DIGITS
    stated, body = line[len(OPENS) : start], b"{" + line[start + len(CLOSES) :]
    sha256 = hashlib.sha256(body).hexdigest()
    if line[: len(OPENS)] != OPENS or line[start : start + len(CLOSES)] != CLOSES or stated != sha256.encode():
        raise ValueError("must have the SHA-256 that it states (it was altered)")
    entry = json.loads(body)
    if entry.pop("after", None) != after:
        raise ValueError("must follow the line before it (a line was dropped, added or moved)")
    return entry, sha256


def content(path: Path) -> str:
    """The SHA-256 of a plain file of any size. Raises InputError on "hash" for what is none, or cannot be read."""
    try:
        if not path.is_file():
            raise ValueError("there is none, or it is none")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:
        raise InputError("hash", path, f"must be a plain file ({files.reason(error)})") from error


class Lines:
    """The lines of a file as far as they have been read: how many, to which byte, and the SHA-256 of the last."""

    def __init__(self, path: Path) -> None:
        self.path, self.count, self.size, self.head = path, 0, 0, FORMAT

    @contextmanager
    def reading(self) -> Iterator[int | None]:
        """The open file, locked against whoever asks for it; None for one that is not there yet.

        Raises InputError on "file" for what is no plain file, is there no longer, or cannot be opened.
        """
        if not self.size and self.path.parent.is_dir() and not os.path.lexists(self.path):
            yield None
            return
        with self._locked(os.O_RDONLY) as number:
            yield number

    @contextmanager
    def writing(self) -> Iterator[int]:
        """The same to append to, made if it is not there. Raises InputError on "file" where there are no locks, too."""
        if flock is None:
            raise InputError("file", self.path, "must lie on a system with file locks to be appended to")
        with self._locked(os.O_RDWR | os.O_CREAT | os.O_APPEND) as number:
            yield number

    @contextmanager
    def _locked(self, flags: int) -> Iterator[int]:
        for each in ("O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):  # a pipe without a writer would wait for one
            flags |= getattr(os, each, 0)
        try:
            number = os.open(self.path, flags, 0o666)
        except (OSError, ValueError) as error:
            raise InputError("file", self.path, f"must be a plain file ({files.reason(error)})") from error
        try:
            if other := files.kind(os.fstat(number).st_mode):
                raise InputError("file", self.path, f"must be a plain file (it is {other})")
            if flock is not None:
                flock(number, LOCK_EX)
            yield number
        finally:
            os.close(number)  # which lets go of the lock

    def fresh(self, number: int | None) -> Iterator[tuple[Entry, str]]:
        """The entries of the lines that were appended since, with their SHA-256.

        A line counts as read when the next one is asked for.

        Raises InputError that names the line if one is altered, does not follow the one before, or has no end, and on
        "file" for a file that was cut, or has more than `MOST` bytes.
        """
        there = 0 if number is None else os.fstat(number).st_size
        if there < self.size:
            raise InputError("file", self.path, f"must only grow (of {self.size} bytes there are {there})")
        self._require_room(there)
        tail = b""
        for whole in io.BytesIO(self._bytes(number, self.size, there)):  # one line at a time: there may be millions
            line = whole.removesuffix(b"\n")
            if line == whole:
                tail = line
                break
            try:
                if len(line) > LONGEST:
                    raise ValueError(f"must have at most {LONGEST} bytes")
                entry, head = unsealed(line, self.head)
            except files.BROKEN as error:
                raise self.fault(str(error), line) from error
            yield entry, head
            self.count, self.size, self.head = self.count + 1, self.size + len(line) + 1, head
        if tail:
            raise self.fault("must have an end (its writer was stopped; to put it aside: mend)", tail)

    def append(self, number: int, entry: Entry) -> None:
        """Write one more line, whole or not at all, and wait for the disk. Raises InputError on "output"."""
        line, head = sealed(entry, self.head)
        self._require_room(self.size + len(line))
        try:
            if os.write(number, line) < len(line):
                raise OSError(0, "no room for the line")
            os.fsync(number)
        except BaseException as error:
            os.ftruncate(number, self.size)
            if isinstance(error, OSError):
                raise files.unwritten(self.path, error) from error
            raise
        self.count, self.size, self.head = self.count + 1, self.size + len(line), head

    def mend(self, number: int) -> None:
        """Put what follows the last whole line aside, into a file of this name and ".unfinished"."""
        there = os.fstat(number).st_size
        self._require_room(there)
        tail = self._bytes(number, 0, there).rpartition(b"\n")[2]
        if tail:
            with files.destination(f"{self.path}.unfinished").open("ab") as file:
                file.write(tail + b"\n")
            os.ftruncate(number, there - len(tail))

    def fault(self, wanted: str, line: object, field: str = "") -> InputError:
        """What is wrong with the line after those that were read."""
        place = f"{self.path}, line {self.count + 1}"
        return InputError(f"{place}, {field}" if field else place, shown(line), wanted)

    def _require_room(self, size: int) -> None:
        if size > MOST:
            raise InputError("file", self.path, f"must have at most {MOST} bytes (they would be {size})")

    @staticmethod
    def _bytes(number: int | None, start: int, end: int) -> bytes:
        if number is None:
            return b""
        with os.fdopen(os.dup(number), "rb") as file:
            file.seek(start)
            return file.read(end - start)
