"""Records: named arrays and what is known of them, written whole or not at all, and checked when read.

A record is two files: `key.npz` with the arrays, and `key.json` with the metadata, the SHA-256 of the
first and its own. A process that is killed at any moment leaves the old record, the new one, or one that
does not pass its hash; it never leaves one that is wrong and looks right.
"""

import hashlib
import io
import json
import math
import os
import re
import secrets
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from subtheory.errors import DataError, InputError

Arrays = dict[str, np.ndarray]
Meta = dict[str, Any]

LARGEST = 256 * 2**20
"""Bytes that the arrays of a record may take up when unpacked."""

STALE = 3600.0
"""Seconds after which a temporary file belongs to no process that still runs."""

QUARANTINE = "quarantine"
"""Folder beside the records that takes the corrupt ones."""

_BROKEN = (ValueError, KeyError, TypeError, OSError, EOFError, RecursionError, zipfile.BadZipFile, zlib.error,
           NotImplementedError)  # fmt: skip


def canonical(value: Any) -> str:
    """The one JSON text of a value: keys sorted, no blanks. Raises InputError for what JSON cannot say."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InputError("metadata", type(value).__name__, f"must be finite, plain JSON ({error})") from error


def cell_id(value: Mapping[str, Any]) -> str:
    """SHA-256 of the canonical JSON: equal values have equal ids, whatever the order of their keys."""
    return _sha256(canonical(value).encode())


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_atomic(path: Path | str, data: bytes | str) -> Path:
    """Write a file whole or not at all: a temporary file in the same folder, flushed, then renamed.

    Makes the folder. Raises InputError if the place cannot be written to.
    """
    path = Path(path)
    unfinished = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with unfinished.open("xb") as file:
                file.write(data.encode() if isinstance(data, str) else data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(unfinished, path)
        except BaseException:
            unfinished.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise InputError("output", path, f"cannot be written ({error.strerror})") from error
    return path


def sweep(folder: Path | str, older_than: float = STALE) -> list[Path]:
    """Remove temporary files that a killed process left behind; younger ones may still be in use."""
    orphans = [p for p in sorted(Path(folder).glob(".*.tmp")) if time.time() - p.stat().st_mtime > older_than]
    for orphan in orphans:
        orphan.unlink(missing_ok=True)
    return orphans


def save(folder: Path | str, key: str, arrays: Mapping[str, Any], meta: Meta) -> Path:
    """Store a record and return the path of its JSON; equal records are equal bytes.

    Raises InputError for a key that is no file name, arrays of objects, more than `LARGEST` bytes,
    or metadata that JSON cannot hold.
    """
    packed = _pack({name: np.asarray(array) for name, array in arrays.items()})
    head = {"meta": meta, "arrays": _sha256(packed)}
    text = json.dumps({"sha256": cell_id(head), **head}, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(_file(folder, key, ".npz"), packed)
    return write_atomic(_file(folder, key, ".json"), text + "\n")


def load(folder: Path | str, key: str) -> tuple[Arrays, Meta]:
    """The arrays and the metadata of a record. Raises DataError, naming the file, if anything is off."""
    about, data = _file(folder, key, ".json"), _file(folder, key, ".npz")
    head = _checked(about, lambda: _head(about))
    return _checked(data, lambda: _arrays(data, head["arrays"])), head["meta"]


def computed(
    folder: Path | str,
    key: str,
    meta: Meta,
    compute: Callable[[], Mapping[str, Any]],
    tell: Callable[[str], None] = lambda message: print(message, file=sys.stderr),
) -> tuple[Arrays, Meta]:
    """The stored record if it is valid and has the same `meta["id"]`; otherwise compute and store it.

    A corrupt record is moved to `quarantine/` and computed again, which `tell` is told.
    """
    sweep(folder)
    files = [_file(folder, key, ending) for ending in (".json", ".npz")]
    if any(file.exists() for file in files):
        try:
            arrays, stored = load(folder, key)
            if stored.get("id") == meta["id"]:
                return arrays, stored
        except DataError as error:
            _quarantine(files)
            tell(f"{error}; moved to {QUARANTINE}/, computing it again")
    save(folder, key, compute(), meta)
    return load(folder, key)


def columns(rows: Iterable[Mapping[str, Any]]) -> Arrays:
    """Rows as one array a column. Raises InputError for no rows, or rows of different columns."""
    rows = list(rows)
    if not rows:
        raise InputError("rows", "none", "must be at least one")
    names = list(rows[0])
    for row in rows:
        if list(row) != names:
            raise InputError("rows", ", ".join(row), f"must all have the columns {', '.join(names)}")
    return {name: np.array([row[name] for row in rows]) for name in names}


def rows(arrays: Mapping[str, np.ndarray]) -> list[dict[str, Any]]:
    """Columns as rows of plain Python values; the inverse of `columns`."""
    values = [array.tolist() for array in arrays.values()]
    return [dict(zip(arrays, row, strict=True)) for row in zip(*values, strict=True)]


def _file(folder: Path | str, key: str, ending: str) -> Path:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", key):
        raise InputError("key", repr(key), "must be a plain file name")
    return Path(folder) / (key + ending)


def _pack(arrays: Arrays) -> bytes:
    """An .npz file without clocks; never with pickled objects."""
    if sum(array.nbytes for array in arrays.values()) > LARGEST:
        raise InputError("arrays", sum(a.nbytes for a in arrays.values()), f"must not exceed {LARGEST} bytes")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, array in arrays.items():
            if array.dtype.hasobject:
                raise InputError("arrays", f"objects in {name!r}", "must hold numbers or text")
            with archive.open(f"{name}.npy", "w") as entry:
                npy.write_array(entry, array)
    return packed.getvalue()


def _checked(path: Path, read: Callable[[], Any]) -> Any:
    """What `read` returns; anything that goes wrong is a DataError of one line."""
    try:
        return read()
    except FileNotFoundError:
        raise DataError(f"{path}: missing") from None
    except _BROKEN as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(f"{path}: corrupt ({reason})") from error


def _head(path: Path) -> Meta:
    found = json.loads(_bytes(path))
    if cell_id({"meta": found["meta"], "arrays": found["arrays"]}) != found["sha256"]:
        raise ValueError("its contents do not have the SHA-256 that it states")
    return found


def _bytes(path: Path) -> bytes:
    if path.stat().st_size > LARGEST + 2**20:
        raise ValueError(f"larger than {LARGEST} bytes")
    return path.read_bytes()


def _arrays(path: Path, sha256: str) -> Arrays:
    data = _bytes(path)
    if _sha256(data) != sha256:
        raise ValueError("its contents do not have the SHA-256 that the record states")
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        # A hash tells accidents, not intentions: sizes are judged before anything is unpacked.
        if sum(entry.file_size for entry in entries) > LARGEST:
            raise ValueError(f"unpacks to more than {LARGEST} bytes")
        return {entry.filename.removesuffix(".npy"): _array(archive.read(entry)) for entry in entries}


def _array(data: bytes) -> np.ndarray:
    """One .npy file, read without NumPy's loader: no objects, and no size but that of the data."""
    file = io.BytesIO(data)
    read = npy.read_array_header_1_0 if npy.read_magic(file) == (1, 0) else npy.read_array_header_2_0
    shape, fortran, dtype = read(file)
    body = data[file.tell() :]
    if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(body):
        raise ValueError("an array that does not fit its header")
    return np.ndarray(shape, dtype, body, order="F" if fortran else "C").copy()


def _quarantine(files: Iterable[Path]) -> None:
    for file in files:
        if file.exists():
            place = file.parent / QUARANTINE
            place.mkdir(exist_ok=True)
            os.replace(file, place / f"{file.name}.{_sha256(file.read_bytes())[:8]}")
