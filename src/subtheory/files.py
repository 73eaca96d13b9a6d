"""Files as they are found in the wild: read up to a size, unpacked up to a size, written whole where they are meant."""

import errno
import gzip
import io
import json
import math
import os
import secrets
import stat
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy

from subtheory.arguments import shown
from subtheory.errors import InputError, NoRoom

try:
    import fcntl
except ImportError:  # on Windows
    fcntl = None  # type: ignore[assignment]

LARGEST = 256 * 2**20
"""Bytes that a file may have, and that what is packed in it may take up."""

TEXT = 8 * 2**20
"""Bytes of a file of JSON, of which Python makes up to twenty times as many."""

PARTS = 10**6
"""Lists and objects in it."""

ROOM, RATIO = 64 * 2**20, 16
"""What is packed may take up ROOM bytes, and RATIO times its own beyond: numbers that were measured pack no better."""

ENTRIES, ENTRY = 10_000, b"PK\x01\x02"
"""Arrays in an archive, and what its list of them says before each."""

NUMPYS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""How NumPy packs: both can be unpacked up to a size."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""What a system says of a place that is right and has no room."""

DEEPEST = 64
"""Lists and objects that stand in each other in a file of JSON."""

BROKEN = (ValueError, LookupError, TypeError, AttributeError, OSError, EOFError, RecursionError, MemoryError,
          ArithmeticError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)  # fmt: skip
"""What reading a damaged file raises, here or in a library."""

KINDS = (
    (stat.S_ISDIR, "a folder"), (stat.S_ISFIFO, "a named pipe"), (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"), (stat.S_ISSOCK, "a socket"),
)  # fmt: skip


def kind(mode: int) -> str:
    """What a file is if it is no plain file, in words; else empty."""
    return next((name for test, name in KINDS if test(mode)), "")


def read(path: Path | str, most: int = LARGEST) -> bytes:
    """The bytes of a plain file. Raises ValueError for a pipe, a device or a folder, and for more than `most` bytes.

    A file that says nothing of its size is read up to there. Raises OSError where it cannot be read.
    """
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    number = os.open(path, flags)  # a pipe without a writer would wait for one
    with os.fdopen(number, "rb") as file:
        about = os.fstat(number)
        if other := kind(about.st_mode):
            raise ValueError(f"it is {other}")
        if about.st_size > most:
            raise ValueError(f"larger than {most} bytes")
        data = file.read(most + 1)
    if len(data) > most:
        raise ValueError(f"larger than {most} bytes")
    return data


def require_readable(path: Path | str, most: int = LARGEST, field: str = "file") -> None:
    """Raise InputError on `field` for what is there and is neither a folder nor a plain file of `most` bytes at most.

    Of a folder the files in it are looked at.
    """
    place = Path(path).expanduser()
    for one in [place, *(place.iterdir() if place.is_dir() else ())]:
        if not one.exists() or one.is_dir():
            continue
        about = one.stat()
        if other := kind(about.st_mode):
            raise InputError(field, one, f"must be a plain file (it is {other})")
        if about.st_size > most:
            raise InputError(field, one, f"must have at most {most} bytes (it has {about.st_size})")


def read_json(path: Path | str, most: int = TEXT) -> Any:
    """What a file of JSON says. Raises ValueError for one that is damaged, too large, too deep or of too many parts."""
    data = read(path, most)
    if data.count(b"[") + data.count(b"{") > PARTS:
        raise ValueError(f"more than {PARTS} lists and objects")
    try:
        found = json.loads(data)
    except RecursionError:
        raise ValueError(f"nested more than {DEEPEST} deep") from None
    level = [found]
    for _ in range(DEEPEST):
        level = [item for value in level for item in _within(value)]
        if not level:
            return found
    raise ValueError(f"nested more than {DEEPEST} deep")


def _within(value: Any) -> list[Any]:
    """Lists and objects of a list or an object, and itself not."""
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [item for item in items if isinstance(item, dict | list)]


def gunzip(data: bytes, most: int = LARGEST) -> bytes:
    """What is packed in the bytes of a .gz file. Raises ValueError for more than `room` for it."""
    most = room(data, most)
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        found = file.read(most + 1)
    if len(found) > most:
        raise ValueError(f"unpacks to more than {most} bytes")
    return found


def room(packed: bytes, most: int) -> int:
    """Bytes that these may unpack to."""
    return min(most, ROOM + RATIO * len(packed))


def arrays(data: bytes, most: int = LARGEST) -> dict[str, np.ndarray]:
    """The arrays of the bytes of an .npz file; no objects. Raises one of `BROKEN` if they are damaged or too large."""
    if data.count(ENTRY) > ENTRIES:  # a list of names can fill the memory, too
        raise ValueError(f"more than {ENTRIES} arrays")
    most = room(data, most)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        # Sizes are judged before anything is unpacked.
        if sum(entry.file_size for entry in entries) > most:
            raise ValueError(f"unpacks to more than {most} bytes")
        return {entry.filename.removesuffix(".npy"): _array(_unpacked(archive, entry)) for entry in entries}


def _unpacked(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """The bytes of an entry, of which no more are unpacked than it states."""
    if entry.compress_type not in NUMPYS:
        raise ValueError("packed in another way than NumPy's")
    with archive.open(entry) as file:
        return file.read(entry.file_size + 1)


def _array(data: bytes) -> np.ndarray:
    """One .npy file, read without NumPy's loader: no objects, and no size but that of the data."""
    file = io.BytesIO(data)
    read_header = npy.read_array_header_1_0 if npy.read_magic(file) == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read_header(file)
    start = file.tell()
    # Nothing times 10^13 is no bytes, and yet 10^13 rows.
    rows = math.prod(max(n, 1) for n in shape)
    fits = math.prod(shape) * dtype.itemsize == len(data) - start and rows <= LARGEST
    if dtype.hasobject or not dtype.itemsize or not fits:
        raise ValueError("an array that does not fit its header")
    return np.ndarray(shape, dtype, data, start, order="F" if fortran else "C").copy()


def reason(error: BaseException) -> str:
    """What a damaged file's error says, in one line."""
    said = getattr(error, "strerror", None) or str(error)
    return said.splitlines()[0] if said else type(error).__name__


# Writing ------------------------------------------------------------------------------------------


def destination(path: Path | str, field: str = "output") -> Path:
    """Where a file of this name is written: what a link points at. Raises InputError on `field` if that is no file."""
    if not isinstance(path, str | Path):
        raise InputError(field, shown(path), "must be the name of a file")
    try:
        place = Path(os.path.realpath(path))
        mode = os.stat(place).st_mode
    except FileNotFoundError:
        if str(path).endswith(("/", os.sep)) or not place.name:
            raise InputError(field, path, "cannot be written, it must be a file (it is a folder)") from None
        return place
    except (OSError, ValueError) as error:
        raise InputError(field, path, f"cannot be written, it must be a file ({reason(error)})") from error
    if other := kind(mode):
        raise InputError(field, path, f"cannot be written, it must be a file (it is {other})")
    if not os.access(place, os.W_OK):
        raise InputError(field, path, "cannot be written, it must be a file (Permission denied)")
    return place


def writable(path: Path | str, field: str = "out") -> Path:
    """The same before anything is computed: makes its folder, too. Raises InputError on `field`."""
    place = destination(path, field)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(field, path, f"cannot be written, it must be a file ({reason(error)})") from error
    if not os.access(place.parent, os.W_OK):
        raise InputError(field, path, "cannot be written, it must be a file (Permission denied)")
    return Path(path)


def write_atomic(path: Path | str, data: bytes | str, durable: bool = True) -> Path:
    """Write a file whole or not at all, as `whole` does. Raises as it does, but for FileNotFoundError."""
    found = data.encode() if isinstance(data, str) else data
    for left in reversed(range(TRIES)):
        try:
            with whole(path, durable) as file:
                file.write(found)
            break
        except FileNotFoundError:  # taken away as `abandoned`, between its making and its lock
            if not left:
                raise InputError("output", path, "cannot be written (its temporary file was taken away)") from None
    return Path(path)


TRIES = 3
"""How often a file is written whose temporary one was taken away."""


@contextmanager
def whole(path: Path | str, durable: bool = True) -> Iterator[IO[bytes]]:
    """A file to write into, which takes its place at the end: a temporary one in the same folder, renamed.

    Makes the folder; writes through a link, and keeps the mode of a file that was there. What is not `durable` is not
    waited for until it is on the disk: a machine that dies, unlike a process, may leave an empty file.

    Raises InputError if the place cannot be written to or is no plain file, NoRoom if there is none, and
    FileNotFoundError where the temporary file was taken away.
    """
    place = destination(path)
    unfinished = place.with_name(f".{place.name}.{secrets.token_hex(6)}.tmp")
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        with unfinished.open("xb") as file:
            try:
                _lock(file)
                yield file
                file.flush()
                if durable:
                    os.fsync(file.fileno())
                if place.exists():
                    os.chmod(unfinished, stat.S_IMODE(place.stat().st_mode))
                if fcntl is None:
                    file.close()  # Windows renames no open file
                os.replace(unfinished, place)
            except BaseException:
                unfinished.unlink(missing_ok=True)
                raise
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unwritten(path, error) from error


def unwritten(path: Path | str, error: OSError) -> InputError:
    """What to raise on "output" for a file that could not be written: NoRoom where that is the reason."""
    kind = NoRoom if error.errno in FULL else InputError
    return kind("output", path, f"cannot be written ({error.strerror or error})")


def _lock(file: IO[bytes]) -> None:
    """Say that the file is in use: the lock ends with the process, however that ends."""
    if fcntl is not None:
        with suppress(OSError):  # of a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)


def abandoned(unfinished: Path) -> bool:
    """Whether the writer of a temporary file is gone; False where locks do not tell, as on Windows."""
    if fcntl is None:
        return False
    try:
        with unfinished.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    except OSError:
        return False
