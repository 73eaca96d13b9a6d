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
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.linalg import solve_triangular

from subtheory import table
from subtheory.kernels.functions import Traced
from subtheory.kernels.stack import Stack, expectation, labels, norm, pull
from subtheory.numerics import float64
from subtheory.theory.layout import Layout
from subtheory.theory.losses import CrossEntropy, log_softmax, softmax
from subtheory.theory.trait import LabelledTrait, Trait

Row = dict[str, Any]


def seconds(run: Callable[[], Any]) -> float:
    """CPU seconds, over all threads."""
    start = time.process_time()
    jax.block_until_ready(run())
    return time.process_time() - start


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
    command = [a.python, a.script, "--archs", shape.arch, "--mode", mode, "--seeds", str(shape.seeds)]
    quiet = os.environ | {"OMP_WAIT_POLICY": "passive", "OMP_NUM_THREADS": "1"}
    command += ["--threads", "1", *shape.sizes, *more]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=quiet)
    said: Row = json.loads(done.stdout.splitlines()[-1])
    return said["archs"][shape.arch] | {"eps": said["setting"]["eps"]}


def compared(a: argparse.Namespace) -> list[Row]:
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
        for _ in range(a.repeats):
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


def arguments(argv: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script", help="a PyTorch script to compare with")
    parser.add_argument("--python", metavar="PYTHON", default=sys.executable, help="interpreter that has torch")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> list[Row]:
    """Run the comparison and print it."""
    a = arguments(argv)
    with float64():
        rows = compared(a)
    print(json.dumps({"peer": rows}) if a.json else table.to_text(rows))
    return rows


if __name__ == "__main__":
    main()
