"""Texts sampled with a cache, many side by side, by random numbers that two models can share."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.language.texts import Texts
from subtheory.networks import Decoder
from subtheory.theory.losses import OFF
from subtheory.theory.network import Params

TOGETHER = 64
"""Texts that are continued side by side."""


def continued(
    network: Decoder, params: Params, prompts: list[list[int]], new: int, seed: int, *, end: int,
    allowed: np.ndarray | None = None, temperature: float = 1.0,
) -> Texts:  # fmt: skip
    """Each prompt with up to `new` sampled tokens, the predicted ones, to the first `end` (which counts).

    Tokens are argmax(z/temperature + Gumbel) of a number that depends on the seed, the text and the position alone, so
    that equal models say the same; temperature 0 takes the largest logit. `allowed` (V,) restricts the softmax. What
    would follow the end is neither there nor predicted. Source of the draw: the Gumbel-max trick.
    """
    longest = max(map(len, prompts))
    may = np.ones(network.vocabulary) if allowed is None else allowed
    found = []
    for begin in range(0, len(prompts), TOGETHER):
        some = prompts[begin : begin + TOGETHER]
        rows = [*some, *[some[-1]] * (min(TOGETHER, len(prompts)) - len(some))]  # one program for the last ones too
        asked = np.array([prompt + [end] * (longest - len(prompt)) for prompt in rows], np.int32)
        lengths = np.array([len(prompt) for prompt in rows], np.int32)
        numbers = np.arange(begin, begin + len(rows), dtype=np.int32)
        said = _continued(network, new, params, asked, lengths, numbers, seed, may, np.float32(temperature), end)
        found.append(np.asarray(said)[: len(some)])
    return _joined(prompts, np.concatenate(found), end)


def _joined(prompts: list[list[int]], said: np.ndarray, end: int) -> Texts:
    over = np.cumsum(said == end, axis=1) - (said == end) > 0
    width = max(map(len, prompts)) + said.shape[1]
    tokens, mask = np.full((len(prompts), width), end, np.int32), np.zeros((len(prompts), width))
    for i, prompt in enumerate(prompts):
        stop = len(prompt) + said.shape[1]
        tokens[i, : len(prompt)] = prompt
        tokens[i, len(prompt) : stop] = np.where(over[i], end, said[i])
        mask[i, len(prompt) : stop] = ~over[i]
    return Texts(tokens, mask)


@partial(jax.jit, static_argnums=(0, 1))
def _continued(
    network: Decoder, new: int, params: Params, prompts: Array, lengths: Array, numbers: Array, seed: Any,
    allowed: Array, temperature: Array, end: Any,
) -> Array:  # fmt: skip
    dtype = jax.tree.leaves(params)[0].dtype

    def one(prompt: Array, length: Array, number: Array) -> Array:
        key = jax.random.fold_in(jax.random.key(seed), number)

        def drawn(z: Array, at: Any) -> Array:
            noise = jax.random.gumbel(jax.random.fold_in(key, at), z.shape, jnp.float32)
            heat = temperature.astype(z.dtype)
            return jnp.argmax(jnp.where(allowed > 0, z, OFF) + heat * noise.astype(z.dtype)).astype(jnp.int32)

        cache = network.cache(prompt.shape[0] + new, dtype)
        z, cache = network.step(params, prompt, cache, 0, length - 1)

        def extend(state: Any, at: Array) -> Any:
            token, cache = state
            z, cache = network.step(params, token[None], cache, length + at, 0)
            return (drawn(z, at + 1), cache), token

        (last, _), said = jax.lax.scan(extend, (drawn(z, 0), cache), jnp.arange(new - 1))
        return jnp.append(said, last)

    return jax.vmap(one)(prompts, lengths, numbers)
