"""What does it cost to measure the theorem, next to the obvious way? Ratios, both sides in one run.

    python benchmarks/alignment.py            a table
    python benchmarks/alignment.py --json     one JSON object
    python benchmarks/alignment.py --only-peer --peer SCRIPT --peer-python PYTHON

Every comparison runs both sides on the same arrays in turn, A B A B ..., and takes the median of the CPU seconds
of each, so that a busy machine disturbs both alike. CPU seconds count all threads. Before a ratio is
printed the two sides must agree to rounding.

A peer is a PyTorch script that takes --archs, --seeds, --eps, --mode, --threads, its sizes and --save, prints one
JSON line with archs.NAME.cpu_s and saves its weights, inputs and results: ours starts from those very numbers, and
must find the results again.
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
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from scipy.linalg import solve_triangular

from subtheory import table
from subtheory.data.task import Task
from subtheory.functions import Traced
from subtheory.instruments.first_order import record
from subtheory.networks import MLP
from subtheory.numerics import float64
from subtheory.preparation import stacked
from subtheory.stack import Stack, expectation, labels, norm, pull
from subtheory.theory.alignment import alignment, alignment_by_jvp
from subtheory.theory.curvature import ggn
from subtheory.theory.distillation import Distillation, outputs, trait_loss
from subtheory.theory.layout import Layout
from subtheory.theory.losses import LOSSES, CrossEntropy, Loss, log_softmax, softmax
from subtheory.theory.trait import LabelledTrait, Trait

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


# The peer's networks and quantities ---------------------------------------------------------------


@dataclass(frozen=True)
class PeerMLP:
    """ReLU layers w0, b0, w1, ...; an input shorter than w0 has zeros behind it."""

    name: str = "peer-mlp"

    def apply(self, params: Any, x: Array) -> Array:
        x = x @ params["w0"][: len(x)] + params["b0"]
        for i in range(1, len(params) // 2):
            x = jax.nn.relu(x) @ params[f"w{i}"] + params[f"b{i}"]
        return x


def _normed(h: Array, scale: Array) -> Array:
    h = h - h.mean(axis=-1, keepdims=True)
    return h * jax.lax.rsqrt((h * h).mean(axis=-1, keepdims=True) + 1e-5) * scale


@jax.custom_jvp
def _gelu(h: Array) -> Array:
    """tanh-gelu; JAX's own pulls back through seven arrays, this one through its derivative."""
    return jax.nn.gelu(h, approximate=True)


@_gelu.defjvp
def _gelu_jvp(primals: Any, tangents: Any) -> tuple[Array, Array]:
    (h,), (dh,) = primals, tangents
    c, cubic = (2 / np.pi) ** 0.5, 0.044715
    t = jnp.tanh(c * (h + cubic * h**3))
    slope = (1 + t) / 2 + h / 2 * (1 - t**2) * c * (1 + 3 * cubic * h**2)
    return h / 2 * (1 + t), slope * dh


@dataclass(frozen=True)
class PeerTransformer:
    """Pre-norm blocks without biases, causal attention of four heads, tanh-gelu; (T,) tokens to (T, V) logits."""

    heads: int = 4
    name: str = "peer-transformer"

    def apply(self, params: Any, x: Array) -> Array:
        h, length = params["tok"][x] + params["pos"], len(x)
        later = np.triu(np.ones((length, length), bool), 1)
        for i in range(sum(name.endswith(".qkv") for name in params)):
            joint = _normed(h, params[f"{i}.ln1"]) @ params[f"{i}.qkv"]
            q, k, v = (part.reshape(length, self.heads, -1).swapaxes(0, 1) for part in jnp.split(joint, 3, axis=-1))
            scores = jnp.where(later, -jnp.inf, q @ k.swapaxes(-1, -2) * q.shape[-1] ** -0.5)
            mixed = (jax.nn.softmax(scores, axis=-1) @ v).swapaxes(0, 1).reshape(h.shape)
            h = h + mixed @ params[f"{i}.out"]
            up = _gelu(_normed(h, params[f"{i}.ln2"]) @ params[f"{i}.up"])
            h = h + up @ params[f"{i}.down"]
        return _normed(h, params["lnf"]) @ params["head"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class NextTokens(Trait):
    """L_T(θ) = −E log σ(f_θ(x)_t)_label at every position t; x and labels (n, T)."""

    x: Array
    labels: Array

    def loss(self, apply: Any, params: Any) -> Array:
        return self._of(jax.vmap(lambda x: apply(params, x))(self.x))

    def value(self, functions: Any, theta: Any) -> Any:
        return self._of(functions.values(theta, self.x))

    def gradient(self, functions: Any, theta: Any) -> Any:
        z = functions.values(theta, self.x)
        hot = jnp.arange(z.shape[-1]) == self.labels[..., None]
        return functions.pulls(theta, (softmax(z, jnp.ones(())) - hot) / self.labels.size, self.x)

    def _of(self, z: Array) -> Array:
        log_p = log_softmax(z, jnp.ones(()))
        hot = jnp.arange(z.shape[-1]) == self.labels[..., None]
        return -(log_p * hot).sum(axis=(-3, -2, -1)) / self.labels.size


def measured(f: Traced, w: Array, eps: Array, arrays: Any) -> dict[str, Array]:
    """The peer's numbers of one seed: q, and D(ε), its cosine and the fall of L_T from the shared and another init.

    As in `instruments.first_order`, D is read off one jvp; the student's update is pulled back for its norm and L_T.
    """
    theta0, other, trait, x = arrays
    loss = CrossEntropy()
    s = Stack(
        theta0=theta0, student=theta0, delta=-trait.gradient(f, theta0), x=x, weights=jnp.full(len(x), 1 / len(x)),
        outputs=w, eps=eps, trait=trait, alpha=ALPHA, functions=f,
    )  # fmt: skip
    y, found = jax.lax.map(lambda one: labels(s, one[None])[0], eps), {}
    for name, start in (("shared", theta0), ("cross", other)):
        student = replace(s, student=start)
        z, u, _ = f.taylor(start, s.delta, x)
        pulled = f.puller(start, x)

        def step(r: Array, start: Array = start, pulled: Any = pulled) -> tuple[Array, Array]:
            update = pulled(r)
            return norm(update), trait.value(f, start + ALPHA * update)

        r = pull(student, loss, z[None], y)
        size, after = jax.lax.map(step, r)
        D = (r * u).sum(axis=tuple(range(1, r.ndim)))
        found[f"{name}_dot"] = D
        found[f"{name}_cos"] = D / (size * norm(s.delta))
        found[f"{name}_decrease"] = trait.value(f, start) - after
        if name == "shared":
            found["quad"] = expectation(s, loss.leading(z, u, w))
    return found


def in_span(firsts: list[np.ndarray], x: np.ndarray, trait_x: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """First layers, and both sets of inputs, in coordinates of an orthonormal basis of what the inputs span.

    A first layer W acts as W ↦ XW, so that all its gradients lie in the span of X's rows and inner products stay: the
    same distillation with fewer parameters. X = LQ with L triangular, so that x has no more coordinates than rows.
    """
    X = np.concatenate([x, trait_x])
    L = np.linalg.cholesky(X @ X.T)
    joined = solve_triangular(L, X @ np.concatenate(firsts, axis=1), lower=True, check_finite=False)
    return np.split(joined, len(firsts), axis=1), [L[: len(x), : len(x)], L[len(x) :]]


@dataclass(frozen=True)
class Shape:
    """A network of the peer and its sizes, as the peer is told them."""

    name: str
    arch: str
    seeds: int
    sizes: tuple[str, ...] = ()
    spanned: bool = False
    """Whether our side goes to coordinates of the inputs' span first; its time counts."""


TINY = ("--width", "16", "--batch", "16", "--d-model", "16", "--layers", "1", "--vocab", "16", "--context", "8")
SHAPES = (
    Shape("MLP 784-256-256-13", "mlp", 4),
    Shape("the same, inputs in their span", "mlp", 4, spanned=True),
    Shape("tiny MLP", "mlp", 50, TINY),
    Shape("transformer", "transformer", 4),
    Shape("tiny transformer", "transformer", 50, TINY),
)
ALPHA = 0.1
CLASSES = 10
"""Logits of the peer's MLP in front of the auxiliary ones."""


def ours(shape: Shape, saved: dict[str, np.ndarray], eps: np.ndarray) -> Callable[[], dict[str, np.ndarray]]:
    """Our side on what the peer has saved: all seeds in one program, one after the other."""

    def of(seed: int, name: str) -> np.ndarray:
        return saved[f"{shape.arch}/{seed}/{name}"]

    mark = f"{shape.arch}/0/theta0/"
    names = sorted(name.removeprefix(mark) for name in saved if name.startswith(mark))
    params = [{name: of(seed, f"theta0/{name}") for name in names} for seed in range(shape.seeds + 1)]
    x, trait_x, y = ([of(seed, name) for seed in range(shape.seeds)] for name in ("noise", "x", "y"))
    mlp = shape.arch == "mlp"

    def arrays() -> tuple[Layout, Any]:
        pairs = [(params[i], params[i + 1]) for i in range(shape.seeds)]
        inputs = [list(both) for both in zip(x, trait_x, strict=True)]
        if shape.spanned:
            for i, (a, b) in enumerate(pairs):
                (one, other), inputs[i] = in_span([a["w0"], b["w0"]], *inputs[i])
                pairs[i] = a | {"w0": one}, b | {"w0": other}
        layout = Layout.of(pairs[0][0])
        thetas = (np.stack([layout.flatten(pair[i]) for pair in pairs]) for i in (0, 1))
        noise, images = (np.stack(each) for each in zip(*inputs, strict=True))
        return layout, (*thetas, images, np.stack(y), noise)

    @partial(jax.jit, static_argnames="layout")
    def program(found: Any, layout: Layout) -> dict[str, Array]:
        network = PeerMLP() if mlp else PeerTransformer()
        functions = Traced(network, layout, found[-1].shape[2:])
        width = layout.shapes[names.index("b2" if mlp else "head")][-1]
        w = (jnp.arange(width) >= CLASSES if mlp else jnp.ones(width, bool)).astype(jnp.float64)

        def one(arrays: Any) -> dict[str, Array]:
            theta0, other, images, y, noise = arrays
            trait: Trait = LabelledTrait(images, y, 1 - w) if mlp else NextTokens(images, y)
            return measured(functions, w, jnp.asarray(eps), (theta0, other, trait, noise))

        return jax.lax.map(one, found)

    def run() -> dict[str, np.ndarray]:
        layout, found = arrays()
        return jax.tree.map(np.asarray, program(found, layout))

    return run


def agree(shape: Shape, found: dict[str, np.ndarray], saved: dict[str, np.ndarray]) -> None:
    """Raise AssertionError unless every number is the peer's, to rounding.

    Labels that move by 1e-5 leave 1e-10 of D; a fall of L_T is a difference of numbers of order 1.
    """
    for i in range(shape.seeds):
        own = f"{shape.arch}/{i}/"
        np.testing.assert_allclose(found["quad"][i], saved[own + "quad"], rtol=1e-10)
        for name in set(found) - {"quad"}:
            rounding = 1e-13 if name.endswith("decrease") else 0.0
            np.testing.assert_allclose(found[name][i], saved[f"{own}result/{name}"], rtol=1e-9, atol=rounding)


def theirs(a: argparse.Namespace, shape: Shape, mode: str, *more: str) -> Row:
    """What the peer says of one of its networks."""
    command = [a.peer_python, a.peer, "--archs", shape.arch, "--mode", mode, "--seeds", str(shape.seeds)]
    quiet = os.environ | {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"}
    command += ["--threads", "1", *shape.sizes, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=quiet)
    said: Row = json.loads(done.stdout.splitlines()[-1])
    return said["archs"][shape.arch] | {"eps": said["setting"]["eps"]}


def peer(a: argparse.Namespace) -> list[Row]:
    """The peer's loop over seeds and ε, its `vmap` over ε, and ours, on the same weights and inputs."""
    rows = []
    for shape in SHAPES:
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "saved.npz")
            eps = theirs(a, shape, "loop", "--save", path)["eps"]
            with np.load(path) as file:
                saved = dict(file)
        run = ours(shape, saved, np.asarray(eps))
        first = seconds(run)
        agree(shape, run(), saved)
        cpu: dict[str, list[Any]] = {"ours": [], "loop": [], "vmap": [], "begun": []}
        for _ in range(a.peer_repeats):
            cpu["ours"].append(seconds(run))
            for mode in ("loop", "vmap"):
                said = theirs(a, shape, mode)
                cpu[mode].append(said["cpu_s"])
                if mode == "loop":
                    cpu["begun"].append(said["first_seed_cpu_s"])
        each = {side: statistics.median(several) for side, several in cpu.items()}
        gain = (each["loop"] - each["ours"]) / shape.seeds
        extra = first - each["ours"] - (each["begun"] - each["loop"] / shape.seeds)
        rows.append({
            "question": shape.name, "seeds": shape.seeds, "ours_s": each["ours"], "loop_s": each["loop"],
            "vmap_s": each["vmap"], "loop/ours": each["loop"] / each["ours"], "vmap/ours": each["vmap"] / each["ours"],
            "first_s": first, "even_seeds": extra / gain if gain > 0 else float("inf"),
        })  # fmt: skip
    return rows


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
    parser.add_argument("--peer", metavar="SCRIPT", help="a PyTorch script to compare with")
    parser.add_argument("--peer-python", metavar="PYTHON", default=sys.executable, help="interpreter that has torch")
    parser.add_argument("--peer-repeats", type=int, default=5)
    parser.add_argument("--only-peer", action="store_true", help="nothing but the comparison with the peer")
    parser.add_argument("--json", action="store_true")
    a = parser.parse_args(argv)
    if a.tiny:
        a.width, a.side, a.small, a.examples, a.rungs, a.repeats, a.peer_repeats = 4, 4, 2, 3, 3, 1, 1
    return a


def main(argv: list[str] | None = None) -> list[Row]:
    """Run the comparisons and print them."""
    a = arguments(argv)
    with float64():
        rows = [whole_grid(a), product(a), one_program(a)] if not a.only_peer else []
        peers = peer(a) if a.peer else []
    if a.json:
        print(json.dumps({"rows": rows, "peer": peers}))
    else:
        print("\n\n".join(table.to_text(each) for each in (rows, peers) if each))
    return rows + peers


if __name__ == "__main__":
    main()
