"""What a GPU makes of it: share of its matmul rate, what fits, a hundred digit classifiers at once, PyTorch beside it.

    python benchmarks/gpu.py [--peer SCRIPT --peer-python PYTHON]

On a GPU, float32 with TF32 off and deterministic operations, as everything here computes; without one it says so and
ends. Wall seconds, medians of the repeats, compiled before. A product is Gv = E[Jᵀ M J v] on a transformer, one jvp and
one vjp: its operations are those that XLA counts, over the rate of a product of two large matrices in the same run.
What fits is found by doubling, until XLA's own count of bytes exceeds the device's memory or a run exhausts it. The
peer is `benchmarks/peer.py`'s: its script runs with PyTorch's default device set to the GPU. `--device cpu` tries all
of it on small sizes.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from subtheory import table
from subtheory.cli import environment
from subtheory.data import MNIST, TOKENS
from subtheory.networks import Transformer
from subtheory.numerics import float64
from subtheory.theory.distillation import outputs
from subtheory.theory.losses import CrossEntropy
from subtheory.trained.images import Images, Schedule, Workload, digit_network, imitate, inits, mnist_images, teach

Row = dict[str, Any]

ON_GPU = """
import runpy, sys, torch
torch.set_default_device("cuda")
plain = torch.Generator
torch.Generator = lambda: plain("cuda")
sys.argv[0] = {script!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""The peer's script with all its tensors on the GPU: it draws from generators of its own."""


def wall(run: Callable[[], Any], repeats: int) -> float:
    """Median wall seconds, after one call that compiles."""
    jax.block_until_ready(run())
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(run())
        found.append(time.perf_counter() - start)
    return statistics.median(found)


# A transformer ------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def product(width: int, sequences: int, length: int, blocks: int) -> tuple[Any, tuple[Any, ...], int]:
    """The compiled Gv of a transformer in float32, its arguments, and the number of parameters."""
    task = replace(TOKENS, shape=(length,))
    network = Transformer(width=width, heads=max(1, width // 64), blocks=blocks, task=task)
    theta = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), network.init(jax.random.key(0)))
    x = jax.random.randint(jax.random.key(1), (sequences, length), 0, TOKENS.outputs, dtype=jnp.int32)
    loss, w = CrossEntropy(), jnp.ones(TOKENS.outputs, jnp.float32)

    def ggn(theta: Any, v: Any, x: Any) -> Any:
        def f(theta: Any) -> Any:
            return outputs(network, theta, x)

        z, u = jax.jvp(f, (theta,), (v,))
        (found,) = jax.vjp(f, theta)[1](loss.hessian(z, u, w) / z[..., 0].size)
        return found

    arguments = (theta, theta, x)
    size = sum(leaf.size for leaf in jax.tree.leaves(theta))
    return jax.jit(ggn).lower(*arguments).compile(), arguments, size


def matmul_rate(n: int, repeats: int) -> float:
    """Operations a second of an n × n float32 product."""
    a = jax.random.normal(jax.random.key(0), (n, n), jnp.float32)
    multiply = jax.jit(jnp.matmul)
    return 2 * n**3 / wall(lambda: multiply(a, a), repeats)


def share_of_ceiling(a: argparse.Namespace) -> list[Row]:
    """How much of the rate of a plain product of matrices the transformer's Gv reaches."""
    program, arguments, size = product(a.width, a.sequences, a.length, a.blocks)
    seconds = wall(lambda: program(*arguments), a.repeats)
    rate, ceiling = program.cost_analysis()["flops"] / seconds, matmul_rate(a.square, a.repeats)
    return [{"parameters": size, "sequences": a.sequences, "Gv_s": seconds, "TFLOP/s": rate / 1e12,
             "matmul_TFLOP/s": ceiling / 1e12, "share": rate / ceiling}]  # fmt: skip


def bytes_of(program: Any) -> int:
    """What a program holds while it runs, by XLA's count: arguments, results and all between."""
    needs = program.memory_analysis()
    return int(needs.argument_size_in_bytes + needs.output_size_in_bytes + needs.temp_size_in_bytes)


def fits(width: int, sequences: int, a: argparse.Namespace, memory: float) -> int:
    """Parameters of a transformer whose Gv fits in so many bytes; 0 if it does not."""
    try:
        program, arguments, size = product(width, sequences, a.length, a.blocks)
        if bytes_of(program) > memory:
            return 0
        jax.block_until_ready(program(*arguments))
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        return 0
    return int(size)


def largest(a: argparse.Namespace) -> list[Row]:
    """The widest transformer of the doublings that fits, and the largest batch of the first one."""
    memory = (jax.devices()[0].memory_stats() or {}).get("bytes_limit", a.memory * 2**30)
    rows: list[Row] = []
    for what, grow in (("model", (2, 1)), ("batch", (1, 2))):
        width, sequences, row = a.width, a.sequences, None
        while size := fits(width, sequences, a, memory):
            row = {"largest": what, "parameters": size, "width": width, "sequences": sequences}
            width, sequences = width * grow[0], sequences * grow[1]
        rows.append(row or {"largest": what, "parameters": 0, "width": width, "sequences": sequences})
    return rows


# Digit classifiers --------------------------------------------------------------------------------


def classifiers(a: argparse.Namespace) -> list[Row]:
    """Teachers, and one student each, of so many digit classifiers: one call each."""
    if a.data:
        images = mnist_images(a.data)
    else:
        rng = np.random.default_rng(0)
        x, labels = rng.integers(0, 256, (a.rows, *MNIST.shape), np.uint8), rng.integers(0, 10, a.rows).astype(np.int32)
        images = Images(x, labels, x[:1], labels[:1])
    schedule = Schedule(rate=3e-4, batch=a.batch, epochs=1)
    workload = Workload(digit_network(a.hidden, task=MNIST), teacher=schedule, student=schedule, rows=a.rows)
    keys = jax.random.split(jax.random.key(0), a.models)
    theta0 = inits(workload, keys)
    copies = jax.tree.map(lambda leaf: leaf[:, None], theta0)
    taught = teach(workload, theta0, images, keys, together=a.models)
    found = {
        "teachers": wall(lambda: teach(workload, theta0, images, keys, together=a.models), a.repeats),
        "students": wall(lambda: imitate(workload, copies, taught, keys).losses, a.repeats),
    }
    return [{"models": a.models, "in one call": name, "epoch_s": s, "a_model_s": s / a.models}
            for name, s in found.items()]  # fmt: skip


# PyTorch ------------------------------------------------------------------------------------------


def beside_torch(a: argparse.Namespace) -> list[Row]:
    """The alignment grid of seeds and ε on the weights that the peer has saved on a CPU, both sides on the device."""
    sys.path.insert(0, str(Path(__file__).parent))
    import peer

    rows = []
    plain = argparse.Namespace(python=a.peer_python, script=a.peer)
    with tempfile.TemporaryDirectory() as folder, float64():
        saved_at, there = str(Path(folder) / "saved.npz"), plain
        if a.device == "gpu":
            moved = Path(folder) / "on_gpu.py"
            moved.write_text(ON_GPU.format(script=a.peer))
            there = argparse.Namespace(python=a.peer_python, script=str(moved))
        for shape in peer.SHAPES:
            eps = np.asarray(peer.theirs(plain, shape, "loop", "--save", saved_at)["eps"])
            with np.load(saved_at) as file:
                saved = dict(file)

            def run(shape: Any = shape, saved: Any = saved, eps: np.ndarray = eps) -> Any:
                return peer.as_numpy(peer.measured(*peer.given(shape, saved), eps))

            peer.agree(shape, run(), saved)
            theirs = [
                statistics.median(peer.theirs(there, shape, mode)["wall_s"] for _ in range(a.repeats))
                for mode in ("loop", "vmap")
            ]
            own = wall(run, a.repeats)
            rows.append({"network": shape.name, "ours_s": own, "loop_s": theirs[0], "vmap_s": theirs[1],
                         "loop/ours": theirs[0] / own, "vmap/ours": theirs[1] / own})  # fmt: skip
    return rows


def measured(a: argparse.Namespace) -> dict[str, list[Row]]:
    """All tables."""
    with float64():
        said = {"matmul": share_of_ceiling(a), "fits": largest(a)}
    said["classifiers"] = classifiers(a)
    return said | ({"peer": beside_torch(a)} if a.peer else {})


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--width", type=int, default=1024, help="of the transformer")
    parser.add_argument("--blocks", type=int, default=2)
    parser.add_argument("--sequences", type=int, default=32, help="of a batch")
    parser.add_argument("--length", type=int, default=256, help="tokens of a sequence")
    parser.add_argument("--square", type=int, default=8192, help="side of the matrices whose product is the ceiling")
    parser.add_argument("--memory", type=float, default=1.0, help="GiB, where the device does not say")
    parser.add_argument("--models", type=int, default=100, help="digit classifiers in one call")
    parser.add_argument("--hidden", type=int, default=256, help="units of their hidden layers")
    parser.add_argument("--rows", type=int, default=60_000, help="images, and rows of noise")
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--data", metavar="NPZ", help="mnist.npz; random images otherwise")
    parser.add_argument("--peer", metavar="SCRIPT", help="a PyTorch script to compare with")
    parser.add_argument("--peer-python", metavar="PYTHON", default=sys.executable, help="interpreter that has torch")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="smallest sizes, once: a smoke test")
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args(argv)
    if a.tiny:
        a.width, a.blocks, a.sequences, a.length, a.square, a.memory, a.repeats = 4, 1, 2, 4, 16, 2e-5, 1
        a.models, a.hidden, a.rows, a.batch = 2, 4, 8, 4
    return a


def main(argv: list[str] | None = None) -> None:
    """Measure and print all tables, or say that there is no GPU."""
    a = arguments(argv)
    if a.device == "cpu":
        jax.config.update("jax_platforms", "cpu")  # JAX has been loaded: its environment has been read
    environment.prepare(a.device, cache=False)
    if jax.default_backend() != a.device:
        print(f"skipped: JAX finds no {a.device}, only {jax.default_backend()}")
        return
    said = measured(a)
    print(json.dumps(said) if a.json else "\n\n".join(map(table.to_text, said.values())))


if __name__ == "__main__":
    main()
