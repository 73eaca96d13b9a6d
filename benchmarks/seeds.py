"""Many seeds: what thousands of them cost, compiling included, and that memory does not grow with them.

    python benchmarks/seeds.py
    python benchmarks/seeds.py --script SCRIPT --python PYTHON    beside a PyTorch loop

The measurement of `peer.py` on its tiny networks, on seeds that are drawn fifty at a time: CPU seconds of a fresh
process from its imports on, drawing and compiling included, and its peak memory. A loop takes as long for every seed:
the peer's is timed on fifty, warm and without drawing, and multiplied. `worst` is the largest |D/(εq) − 1| at
the least ε.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from typing import Any

import numpy as np
from grid import measured, posed
from peer import CLASSES, SHAPES, Row, Shape, theirs
from usage import peak

from subtheory import table
from subtheory.numerics import float64

AT_ONCE = 50
EPS = 10.0 ** (np.arange(-10, 1) / 2)


def drawn(shape: Shape, seeds: range) -> list[tuple[Any, ...]]:
    """Parameters, another init's, images, labels and noise of every seed, by laws like the peer's."""
    return [_one(shape, np.random.default_rng(seed)) for seed in seeds]


def _one(shape: Shape, rng: np.random.Generator) -> tuple[Any, ...]:
    size = {
        name.removeprefix("--"): int(value) for name, value in zip(shape.sizes[::2], shape.sizes[1::2], strict=True)
    }
    if shape.arch == "mlp":
        wide, n = (784, size["width"], size["width"], CLASSES + 3), size["batch"]

        def init() -> dict[str, np.ndarray]:
            pairs = list(pairwise(wide))
            weights = {f"w{i}": rng.standard_normal(pair) * pair[0] ** -0.5 for i, pair in enumerate(pairs)}
            return {f"b{i}": np.zeros(pair[1]) for i, pair in enumerate(pairs)} | weights

        images, noise = rng.standard_normal((n, 784)) / 2, rng.uniform(-1, 1, (n, 784))
        labels = rng.integers(CLASSES, size=n)
        return init(), init(), images + rng.standard_normal((CLASSES, 784))[labels] / 2, labels, noise
    d, v, t = size["d-model"], size["vocab"], size["context"]
    shapes = {"tok": (v, d), "pos": (t, d), "head": (d, v)}
    for i in range(size["layers"]):
        shapes |= {f"{i}.qkv": (d, 3 * d), f"{i}.out": (d, d), f"{i}.up": (d, 4 * d), f"{i}.down": (4 * d, d)}
    norms = ["lnf", *(f"{i}.ln{j}" for i in range(size["layers"]) for j in (1, 2))]

    def start() -> dict[str, np.ndarray]:
        drawn = {name: rng.standard_normal(s) * (s[0] if "down" in name else d) ** -0.5 for name, s in shapes.items()}
        drawn |= {name: np.ones(d) for name in norms}
        return dict(sorted(drawn.items()))

    x = (rng.integers(v, size=(8, 1)) + 5 * np.arange(t + 1)) % v
    return start(), start(), x[:, :-1], x[:, 1:], rng.integers(v, size=(8, t))


def through(shape: Shape, count: int) -> Row:
    """This process goes through so many seeds."""
    worst = 0.0
    with float64():
        for first in range(0, count, AT_ONCE):
            found = measured(*posed(drawn(shape, range(first, first + AT_ONCE)), CLASSES), EPS)
            worst = max(worst, float(np.abs(found["shared_dot"][:, 0] / (EPS[0] * found["quad"]) - 1).max()))
    return {"seeds": count, "cpu_s": time.process_time(), "peak_mib": peak(), "worst": worst}


def compared(a: argparse.Namespace) -> list[Row]:
    rows = []
    for shape in (shape for shape in SHAPES if shape.seeds == AT_ONCE):
        loop = 0.0
        if a.script:
            loop = statistics.median(theirs(a, shape, "loop")["cpu_s"] for _ in range(a.repeats)) / shape.seeds
        for count in a.seeds:
            command = [sys.executable, __file__, "--only", shape.name, "--seeds", str(count), "--here"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            said = json.loads(done.stdout)
            row = {"network": shape.name, **said}
            rows.append(row | ({"loop_s": loop * count, "loop/ours": loop * count / said["cpu_s"]} if loop else {}))
    return rows


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[50, 500, 5000, 10000], help="multiples of 50")
    parser.add_argument("--script", help="a PyTorch script to compare with")
    parser.add_argument("--python", metavar="PYTHON", default=sys.executable, help="interpreter that has torch")
    parser.add_argument("--repeats", type=int, default=5, help="runs of the peer")
    parser.add_argument("--only", metavar="NAME", default="", help="networks whose name is this")
    parser.add_argument("--here", action="store_true", help="one network, one number of seeds, in this process")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> list[Row]:
    """Run the comparison and print it."""
    a = arguments(argv)
    if a.here:
        rows = [through(next(shape for shape in SHAPES if shape.name == a.only), a.seeds[0])]
        print(json.dumps(rows[0]))
        return rows
    rows = compared(a)
    print(json.dumps({"seeds": rows}) if a.json else table.to_text(rows))
    return rows


if __name__ == "__main__":
    main()
