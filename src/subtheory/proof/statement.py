"""A proof: a file of `proofs/`, its statement in prose, its steps, and what it is tied to."""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.abc import InspectLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

from subtheory import resources
from subtheory.errors import SubtheoryError
from subtheory.proof.algebra import MARK, Step
from subtheory.suggest import choose

PARTS = ("CLAIMS", "COQ", "SCOPE", "NOT_COVERED")
"""What a file must define: names of claims, Coq theorems as File.theorem, for which n, and what is left open."""


@dataclass(frozen=True)
class Proof:
    """A file of `proofs/`; its code is run when something of it is first asked for."""

    name: str
    path: Path

    @cached_property
    def module(self) -> ModuleType:
        """The file's code. Raises SubtheoryError if it does not define all of `PARTS`, or has no step."""
        module = execute(self.path.read_text("utf-8"), self.path)
        if missing := [part for part in PARTS if not hasattr(module, part)]:
            raise SubtheoryError(f"{self.path}: a proof must define {', '.join(missing)}")
        if not steps(module):
            raise SubtheoryError(f"{self.path}: a proof must have a function marked @step")
        return module

    @property
    def title(self) -> str:
        """First line of the file: the theorem in one sentence."""
        return self.text.split("\n")[0]

    @property
    def text(self) -> str:
        """Statement, assumptions and argument, in prose."""
        return inspect.getdoc(self.module) or ""

    @property
    def claims(self) -> tuple[str, ...]:
        """The claims that this proves."""
        return tuple(self.module.CLAIMS)

    @property
    def planned(self) -> tuple[str, ...]:
        """Statements that no claim makes yet."""
        return tuple(getattr(self.module, "PLANNED", ()))

    @property
    def supports(self) -> tuple[str, ...]:
        """The proofs that rest on this one."""
        return tuple(getattr(self.module, "SUPPORTS", ()))

    @property
    def uses(self) -> tuple[str, ...]:
        """The proofs whose results it takes as given."""
        return tuple(getattr(self.module, "USES", ()))

    @property
    def coq(self) -> tuple[str, ...]:
        """Theorems of `proofs/coq`, as File.theorem."""
        return tuple(self.module.COQ)

    @property
    def scope(self) -> str:
        """For which sizes the algebra is checked, and for which the argument holds."""
        return str(self.module.SCOPE)

    @property
    def not_covered(self) -> str:
        """What the proof leaves open."""
        return str(self.module.NOT_COVERED)

    @property
    def steps(self) -> dict[str, Step]:
        """The functions that assert, in the order of the file."""
        return steps(self.module)


def proofs() -> dict[str, Proof]:
    """Every proof by name: the files of `proofs/`, none of them run yet."""
    files = sorted(resources.proofs().glob("[!_.]*.py"))
    return {path.stem: Proof(path.stem, path) for path in files}


def chosen(names: Sequence[str]) -> list[Proof]:
    """The proofs of these names, or of the claims of these names; all for none. Raises InputError."""
    everything = proofs()
    if not names:
        return list(everything.values())
    known = {claim: proof for proof in everything.values() for claim in proof.claims} | everything
    picked = [choose("proof", name, known) for name in names]
    return list({proof.name: proof for proof in picked}.values())


def steps(module: ModuleType) -> dict[str, Step]:
    """The functions of a proof's module that are marked as steps."""
    return {name: value for name, value in vars(module).items() if callable(value) and hasattr(value, MARK)}


class _Source(InspectLoader):
    """Loads a module from text: the file as it stands, or a mutant of it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def get_source(self, fullname: str) -> str:
        return self.text


def execute(text: str, path: Path) -> ModuleType:
    """The module that some source makes."""
    spec = spec_from_loader(f"subtheory_proof_{path.stem}", _Source(text), origin=str(path))
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
