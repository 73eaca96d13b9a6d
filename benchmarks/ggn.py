"""What does a product with the Gauss-Newton matrix cost? Beside a jvp and a vjp, the matrix, and other libraries.

    python benchmarks/ggn.py --curvlinops PYTHON --matfree PYTHON

Gv = E JᵀMJv of softmax outputs of an MLP (ReLU, two hidden layers), float64, on the same numbers everywhere: CPU
seconds of a product, medians of the repeats, and what XLA reserves for it beside its arguments, in vectors of P
numbers. Each side must agree with ours to rounding. The others run in interpreters of their own, told by path.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from grid import PeerMLP
from usage import median

from subtheory import table
from subtheory.numerics import float64
from subtheory.theory.curvature import ggn
from subtheory.theory.distillation import Distillation, outputs
from subtheory.theory.layout import Layout
from subtheory.theory.losses import CrossEntropy
from subtheory.theory.trait import LabelledTrait

Row = dict[str, Any]
PEERS = Path(__file__).with_name("ggn_peers.py")
DENSE = 4000
"""Parameters up to which the matrix itself is made."""


def distillation(inputs: int, width: int, examples: int) -> Distillation:
    """All outputs of an MLP are distilled, from its own init."""
    rng, sizes = np.random.default_rng(0), (inputs, width, width, 13)
    theta0 = {f"w{i}": rng.standard_normal(size) * size[0] ** -0.5 for i, size in enumerate(pairwise(sizes))}
    theta0 |= {f"b{i}": 0.1 * rng.standard_normal(n) for i, n in enumerate(sizes[1:])}
    theta0 = {name: jnp.asarray(leaf) for name, leaf in theta0.items()}
    x, on = jnp.asarray(rng.standard_normal((examples, inputs))), jnp.ones(13)
    return Distillation(
        theta0=theta0, student=theta0, delta=optax.tree.scale(0.5, theta0), x=x,
        weights=jnp.full(examples, 1 / examples), outputs=on, eps=jnp.ones(1),
        trait=LabelledTrait(x, jnp.zeros(examples, int), on), alpha=jnp.ones(()),
        trainable=optax.tree.ones_like(theta0), network=PeerMLP(), loss=CrossEntropy(),
    )  # fmt: skip


def compiled(f: Callable[..., Any], *arrays: Any) -> Any:
    return jax.jit(f).lower(*arrays).compile()


def vectors(program: Any, size: int) -> float:
    """What a program reserves for results and in between, in vectors of P float64."""
    told = program.memory_analysis()
    return float(told.temp_size_in_bytes + told.output_size_in_bytes) / (8 * size)


def theirs(python: str, side: str, path: Path, repeats: int) -> Row:
    command = [python, str(PEERS), side, str(path), "--repeats", str(repeats)]
    said: Row = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return said


def compared(d: Distillation, a: argparse.Namespace) -> list[Row]:
    """All sides for one network; a ratio is that of the side's seconds to ours."""
    layout, theta, v = Layout.of(d.theta0), d.theta0, d.delta
    size, r = layout.size, jnp.ones((len(d.x), len(d.outputs)))
    # Parameters and inputs are arguments: a program must not be told what it is to compute.

    def product(theta: Any, x: Any, v: Any) -> Any:
        return ggn(Distillation(**vars(d) | {"theta0": theta, "x": x}))(v)

    def run(x: Any) -> Callable[[Any], Any]:
        return lambda theta: outputs(d.network, theta, x)

    ours = compiled(product, theta, d.x, v)
    ahead = compiled(lambda theta, x, v: jax.jvp(run(x), (theta,), (v,))[1], theta, d.x, v)
    back = compiled(lambda theta, x, r: jax.vjp(run(x), theta)[1](r)[0], theta, d.x, r)
    G = layout.flatten(ours(theta, d.x, v))

    def dense() -> Callable[[], Any]:
        def matrix(theta: Any, x: Any, v: Any) -> Any:
            J = jax.jacrev(lambda flat: outputs(d.network, layout.unflatten(flat), x))(layout.flatten(theta))
            z = outputs(d.network, theta, x)
            MJ = jax.vmap(lambda column: d.loss.hessian(z, column, d.outputs), in_axes=-1, out_axes=-1)(J)
            return jnp.einsum("n,nip,niq->pq", d.weights, J, MJ) @ layout.flatten(v)

        program = compiled(matrix, theta, d.x, v)
        np.testing.assert_allclose(program(theta, d.x, v), G, rtol=1e-9, atol=1e-12)
        kept["G itself"] = vectors(program, size)
        return lambda: program(theta, d.x, v)

    kept = {"ours": vectors(ours, size), "one jvp and one vjp": max(vectors(ahead, size), vectors(back, size))}
    sides: dict[str, Callable[[], Any]] = {
        "ours": lambda: ours(theta, d.x, v),
        "one jvp and one vjp": lambda: (ahead(theta, d.x, v), back(theta, d.x, r)),
    }
    if size <= DENSE:
        sides["G itself"] = dense()
    found = {side: median(lambda run=run: jax.block_until_ready(run()), a.repeats) for side, run in sides.items()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "problem.npz"
        trees = {f"{of}/{name}": leaf for of, tree in (("theta", theta), ("v", v)) for name, leaf in tree.items()}
        np.savez(path, x=d.x, **trees)
        for side, python in (("curvlinops", a.curvlinops), ("matfree", a.matfree)):
            if python:
                said = theirs(python, side, path, a.repeats)
                np.testing.assert_allclose(said["norm"], jnp.linalg.norm(G), rtol=1e-10)
                found[said["name"]] = said["seconds"]
    return [
        {"parameters": size, "side": side, "ms": 1e3 * seconds, "side/ours": seconds / found["ours"],
         "vectors": round(kept[side], 2) if side in kept else ""}
        for side, seconds in found.items()
    ]  # fmt: skip


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curvlinops", metavar="PYTHON", help="interpreter that has curvlinops")
    parser.add_argument("--matfree", metavar="PYTHON", help="interpreter that has matfree")
    parser.add_argument("--examples", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="smallest sizes, once: a smoke test")
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args(argv)
    if a.tiny:
        a.examples, a.repeats = 3, 1
    return a


def main(argv: list[str] | None = None) -> list[Row]:
    """Run the comparison and print it."""
    a = arguments(argv)
    sizes = ((4, 3),) if a.tiny else ((64, 16), (784, 16), (784, 256), (784, 1024))
    with float64():
        rows = [row for size in sizes for row in compared(distillation(*size, a.examples), a)]
    print(json.dumps({"ggn": rows}) if a.json else table.to_text(rows))
    return rows


if __name__ == "__main__":
    main(sys.argv[1:])
