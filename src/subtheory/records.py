"""Records: named arrays and what is known of them, written whole or not at all, and checked when read.

A record is two files: `key.npz` with the arrays, and `key.json` with the metadata, the SHA-256 of the
first and its own. A process that is killed at any moment leaves the old record, the new one, or one that
does not pass its hash; it never leaves one that is wrong and looks right.
"""

import hashlib
import io
import json
import os
import re
import secrets
import sys
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy

from subtheory import files
from subtheory.errors import DataError, InputError
from subtheory.files import LARGEST, write_atomic

__all__ = [
    "LARGEST",
    "Arrays",
    "Meta",
    "canonical",
    "cell_id",
    "columns",
    "computed",
    "intact",
    "load",
    "put_aside",
    "remove",
    "rows",
    "save",
    "tidy",
    "write_atomic",
]

Arrays = dict[str, np.ndarray]
Meta = dict[str, Any]

STALE = 3600.0
"""Seconds after which a temporary file belongs to no process that still runs, where locks do not tell."""

QUARANTINE = "quarantine"
"""Folder beside the records that takes the corrupt ones."""


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


def tidy(folder: Path | str, older_than: float = STALE) -> list[Path]:
    """Remove temporary files that a killed process left behind, and no other: those in use are locked."""
    orphans = [path for path in sorted(Path(folder).glob(".*.tmp")) if files.abandoned(path) or _age(path) > older_than]
    for orphan in orphans:
        orphan.unlink(missing_ok=True)
    return orphans


def _age(path: Path) -> float:
    """Seconds; none of what its writer has renamed since it was listed."""
    try:
        return time.time() - path.lstat().st_mtime
    except FileNotFoundError:
        return 0.0


def save(folder: Path | str, key: str, arrays: Mapping[str, Any], meta: Meta, durable: bool = True) -> Path:
    """Store a record and return the path of its JSON; equal records are equal bytes.

    One that can be made again need not be `durable`: a machine that dies may damage it, which its hash tells. Raises
    InputError for a key that is no file name, arrays of objects, more than `LARGEST` bytes, or metadata that JSON
    cannot hold.
    """
    packed = _pack({name: np.asarray(array) for name, array in arrays.items()})
    head = {"meta": meta, "arrays": _sha256(packed)}
    text = json.dumps({"sha256": cell_id(head), **head}, indent=1, ensure_ascii=False, allow_nan=False)
    write_atomic(_file(folder, key, ".npz"), packed, durable)
    return write_atomic(_file(folder, key, ".json"), text + "\n", durable)


def load(folder: Path | str, key: str) -> tuple[Arrays, Meta]:
    """The arrays and the metadata of a record. Raises DataError, naming the file, if anything is off."""
    meta, packed = _intact(folder, key)
    # A hash tells accidents, not intentions: records are not packed, so that nothing in one is larger than it.
    return _checked(_file(folder, key, ".npz"), lambda: files.arrays(packed, len(packed))), meta


def intact(folder: Path | str, key: str) -> Meta:
    """The metadata of a record whose bytes are as they were written; its arrays are not unpacked. Raises as `load`."""
    return _intact(folder, key)[0]


def _intact(folder: Path | str, key: str) -> tuple[Meta, bytes]:
    about, data = _file(folder, key, ".json"), _file(folder, key, ".npz")
    head = _checked(about, lambda: _head(about))
    return head["meta"], _checked(data, lambda: _bytes(data, head["arrays"]))


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
    tidy(folder)
    if any(file.exists() for file in _both(folder, key)):
        try:
            arrays, stored = load(folder, key)
            if stored.get("id") == meta["id"]:
                return arrays, stored
        except DataError as error:
            put_aside(folder, key)
            tell(f"{error}; moved to {QUARANTINE}/, computing it again")
    save(folder, key, compute(), meta)
    return load(folder, key)


def put_aside(folder: Path | str, key: str) -> None:
    """Move what there is of a record to `quarantine/`, whoever else does so."""
    for file in _both(folder, key):
        try:
            place = file.parent / QUARANTINE
            place.mkdir(exist_ok=True)
            os.replace(file, place / f"{file.name}.{secrets.token_hex(4)}")  # it may be no file that ends
        except FileNotFoundError:
            continue


def remove(folder: Path | str, key: str) -> None:
    """Remove a record, if there is one."""
    for file in _both(folder, key):
        file.unlink(missing_ok=True)


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
    except files.BROKEN as error:
        raise DataError(f"{path}: corrupt ({files.reason(error)})") from error


def _head(path: Path) -> Meta:
    found = files.read_json(path)
    if cell_id({"meta": found["meta"], "arrays": found["arrays"]}) != found["sha256"]:
        raise ValueError("its contents do not have the SHA-256 that it states")
    return found


def _bytes(path: Path, sha256: str) -> bytes:
    data = files.read(path, LARGEST + 2**20)
    if _sha256(data) != sha256:
        raise ValueError("its contents do not have the SHA-256 that the record states")
    return data


def _both(folder: Path | str, key: str) -> list[Path]:
    return [_file(folder, key, ending) for ending in (".json", ".npz")]
