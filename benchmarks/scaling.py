"""How does the cost of a verification grow with seeds, and with networks?

    python benchmarks/scaling.py            two tables
    python benchmarks/scaling.py --json     one JSON object

CPU seconds of the whole, all threads. Seeds: one network, one process, every program compiled by a run before; median
of the repeats, each on seeds of its own, so that no array is at hand. Networks: the first so many built-in ones, each
number in a fresh process without a cache of programs, imports included.

An exponent p is the slope of a least-squares line through the logarithms: seconds ~ countᵖ. The fixed cost is that
of the least count, one seed or no network; the exponent beyond it is that of seconds − fixed in count − least.
"""

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

from subtheory import known_answers, table
from subtheory.claims import CLAIMS
from subtheory.cli import environment
from subtheory.networks import NETWORKS
from subtheory.theory.losses import LOSSES
from subtheory.verification import grid, judgement, plan

Row = dict[str, Any]


def verified(networks: Sequence[str], claims: Sequence[str], seeds: Sequence[int], size: plan.Size) -> int:
    """Plan, measure and judge; the number of verdicts."""
    chosen = [NETWORKS[name] for name in networks]
    quick = size == "quick"
    settings = grid.cells(grid.runs(chosen, quick=quick), LOSSES.values(), quick)
    todo = plan.jobs((CLAIMS[name] for name in claims), settings, size)
    return sum(map(len, judgement.judged(judgement.planned(todo, seeds))))


def by_seeds(a: argparse.Namespace) -> list[Row]:
    """One row a number of seeds, the least of them 1."""
    verified([a.network], a.claims, range(a.seeds[0]), a.size)  # compiles
    rows, offset = [], a.seeds[0]
    for count in (1, *a.seeds):
        cpu = []
        for _ in range(a.repeats):
            start = time.process_time()
            verdicts = verified([a.network], a.claims, range(offset, offset + count), a.size)
            cpu.append(time.process_time() - start)
            offset += count
        rows.append({"seeds": count, "verdicts": verdicts, "cpu_s": statistics.median(cpu)})
    return rows


def by_networks(a: argparse.Namespace) -> list[Row]:
    """One row a number of networks, the least of them 0."""
    rows = []
    for count in (0, *a.networks):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            names = list(NETWORKS)[:count]
            verdicts, cpu = pool.submit(cold, names, a.claims, a.network_seeds, a.size).result()
        rows.append({"networks": count, "verdicts": verdicts, "cpu_s": cpu})
    return rows


def cold(networks: Sequence[str], claims: Sequence[str], seeds: int, size: plan.Size) -> tuple[int, float]:
    """In a process of its own: the verdicts and all CPU seconds since it began."""
    environment.prepare(cache=False)
    known_answers.require()
    verdicts = verified(networks, claims, range(seeds), size)
    return verdicts, time.process_time()


def exponents(rows: Sequence[Row]) -> dict[str, float]:
    """Of all seconds and of those beyond the fixed cost, whose row comes first."""
    name = next(iter(rows[0]))
    count, cpu = (np.array([row[key] for row in rows], float) for key in (name, "cpu_s"))
    whole = _slope(count[count > 0], cpu[count > 0])
    return {"total": whole, "beyond fixed": _slope(count[1:] - count[0], cpu[1:] - cpu[0])}


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    kept = y > 0
    return float(np.polyfit(np.log(x[kept]), np.log(y[kept]), 1)[0]) if kept.sum() > 1 else float("nan")


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[8, 32, 128, 256])
    parser.add_argument("--network", choices=list(NETWORKS), default="mlp", help="the one on which seeds are counted")
    parser.add_argument("--networks", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--network-seeds", type=int, default=2, help="seeds where networks are counted")
    parser.add_argument("--claims", nargs="+", choices=list(CLAIMS), default=list(CLAIMS), metavar="CLAIM")
    parser.add_argument("--size", choices=["quick", "default", "full"], default="quick", help="of the design")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", choices=["seeds", "networks"], help="one of the two tables")
    parser.add_argument("--tiny", action="store_true", help="one claim, smallest counts, once: a smoke test")
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args(argv)
    if a.tiny:
        a.seeds, a.networks, a.network, a.repeats = [2, 4], [1, 2], "linear", 1
        a.claims = [next(iter(CLAIMS))]
    return a


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Measure both and print them."""
    a = arguments(argv)
    environment.prepare(cache=False)
    parts: dict[str, Callable[[argparse.Namespace], list[Row]]] = {"seeds": by_seeds, "networks": by_networks}
    said = {}
    for name, part in parts.items():
        if a.only in (None, name):
            rows = part(a)
            said[name] = {"rows": rows, "exponents": exponents(rows)}
    if a.json:
        print(json.dumps(said))
    else:
        for each in said.values():
            fitted = ", ".join(f"{what} {p:.2f}" for what, p in each["exponents"].items())
            print(f"{table.to_text(each['rows'])}\nexponents: {fitted}\n")
    return said


if __name__ == "__main__":
    main()
