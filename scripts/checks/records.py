"""R4: what is stored and then damaged: flipped bits, cuts and another record's bytes are never read as numbers."""

import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np

from checks.row import Row
from subtheory import held
from subtheory.errors import DataError, InputError
from subtheory.ledger.request import Request
from subtheory.ledger.store import Store
from subtheory.lineage import Lineage

Read = Callable[[Path], Any]


def _store(folder: Path) -> Store:
    """Of one request, whose parts are the seeds."""
    return Store(folder, Request("sweep", "{}", "code", "machine"))


def _record(folder: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = {"x": rng.normal(size=(6, 5)), "n": np.arange(4) + seed, "word": np.array(["a", "λ"])}
    _store(folder).save(str(seed), arrays)


def _read_record(folder: Path) -> Any:
    """As every run takes it, which computes it again if it is told of damage."""
    with redirect_stderr(io.StringIO()) as told:
        arrays = _store(folder).found("0")
    if arrays is None:
        raise DataError(told.getvalue().removesuffix("\n") or "missing")
    return {name: array.tolist() for name, array in arrays.items()}


def _result(folder: Path, seed: int) -> None:
    held.write(
        folder / "result.json", "numbers", {"seed": seed, "x": np.random.default_rng(seed).normal(size=9).tolist()}
    )


def _read_result(folder: Path) -> Any:
    return held.read(folder / "result.json", {"numbers": dict})


def _lineage(folder: Path, seed: int) -> None:
    """The last line is noted elsewhere: what was cut off whole is told by nothing else."""
    lineage = Lineage.open(folder / "lineage.jsonl")
    lineage.add_model(f"base{seed}", f"{seed}" * 64)
    lineage.add_data("rows", "a" * 64, f"base{seed}")
    lineage.add_model("student", "b" * 64, f"base{seed}", ["rows"])
    (folder.parent / f"head{seed}").write_text(lineage.head)


def _read_lineage(folder: Path) -> Any:
    lineage = Lineage.open(folder / "lineage.jsonl", head=(folder.parent / "head0").read_text())
    return lineage.shares_init("rows", "student").to_dict()


STORES: dict[str, tuple[Callable[[Path, int], None], Read]] = {
    "record": (_record, _read_record),
    "result": (_result, _read_result),
    "lineage": (_lineage, _read_lineage),
}
"""What is stored, how it is written with a seed, and how that of seed 0 is read."""

NAMELESS = ("result",)
"""Does not say whose it is, but by its file name: another's in its place is as sound."""


def damages(good: bytes, rng: np.random.Generator, flips: int) -> Iterator[tuple[str, bytes]]:
    """One file, damaged in every way."""
    for bit in rng.choice(8 * len(good), min(flips, 8 * len(good)), replace=False):
        spoilt = bytearray(good)
        spoilt[bit // 8] ^= 1 << (bit % 8)
        yield f"bit {bit} flipped", bytes(spoilt)
    for keep in sorted({0, 1, len(good) - 1, *rng.integers(0, len(good), flips // 5).tolist()}):
        yield f"cut after {keep} bytes", good[:keep]
    yield "twice", good + good
    yield "zeros", bytes(len(good))
    yield "longer", good + b"\0"


def outcome(read: Read, folder: Path, known: Any) -> str:
    """`refused`, `the same` as was stored, or what is wrong."""
    try:
        found = read(folder)
    except (DataError, InputError) as error:
        return "refused" if "\n" not in str(error) else f"several lines: {error}"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "the same" if found == known else "another number was read"


def written(folder: Path) -> dict[str, bytes]:
    """The files of a store, by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def spoilt(
    name: str, good: dict[str, bytes], other: Sequence[bytes], flips: int
) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Every file by itself, damaged or another record's; then all files of another record in the place of one."""
    rng = np.random.default_rng(4)
    for (file, data), theirs in zip(good.items(), other, strict=True):
        for what, bad in damages(data, rng, flips):
            yield f"{file}, {what}", {file: bad}
        if name not in NAMELESS:
            yield f"{file}, another's", {file: theirs}
    if name not in NAMELESS:
        yield "all another's", dict(zip(good, other, strict=True))


def r4(quick: bool = False) -> Row:
    """Every store, spoilt; what is told of damage may put files aside, so all are written anew each time."""
    row, same = Row("flipped bits, cuts, empty and swapped files", "≥ 1000: all detected, no wrong number"), 0
    for name, (write, read) in STORES.items():
        with tempfile.TemporaryDirectory() as place:
            folders = [Path(place, str(seed)) for seed in range(2)]
            for seed, folder in enumerate(folders):
                folder.mkdir()
                write(folder, seed)
            good, other = map(written, folders)
            known = read(folders[0])
            for what, bad in spoilt(name, good, list(other.values()), 40 if quick else 400):
                for file, data in (good | bad).items():
                    (folders[0] / file).write_bytes(data)
                found = outcome(read, folders[0], known)
                same += found == "the same"
                row.tried("" if found in ("refused", "the same") else f"{name}, {what}: {found}")
    row.found = f"{row.count - same - len(row.missed)} refused, {same} read as they were stored (blanks of JSON)"
    return row
