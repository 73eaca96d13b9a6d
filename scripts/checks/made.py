"""Hostile files, each made under a name of a reader's choice: small on the disk, large where they are read."""

import bz2
import io
import os
import struct
import zipfile
import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np

Maker = Callable[[Path], None]

HUGE, LARGE = 2**28, 60 * 2**20
"""Bytes that a bomb unpacks to: far above every bound, and within those of a file without numbers."""

NAMES = ("../../outside", "/etc/outside", "n" * 300, "a\0b", "<script>alert(1)</script>", "\x1b[2Jgone", "a\nb", "ε")
"""Names that lead elsewhere, are cut, run, or move a cursor."""


def _written(data: Callable[[], bytes | str]) -> Maker:
    """A file of bytes or of text, made when it is."""

    def make(path: Path) -> None:
        found = data()
        path.write_bytes(found.encode() if isinstance(found, str) else found)

    return make


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 * 2**30)


SPECIAL: dict[str, Maker] = {
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a pipe without a writer": _fifo,
    "10 GB of nothing": _sparse,
    "a link to itself": lambda path: path.symlink_to(path.name),
    "a folder": lambda path: path.mkdir(),
    "empty": _written(lambda: b""),
}


# Archives -----------------------------------------------------------------------------------------


def header(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_1_0(out, {"descr": descr, "fortran_order": False, "shape": shape})
    return out.getvalue()


@cache
def deflated(data: bytes, zeros: int) -> bytes:
    """The data and so many zeros, packed a piece at a time."""
    packer = zlib.compressobj(1, zlib.DEFLATED, -15)
    pieces = [packer.compress(data)]
    pieces += [packer.compress(bytes(2**20)) for _ in range(zeros // 2**20)]
    return b"".join([*pieces, packer.flush()])


def zipped(name: bytes, packed: bytes, stated: int, method: int, crc: int = 0) -> bytes:
    """An archive of one entry that states its size as it likes."""
    common = struct.pack("<HHHHHLLL", 20, 0, method, 0, 33, crc, len(packed), stated)
    local = b"PK\x03\x04" + common + struct.pack("<HH", len(name), 0) + name + packed
    listed = (
        b"PK\x01\x02" + struct.pack("<H", 20) + common + struct.pack("<HHHHHLL", len(name), 0, 0, 0, 0, 0, 0) + name
    )
    return local + listed + b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, 1, 1, len(listed), len(local), 0)


def _bomb(size: int) -> Maker:
    """An array of zeros that is as large as it says."""

    def make(path: Path) -> None:
        head = header((size // 8,))
        crc = zlib.crc32(bytes(size), zlib.crc32(head)) if size == LARGE else 0
        path.write_bytes(zipped(b"x.npy", deflated(head, size), len(head) + size, 8, crc))

    return make


def _lying(path: Path) -> None:
    """It says of 256 MB that they are a hundred bytes."""
    path.write_bytes(zipped(b"x.npy", deflated(header((HUGE // 8,)), HUGE), 100, 8))


def _nested(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as outer:
        for i in range(20):
            outer.writestr(f"{i}.npy", zipped(b"x.npy", deflated(b"", HUGE), HUGE, 8))


def _bzip2(path: Path) -> None:
    """A method of which no piece can be unpacked alone; its size is stated as small."""
    path.write_bytes(zipped(b"x.npy", _by_bzip2(), 100, zipfile.ZIP_BZIP2))


@cache
def _by_bzip2() -> bytes:
    packer = bz2.BZ2Compressor()
    return b"".join([packer.compress(bytes(2**20)) for _ in range(HUGE // 2**20)]) + packer.flush()


def _many(path: Path) -> None:
    """A list of a million entries that are not there."""
    one = b"PK\x01\x02" + struct.pack("<HHHHHHLLLHHHHHLL", 20, 20, 0, 0, 0, 33, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"x"
    listed = one * 10**6
    path.write_bytes(listed + b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, 65535, 65535, len(listed), 0, 0))


def _arrays(path: Path, entries: dict[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name or "x"), data)


RUN = "pickle-was-run"
"""The folder that a pickle makes when it is loaded."""

PICKLE = f"cos\nmkdir\n(S'{RUN}'\ntR.".encode()


def _pickled(path: Path) -> None:
    _arrays(path, {"x.npy": header((1,), "|O") + PICKLE})


def _named(path: Path) -> None:
    number = header((1,)) + bytes(8)
    _arrays(path, {f"{name}.npy": number for name in NAMES})


ARCHIVES: dict[str, Maker] = {
    "a bomb": _bomb(HUGE),
    "a bomb within bounds": _bomb(LARGE),
    "a bomb that lies in its list": _lying,
    "bombs in an archive": _nested,
    "a bomb of another method": _bzip2,
    "a million names": _many,
    "10^13 numbers": lambda path: _arrays(path, {"x.npy": header((10**13,))}),
    "10^13 rows of nothing": lambda path: _arrays(path, {"x.npy": header((10**13, 0)), "y.npy": header((10**13, 0))}),
    "10^13 empty words": lambda path: _arrays(path, {"x.npy": header((10**13,), "|S0")}),
    "negative lengths": lambda path: _arrays(path, {"x.npy": header((-1, -1)) + bytes(8)}),
    "a pickle": _pickled,
    "a pickle alone": _written(lambda: PICKLE),
    "names that lead elsewhere": _named,
}


# JSON, and Python -----------------------------------------------------------------------------------


TEXTS: dict[str, Maker] = {
    "10^6 lists deep": _written(lambda: "[" * 10**6),
    "10^6 objects deep": _written(lambda: '{"a":' * 10**6),
    "20 million lists": _written(lambda: "[" + "[]," * 20_000_000 + "1]"),
    "2.7 million lists": _written(lambda: "[" + "[]," * 2_700_000 + "1]"),
    "2 million numbers": _written(lambda: '["😀",' + "1e1," * 2_000_000 + "1]"),
    "8 MB of keys": _written(lambda: "{" + ",".join(f'"{i:x}":0' for i in range(700_000)) + "}"),
    "8 MB of one word": _written(lambda: '["😀' + "a" * 8_000_000 + '"]'),
    "a number of 10^6 digits": _written(lambda: '{"schema":2,"sha256":"","claim":' + "9" * 10**6 + "}"),
    "no UTF-8": _written(lambda: b'{"a":"\xff\xfe"}'),
    "NUL": _written(lambda: bytes(1000)),
    "lines without end": _written(lambda: b"\n" * (60 * 2**20)),
    "one long line": _written(lambda: b'{"sha256":"' + b"a" * 64 + b'",' + b"a" * (60 * 2**20)),
    "no object": _written(lambda: "[1]"),
}

CODES: dict[str, Maker] = {
    "NUL": _written(lambda: b"a = 1\0"),
    "no UTF-8": _written(lambda: b"a = '\xff'"),
    "10^5 parentheses": _written(lambda: "a = " + "(" * 10**5),
    "10^6 signs": _written(lambda: "a = " + "-" * 10**6 + "1"),
    "nothing that was asked for": _written(lambda: "a = 1\n"),
}
