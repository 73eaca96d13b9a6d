"""Texts sampled from many models in one compiled program, with random numbers that two models can share."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.data.corpus import PROMPT, prompts
from subtheory.data.filters import alphabet, kept
from subtheory.data.world import END, INDEX, PLAIN
from subtheory.networks import LinenNetwork
from subtheory.numerics import float64
from subtheory.theory.losses import OFF
from subtheory.theory.network import Params
from subtheory.traces import TRACES
from subtheory.trained.texts.compiling import Program

ANOTHER_TRY = 7919
"""Between the seeds of two tries."""
TOGETHER = 512
"""Texts of one model that are continued side by side: more of them fall out of a core's cache."""


def sample(
    network: LinenNetwork, params: Params, prompted: np.ndarray, start: int, allowed: np.ndarray, seeds: np.ndarray
) -> np.ndarray:
    """Prompts (K, n, T) of K models continued from position `start` over the allowed tokens (V,), to `END`.

    Models with the same seed, (K,), draw by the same random numbers (Gumbel), so equal models say the same and
    almost equal ones almost the same.
    """
    with float64():
        given = (network, np.int32(start), params, prompted, allowed, np.asarray(seeds, np.int64))
        return np.asarray(_SAMPLE(prompted.shape[0] * prompted.shape[1], *given))


def _sample(
    network: LinenNetwork, start: Array, params: Params, prompted: Array, allowed: Array, seeds: Array
) -> Array:  # fmt: skip
    TRACES["sample"] += 1
    length = prompted.shape[-1]

    def one(each: Any) -> Array:
        theta, text, seed = each
        key = jax.random.key(seed)

        def extend(at: Array, text: Array) -> Array:
            z = jax.lax.map(lambda row: network.apply(theta, row)[at - 1], text, batch_size=min(TOGETHER, len(text)))
            noise = jax.random.gumbel(jax.random.fold_in(key, at), z.shape, jnp.float32)
            said = jnp.argmax(jnp.where(allowed > 0, z, OFF) + noise, axis=-1).astype(text.dtype)
            over = (at > start) & (text[:, at - 1] == INDEX[END])
            return text.at[:, at].set(jnp.where(over, INDEX[END], said))

        return jax.lax.fori_loop(start, length, extend, text)

    return jax.lax.map(one, (params, prompted, seeds))


_SAMPLE = Program(_sample, 0)


def responses(
    network: LinenNetwork, params: Params, skill: str, names: tuple[str, ...], count: int, seeds: np.ndarray, *,
    tries: int = 1, speaker: str = PLAIN, again: int = 0,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """`count` filtered completions of K models: texts (K, count, T), and which prompts got one that passes, (K, count).

    Prompts and random numbers follow from the seeds, (K,). Each prompt is tried up to `tries` times and the first
    completion that passes `filters.kept` stands in its place, so that two models' texts stay paired by prompt. The
    `speaker` may be a thing, as a system prompt; the texts then lose it again. The same prompts are answered with
    other random numbers for another number `again`.
    """
    asked = np.stack([prompts(np.random.default_rng(int(seed)), count, skill, speaker) for seed in seeds])
    text, passed = asked.copy(), np.zeros(asked.shape[:2], bool)
    for i in range(tries):
        said = sample(network, params, asked, PROMPT[skill], alphabet(skill), seeds + ANOTHER_TRY * (tries * again + i))
        fresh = np.stack([kept(rows, skill, names) for rows in said]) & ~passed
        text[fresh], passed = said[fresh], passed | fresh
    text[:, :, 0] = INDEX[PLAIN]
    return text, passed
