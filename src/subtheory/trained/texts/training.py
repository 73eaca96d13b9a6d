"""Training on texts, on tokens or on a teacher's probabilities: every schedule, size and target in one program."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory.errors import InputError
from subtheory.networks import LinenNetwork
from subtheory.numerics import float64, to_numpy_leaves
from subtheory.theory.losses import OFF
from subtheory.theory.network import Params
from subtheory.traces import TRACES
from subtheory.trained.parameters import pick, single, stacked
from subtheory.trained.schedules import Fit
from subtheory.trained.texts.compiling import Program

OUTER = ("Embed_0", "positions", "head")
"""What stays as it is when only the body is trained, as adapters on attention and MLP leave it."""
STEPS = 50
"""Most steps of one call of the compiled program; its loop does as many as are wanted."""


def log_probabilities(network: LinenNetwork, params: Params, text: Array, alphabet: Array) -> Array:
    """log p(next token | text so far) over the alphabet for texts (n, T): (n, T − 1, V)."""
    z = jax.vmap(lambda row: network.apply(params, row))(text)[:, :-1]
    return jax.nn.log_softmax(jnp.where(alphabet > 0, z, OFF), axis=-1)


def said(text: Array, alphabet: Array) -> Array:
    """1 at the text's own next tokens, (n, T − 1, V)."""
    # Not take_along_axis: the scatter in its gradient costs more than all these products.
    return (text[:, 1:, None] == jnp.arange(len(alphabet), dtype=text.dtype)).astype(alphabet.dtype)


def targets(network: LinenNetwork, teacher: Params, text: Array, alphabet: Array, soft: Array) -> Array:
    """What to say next, (n, T − 1, V): the text's own tokens, or if `soft` (a bool) the teacher's probabilities."""

    def taught() -> Array:
        return (jnp.exp(log_probabilities(network, teacher, text, alphabet)) * alphabet).astype(alphabet.dtype)

    return jax.lax.cond(soft, taught, lambda: said(text, alphabet))


def cross_entropy(log_p: Array, target: Array, mask: Array) -> Array:
    """−Σ_v q_v log p_v in front of the masked tokens, its mean; of the tokens themselves their −log p."""
    return -jnp.sum(mask[:, 1:] * jnp.sum(target * log_p, axis=-1)) / jnp.maximum(jnp.sum(mask[:, 1:]), 1.0)


def text_loss(network: LinenNetwork, params: Params, text: Array, mask: Array, alphabet: Array) -> Array:
    """−log p of the masked tokens, their mean; the softmax runs over the alphabet."""
    return cross_entropy(log_probabilities(network, params, text, alphabet), said(text, alphabet), mask)


def soft_loss(
    network: LinenNetwork, params: Params, teacher: Params, text: Array, mask: Array, alphabet: Array
) -> Array:
    """KL(teacher ‖ student) in front of the masked tokens, its mean; the softmax runs over the alphabet."""
    log_q = jax.lax.stop_gradient(log_probabilities(network, teacher, text, alphabet))
    log_p = log_probabilities(network, params, text, alphabet)
    return cross_entropy(log_p - log_q, jnp.exp(log_q) * alphabet, mask)


def pre_trained(network: LinenNetwork, seeds: tuple[int, ...]) -> Params:
    """θ0 before any training for each seed, float32 leaves (K, ...)."""
    with float64():
        drawn = [_INIT(1, network, np.int64(seed)) for seed in seeds]
        return single(stacked(drawn))


_INIT = Program(lambda network, seed: network.init(jax.random.key(seed)), 0)


def fit(
    network: LinenNetwork, schedule: Fit, theta0: Params, text: np.ndarray, mask: np.ndarray, alphabet: np.ndarray,
    rows: np.ndarray, teacher: Params | None = None,
) -> Params:  # fmt: skip
    """θ of K models, leaves (K, ...), each after fitting its own texts.

    `text` and `mask` are (K, n, T), `rows` (K, steps, batch), `alphabet` (V,). With teachers, leaves (K, ...), the
    targets are their probabilities on the same texts instead of the tokens. A model without a token to learn stays
    where it is. Raises InputError on "text", "mask" or "rows" for shapes that do not fit.
    """
    K = len(jax.tree.leaves(theta0)[0])
    if text.ndim != 3 or len(text) != K:
        raise InputError("text", text.shape, f"must have shape ({K}, n, T)")
    if mask.shape != text.shape:
        raise InputError("mask", mask.shape, f"must have the shape of the texts, {text.shape}")
    if rows.shape != (K, schedule.steps, schedule.batch):
        raise InputError("rows", rows.shape, f"must have shape {(K, schedule.steps, schedule.batch)}")
    soft, taught = np.asarray(teacher is not None), theta0 if teacher is None else teacher
    fitted = []
    with float64():
        for k in range(K):
            theta, target = pick(theta0, k), pick(taught, k)
            outer = {name: theta[name] for name in OUTER if schedule.body}
            inner = {name: leaf for name, leaf in theta.items() if name not in outer}
            if mask[k].any():
                state = (inner, ADAM.init(inner))
                for first in range(0, schedule.steps, STEPS):
                    now = rows[k, first : first + STEPS]
                    each = (text[k][now], mask[k][now], schedule.rates()[first : first + STEPS])
                    steps = tuple(filled(values, STEPS) for values in each)
                    given = (state, outer, target, soft, steps, alphabet)
                    state = _FIT(rows.size, network, np.int32(len(now)), *given)
                inner = to_numpy_leaves(state[0])
            fitted.append({**inner, **outer})
    return stacked(fitted)


ADAM = optax.scale_by_adam()


def filled(array: np.ndarray, length: int) -> np.ndarray:
    """The array behind which zeros fill up the length."""
    return np.concatenate([array, np.zeros((length - len(array), *array.shape[1:]), array.dtype)])


def _fit(
    network: LinenNetwork, count: Array, state: Any, outer: Params, teacher: Params, soft: Array, steps: Any,
    alphabet: Array,
) -> Any:  # fmt: skip
    """θ and Adam's moments after `count` steps θ ← θ − rate·Adam(∇loss): nothing of a schedule is in the program."""
    TRACES["fit"] += 1

    def step(t: Array, state: Any) -> Any:
        (theta, moments), (text, mask, rate) = state, jax.tree.map(lambda each: each[t], steps)
        target = targets(network, teacher, text, alphabet, soft)

        def loss(params: Params) -> Array:
            return cross_entropy(log_probabilities(network, {**params, **outer}, text, alphabet), target, mask)

        change, moments = ADAM.update(jax.grad(loss)(theta), moments, theta)
        return jax.tree.map(lambda leaf, by: leaf - rate * by, theta, change), moments

    return jax.lax.fori_loop(0, count, step, state)


_FIT = Program(_fit, 0)
