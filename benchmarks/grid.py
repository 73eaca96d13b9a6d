"""The peer's networks, and what is measured of them on a grid of seeds and ε, by few programs: each has several uses.

Like the peer, everything is float64, and all outputs, labels and updates are computed anew for every ε.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from optax.tree import add_scale, zeros_like
from scipy.linalg.blas import dtrsm

from subtheory.kernels.compiled import COMPILING, loop
from subtheory.kernels.functions import applied
from subtheory.theory.layout import Layout
from subtheory.theory.losses import OFF, CrossEntropy, log_softmax

ALPHA = 0.1
LOSS = CrossEntropy()


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


class Problem(NamedTuple):
    """A distillation for every one of S seeds, as arrays."""

    theta0: Any
    """θ0, (S, P)."""
    other: Any
    """Another init, (S, P)."""
    images: Any
    """The teacher's inputs, (S, N, *example)."""
    labels: Any
    """Their labels, (S, N, *positions)."""
    noise: Any
    """The channel's inputs, (S, N, *example)."""


@dataclass(frozen=True)
class Kind:
    """What is static of a problem: the network, and which of its outputs are whose."""

    network: Any
    layout: Layout
    distilled: tuple[bool, ...]
    """Outputs that the student sees."""
    taught: tuple[bool, ...]
    """Outputs whose softmax the teacher's loss takes."""

    def outputs(self, theta: Array, x: Array) -> Array:
        """f_θ(x), (N, *positions, V)."""
        return applied(self.network, self.layout.unflatten(theta), x)


def weights(on: tuple[bool, ...]) -> np.ndarray:
    return np.array(on, float)


# Programs -----------------------------------------------------------------------------------------


@partial(jax.jit, static_argnames="kind", compiler_options=COMPILING)
def forwards(kind: Kind, count: Any, theta: Array, delta: Array, eps: Array, x: Array) -> Array:
    """f_{θ + εΔ}(x) for the first `count` of K values of ε, θ and Δ (S, P): (S, K, N, *positions, V)."""

    def of(one: tuple[Array, ...]) -> Array:
        theta, delta = (kind.layout.unflatten(each) for each in one[:2])
        found: Array = loop(lambda e: applied(kind.network, add_scale(theta, e, delta), one[2]), count, (eps,))
        return found

    return jax.lax.map(of, (theta, delta, x))


class Step(NamedTuple):
    """What students do that start from θ, for every seed."""

    z: Array
    """Outputs at θ, (S, N, *positions, V)."""
    u: Array
    """JΔ there."""
    D: Array
    """⟨r, JΔ⟩, (S, K)."""
    size: Array
    """‖Jᵀr‖, (S, K)."""
    after: Array
    """The loss of a lesson at θ + αJᵀr, (S, K)."""
    last: Array
    """The last Jᵀr, (S, P)."""


def norm(tree: Any) -> Array:
    """Of all leaves together. Squares are added by columns first: a dot product of XLA's adds one after the other."""
    return jnp.sqrt(sum((leaf * leaf).sum(axis=0).sum() for leaf in jax.tree.leaves(tree)))


@partial(jax.jit, static_argnames="kind", compiler_options=COMPILING)
def steps(
    kind: Kind, count: Any, asked: Any, theta: Array, delta: Array, x: Array, y: Array, w: Array, lesson: Any
) -> Step:
    """Steps along r = −∂/∂z E l(z, y), outputs of weights w, to the first `count` of labels y (S, K, N, *positions, V).

    `lesson` is x, labels (S, N, *positions, V) and w of another loss of this kind, of which the students are asked.
    """
    *taught, of_lesson = lesson

    def loss(z: Array, y: Array, w: Array) -> Array:
        return LOSS.value(z, y, w).mean()

    def of(one: tuple[Array, ...]) -> Step:
        theta, delta, x, y, other_x, other_y = one
        params = kind.layout.unflatten(theta)
        z, push = jax.linearize(lambda params: applied(kind.network, params, x), params)
        pull = jax.linear_transpose(push, params)
        u = jax.lax.cond(asked, lambda: push(kind.layout.unflatten(delta)), lambda: jnp.zeros_like(z))

        def step(i: Array, found: tuple[Array, ...]) -> tuple[Array, ...]:
            *before, _ = found
            r = -jax.grad(loss)(z, y[i], w)
            update = pull(r)[0]

            def fallen() -> Array:
                return loss(applied(kind.network, add_scale(params, ALPHA, update), other_x), other_y, of_lesson)

            each = jnp.vdot(r, u), norm(update), jax.lax.cond(asked, fallen, lambda: jnp.zeros(()))
            return *(all_of_them.at[i].set(one) for all_of_them, one in zip(before, each, strict=True)), update

        none = jnp.zeros(len(y))
        *found, last = jax.lax.fori_loop(0, count, step, (none, none, none, zeros_like(params)))
        return Step(z, u, *found, kind.layout.flatten(last))

    return jax.lax.map(of, (theta, delta, x, y, *taught))


def measured(kind: Kind, p: Problem, eps: np.ndarray) -> dict[str, Any]:
    """The peer's numbers: q (S,); D(ε), its cosine and the fall of L_T from the shared and another init, (S, K)."""
    count, one, w = np.int32(len(eps)), np.int32(1), weights(kind.distilled)
    # A label as logits, which is what losses here take.
    hot = np.where(p.labels[..., None] == np.arange(len(w)), 0.0, OFF)
    p = jax.device_put(p)  # once, not for every program
    lesson = p.images, hot, weights(kind.taught)
    rows = np.broadcast_to(hot[:, None], (len(hot), len(eps), *hot.shape[1:]))
    first = steps(kind, one, np.False_, p.theta0, p.theta0, p.images, rows, lesson[-1], lesson)
    delta, length = first.last, np.linalg.norm(first.last, axis=1)[:, None]
    y = forwards(kind, count, p.theta0, delta, eps, p.noise)
    there = np.asarray(forwards(kind, one, p.other, p.theta0, 0 * eps, p.images))[:, 0]
    found: dict[str, Any] = {}
    for name, start, at in (("shared", p.theta0, first.z), ("cross", p.other, there)):
        step = steps(kind, count, np.True_, start, delta, p.noise, y, w, lesson)
        found[f"{name}_dot"], found[f"{name}_cos"] = step.D, np.asarray(step.D) / (step.size * length)
        before = LOSS.value(at, hot, lesson[-1])
        found[f"{name}_decrease"] = before.reshape(len(hot), -1).mean(axis=1)[:, None] - step.after
        if name == "shared":
            form = LOSS.leading(np.asarray(step.z), np.asarray(step.u), w)
            found["quad"] = form.reshape(len(hot), -1).mean(axis=1)
    return found


@partial(jax.jit, static_argnames="kind", compiler_options=COMPILING)
def dots(kind: Kind, p: Problem, eps: Array) -> dict[str, Array]:
    """D(ε) alone, (S, K): no update is pulled back, ⟨r(ε), JΔ⟩ takes one jvp of each start."""
    w, taught = weights(kind.distilled), weights(kind.taught)

    def lesson(theta: Array, x: Array, labels: Array) -> Array:
        log_p = log_softmax(kind.outputs(theta, x), taught)
        return jnp.take_along_axis(log_p, labels[..., None], axis=-1).mean()

    def of(p: Problem) -> Array:
        delta = jax.grad(lesson)(p.theta0, p.images, p.labels)
        y = jax.lax.map(lambda e: kind.outputs(p.theta0 + e * delta, p.noise), eps)

        def start(theta: Array) -> Array:
            z, u = jax.jvp(lambda theta: kind.outputs(theta, p.noise), (theta,), (delta,))
            return jax.vmap(lambda y: -jnp.vdot(jax.grad(lambda z: LOSS.value(z, y, w).mean())(z), u))(y)

        return jax.lax.map(start, jnp.stack([p.theta0, p.other]))

    found = jax.lax.map(of, p)
    return {"shared_dot": found[:, 0], "cross_dot": found[:, 1]}


# Arrays -------------------------------------------------------------------------------------------


def in_span(firsts: list[np.ndarray], x: np.ndarray, trait_x: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """First layers, and both sets of inputs, in coordinates of an orthonormal basis of what the inputs span.

    A first layer W acts as W ↦ XW, so that all its gradients lie in the span of X's rows and inner products stay: the
    same distillation with fewer parameters. X = LQ with L triangular, so that x has no more coordinates than rows.
    """
    X = np.concatenate([x, trait_x])
    L = np.linalg.cholesky(X @ X.T)
    # From the right, for BLAS has columns contiguous: nothing is copied.
    joined = dtrsm(1.0, L.T, (X @ np.concatenate(firsts, axis=1)).T, side=1).T
    return np.split(joined, len(firsts), axis=1), [L[: len(x), : len(x)], L[len(x) :]]


def posed(seeds: list[tuple[Any, Any, np.ndarray, np.ndarray, np.ndarray]], classes: int) -> tuple[Kind, Problem]:
    """Of parameters, another init's, images, labels and noise of every seed; an MLP's inputs in their span.

    The first `classes` outputs of an MLP are the teacher's, the others the student's; a transformer's are both's.
    """
    mlp = "w0" in seeds[0][0]
    done = []
    for params, other, images, labels, noise in seeds:
        if mlp and len(images) + len(noise) < images.shape[1]:
            (w, v), (noise, images) = in_span([params["w0"], other["w0"]], noise, images)
            params, other = params | {"w0": w}, other | {"w0": v}
        done.append((params, other, images, labels, noise))
    layout = Layout.of(done[0][0])
    flat = [(layout.flatten(params), layout.flatten(other), *rest) for params, other, *rest in done]
    width = layout.shapes[-1 if mlp else list(done[0][0]).index("head")][-1]
    on = tuple(i < classes for i in range(width)) if mlp else (True,) * width
    kind = Kind(PeerMLP() if mlp else PeerTransformer(), layout, tuple(not each for each in on) if mlp else on, on)
    return kind, Problem(*(np.stack(each) for each in zip(*flat, strict=True)))
