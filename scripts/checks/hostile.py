"""R7: hostile files before every verb that reads one: one line, soon, and no more memory than a number of bytes."""

import hashlib
import json
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from checks import made
from checks.command import said
from checks.made import Maker
from checks.row import Row
from subtheory import files, records

MEMORY = 200
"""Megabytes that a command may take beyond what it takes for a file that is not there."""

SECONDS = 30

LIMIT = 3 * 2**30
"""Bytes of address space beyond those in use: what goes astray ends here instead of at the machine's."""

MODEL = """
import jax.numpy as jnp, numpy as np
params = {"W": np.arange(12.0).reshape(3, 4) / 9 - 0.5, "V": np.arange(8.0).reshape(4, 2) / 9 - 0.3}

def apply(params, x):
    return jnp.tanh(x @ params["W"]) @ params["V"]

mine = dict(model=apply, params=params, trait=lambda p: (p["V"] ** 2).sum(), channel=np.ones((4, 3)))
"""


@dataclass(frozen=True)
class Reader:
    """A command with a file for it: how the file is called there, and what is put before it."""

    words: Callable[[Path, Path], list[str]]
    """Of the hostile file and of the folder with those that are as they should be."""
    ending: str
    kinds: dict[str, Maker]
    codes: tuple[int, ...] = (2,)


def _forecast(flag: str) -> Callable[[Path, Path], list[str]]:
    def words(file: Path, good: Path) -> list[str]:
        own = {"model": f"{good}/mine.py:mine", "teacher": f"{good}/teacher.npz", "data": f"{good}/rows.npz"}
        return ["forecast", "--no-cache", *(f"--{name}={value}" for name, value in (own | {flag: str(file)}).items())]

    return words


def _named(*words: str) -> Callable[[Path, Path], list[str]]:
    """The words with the file for FILE."""
    return lambda file, good: [word.replace("FILE", str(file)) for word in words]


def _stored(name: str, *words: str) -> Callable[[Path, Path], list[str]]:
    """A folder of results of which one file is the hostile one; its hash is right, where it has one."""

    def placed(file: Path, good: Path) -> list[str]:
        folder = file.parent / "results"
        tables = folder / "rounding" / "tables"
        records.save(tables, "record", {"rounding/x": np.zeros(1)}, {"id": "1"})
        (tables / name).unlink()
        if file.suffix == ".npz" and file.is_file() and file.stat().st_size < files.LARGEST:
            about = {"meta": {"id": "1"}, "arrays": hashlib.sha256(file.read_bytes()).hexdigest()}
            (tables / "record.json").write_text(json.dumps({"sha256": records.cell_id(about), **about}))
        if os.path.lexists(file):
            file.rename(tables / name)
        return [word.replace("FOLDER", str(folder)) for word in words]

    return placed


PYTHON = {name: make for name, make in made.SPECIAL.items() if name != "empty"} | made.CODES
ARRAYS = made.SPECIAL | made.ARCHIVES
TEXT = made.SPECIAL | made.TEXTS
FILES = ("teacher", "data", "control", "student")
"""Flags of `forecast`."""

READERS = {
    "verify --model": Reader(_named("verify", "--model", "FILE:mine"), "py", PYTHON),
    "ablate --model": Reader(_named("ablate", "init", "--model", "FILE:mine", "--out", "out"), "py", PYTHON),
    "falsify --claims": Reader(_named("falsify", "--claims", "FILE", "--budget", "5"), "py", PYTHON),
    "forecast --model": Reader(lambda f, g: [*_forecast("model")(f, g)[:2], f"--model={f}:mine",
                                             *_forecast("model")(f, g)[3:]], "py", PYTHON),
    "forecast --trait": Reader(lambda f, g: [*_forecast("trait")(f, g)[:-1], f"--trait={f}:mine"], "py", PYTHON),
    **{f"forecast --{flag}": Reader(_forecast(flag), "npz", ARRAYS) for flag in FILES},
    "falsify --replay": Reader(_named("falsify", "--replay", "FILE"), "json", TEXT, (4,)),
    "certify --check": Reader(_named("certify", "--check", "FILE"), "json", TEXT, (4,)),
    "lineage check": Reader(_named("lineage", "FILE", "check"), "jsonl", TEXT),
    "lineage check --mend": Reader(_named("lineage", "FILE", "check", "--mend"), "jsonl", TEXT),
    "lineage ask": Reader(_named("lineage", "FILE", "ask", "a", "b"), "jsonl", TEXT),
    "lineage add": Reader(_named("lineage", "FILE", "add-model", "a", "--hash", "0" * 64), "jsonl", TEXT),
    "run, data": Reader(_named("run", "aux_logits", "--quick", "--set", "data=mnist", "--set", "file=FILE",
                               "--out", "out"), "npz", ARRAYS),
    "run, model": Reader(_named("run", "llm_theorem", "--quick", "--set", "model=FILE", "--out", "out"), "gguf",
                         made.SPECIAL),
    "figures, record.json": Reader(_stored("record.json", "figures", "--out", "FOLDER"), "json", TEXT, (2, 4)),
    "figures, record.npz": Reader(_stored("record.npz", "figures", "--out", "FOLDER"), "npz", ARRAYS, (2, 4)),
}  # fmt: skip

HARMLESS = {
    "lineage check": ("empty",), "lineage check --mend": ("empty", *made.TEXTS), "lineage add": ("empty",),
}  # fmt: skip
"""What a reader may take without a word: an empty record, and a line without end, which --mend puts aside whole."""


def good(folder: Path) -> Path:
    """Files that are as they should be."""
    rng = np.random.default_rng(0)
    (folder / "mine.py").write_text(MODEL)
    np.savez(folder / "teacher.npz", W=rng.normal(size=(3, 4)), V=rng.normal(size=(4, 2)))
    np.savez(folder / "rows.npz", x=rng.normal(size=(8, 3)), y=np.arange(8) % 2)
    return folder


@contextmanager
def bounded() -> Iterator[Callable[[], float]]:
    """A bound on the address space; gives a function that says by how many MB the memory has been higher since."""
    status = Path("/proc/self/status")

    def field(name: str) -> int:
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(f"{name}:"))

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (field("VmSize") * 1024 + LIMIT, hard))
    Path("/proc/self/clear_refs").write_text("5")  # the highest is the present
    before = field("VmRSS")
    try:
        yield lambda: (field("VmHWM") - before) / 1024
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def tried(name: str, reader: Reader, kind: str, folder: Path) -> tuple[str, float]:
    """What is wrong with one command before one file, or none, and the megabytes that it took."""
    work = folder / "work"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    os.chdir(work)
    file = work / f"hostile.{reader.ending}"
    if kind:
        reader.kinds[kind](file)
    words = reader.words(file, folder / "good")
    start = time.monotonic()
    with bounded() as higher:
        found = said(words, SECONDS)
        megabytes = higher()
    wrong = "" if found.code == 0 and kind in HARMLESS.get(name, ()) else found.wrong(reader.codes)
    if found.code == 124:
        wrong = f"not done after {time.monotonic() - start:.0f} s"
    elif megabytes > MEMORY:
        wrong += f" {megabytes:.0f} MB"
    if any(folder.rglob(made.RUN)):
        wrong += " a pickle was run"
    return (f"{name} of {kind}: {wrong.strip()}" if wrong else ""), megabytes


def r7(quick: bool = False, readers: tuple[str, ...] = tuple(READERS)) -> Row:
    """Every reader before every kind; quick, each reader before a pipe and one more."""
    row = Row("hostile files", f"all refused in one line, at most {MEMORY} MB")
    most, home = 0.0, Path.cwd()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "good").mkdir()
        good(folder / "good")
        try:
            fine = said(_forecast("rate")(Path("1"), folder / "good"))
            row.tried("" if fine.code in (0, 1) and not fine.err else f"files that are as they should be: {fine.err}")
            for name in readers:
                tried(name, READERS[name], "", folder)  # what it imports is no cost of the file
                for kind in list(READERS[name].kinds)[:: 7 if quick else 1]:
                    wrong, megabytes = tried(name, READERS[name], kind, folder)
                    row.tried(wrong)
                    most = max(most, megabytes)
        finally:
            os.chdir(home)
    row.found = f"at most {most:.0f} MB more"
    return row
