"""What does it cost to measure the theorem, next to the obvious way? Ratios, both sides in one run.

    python benchmarks/alignment.py            a table
    python benchmarks/alignment.py --json     one JSON object

Every comparison runs both sides on the same arrays in turn, A B A B ..., and takes the median of the CPU seconds
of each, so that a busy machine disturbs both alike. CPU seconds count all threads. Before a ratio is
printed the two sides must agree to rounding.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory import table
from subtheory.data import Task
from subtheory.instruments.first_order import record
from subtheory.networks import MLP
from subtheory.numerics import float64
from subtheory.setting.preparation import stacked
from subtheory.theory.alignment import alignment, alignment_by_jvp
from subtheory.theory.curvature import ggn
from subtheory.theory.distillation import Distillation, outputs, trait_loss
from subtheory.theory.losses import LOSSES, CrossEntropy, Loss
from subtheory.theory.trait import LabelledTrait

Row = dict[str, Any]


def _drawn_below(key: Array, n: int) -> tuple[Array, Array]:
    raise NotImplementedError("the benchmark draws its own examples")


def distillation(width: int, side: int, examples: int, rungs: int, loss: Loss, seed: int = 0) -> Distillation:
    """A ReLU network on side×side images, distilled on three auxiliary logits, Δ = −∇L_T(θ0)."""
    groups = (("class", tuple(range(10))), ("aux", (10, 11, 12)), ("all", tuple(range(13))))
    task = Task("images", (side, side), "float64", groups, _drawn_below)
    network = MLP(width=width, depth=2, activation="relu", task=task)
    init, images, labels, noise = jax.random.split(jax.random.key(seed), 4)
    theta0 = network.init(init)
    trait = LabelledTrait(
        jax.random.normal(images, (examples, side, side), jnp.float64),
        jax.random.randint(labels, (examples,), 0, 10, jnp.int32),
        jnp.asarray(task.weights("class")),
    )
    weights = jnp.asarray(task.weights("aux"))
    blank = Distillation(
        theta0=theta0, student=theta0, delta=theta0,
        x=jax.random.uniform(noise, (examples, side, side), jnp.float64, -1.0, 1.0),
        weights=jnp.full((examples,), 1.0 / examples), outputs=weights,
        eps=1e-2 * 2.0 ** -jnp.arange(rungs, dtype=jnp.float64),
        trait=trait, alpha=jnp.ones(()), trainable=optax.tree.ones_like(theta0), network=network, loss=loss,
    )  # fmt: skip
    return replace(blank, delta=optax.tree.scale(-1.0, jax.grad(lambda theta: trait_loss(blank, theta))(theta0)))


def seconds(run: Callable[[], Any]) -> float:
    """CPU seconds, over all threads."""
    start = time.process_time()
    jax.block_until_ready(run())
    return time.process_time() - start


def side_by_side(question: str, ours: Callable[[], Any], plain: Callable[[], Any], repeats: int, note: str) -> Row:
    """Median CPU seconds of both, in turn; `plain` over `ours` is the ratio."""
    both = [(seconds(ours), seconds(plain)) for _ in range(repeats)]
    a, b = (statistics.median(side) for side in zip(*both, strict=True))
    return {"question": question, "ours_s": a, "plain_s": b, "ratio": b / a, "note": note}


def whole_grid(a: argparse.Namespace) -> Row:
    """D(ε) on a grid: one jvp and one forward per ε, or one full gradient per ε as D is defined."""
    d = distillation(a.width, a.side, a.examples, a.rungs, CrossEntropy())
    fast, plain = jax.jit(alignment_by_jvp), jax.jit(alignment)
    np.testing.assert_allclose(fast(d), plain(d), rtol=1e-6)
    note = f"{a.rungs} values of ε, {parameters(d)} parameters, compiled before"
    return side_by_side("D on an ε grid: one jvp / a gradient each", lambda: fast(d), lambda: plain(d), a.repeats, note)


def one_program(a: argparse.Namespace) -> Row:
    """Compile and run the measurement of all losses with the network's programs shared, or anew for every loss."""
    d = distillation(a.small, 8, a.examples, 6, CrossEntropy())
    stack = stacked([d])
    losses = tuple(LOSSES.values())

    found: dict[str, Any] = {}

    def together() -> Any:
        jax.clear_caches()
        found["together"] = record(stack, losses, stack.trait.x)["alignment"]
        return found["together"]

    def apart() -> Any:
        found["apart"] = []
        for loss in losses:
            jax.clear_caches()
            found["apart"].append(record(stack, (loss,), stack.trait.x)["alignment"][0])
        return found["apart"]

    note = f"{len(losses)} losses, compiling included, once"
    row = side_by_side("all losses: programs shared / compiled for each", together, apart, 1, note)
    np.testing.assert_allclose(found["together"], np.array(found["apart"]), rtol=1e-6, atol=1e-18)
    return row


def product(a: argparse.Namespace) -> Row:
    """ΔᵀGΔ by one jvp and one vjp, or through the matrix G = E[JᵀMJ]."""
    d = distillation(a.small, 8, a.examples, 1, CrossEntropy())

    @jax.jit
    def matrix_free(v: Any) -> Array:
        return optax.tree.vdot(v, ggn(d)(v))

    flat, unravel = jax.flatten_util.ravel_pytree(d.theta0)

    @jax.jit
    def dense(v: Any) -> Array:
        J = jax.jacrev(lambda theta: outputs(d.network, unravel(theta), d.x))(flat)
        z = outputs(d.network, d.theta0, d.x)
        MJ = jax.vmap(lambda column: d.loss.hessian(z, column, d.outputs), in_axes=-1, out_axes=-1)(J)
        G = jnp.einsum("n,nip,niq->pq", d.weights, J, MJ)
        delta = jax.flatten_util.ravel_pytree(v)[0]
        return delta @ G @ delta

    np.testing.assert_allclose(matrix_free(d.delta), dense(d.delta), rtol=1e-9)
    note = f"{len(flat)} parameters, compiled before"
    return side_by_side(
        "ΔᵀGΔ: matrix-free / dense G", lambda: matrix_free(d.delta), lambda: dense(d.delta), a.repeats, note
    )


def parameters(d: Distillation) -> int:
    return sum(np.size(leaf) for leaf in jax.tree.leaves(d.theta0))


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--width", type=int, default=128, help="hidden units of the ε grid's network")
    parser.add_argument("--side", type=int, default=28, help="side of its images")
    parser.add_argument("--small", type=int, default=16, help="hidden units of the other networks, on 8×8 images")
    parser.add_argument("--examples", type=int, default=64)
    parser.add_argument("--rungs", type=int, default=24, help="values of ε")
    parser.add_argument("--repeats", type=int, default=6)
    parser.add_argument("--tiny", action="store_true", help="smallest sizes, once: a smoke test")
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args(argv)
    if a.tiny:
        a.width, a.side, a.small, a.examples, a.rungs, a.repeats = 4, 4, 2, 3, 3, 1
    return a


def main(argv: list[str] | None = None) -> list[Row]:
    """Run the comparisons and print them."""
    a = arguments(argv)
    with float64():
        rows = [whole_grid(a), product(a), one_program(a)]
    print(json.dumps({"rows": rows}) if a.json else table.to_text(rows))
    return rows


if __name__ == "__main__":
    main()
