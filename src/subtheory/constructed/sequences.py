"""A language model whose outcomes are whole sequences: what holds of one label then holds of a text.

log p(y₁ ... y_T | x) = Σ_t log p(y_t | x, y₁ ... y_{t−1}) is read as T-fold fine outputs: their softmax is the law of
sampled texts, their cross-entropy the sequence-level KL on the teacher's own prefixes, their Gauss-Newton matrix the
Fisher matrix of texts (`proofs/fisher_sequences.py`).
"""

from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import product

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.data import Task
from subtheory.data.toys import toy
from subtheory.networks import Law, LinenNetwork, Transformer
from subtheory.theory.network import Params


@dataclass(frozen=True)
class Sequences(LinenNetwork):
    """f: (θ, x) ↦ logits of some words right behind a prompt x, and log p of every text of `length` letters behind it.

    The first `letters` tokens of the language model's vocabulary are letters, the others words. Outputs: the words'
    logits ("class"), then log p of all letters^length texts ("aux"), the last letter changing fastest; letters are
    drawn from the softmax over letters alone.
    """

    language: Transformer = Transformer()
    letters: int = 4
    length: int = 3
    name = "sequences"

    def module(self) -> nn.Module:
        return self.language.module()

    def init(self, key: Array) -> Params:
        return self.language.init(key)

    def law(self) -> Law | None:
        return self.language.law()

    def preactivations(self, params: Params, x: Array) -> tuple[Array, ...]:
        return ()

    @property
    def texts(self) -> np.ndarray:
        """Every text, letters^length × length, in the order of the outputs."""
        return np.array(list(product(range(self.letters), repeat=self.length)), np.int32)

    def apply(self, params: Params, x: Array) -> Array:
        said = jnp.asarray(self.texts)
        behind = jnp.concatenate([jnp.broadcast_to(x, (len(said), len(x))), said], axis=1)
        logits = jax.vmap(partial(self.language.apply, params))(behind)[:, len(x) - 1 : -1]
        each = jax.nn.log_softmax(logits[..., : self.letters], axis=-1)
        log_p = jnp.take_along_axis(each, said[..., None], axis=-1)[..., 0].sum(axis=1)
        return jnp.concatenate([logits[0, 0, self.letters :], log_p])


@lru_cache
def sequences(letters: int = 4, length: int = 3, words: int = 3, prompt: int = 2, width: int = 8) -> Sequences:
    """A causal transformer of one block behind prompts of so many random tokens; labels of the trait are drawn."""
    tokens = letters + words
    inner = toy((prompt + length,), tokens, 0, tokens)
    language = Transformer(width=width, heads=2, blocks=1, task=inner)
    first, rest = tuple(range(words)), tuple(range(words, words + letters**length))
    task = Task(
        name=f"sequences-{letters}-{length}-{words}-{prompt}",
        shape=(prompt,),
        dtype="int32",
        groups=(("class", first), ("aux", rest), ("all", first + rest)),
        sample=toy((prompt,), words, 0, tokens).sample,
        vocabulary=inner.vocabulary,
    )
    return Sequences(language, letters, length, task=task)
