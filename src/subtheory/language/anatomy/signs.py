"""Sequences that a teacher really samples, and what each adds to the alignment of a student of them.

Tokens are restricted to a few, in sampling and in the loss: a softmax over fewer outputs is a channel of its own, and
nothing is filtered. A sequence scores s = Σ_t (u_{y_t} − E_p0 u), its d log p0/dε along Δ, by one jvp; its information
is v = Σ_t Var_p0(u) at its own prefixes. Of θ0's sequences E s = 0 and E s² = E v exactly; of a teacher's at θ0 + εΔ
E s = εE v + ½ε²E h″, and KL = ½ε²E v per sequence, all to the order that is written. Source: predictions P9 and P49.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.language.anatomy.lesson import Model, Teacher
from subtheory.language.derivatives import Read, jvp, labels, moved, taylor
from subtheory.language.sampling import TOGETHER, continued
from subtheory.language.texts import Texts
from subtheory.language.tokenizer import Tokenizer
from subtheory.theory.forecast import token_curvatures, token_informations, token_scores

ALPHABET = "0123456789, "


def allowed(tokenizer: Tokenizer) -> np.ndarray:
    """Tokens of digits, comma and blank."""
    return np.unique([token for letter in ALPHABET for token in tokenizer.encode(letter)])


class Sequences(NamedTuple):
    """Of n sequences, (n,) each."""

    score: np.ndarray
    information: np.ndarray


def sampled(model: Model, teacher: Teacher, eps: float, count: int, new: int, seed: int) -> Texts:
    """`count` lists that begin with a number of three digits and go on for `new` tokens of the teacher at ε."""
    rng = np.random.default_rng(seed)
    prompts = [model.tokenizer.encode(f"{number}, ") for number in rng.integers(100, 1000, count)]
    may = np.zeros(model.network.vocabulary)
    may[allowed(model.tokenizer)] = 1.0
    params = moved(model.params, eps, teacher.delta)
    return continued(model.network, params, prompts, new, seed, end=model.tokenizer.end, allowed=may)


def sequences(model: Model, teacher: Teacher, found: Texts) -> Sequences:
    """Scores and informations at θ0 of sequences as `sampled` makes them."""
    parts = []
    for some in _batches(found):
        z, u = jvp(model.network, model.params, teacher.delta, Read.of(some))
        y = jnp.asarray(np.searchsorted(allowed(model.tokenizer), labels(some)))
        parts.append([_by_text(each, some) for each in _scored(z, u, y, allowed(model.tokenizer))])
    return Sequences(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def curvatures(model: Model, teacher: Teacher, found: Texts) -> np.ndarray:
    """Σ_t h″ of each sequence, (n,)."""
    parts = []
    for some in _batches(found):
        known = taylor(model.network, model.params, teacher.delta, Read.of(some))
        parts.append(_by_text(_bent(known, allowed(model.tokenizer)), some))
    return np.concatenate(parts)


def _batches(found: Texts) -> Iterator[Texts]:
    for begin in range(0, len(found.tokens), TOGETHER):
        yield Texts(*(each[begin : begin + TOGETHER] for each in found))


def _by_text(values: Any, some: Texts) -> np.ndarray:
    """The sum over what is predicted of each text."""
    total = np.zeros(some.asked.shape)
    total[np.nonzero(some.asked)] = values
    return total.sum(axis=1)


@jax.jit
def _scored(z: Array, u: Array, y: Array, columns: Array) -> tuple[Array, Array]:
    z, u, w = z[:, columns].astype(jnp.float64), u[:, columns].astype(jnp.float64), jnp.ones(len(columns))
    return token_scores(z, u, y, w), token_informations(z, u, w)


@jax.jit
def _bent(known: Any, columns: Array) -> Array:
    z, u, v = (each[:, columns].astype(jnp.float64) for each in known)
    return token_curvatures(z, u, v, jnp.ones(len(columns)))
