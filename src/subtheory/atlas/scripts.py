"""Which earlier results a Coq proof names: the edges of the map inside `proofs/coq`, read off the sources."""

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from subtheory import resources
from subtheory.proof import coq

_UNIT = re.compile(
    r"^\s*(?:Local |Global )?(Theorem|Lemma|Corollary|Fact|Let|Ltac|Definition|Fixpoint)\s+([\w']+)", re.M
)
"""What may name a result: results, and what stands between two of them, such as a tactic."""
_IMPORTED = re.compile(r"^From Subtheory Require (Import|Export) ([\w\s]+)\.", re.MULTILINE)
_WORD = re.compile(r"(?:(\w+)\.)?\b([A-Za-z_][\w']*)")

Uses = dict[str, tuple[str, ...]]
"""For each result, as File.name, the results that it uses."""


@cache
def units() -> dict[str, str]:
    """Every declaration of `proofs/coq` as File.name, with its kind, in the order of the development."""
    return {f"{file}.{name}": kind for file, text in _texts().items() for kind, name, _ in _units(text)}


@cache
def named() -> Uses:
    """For each declaration the earlier ones that its statement or its proof names.

    A word counts if it stands for a declaration of the same file, or of one that is imported; the last declaration of
    a name wins, as in Coq. A variable of the same name that a proof introduces would count too: the tests compare
    with what Coq itself resolved.
    """
    found: Uses = {}
    exported: dict[str, dict[str, str]] = {}
    for file, text in _texts().items():
        visible: dict[str, str] = {}
        own: dict[str, str] = {}
        passed: dict[str, str] = {}
        for how, files in _IMPORTED.findall(text):
            for one in files.split():
                visible |= exported[one]
                passed |= exported[one] if how == "Export" else {}
        for _, name, body in _units(text):
            here = f"{file}.{name}"
            words = (_resolved(first, last, visible | own) for first, last in _WORD.findall(body))
            found[here] = tuple(dict.fromkeys(word for word in words if word and word != here))
            own[name] = here
        exported[file] = passed | own
    return found


@cache
def closed() -> frozenset[str]:
    """The theorems whose script ends in Qed."""
    bodies = {f"{file}.{name}": body for file, text in _texts().items() for _, name, body in _units(text)}
    return frozenset(name for name in coq.known() if re.search(r"\bQed\.", bodies[name]))


@cache
def uses() -> Uses:
    """For each theorem the theorems that it rests on: named by it, or by a lemma that it names, and so on."""
    known = coq.known()
    return {name: tuple(sorted(reached(name, named(), known))) for name in known}


def reached(name: str, edges: Mapping[str, Iterable[str]], stops: Iterable[str]) -> set[str]:
    """Those of `stops` that one comes to along edges, going through no other of them."""
    found, seen, todo, ends = set(), {name}, list(edges.get(name, ())), set(stops)
    while todo:
        one = todo.pop()
        if one in seen:
            continue
        seen.add(one)
        if one in ends:
            found.add(one)
        else:
            todo += edges.get(one, ())
    return found


def _resolved(first: str, last: str, visible: Mapping[str, str]) -> str | None:
    """The declaration that a word stands for: `File.name`, or a name alone."""
    if first and f"{first}.{last}" in visible.values():
        return f"{first}.{last}"
    return visible.get(last)


def _units(text: str) -> list[tuple[str, str, str]]:
    """Kind, name, and text as far as the next declaration."""
    found = list(_UNIT.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    return [(match[1], match[2], text[match.end() : end]) for match, end in zip(found, ends, strict=True)]


def _texts() -> dict[str, str]:
    folder: Path = resources.proofs() / "coq"
    return {path.stem: coq.uncommented(path.read_bytes()).decode("utf-8") for path in coq.files(folder)}
