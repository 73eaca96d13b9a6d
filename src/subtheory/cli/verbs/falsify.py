"""`subtheory falsify`: search for a counterexample to a claim, or run a stored one again."""

from __future__ import annotations

import os
import re
import sys
from argparse import Namespace
from math import isfinite
from typing import TYPE_CHECKING, Any

from subtheory import files
from subtheory.cli import environment, sharing
from subtheory.cli.output import print_json
from subtheory.cli.user_file import blamed, module
from subtheory.errors import InputError

if TYPE_CHECKING:
    from types import ModuleType

    from subtheory.claim import Claim
    from subtheory.falsification.search import Search
    from subtheory.falsification.slices import Searching
    from subtheory.theory.network import Network

WIDE = 256
"""Slices that are given away together where many machines compute."""

SLICES = "the minutes of the search that are over are kept; the same command goes on with the rest"
"""What an interrupt says."""

LONGEST = 86400.0
"""Seconds of the longest budget."""

FIELD = "claims"
"""What a file of them is called in a line that says what is wrong with it."""


def main(options: Namespace) -> int:
    """Search or replay; exit code 1 for a counterexample, 0 for none."""
    budget, seed = seconds(options.budget), _seed(options.seed)
    # Its networks are so small that optimising their programs costs more than it saves.
    if "xla_backend_optimization_level" not in os.environ.get("XLA_FLAGS", ""):
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0".strip()
    processes = sharing.processes(options, 1)
    environment.prepare(cache=not options.no_cache, one_core=sharing.several(options, processes))

    from subtheory.cases import strategies
    from subtheory.claims import CLAIMS, OVER_READINGS
    from subtheory.falsification import counterexample, slices
    from subtheory.falsification import search as falsification
    from subtheory.suggest import choose

    own = module(options.file, FIELD) if options.file else None
    mine = _mine(own)
    known = {**CLAIMS, **OVER_READINGS, **mine}
    networks = {**strategies.SHAPES, **_networks(own)}
    if options.replay:
        stated = counterexample.read(options.replay)
        claim = choose("claim", options.claim or stated["claim"], known)
        if claim.name != stated["claim"]:
            raise InputError("claim", repr(claim.name), f"must be the one that the file is about, {stated['claim']}")
        return _replay(claim, stated, networks, options)
    claim = _one(options.claim, known, mine)
    out = files.writable(options.out or f"counterexample-{claim.name}.json")
    with blamed(options.file, FIELD):
        drawn = falsification.domain(claim, options.without)  # a bad name is an error before anything is computed
    if claim.name in mine:
        found, stated = _own(claim, budget, seed, drawn, networks, options)
    else:
        found, stated = _kept(slices.Searching(claim.name, budget, seed, options.without), processes, options)
    # What was found is told before it is written: a full disk does not take it away.
    _report(found, str(out) if stated else None, options)
    if stated:
        sys.stdout.flush()
        counterexample.write(out, stated)
    return 1 if stated else 0


def _kept(what: Searching, processes: int, options: Namespace) -> tuple[Search, Any]:
    """Of a claim of the package: slices are kept, and shared out."""
    from subtheory.cli.progress import NOTHING, progress
    from subtheory.falsification import slices
    from subtheory.ledger.request import Request

    request, at_once = Request.of(slices.KIND, what.about), WIDE if options.dask or options.shard else processes
    with (
        sharing.engine(options, processes) as engine,
        sharing.keeping(options, request, engine) as kept,
        progress("falsify", SLICES if kept else NOTHING) as report,
    ):
        return slices.searched(what, at_once, report)


def _own(
    claim: Claim, budget: float, seed: int, drawn: list[Any], networks: dict[str, Network], options: Namespace
) -> tuple[Search, Any]:  # fmt: skip
    """Of a user's claim, which no other process knows, and which may be another one tomorrow: nothing is kept."""
    from subtheory.cli.progress import progress
    from subtheory.falsification import counterexample, search

    with progress("falsify") as report, blamed(options.file, FIELD):
        found = search.search(claim, budget, seed, options.without, drawn, report)
    if found.found is None or found.evidence is None:
        return found, None
    return found, counterexample.state(claim, found.found, found.evidence, options.without, networks)


def _report(found: Search, file: str | None, options: Namespace) -> None:
    evidence = found.evidence
    if options.json:
        print_json(
            {
                "claim": found.claim.name,
                "without": found.without,
                "found": file is not None,
                "cases": found.cases,
                "vacuous": found.vacuous,
                "outside": found.outside,
                "seconds": round(found.seconds, 3),
                "seconds_to_find": round(found.at, 3) if file else None,
                "worst_margin": found.margin if isfinite(found.margin) else None,
                "measured": evidence.measured if evidence else None,
                "predicted": evidence.predicted if evidence else None,
                "file": file,
            }
        )
        return
    if evidence:
        print(f"{found.claim.name}: {found.claim.formula}")
        print(f"measured {evidence.measured:.6g}, predicted {evidence.predicted:.6g}, margin {evidence.margin:.4g}")
        print(f"file: {file}")
    print(found.sentence)


def _replay(claim: Claim, stated: Any, networks: dict[str, Network], options: Namespace) -> int:
    from subtheory.falsification.counterexample import replay

    with blamed(options.file, FIELD):
        evidence, still = replay(claim, stated, networks)
    verdict = str(evidence.verdict) if evidence else "outside the claim's domain"
    if options.json:
        numbers = {"measured": evidence.measured, "margin": evidence.margin} if evidence else {}
        print_json({"claim": claim.name, "without": stated["without"], "fails": still, "verdict": verdict, **numbers})
    else:
        shown = f", measured {evidence.measured:.6g}, margin {evidence.margin:.4g}" if evidence else ""
        print(f"{claim.name}: {verdict}{shown}")
        print("still a counterexample" if still else "no counterexample (any more)")
    return 1 if still else 0


def seconds(text: str) -> float:
    """A budget such as `90`, `60s` or `2m`, in seconds; InputError on "budget" otherwise."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|)", text)
    value = float(match[1]) * (60 if match[2] == "m" else 1) if match else 0.0
    if not 0 < value <= LONGEST:
        raise InputError("budget", repr(text), "must be a time such as 90, 60s or 2m, up to a day")
    return value


def _seed(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**32:
        raise InputError("seed", repr(text), "must be a whole number below 4294967296")
    return int(text)


def _mine(loaded: ModuleType | None) -> dict[str, Claim]:
    from subtheory.claim import collect

    found = collect([loaded]) if loaded else {}
    if loaded and not found:
        raise InputError("claims", repr(loaded.__file__), "must define at least one @claim")
    return found


def _networks(loaded: ModuleType | None) -> dict[str, Network]:
    """Networks that a user's file defines, by the name of the variable."""
    from subtheory.theory.network import Network

    values = vars(loaded).items() if loaded else ()
    return {name: v for name, v in values if isinstance(v, Network) and not isinstance(v, type)}


def _one(name: str | None, known: dict[str, Claim], mine: dict[str, Claim]) -> Claim:
    from subtheory.suggest import choose

    if name is not None:
        return choose("claim", name, known)
    if len(mine) != 1:
        raise InputError("claim", "none", f"must be one of {', '.join(mine or known)}")
    return next(iter(mine.values()))
