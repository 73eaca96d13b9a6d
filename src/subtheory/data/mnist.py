"""The MNIST digits, which do not travel with the package: read from a file or folder of the user's, or fetched.

`read` takes an npz archive (x_train, y_train, x_test, y_test), a folder with the four IDX files, gzipped or not, or the
word "fetch". Any data set of the same shapes will do (Fashion-MNIST, digits of one's own): `digest` says which it was.
"""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jax import Array

from subtheory import files
from subtheory.data.task import Task
from subtheory.errors import InputError

SIDE, CLASSES = 28, 10
TRAIN = 60_000
"""Images of the training set, which come first where both sets are one."""

FETCH = "fetch"
"""The place that stands for a download by scikit-learn."""

DIGEST = "06b0d1f124c4e5fa796686ade41a9b778edacc8622f2195a352ef479ad44fc16"
"""`digest` of MNIST."""

FILES = {
    "x_train": "train-images", "y_train": "train-labels", "x_test": "t10k-images", "y_test": "t10k-labels",
}  # fmt: skip
"""Stems of the IDX files by name of the array."""

GREY_VALUES = 0x0800
"""Magic number of an IDX file of unsigned bytes, to which the number of axes is added."""


class Mnist(NamedTuple):
    """Grey values 0..255, uint8 (n, 28, 28), and labels 0..9, uint8 (n,)."""

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray


def read(where: Path | str) -> Mnist:
    """MNIST from an npz archive, a folder of IDX files, or "fetch".

    Raises InputError on "file" for what is missing, unreadable, or of another shape, type or range, and where a
    download is not possible.
    """
    if str(where) == FETCH:
        return checked(_fetched(), where)
    path = Path(where).expanduser()
    try:
        return checked(_folder(path) if path.is_dir() else _archive(path), where)
    except InputError:
        raise
    except files.BROKEN as error:
        wanted = "must be an npz archive with x_train, y_train, x_test and y_test, or a folder of the four IDX files"
        raise InputError("file", where, f"{wanted} ({files.reason(error)})") from error


def checked(arrays: Mnist, where: object) -> Mnist:
    """The arrays, contiguous uint8. Raises InputError on "file" unless they are grey images with a label 0..9 each."""
    found = []
    for name, array in arrays._asdict().items():
        images = name.startswith("x")
        wanted = f"(n, {SIDE}, {SIDE})" if images else "(n,)"
        if array.shape[1:] != ((SIDE, SIDE) if images else ()) or not array.ndim or not len(array):
            raise InputError("file", where, f"{name} must have shape {wanted} (it has {array.shape})")
        if array.dtype != np.uint8 if images else array.dtype.kind not in "iu":
            raise InputError("file", where, f"{name} must be {'uint8' if images else 'integers'} (it is {array.dtype})")
        if not images and not (0 <= array.min() and array.max() < CLASSES):
            raise InputError("file", where, f"{name} must lie in 0..9 (it has {array.min()}..{array.max()})")
        found.append(np.ascontiguousarray(array, np.uint8))
    made = Mnist(*found)
    for x, y, name in ((made.x_train, made.y_train, "y_train"), (made.x_test, made.y_test, "y_test")):
        if len(x) != len(y):
            raise InputError("file", where, f"{name} must have one label an image ({len(y)} for {len(x)})")
    return made


def digest(arrays: Mnist) -> str:
    """SHA-256 of the bytes of all four arrays, in their order: the same from any source."""
    found = hashlib.sha256()
    for array in arrays:
        found.update(np.ascontiguousarray(array, np.uint8).tobytes())
    return found.hexdigest()


def _archive(path: Path) -> Mnist:
    found = files.arrays(files.read(path))
    return Mnist(*(found[name] for name in Mnist._fields))


def _folder(path: Path) -> Mnist:
    def file(stem: str) -> Path:
        found = sorted(path.glob(f"{stem}[-.]idx[13]-ubyte*"))
        if not found:
            raise FileNotFoundError(f"no {stem}-idx*-ubyte in it")
        return found[0]

    return Mnist(*(_idx(file(FILES[name])) for name in Mnist._fields))


def _idx(path: Path) -> np.ndarray:
    """An IDX file: a big-endian magic number, the length of every axis, then bytes."""
    raw = files.read(path)
    data = files.gunzip(raw) if path.suffix == ".gz" else raw
    axes = int.from_bytes(data[:4], "big") - GREY_VALUES
    if not 1 <= axes <= 3 or len(data) < 4 * (1 + axes):
        raise ValueError(f"{path.name} is no IDX file of bytes")
    shape = tuple(int(n) for n in np.frombuffer(data, ">u4", axes, 4))
    if len(data) != 4 * (1 + axes) + int(np.prod(shape, dtype=np.int64)):
        raise ValueError(f"{path.name} has another length than its header says")
    return np.frombuffer(data, np.uint8, offset=4 * (1 + axes)).reshape(shape)


def _fetched() -> Mnist:
    """MNIST by scikit-learn's client of OpenML, which keeps what it has downloaded."""
    try:
        from sklearn.datasets import fetch_openml
    except ImportError as error:
        raise InputError("file", FETCH, "needs scikit-learn (pip install scikit-learn), or give a file") from error
    try:
        # This parser needs no pandas, and all pixels are whole numbers.
        found = fetch_openml("mnist_784", version=1, as_frame=False, parser="liac-arff")
    except (OSError, ValueError) as error:
        raise InputError("file", FETCH, f"could not be fetched, so give a file ({files.reason(error)})") from error
    x = np.asarray(found.data).astype(np.uint8).reshape(-1, SIDE, SIDE)
    y = np.asarray(found.target).astype(np.uint8)
    return Mnist(x[:TRAIN], y[:TRAIN], x[TRAIN:], y[TRAIN:])


def _nothing_to_draw(key: Array, n: int) -> tuple[Array, Array]:
    raise InputError("task", "'mnist'", "must have images of its own to draw from: these are read from a file")


MNIST = Task(
    name="mnist",
    shape=(SIDE, SIDE),
    dtype="float32",
    groups=(("class", tuple(range(10))), ("aux", (10, 11, 12)), ("all", tuple(range(13)))),
    sample=_nothing_to_draw,
)
"""Ten class logits and three auxiliary ones, in the precision of training; labelled images come from `read`."""
