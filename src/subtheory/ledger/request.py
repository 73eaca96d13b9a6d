"""A request: what is to be computed, as JSON from which any process can start, and what else decides the numbers."""

import hashlib
import json
import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

from subtheory import resources, session
from subtheory.records import canonical, cell_id

KINDS = {
    "experiment": "subtheory.study.experiment",
    "falsify": "subtheory.falsification.slices",
    "pretrained": "subtheory.language.measuring.asked",
    "sweep": "subtheory.sweep.running",
    "verify": "subtheory.verification.asked",
}
"""Where the function `replay(about)` stands that answers a request of the kind; here, nothing of it is imported."""

VERSIONS = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy")

VARIABLES = ("JAX_PLATFORMS", "NPROC", "XLA_FLAGS")
"""Of the environment: what changes numbers, if only their last bits."""


@cache
def code() -> str:
    """SHA-256 of the package's own files: its code, and the data that it ships."""
    return digest(sorted(path for path in resources.PACKAGE.rglob("*") if path.suffix in (".py", ".npz")))


def digest(files: Iterable[Path]) -> str:
    """SHA-256 of those of the bytes of each."""
    found = hashlib.sha256()
    for path in files:
        with path.open("rb") as file:  # a piece at a time
            found.update(hashlib.file_digest(file, "sha256").digest())
    return found.hexdigest()


def environment() -> dict[str, str]:
    """The `VARIABLES` that are set."""
    return {name: os.environ[name] for name in VARIABLES if name in os.environ}


def machine() -> dict[str, Any]:
    """Python, the libraries' versions, the kind of processor and the environment; JAX is not imported."""
    devices = {} if (wanted := session.wanted_devices()) in (None, 1) else {"devices": str(wanted)}
    return {**_installed(), **devices, **environment()}


@cache
def _installed() -> dict[str, str]:
    versions = {name: version(name) for name in VERSIONS}
    return {"python": platform.python_version(), "processor": platform.machine(), **versions}


@dataclass(frozen=True)
class Request:
    """`about`, canonical JSON, says all that was asked; `code` and `machine` what answers."""

    kind: str
    about: str
    code: str
    machine: str

    @classmethod
    def of(cls, kind: str, about: Mapping[str, Any]) -> "Request":
        """A request to this process's code, on this machine. Raises InputError for what JSON cannot say."""
        return cls(kind, canonical(about), code(), canonical(machine()))

    @cached_property
    def id(self) -> str:
        """SHA-256 of all of it: requests of equal ids find equal numbers."""
        return cell_id({"kind": self.kind, "about": self.about, "code": self.code, "machine": self.machine})

    @property
    def asked(self) -> dict[str, Any]:
        """What was asked, as a dict."""
        found: dict[str, Any] = json.loads(self.about)
        return found

    def differs(self) -> str:
        """What this process would compute with that is not what the request was made to; empty if nothing is."""
        theirs, mine = json.loads(self.machine), machine()
        other = [f"{k} {mine.get(k)} for {theirs.get(k)}" for k in {**theirs, **mine} if mine.get(k) != theirs.get(k)]
        return ", ".join(["other code"] * (self.code != code()) + other)
