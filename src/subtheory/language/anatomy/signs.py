"""Sequences that a teacher really samples, and what each adds to the alignment of a student of them.

They are spelt in digits, comma and blank, in sampling and in the loss: a softmax over fewer outputs is a channel of its
own, and nothing is filtered. A sequence scores s = Σ_t (u_{y_t} − E_p0 u), its d log p0/dε along Δ, by one jvp, and
informs by v = Σ_t Var_p0(u) at its own prefixes. Of θ0's sequences E s = 0 and E s² = E v exactly; of a teacher's at
θ0 + εΔ E s = εE v + ½ε²E h″, and KL = ½ε²E v per sequence, all to the order written. Source: predictions P9 and P49.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.language.anatomy.lesson import Model, Teacher
from subtheory.language.derivatives import Read, jvp, labels, moved, taylor
from subtheory.language.sampling import TOGETHER, continued
from subtheory.language.texts import Texts
from subtheory.theory.forecast import token_curvatures, token_informations, token_scores
from subtheory.theory.network import Params

ALPHABET = "0123456789, "
NONE = -1
"""The token that ends a text: none does."""


def spelling(model: Model, teacher: Teacher) -> tuple[Model, Teacher]:
    """The same model with no tokens but those of `ALPHABET`, by their place in it, and Δ in what is left of θ.

    Rows of the embedding and the head that are never read are left out: what is read of the alphabet are the same
    logits. ‖θ0‖ and ‖Δ‖ stay those of the whole.
    """
    tokens = np.array([model.tokenizer.encode(letter)[0] for letter in ALPHABET])

    def own(params: Params) -> Params:
        cut = {"embed": jax.tree.map(lambda a: a[tokens], params["embed"])}
        if "head" in params:
            cut["head"] = jax.tree.map(lambda a: a[..., tokens], params["head"])
        return {**params, **cut}

    network = replace(model.network, vocabulary=len(tokens))
    return replace(model, network=network, params=own(model.params)), teacher._replace(delta=own(teacher.delta))


class Sequences(NamedTuple):
    """Of n sequences, (n,) each."""

    score: np.ndarray
    information: np.ndarray


def sampled(model: Model, teacher: Teacher, eps: float, count: int, new: int, seed: int) -> Texts:
    """`count` lists of a `spelling` model that begin with a number of three digits and go on for `new` tokens."""
    numbers = np.random.default_rng(seed).integers(100, 1000, count)
    prompts = [[ALPHABET.index(letter) for letter in f"{number}, "] for number in numbers]
    return continued(model.network, moved(model.params, eps, teacher.delta), prompts, new, seed, end=NONE)


def sequences(model: Model, teacher: Teacher, found: Texts) -> Sequences:
    """Scores and informations at θ0 of sequences as `sampled` makes them."""
    parts = []
    for some in _batches(found):
        z, u = jvp(model.network, model.params, teacher.delta, Read.of(some))
        parts.append([_by_text(each, some) for each in _scored(z, u, jnp.asarray(labels(some)))])
    return Sequences(*(np.concatenate(each) for each in zip(*parts, strict=True)))


def curvatures(model: Model, teacher: Teacher, found: Texts) -> np.ndarray:
    """Σ_t h″ of each sequence, (n,)."""
    parts = []
    for some in _batches(found):
        known = taylor(model.network, model.params, teacher.delta, Read.of(some))
        parts.append(_by_text(_bent(known), some))
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
def _scored(z: Array, u: Array, y: Array) -> tuple[Array, Array]:
    z, u, w = z.astype(jnp.float64), u.astype(jnp.float64), jnp.ones(z.shape[-1])
    return token_scores(z, u, y, w), token_informations(z, u, w)


@jax.jit
def _bent(known: Any) -> Array:
    z, u, v = (each.astype(jnp.float64) for each in known)
    return token_curvatures(z, u, v, jnp.ones(z.shape[-1]))
