"""Ours beside a PyTorch script that loops over seeds and ε, on the same weights and inputs: CPU seconds and ratios.

    python benchmarks/peer.py SCRIPT --python PYTHON

A peer is a PyTorch script that takes --archs, --seeds, --eps, --mode, --threads, its sizes and --save, prints one
JSON line with archs.NAME.cpu_s and saves its weights, inputs and results: ours starts from those very numbers, and
must find the results again. Sides take turns; each number is the median of the repeats.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from grid import Kind, Problem, dots, measured, posed

from subtheory import table
from subtheory.numerics import float64

Row = dict[str, Any]


def seconds(run: Callable[[], Any]) -> float:
    """CPU seconds, over all threads."""
    start = time.process_time()
    jax.block_until_ready(run())
    return time.process_time() - start


@dataclass(frozen=True)
class Shape:
    """A network of the peer and its sizes, as the peer is told them."""

    name: str
    arch: str
    seeds: int
    sizes: tuple[str, ...] = ()


TINY = ("--width", "16", "--batch", "16", "--d-model", "16", "--layers", "1", "--vocab", "16", "--context", "8")
SHAPES = (
    Shape("MLP 784-256-256-13", "mlp", 4),
    Shape("tiny MLP", "mlp", 50, TINY),
    Shape("transformer", "transformer", 4),
    Shape("tiny transformer", "transformer", 50, TINY),
)
CLASSES = 10
"""Logits of the peer's MLP in front of the auxiliary ones."""


def given(shape: Shape, saved: dict[str, np.ndarray]) -> tuple[Kind, Problem]:
    """What the peer has saved; the change of coordinates, if any, is part of this."""

    def params(seed: int) -> dict[str, np.ndarray]:
        mark = f"{shape.arch}/{seed}/theta0/"
        return {name.removeprefix(mark): saved[name] for name in sorted(saved) if name.startswith(mark)}

    each = [params(seed) for seed in range(shape.seeds + 1)]
    data = [[saved[f"{shape.arch}/{i}/{name}"] for name in ("x", "y", "noise")] for i in range(shape.seeds)]
    return posed([(each[i], each[i + 1], *data[i]) for i in range(shape.seeds)], CLASSES)  # type: ignore[arg-type]


def as_numpy(found: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.asarray(value) for name, value in found.items()}


def operations(kind: Kind, p: Problem, rungs: int) -> float:
    """XLA's count of the operations of `measured`, from those of one forward pass, one jvp and one vjp."""
    theta, x = p.theta0[0], p.noise[0]
    run = partial(kind.outputs, x=x)
    r = np.zeros(jax.eval_shape(run, theta).shape)

    def flops(f: Callable[..., Any], *arrays: Any) -> float:
        return float(jax.jit(f).lower(*arrays).compile().cost_analysis()["flops"])

    forward = flops(run, theta)
    ahead = flops(lambda theta, v: jax.jvp(run, (theta,), (v,))[1], theta, theta) - forward
    back = flops(lambda theta, r: jax.vjp(run, theta)[1](r), theta, r) - forward
    # Forward passes: teachers, both students before and after; and those along which is pulled. Pulls: Δ, all updates.
    return len(p.theta0) * ((3 * rungs + 4 + 3) * forward + 2 * ahead + (2 * rungs + 1) * back)


def matmul_rate(n: int = 768) -> float:
    """Operations a second of a product of n×n matrices, float64, as XLA does it here and now."""
    a = jnp.asarray(np.random.default_rng(0).standard_normal((n, n)))
    product = jax.jit(jnp.matmul)
    product(a, a)
    return 2 * n**3 / statistics.median(seconds(lambda: product(a, a)) for _ in range(5))


def agree(shape: Shape, found: dict[str, np.ndarray], saved: dict[str, np.ndarray]) -> None:
    """Raise AssertionError unless every number is the peer's, to rounding.

    Labels that move by 1e-5 leave 1e-10 of D; a fall of L_T is a difference of numbers of order 1.
    """
    for i in range(shape.seeds):
        own = f"{shape.arch}/{i}/"
        if "quad" in found:
            np.testing.assert_allclose(found["quad"][i], saved[own + "quad"], rtol=1e-10)
        for name in set(found) - {"quad"}:
            rounding = 1e-13 if name.endswith("decrease") else 0.0
            np.testing.assert_allclose(found[name][i], saved[f"{own}result/{name}"], rtol=1e-9, atol=rounding)


def theirs(a: argparse.Namespace, shape: Shape, mode: str, *more: str) -> Row:
    """What the peer says of one of its networks."""
    command = [a.python, a.script, "--archs", shape.arch, "--mode", mode, "--seeds", str(shape.seeds)]
    quiet = os.environ | {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"}
    command += ["--threads", "1", *shape.sizes, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=quiet)
    said: Row = json.loads(done.stdout.splitlines()[-1])
    return said["archs"][shape.arch] | {"eps": said["setting"]["eps"]}


def compared(a: argparse.Namespace, shape: Shape) -> Row:
    """The peer's loop over seeds and ε, its `vmap` over ε, ours, and ours of D alone, on the same numbers."""
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "saved.npz")
        eps = np.asarray(theirs(a, shape, "loop", "--save", path)["eps"])
        with np.load(path) as file:
            saved = dict(file)

    def whole() -> dict[str, np.ndarray]:
        return as_numpy(measured(*given(shape, saved), eps))

    def alone() -> dict[str, np.ndarray]:
        return as_numpy(dots(*given(shape, saved), eps))

    first = seconds(whole)
    agree(shape, whole(), saved)
    agree(shape, alone(), saved)
    cpu: dict[str, list[float]] = {side: [] for side in ("ours", "dots", "loop", "vmap", "begun", "rate")}
    for _ in range(a.repeats):
        cpu["ours"].append(seconds(whole))
        cpu["dots"].append(seconds(alone))
        cpu["rate"].append(matmul_rate())
        for mode in ("loop", "vmap"):
            said = theirs(a, shape, mode)
            cpu[mode].append(said["cpu_s"])
            if mode == "loop":
                cpu["begun"].append(said["first_seed_cpu_s"])
    each = {side: statistics.median(several) for side, several in cpu.items()}
    floor = operations(*given(shape, saved), len(eps)) / each["rate"]
    gain = (each["loop"] - each["ours"]) / shape.seeds
    extra = first - each["ours"] - (each["begun"] - each["loop"] / shape.seeds)
    return {
        "question": shape.name, "seeds": shape.seeds, "ours_s": each["ours"], "loop_s": each["loop"],
        "vmap_s": each["vmap"], "loop/ours": each["loop"] / each["ours"], "vmap/ours": each["vmap"] / each["ours"],
        "first_s": first, "even_seeds": extra / gain if gain > 0 else float("inf"),
        "floor_s": floor, "share": floor / each["ours"], "GFLOP/s": each["rate"] / 1e9,
        "D_s": each["dots"], "loop/D": each["loop"] / each["dots"],
    }  # fmt: skip


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script", help="a PyTorch script to compare with")
    parser.add_argument("--python", metavar="PYTHON", default=sys.executable, help="interpreter that has torch")
    parser.add_argument("--only", metavar="NAME", default="", help="networks whose name has this in it")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> list[Row]:
    """Run the comparison and print it."""
    a = arguments(argv)
    with float64():
        rows = [compared(a, shape) for shape in SHAPES if a.only in shape.name]
    print(json.dumps({"peer": rows}) if a.json else table.to_text(rows))
    return rows


if __name__ == "__main__":
    main()
