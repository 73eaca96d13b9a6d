"""R5: a full disk, a read-only folder, no permission, a file for a folder: one line, and what was there stays.

Where this process may mount, a small disk of its own is filled and made read-only. Everywhere the size of files is
limited, and folders lose their permission to be written to: an administrator, whom no permission stops, gives its own
up for the length of a command.
"""

import os
import resource
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from checks import hostile
from checks.command import said
from checks.row import Row

NOBODY = 65534
"""The user of an administrator who gives its permissions up."""

DISK = "32m"

Place = Callable[[Path], Iterator[None]]

WRITERS: dict[str, tuple[str, ...]] = {
    "lineage": ("lineage", "FOLDER/lineage.jsonl", "add-model", "NEW", "--hash", "HASH"),
    "certify": ("certify", "--network", "tanh-2-4-2", "--loss", "squared-error", "--upto", "SMALL",
                "--out", "FOLDER/c.json"),
    "falsify": ("falsify", "dichotomy-for-every-convex-loss", "--budget", "60", "--seed", "SEED",
                "--out", "FOLDER/x.json"),
    "forecast": ("forecast", "--model=GOOD/mine.py:mine", "--teacher=GOOD/teacher.npz", "--data=GOOD/rows.npz",
                 "--rate", "SEED", "--out", "FOLDER"),
    "ablate": ("ablate", "init", "--network", "linear", "--seeds", "2", "--seed", "SEED", "--amounts", "0,1",
               "--out", "FOLDER"),
    "run": ("run", "eps_ladder", "--quick", "--out", "FOLDER"),
    "figures": ("figures", "--out", "FOLDER"),
    "paper": ("paper", "i", "--quick", "--out", "FOLDER"),
    "verify": ("verify", "kink-reverses-alignment", "--network", "mlp", "--seeds", "1", "--seed", "SEED", "--quick",
               "--out", "FOLDER"),
}  # fmt: skip
"""A command of every verb that writes; SEED changes what it writes the second time."""

AFTER = {"figures": "run", "paper": "run"}
"""What has to have been there before."""

APPENDS = ("lineage",)
"""A line may still find room in the last page of a file."""

CHEAP = ("lineage", "certify")
"""Those that compile nothing."""


def words(name: str, folder: Path, good: Path, again: int) -> list[str]:
    values = {"FOLDER": str(folder), "GOOD": str(good), "SEED": f"{1 + again}", "SMALL": f"{1 + again}e-3",
              "NEW": f"model{again}", "HASH": f"{again}" * 64}  # fmt: skip
    found = []
    for word in WRITERS[name]:
        for key, value in values.items():
            word = word.replace(key, value)
        found.append(word)
    return found


def contents(folder: Path) -> dict[str, bytes]:
    """The bytes of every file."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def intact(before: bytes, after: bytes | None, path: str) -> bool:
    """Whether a file is as it was, or, a record of lines, goes on."""
    return after is not None and (after.startswith(before) if path.endswith(".jsonl") else after == before)


# Places --------------------------------------------------------------------------------------------


def _mount(*words: str) -> bool:
    return not subprocess.run(["mount", *words], capture_output=True, check=False).returncode


def may_mount() -> bool:
    """Whether a disk of our own can be had."""
    with tempfile.TemporaryDirectory() as place:
        made = _mount("-t", "tmpfs", "-o", "size=64k", "none", place)
        if made:
            subprocess.run(["umount", place], check=True)
    return made


@contextmanager
def full_disk(folder: Path) -> Iterator[None]:
    """Not a byte is left."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(2**12))
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()


@contextmanager
def limited_files(folder: Path) -> Iterator[None]:
    """No file may grow beyond a byte: what a quota does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """The disk is."""
    _mount("-o", "remount,ro", str(folder))
    try:
        yield
    finally:
        _mount("-o", "remount,rw", str(folder))


@contextmanager
def no_permission(folder: Path) -> Iterator[None]:
    """Nobody may write there, this process's user for one."""
    places = [folder, *(path for path in folder.rglob("*"))]
    modes = {path: path.stat().st_mode for path in places}
    for path in places:
        path.chmod(0o555 if path.is_dir() else 0o444)
    user = os.geteuid()
    if not user:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)
        for path, mode in modes.items():
            path.chmod(mode)


PLACES: dict[str, tuple[Callable[[Path], contextmanager], tuple[int, ...], bool]] = {  # type: ignore[type-arg]
    "full disk": (full_disk, (4,), True),
    "files limited": (limited_files, (4,), False),
    "read-only disk": (read_only, (2, 4), True),
    "no permission": (no_permission, (2, 4), False),
}
"""How a folder is spoilt, the exit codes that are right there, and whether it takes a disk of our own."""


def r5(quick: bool = False) -> Row:
    """Every verb that writes, in every place, after it has written there once."""
    row = Row("full disk, read-only folder, no permission", "every verb: one line, earlier files intact")
    own = not quick and may_mount()
    with tempfile.TemporaryDirectory() as place:
        good = Path(place, "good")
        good.mkdir()
        hostile.good(good)
        Path(place).chmod(0o755)
        for name in CHEAP if quick else WRITERS:
            folder = Path(place, name)
            folder.mkdir()
            if own:
                own = _mount("-t", "tmpfs", "-o", f"size={DISK}", "none", str(folder))
            try:
                _tried(row, name, folder, good, own)
            finally:
                if own:
                    subprocess.run(["umount", str(folder)], check=True)
            (folder / "file").write_text("here")
            row.tried(_said(name, folder / "file", good, 2, (2,), "a file in place of the folder"))
    row.found = (
        "a disk of our own, filled and read-only" if own else "without a disk of our own: limits and permissions"
    )
    return row


def _tried(row: Row, name: str, folder: Path, good: Path, own: bool) -> None:
    first = said(words(AFTER.get(name, name), folder, good, 0))
    if first.code not in (0, 1):
        row.tried(f"{name}: does not run at all: {first.err[-300:]}")
        return
    for again, (place, (spoilt, codes, disk)) in enumerate(PLACES.items(), 1):
        if disk and not own:
            continue
        before = contents(folder)
        with spoilt(folder):
            wrong = _said(name, folder, good, again, (0, *codes) if name in APPENDS and disk else codes, place)
        after = contents(folder)
        lost = [path for path, data in before.items() if not intact(data, after.get(path), path)]
        left = [path for path in after if path.endswith(".tmp")]
        row.tried("; ".join(filter(None, [wrong, *(f"{name}, {place}: {path} is not as it was" for path in lost),
                                          *(f"{name}, {place}: {path} was left" for path in left)])))  # fmt: skip


def _said(name: str, folder: Path, good: Path, again: int, codes: tuple[int, ...], place: str) -> str:
    found = said(words(name, folder, good, again))
    wrong = "" if found.code == 0 and 0 in codes else found.wrong(codes)
    return f"{name}, {place}: {wrong}" if wrong else ""
