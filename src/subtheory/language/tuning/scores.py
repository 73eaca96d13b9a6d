"""What theory says a student will do with some answers, before it does: the slope of a readout along each of them.

One step on the mean over tokens of −log p(y) moves θ by rate·mean ∇log p(y), hence a readout R of the student's by
rate·mean s, s = ⟨∇R, ∇log p(y)⟩: the change of log p(y) along ∇R, one jvp and no gradient stored. s has mean 0 under
the student's own law and mean E_{p_T}[s] under the teacher's (P9, P49).
"""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.language.tuning.batches import Batch, outputs
from subtheory.networks import Decoder
from subtheory.theory.network import Params

Law = Callable[[int, Batch], Any]
"""log p_T of the k-th batch, (n, A, C)."""


class Scores(NamedTuple):
    """Sums over the tokens of each of N answers, (N,)."""

    score: Any
    """s of what was said."""
    expected: Any
    """The mean of s under the teacher's law, behind the same beginnings: the score without the noise of its draw."""
    divergence: Any
    """KL(p_T ‖ p_S)."""
    tokens: Any
    """How many there are."""


@partial(jax.jit, static_argnums=0)
def _slopes(network: Decoder, params: Params, down: Params, batch: Batch) -> tuple[Array, Array]:
    """log p and its slope s along −`down`, (n, A, C) each."""
    z, u = jax.jvp(lambda p: outputs(network, p, batch), (params,), (down,))
    log_p = jax.nn.log_softmax(z)
    return log_p, jnp.sum(jnp.exp(log_p) * u, axis=-1, keepdims=True) - u


@jax.jit
def _summed(log_p: Array, s: Array, law: Array, batch: Batch) -> Scores:
    said = jnp.take_along_axis(s, jnp.asarray(batch.y)[..., None], axis=-1)[..., 0]
    # Σ(p_T − p_S)s: exactly 0 where both are one law.
    expected = jnp.sum((jnp.exp(law) - jnp.exp(log_p)) * s, axis=-1)
    divergence = jnp.sum(jnp.exp(law) * (law - log_p), axis=-1)
    w = jnp.asarray(batch.w)
    return Scores(*(jnp.sum(w * each, axis=-1) for each in (said, expected, divergence, jnp.ones_like(w))))


def scored(network: Decoder, params: Params, down: Params, batches: Iterable[Batch], teacher: Law | None) -> Scores:
    """Scores of all answers for ∇R = −`down`; no teacher stands for the student's own law."""
    found = []
    for k, each in enumerate(batches):
        log_p, s = _slopes(network, params, down, each)
        law = teacher(k, each) if teacher else log_p
        found.append(jax.tree.map(np.asarray, _summed(log_p, s, law, each)))
    whole = Scores(*(np.concatenate(columns).astype(float) for columns in zip(*found, strict=True)))
    return Scores(*(column[whole.tokens > 0] for column in whole))
