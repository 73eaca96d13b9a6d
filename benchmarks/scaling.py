"""How does the cost of a verification grow with seeds and networks, and that of one measurement with all its sizes?

    python benchmarks/scaling.py            all tables
    python benchmarks/scaling.py --json     one JSON object

CPU seconds of the whole, all threads. Verifications: against seeds on one network in one process, every program
compiled by a run before; against networks, the first so many built-in ones, each number in a fresh process without a
cache of programs, imports included. Measurements (D, ΔᵀGΔ, cosine and change of the trait loss, six ε, cross-entropy):
against ε, parameters, outputs and tokens, compiled before; against seeds up to ten thousand in fresh processes, with
their peak memory: a program is compiled in each, and of each seed D is kept. Numbers are medians of the repeats,
each on seeds of its own, so that no array is at hand.

An exponent p is the slope of a least-squares line through the logarithms: seconds ~ countᵖ. The fixed cost is that
of the least count; the exponent beyond it is that of seconds − fixed in count − least.
"""

import argparse
import json
import multiprocessing
import statistics
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from usage import peak

from subtheory import known_answers, table
from subtheory.claims import CLAIMS
from subtheory.cli import environment
from subtheory.data import DIGITS, TOKENS
from subtheory.instruments.first_order import FirstOrder
from subtheory.kernels.functions import shapes_of
from subtheory.networks import MLP, NETWORKS, Transformer
from subtheory.setting.setting import Setting
from subtheory.theory.losses import LOSSES, CrossEntropy
from subtheory.trained.images import auxiliary
from subtheory.verification import grid, judgement, plan

Row = dict[str, Any]

# Verifications ------------------------------------------------------------------------------------


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


# Measurements -------------------------------------------------------------------------------------


class Factor(NamedTuple):
    """A size of a measurement: its values, and the setting and the number of seeds at one."""

    values: tuple[int, ...]
    at: Callable[[int], Setting]
    seeds: int


def longer(length: int, key: Array, n: int) -> tuple[Array, Array]:
    """Prompts of the token task behind random tokens, int32 (n, length), and its labels."""
    prompts, labels = TOKENS.sample(key, n)
    more = jax.random.randint(key, (n, length - prompts.shape[1]), 0, TOKENS.outputs, dtype=jnp.int32)
    return jnp.concatenate([more, prompts], axis=1), labels


def with_eps(count: int) -> Setting:
    return Setting(MLP(), CrossEntropy(), eps=tuple(np.geomspace(1e-2, 1e-5, count)))


def with_width(width: int) -> Setting:
    return Setting(MLP(width=width), CrossEntropy())


def with_outputs(count: int) -> Setting:
    return Setting(MLP(task=auxiliary(DIGITS, count - len(DIGITS.group("class")))), CrossEntropy())


def with_tokens(length: int) -> Setting:
    task = replace(TOKENS, shape=(length,), sample=partial(longer, length))
    return Setting(Transformer(task=task), CrossEntropy())


FACTORS = {
    "eps": Factor((8, 32, 128, 512), with_eps, 16),
    "parameters": Factor((16, 64, 256, 1024), with_width, 4),
    "outputs": Factor((16, 64, 256, 1024), with_outputs, 8),
    "tokens": Factor((10, 20, 40, 80), with_tokens, 4),
}
"""Parameters are counted; their values are widths of the MLP's two hidden layers."""


def measure(setting: Setting, seeds: Sequence[int]) -> np.ndarray:
    """D at every ε of every seed, (S, K), sixteen seeds at a time, as a verification takes them."""
    found = []
    for start in range(0, len(seeds), plan.SEEDS):
        (records,) = FirstOrder().records(setting, seeds[start : start + plan.SEEDS], [setting.loss]).values()
        found += [record.alignment for record in records]
    return np.array(found)


def by_factor(name: str, a: argparse.Namespace) -> list[Row]:
    """One row a value."""
    factor, rows = FACTORS[name], []
    for value in factor.values[: a.values]:
        setting, offset, cpu = factor.at(value), factor.seeds, []
        measure(setting, range(factor.seeds))  # compiles
        for _ in range(a.repeats):
            start = time.process_time()
            measure(setting, range(offset, offset + factor.seeds))
            cpu.append(time.process_time() - start)
            offset += factor.seeds
        if name == "parameters":
            value = sum(leaf.size for leaf in jax.tree.leaves(shapes_of(setting.network)))
        rows.append({name: value, "seeds": factor.seeds, "cpu_s": statistics.median(cpu)})
    return rows


def by_many_seeds(a: argparse.Namespace) -> list[Row]:
    """One row a number of seeds, each in a fresh process."""
    rows = []
    for count in (plan.SEEDS, *a.many_seeds):
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            rows.append(pool.submit(alone, count).result())
    return rows


def alone(count: int) -> Row:
    """In a process of its own: the linear network on so many seeds; CPU seconds and peak memory since it began."""
    environment.prepare(cache=False)
    measure(Setting(NETWORKS["linear"], CrossEntropy()), range(count))
    return {"many seeds": count, "cpu_s": time.process_time(), "peak_MiB": peak()}


# Fits ---------------------------------------------------------------------------------------------


def exponents(rows: Sequence[Row]) -> dict[str, float]:
    """Of all seconds and of those beyond the fixed cost, whose row comes first."""
    name = next(iter(rows[0]))
    count, cpu = (np.array([row[key] for row in rows], float) for key in (name, "cpu_s"))
    whole = _slope(count[count > 0], cpu[count > 0])
    return {"total": whole, "beyond fixed": _slope(count[1:] - count[0], cpu[1:] - cpu[0])}


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    kept = y > 0
    return float(np.polyfit(np.log(x[kept]), np.log(y[kept]), 1)[0]) if kept.sum() > 1 else float("nan")


TABLES: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "seeds": by_seeds,
    "networks": by_networks,
    **{name: partial(by_factor, name) for name in FACTORS},
    "many-seeds": by_many_seeds,
}


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[8, 32, 128, 256])
    parser.add_argument("--network", choices=list(NETWORKS), default="mlp", help="the one on which seeds are counted")
    parser.add_argument("--networks", type=int, nargs="+", default=[1, 2, 4, 8])
    parser.add_argument("--network-seeds", type=int, default=2, help="seeds where networks are counted")
    parser.add_argument("--claims", nargs="+", choices=list(CLAIMS), default=list(CLAIMS), metavar="CLAIM")
    parser.add_argument("--size", choices=["quick", "default", "full"], default="quick", help="of the design")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--many-seeds", type=int, nargs="+", default=[100, 1000, 10_000], help="of one measurement")
    parser.add_argument("--values", type=int, default=4, help="of every other size of a measurement")
    parser.add_argument("--only", choices=list(TABLES), nargs="+", default=list(TABLES), help="some of the tables")
    parser.add_argument("--tiny", action="store_true", help="one claim, smallest counts, once: a smoke test")
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args(argv)
    if a.tiny:
        a.seeds, a.networks, a.network, a.repeats = [2, 4], [1, 2], "linear", 1
        a.many_seeds, a.values, a.claims = [20], 2, [next(iter(CLAIMS))]
    return a


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """Measure and print some of the tables, all of them by default."""
    a = arguments(argv)
    environment.prepare(cache=False)
    said = {}
    for name in a.only:
        rows = TABLES[name](a)
        said[name] = {"rows": rows, "exponents": exponents(rows)}
        if not a.json:
            fitted = ", ".join(f"{what} {p:.2f}" for what, p in said[name]["exponents"].items())
            print(f"{table.to_text(rows)}\nexponents: {fitted}\n", flush=True)
    if a.json:
        print(json.dumps(said))
    return said


if __name__ == "__main__":
    main()
