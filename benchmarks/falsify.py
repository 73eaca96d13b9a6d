"""Do the true claims stand a long search, and are the false ones found? One process, one table.

    python benchmarks/falsify.py                       every claim for 600 s, ten times the default budget
    python benchmarks/falsify.py --budget 30 --claims cosine-limit,trait-loss-falls
    python benchmarks/falsify.py --over-readings --budget 60     seconds until each false statement is refuted

Prints Markdown, or CSV with --csv; a row is printed to standard error as soon as its search ends. Exit
code 1 if a true claim is refuted, or a false one is not. Nothing compiled is kept from one claim to the next.
"""

import argparse
import json
import os
import sys

if "xla_backend_optimization_level" not in os.environ.get("XLA_FLAGS", ""):  # as `subtheory falsify` does
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_backend_optimization_level=0".strip()

import jax

from subtheory import table
from subtheory.cases import strategies
from subtheory.claims import CLAIMS, OVER_READINGS
from subtheory.falsification import counterexample
from subtheory.falsification.search import Search, search, searchable


def row(found: Search) -> dict[str, object]:
    """One search as a row."""
    said = found.cases - found.vacuous - found.outside
    return {
        "claim": found.claim.name,
        "cases": found.cases,
        "of them telling": said,
        "seconds": round(found.seconds),
        "worst margin": float(f"{found.margin:.4g}"),
        "found": "no" if found.found is None else f"after {found.at:.1f} s, {found.after} cases",
    }


def markdown(rows: list[dict[str, object]]) -> str:
    """A table of GitHub's Markdown."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *([table.shown(value) for value in one.values()] for one in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--budget", type=float, default=600.0, help="seconds a claim (default 600)")
    parser.add_argument("--claims", help="names, separated by commas (default: all)")
    parser.add_argument("--over-readings", action="store_true", help="the false statements instead of the claims")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--csv", action="store_true", help="CSV instead of Markdown")
    parser.add_argument("--out", help="folder for counterexample files")
    options = parser.parse_args()
    known = OVER_READINGS if options.over_readings else CLAIMS
    names = (
        options.claims.split(",") if options.claims else [name for name, claim in known.items() if searchable(claim)]
    )
    rows = []
    for name in names:
        found = search(known[name], options.budget, options.seed)
        jax.clear_caches()  # a process can map only so many programs
        rows.append(row(found))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
        if found.found is not None and found.evidence is not None and options.out:
            stated = counterexample.state(found.claim, found.found, found.evidence, None, strategies.SHAPES)
            counterexample.write(f"{options.out}/counterexample-{name}.json", stated)
    print(table.to_csv(rows) if options.csv else markdown(rows))
    broken = sum(one["found"] != "no" for one in rows)
    return int(broken != (len(rows) if options.over_readings else 0))


if __name__ == "__main__":
    sys.exit(main())
