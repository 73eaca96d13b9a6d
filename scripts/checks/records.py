"""R4: what is stored and then damaged: flipped bits, cuts and another record's bytes are never read as numbers."""

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from checks.row import Row
from subtheory import held, records
from subtheory.errors import DataError, InputError
from subtheory.lineage import Lineage

Read = Callable[[Path], Any]


def _record(folder: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    arrays = {"x": rng.normal(size=(6, 5)), "n": np.arange(4) + seed, "word": np.array(["a", "λ"])}
    records.save(folder, "cell", arrays, {"id": str(seed), "ε": [seed, None]})


def _read_record(folder: Path) -> Any:
    """As a run takes it: of another identity, it is none."""
    arrays, meta = records.load(folder, "cell")
    if meta["id"] != "0":
        raise DataError("another record")
    return {name: array.tolist() for name, array in arrays.items()}, meta


def _result(folder: Path, seed: int) -> None:
    held.write(
        folder / "result.json", "numbers", {"seed": seed, "x": np.random.default_rng(seed).normal(size=9).tolist()}
    )


def _read_result(folder: Path) -> Any:
    """A result has no identity but its name: that of a caller is stored with it."""
    found = held.read(folder / "result.json", {"numbers": dict})
    if found["seed"] != 0:
        raise DataError("another result")
    return found


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


def damages(good: bytes, other: bytes, rng: np.random.Generator, flips: int) -> Iterator[tuple[str, bytes]]:
    """One file, damaged in every way."""
    for bit in rng.choice(8 * len(good), min(flips, 8 * len(good)), replace=False):
        spoilt = bytearray(good)
        spoilt[bit // 8] ^= 1 << (bit % 8)
        yield f"bit {bit} flipped", bytes(spoilt)
    for keep in sorted({0, 1, len(good) - 1, *rng.integers(0, len(good), flips // 5).tolist()}):
        yield f"cut after {keep} bytes", good[:keep]
    yield "another's", other
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


def r4(quick: bool = False) -> Row:
    """Every file of every store by itself; then all files of another record in the place of one."""
    row = Row("flipped bits, cuts, empty and swapped files", "≥ 1000: all detected, no wrong number")
    rng, same = np.random.default_rng(4), 0
    for name, (write, read) in STORES.items():
        with tempfile.TemporaryDirectory() as place:
            folders = [Path(place, str(seed)) for seed in range(2)]
            for seed, folder in enumerate(folders):
                folder.mkdir()
                write(folder, seed)
            known = read(folders[0])
            for file in sorted(folders[0].iterdir()):
                good, other = file.read_bytes(), (folders[1] / file.name).read_bytes()
                for what, data in damages(good, other, rng, 40 if quick else 400):
                    file.write_bytes(data)
                    found = outcome(read, folders[0], known)
                    same += found == "the same"
                    row.tried("" if found in ("refused", "the same") else f"{name}, {file.name}, {what}: {found}")
                file.write_bytes(good)
            row.tried("" if outcome(read, folders[1], known) == "refused" else f"{name}: another's files pass")
    row.found = f"{row.count - same - len(row.missed)} refused, {same} read as they were stored (blanks of JSON)"
    return row
