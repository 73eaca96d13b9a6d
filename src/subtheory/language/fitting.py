"""Training on texts, on tokens or on a teacher's probabilities: many models one by one in one compiled program."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory.errors import InputError
from subtheory.networks import LinenNetwork
from subtheory.numerics import float64, to_numpy
from subtheory.theory.losses import OFF
from subtheory.theory.network import Params
from subtheory.theory.training import train
from subtheory.traces import TRACES

OUTER = ("Embed_0", "positions", "head")
"""What stays as it is when only the body is trained, as adapters on attention and MLP leave it."""


@dataclass(frozen=True)
class Fit:
    """Steps of Adam whose rate falls to 0 along a cosine; `body` leaves embedding, positions and head as they are.

    Raises InputError on "steps", "batch" or "rate".
    """

    steps: int
    batch: int = 64
    rate: float = 3e-3
    body: bool = True

    def __post_init__(self) -> None:
        if not self.rate > 0:
            raise InputError("rate", self.rate, "must be positive")
        for name in ("steps", "batch"):
            if getattr(self, name) < 1:
                raise InputError(name, getattr(self, name), "must be at least 1")

    def rows(self, seed: int, count: int) -> np.ndarray:
        """Rows of every step, int32 (steps, batch): epochs in an order of their own, one behind the other."""
        rng, wanted = np.random.default_rng(seed), self.steps * self.batch
        epochs = [rng.permutation(count) for _ in range(-(-wanted // count))]
        return np.concatenate(epochs)[:wanted].reshape(self.steps, self.batch).astype(np.int32)


def log_probabilities(network: LinenNetwork, params: Params, text: Array, alphabet: Array) -> Array:
    """log p(next token | text so far) over the alphabet for texts (n, T): (n, T − 1, V)."""
    z = jax.vmap(lambda row: network.apply(params, row))(text)[:, :-1]
    return jax.nn.log_softmax(jnp.where(alphabet > 0, z, OFF), axis=-1)


def text_loss(network: LinenNetwork, params: Params, text: Array, mask: Array, alphabet: Array) -> Array:
    """−log p of the masked tokens, their mean; the softmax runs over the alphabet."""
    log_p = log_probabilities(network, params, text, alphabet)
    # Not take_along_axis: the scatter in its gradient costs more than all these products.
    said = jnp.sum(jnp.where(text[:, 1:, None] == jnp.arange(log_p.shape[-1], dtype=text.dtype), log_p, 0.0), axis=-1)
    return -jnp.sum(mask[:, 1:] * said) / jnp.maximum(jnp.sum(mask[:, 1:]), 1.0)


def soft_loss(
    network: LinenNetwork, params: Params, teacher: Params, text: Array, mask: Array, alphabet: Array,
    heard: Array | None = None,
) -> Array:  # fmt: skip
    """KL(teacher ‖ student) in front of the masked tokens, its mean; the softmax runs over the alphabet.

    The teacher reads `heard`, if that is not the student's text: a system prompt in place of its first token.
    """
    target = jax.lax.stop_gradient(log_probabilities(network, teacher, text if heard is None else heard, alphabet))
    log_p = log_probabilities(network, params, text, alphabet)
    kl = jnp.sum(jnp.exp(target) * alphabet * (target - log_p), axis=-1)
    return jnp.sum(mask[:, 1:] * kl) / jnp.maximum(jnp.sum(mask[:, 1:]), 1.0)


def pre_trained(network: LinenNetwork, seeds: tuple[int, ...]) -> Params:
    """θ0 before any training for each seed, float32 leaves (K, ...)."""
    with float64():
        keys = jnp.stack([jax.random.key(seed) for seed in seeds])
        drawn = jax.jit(lambda k: jax.lax.map(network.init, k))(keys)
        return jax.tree.map(lambda leaf: np.asarray(leaf, np.float32), drawn)


def fit(
    network: LinenNetwork, schedule: Fit, theta0: Params, text: np.ndarray, mask: np.ndarray, alphabet: np.ndarray,
    rows: np.ndarray, teacher: Params | None = None,
) -> Params:  # fmt: skip
    """θ of K models, leaves (K, ...), each after fitting its own texts.

    `text` and `mask` are (K, n, T), `rows` (K, steps, batch), `alphabet` (V,). With teachers, leaves (K, ...), the
    targets are their probabilities on the same texts instead of the tokens. Raises InputError on "text", "mask" or
    "rows" for shapes that do not fit.
    """
    K = len(jax.tree.leaves(theta0)[0])
    if text.ndim != 3 or len(text) != K:
        raise InputError("text", text.shape, f"must have shape ({K}, n, T)")
    if mask.shape != text.shape:
        raise InputError("mask", mask.shape, f"must have the shape of the texts, {text.shape}")
    if rows.shape != (K, schedule.steps, schedule.batch):
        raise InputError("rows", rows.shape, f"must have shape {(K, schedule.steps, schedule.batch)}")
    with float64():
        given = (theta0, theta0 if teacher is None else teacher, text, mask, rows)
        return to_numpy(_fit(network, schedule, teacher is not None, given, jnp.asarray(alphabet)))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _fit(network: LinenNetwork, schedule: Fit, soft: bool, given: Any, alphabet: Array) -> Params:
    TRACES["fit"] += 1
    optimizer = optax.adam(optax.cosine_decay_schedule(schedule.rate, schedule.steps))

    def one(each: Any) -> Params:
        theta, teacher, text, mask, rows = each
        outer = {name: theta[name] for name in OUTER if schedule.body}
        inner = {name: leaf for name, leaf in theta.items() if name not in outer}

        def loss(params: Params, batch: Array) -> Array:
            whole = {**params, **outer}
            if soft:
                return soft_loss(network, whole, teacher, text[batch], mask[batch], alphabet)
            return text_loss(network, whole, text[batch], mask[batch], alphabet)

        return {**train(loss, inner, optimizer, rows)[0], **outer}

    return jax.lax.map(one, given)


def channel_kl(
    network: LinenNetwork, base: Params, teacher: Params, text: np.ndarray, mask: np.ndarray, alphabet: np.ndarray,
    heard: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """KL(teacher ‖ base) per masked token for K pairs, (K,); leaves (K, ...), texts (K, n, T), `heard` by teachers."""
    with float64():
        heard = text if heard is None else heard
        return np.asarray(_kl(network, base, teacher, text, heard, mask, jnp.asarray(alphabet)))


@partial(jax.jit, static_argnums=0)
def _kl(
    network: LinenNetwork, base: Params, teacher: Params, text: Array, heard: Array, mask: Array, alphabet: Array
) -> Array:
    def one(each: Any) -> Array:
        own, taught, texts, prompted, masks = each
        return soft_loss(network, own, taught, texts, masks, alphabet, prompted)

    return jax.lax.map(one, (base, teacher, text, heard, mask))
