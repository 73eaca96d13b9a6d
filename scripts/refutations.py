"""Random networks of one's own on channels from 1 to 64 rows: does a true claim ever read as failing?

    python scripts/refutations.py --networks 2000 --seed 0

prints, by claim, runs, vacuous ones, failures and undecided ones, then every failure with what makes it again; exit
code 1 if there was one. No control is run: the claims are true of all that is drawn here.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

import subtheory as st
from subtheory import table
from subtheory.claim import Claim, Verdict
from subtheory.claims import CLAIMS
from subtheory.errors import InputError
from subtheory.theory.losses import LOSSES

INPUTS, OUTPUTS = 4, 3
SHAPES = ((), (3,), (8,), (5, 4), (16, 8, 4))
"""Widths of hidden layers."""
SMOOTH: dict[str, Callable[[Any], Any]] = {
    "tanh": jnp.tanh,
    "gelu": jax.nn.gelu,
    "sin": jnp.sin,
    "softplus": jax.nn.softplus,
}
DISTILLED = ("all", "all", "all", (0,), (0, 2))


@lru_cache
def network(shape: tuple[int, ...], activation: str, normed: bool) -> Callable[[Any, Any], Any]:
    """One function for all networks of a kind, so that they share what is compiled."""

    def apply(params: Any, x: Any) -> Any:
        for layer in params[:-1]:
            h = x @ layer["W"] + layer["b"]
            x = SMOOTH[activation](h / jnp.sqrt(1e-3 + jnp.mean(h**2)) if normed else h)
        return x @ params[-1]["W"] + params[-1]["b"]

    return apply


def parameters(rng: np.random.Generator, shape: tuple[int, ...]) -> Any:
    """Usual inits, and ones that are ten times as large or as small, without biases, or with equal units."""
    sizes, scale = (INPUTS, *shape, OUTPUTS), 10.0 ** rng.choice([-1, -0.5, 0, 0, 0, 0.5])
    params = [
        {"W": scale * rng.normal(size=(n, m)) / np.sqrt(n), "b": rng.choice([0.0, 0.3]) * rng.normal(size=m)}
        for n, m in pairwise(sizes)
    ]
    if rng.random() < 0.1:
        params[0]["W"][:] = params[0]["W"][:, :1]
    return params


CHANNELS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "blank": lambda rng, n: np.zeros((n, INPUTS)),
    "ones": lambda rng, n: np.ones((n, INPUTS)),
    "equal": lambda rng, n: np.repeat(rng.normal(size=(1, INPUTS)), n, axis=0),
    "nearly equal": lambda rng, n: rng.normal(size=(1, INPUTS)) + 1e-6 * rng.normal(size=(n, INPUTS)),
    "collinear": lambda rng, n: rng.normal(size=(n, 1)) * rng.normal(size=(1, INPUTS)),
    "huge": lambda rng, n: 10.0 ** rng.integers(2, 6) * rng.normal(size=(n, INPUTS)),
    "tiny": lambda rng, n: 10.0 ** -rng.integers(3, 9) * rng.normal(size=(n, INPUTS)),
    "of two sizes": lambda rng, n: rng.normal(size=(n, INPUTS)) * np.where(np.arange(n) % 2, 1e4, 1e-4)[:, None],
    "one-hot": lambda rng, n: np.eye(INPUTS)[rng.integers(0, INPUTS, n)],
    "normal": lambda rng, n: rng.normal(size=(n, INPUTS)),
}
ROWS = (1, 2, 3, 4, 8, 16, 32, 64)


@lru_cache
def learned(kind: str, shape: tuple[int, ...], activation: str, normed: bool) -> Callable[[Any], Any]:
    """Trait losses that are functions of the parameters; one function for all networks of a kind."""
    apply, x = network(shape, activation, normed), np.random.default_rng(7).normal(size=(6, INPUTS))
    outputs = lambda params: jax.vmap(lambda one: apply(params, one))(x)  # noqa: E731
    square = lambda params: sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(params))  # noqa: E731
    return {
        "norm": square,
        "regression": lambda params: jnp.mean((outputs(params) - 1.0) ** 2),
        "one output": lambda params: -jax.nn.log_softmax(outputs(params))[0, 0],
        "one weight": lambda params: (params[0]["W"][0, 0] - 2.0) ** 2,
        "nearly flat": lambda params: 1e-9 * square(params),
        "steep": lambda params: 1e6 * jnp.mean(outputs(params) ** 2),
        "wavy": lambda params: jnp.mean(jnp.cos(5 * outputs(params))),
    }[kind]


TRAITS = (
    "labels",
    "labels",
    "labels",
    "norm",
    "regression",
    "one output",
    "one weight",
    "nearly flat",
    "steep",
    "wavy",
)


@dataclass(frozen=True)
class Drawn:
    """One network with its channel and trait, from a seed and a number."""

    seed: int
    number: int

    def arguments(self) -> tuple[str, dict[str, Any]]:
        """In words, and as `st.verify` takes it."""
        rng = np.random.default_rng((self.seed, self.number))
        kind = SHAPES[rng.integers(len(SHAPES))], str(rng.choice(list(SMOOTH))), bool(rng.random() < 0.25)
        rows, channel = int(rng.choice(ROWS)), str(rng.choice(list(CHANNELS)))
        loss, trait = str(rng.choice(list(LOSSES))), str(rng.choice(TRAITS))
        distilled = DISTILLED[rng.integers(len(DISTILLED))]
        params = parameters(rng, kind[0])
        examples = rng.normal(size=(12, INPUTS)), rng.integers(0, OUTPUTS, 12)
        given = {
            "model": network(*kind),
            "params": params,
            "trait": examples if trait == "labels" else learned(trait, *kind),
            "channel": CHANNELS[channel](rng, rows),
            "loss": loss,
            "outputs": distilled,
        }
        return f"{self.number}: {kind}, {rows} rows {channel}, trait {trait}, outputs {distilled}", given


@dataclass(frozen=True)
class Found:
    """What one claim said of one network: runs, how many of them say nothing or fail, and the worst in words."""

    claim: str
    runs: int
    vacuous: int
    failed: int
    undecided: int
    worst: str


def tried(drawn: Drawn, claims: Iterable[Claim] = tuple(CLAIMS.values())) -> list[Found] | str:
    """What claims say of one network, or the line with which the network was refused."""
    words, given = drawn.arguments()
    alone = [replace(claim, controls=()) for claim in claims if claim.spread or not claim.settings]
    try:
        found = st.verify(**given, claims=alone, seeds=1, examples=max(ROWS))
    except InputError as error:
        return f"{words}: {error}"
    return [
        Found(
            one.name, one.runs, round(one.vacuous_fraction * one.runs), one.failed,
            one.runs if one.verdict is Verdict.UNDECIDED else 0,
            f"{words} / {one.worst}: {one.measured:.4g}, predicted {one.predicted:.4g}, margin {one.margin:.3g}",
        )
        for one in found.claims
        if one.runs
    ]  # fmt: skip


def totals(found: Iterable[Found]) -> list[dict[str, Any]]:
    """A row a claim."""
    rows: dict[str, Counter[str]] = {}
    for one in found:
        own = rows.setdefault(one.claim, Counter(networks=0, runs=0, vacuous=0, failed=0, undecided=0))
        own.update(networks=1, runs=one.runs, vacuous=one.vacuous, failed=one.failed, undecided=one.undecided)
    return [
        {"claim": name, **own, "% vacuous": round(100 * own["vacuous"] / own["runs"], 1)} for name, own in rows.items()
    ]


def main() -> int:
    """Exit code 1 if a claim failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, nargs="+", help="networks of these numbers alone")
    parser.add_argument("--claim", choices=CLAIMS, help="one claim alone")
    args = parser.parse_args()
    st.configure(progress=False)
    numbers = args.only or range(args.networks)
    claims = [CLAIMS[args.claim]] if args.claim else list(CLAIMS.values())
    found, refused = list[Found](), list[str]()
    for number in numbers:
        each = tried(Drawn(args.seed, number), claims)
        if isinstance(each, str):
            refused.append(each)
        else:
            found += each
        print(f"\r{number}", end="", file=sys.stderr, flush=True)
    failed = [f"{one.claim}: {one.worst}" for one in found if one.failed]
    print(table.to_text(totals(found)))
    print("\n".join([f"{len(failed)} failures", *failed, f"{len(refused)} networks refused", *refused]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
