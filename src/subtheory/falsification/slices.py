"""A search in slices of a minute, each with a seed of its own: what a kill costs, and what others can be given.

A slice ends by the clock: what is kept of one on a busy machine has fewer cases, and is not made again.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np

from subtheory.cases import strategies
from subtheory.claim import Claim, Evidence
from subtheory.claims import CLAIMS, OVER_READINGS
from subtheory.falsification import counterexample
from subtheory.falsification.search import Search, search
from subtheory.ledger.parts import Progress, each
from subtheory.suggest import choose

KIND = "falsify"

SLICE = 60.0
"""Seconds."""

COUNTS = ("seconds", "cases", "vacuous", "outside")


@dataclass(frozen=True)
class Searching:
    """Which claim, without which assumption, for how many seconds of searching, from which seed on."""

    claim: str
    budget: float
    seed: int = 0
    without: str | None = None

    @property
    def about(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @property
    def known(self) -> Claim:
        """The claim. Raises InputError for an unknown name."""
        return choose("claim", self.claim, {**CLAIMS, **OVER_READINGS})


def searched(what: Searching, at_once: int = 1, progress: Progress | None = None) -> tuple[Search, Any]:
    """What all slices found together, and the first counterexample as `counterexample.state` has it, if there is one.

    `at_once` slices are given away together; behind those that found one no more are begun.
    """
    count = max(1, round(what.budget / SLICE))
    several: list[dict[str, Any]] = []
    for first in range(0, count, at_once):
        some = range(first, min(first + at_once, count))
        todo = {f"slice {k} of {count}": partial(_slice, what, k, count, progress) for k in some}
        several += each(todo).values()
        if any(one["stated"] or one["exhausted"] for one in several):
            break
    return _together(what, several)


def _slice(what: Searching, k: int, count: int, progress: Progress | None) -> dict[str, Any]:
    """One of so many, as JSON."""
    seed = what.seed if k == 0 else int(np.random.SeedSequence((what.seed, k)).generate_state(1)[0])
    each_of, claim = what.budget / count, what.known
    say = progress and (lambda done, _, text: progress(int(done + k * each_of), int(what.budget), text))
    found = search(claim, each_of, seed, what.without, progress=say)
    stated = None
    if found.found is not None and found.evidence is not None:
        stated = counterexample.state(claim, found.found, found.evidence, what.without, strategies.SHAPES)
    told = {name: getattr(found, name) for name in (*COUNTS, "margin", "exhausted", "at", "after")}
    return {**told, "stated": stated, "evidence": asdict(found.evidence) if found.evidence else None}


def _together(what: Searching, several: list[dict[str, Any]]) -> tuple[Search, Any]:
    """Counts of all added up, the worst margin, and what was found first."""
    found = Search(what.known, what.without, margin=min(one["margin"] for one in several))
    stated = None
    for one in several:
        if one["stated"] and stated is None:
            stated, found.found = one["stated"], one["stated"]
            found.evidence = Evidence(**one["evidence"])
            found.at, found.after = found.seconds + one["at"], found.cases + one["after"]
        for name in COUNTS:
            setattr(found, name, getattr(found, name) + one[name])
    found.exhausted = any(one["exhausted"] for one in several)
    return found, stated


def replay(about: Mapping[str, Any]) -> None:
    """Start it again, for one of its slices."""
    what = Searching(**about)
    searched(what, max(1, round(what.budget / SLICE)))
