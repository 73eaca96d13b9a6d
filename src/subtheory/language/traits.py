"""Traits of a language model: what it would rather say, as a loss of its logits at some prompts.

L_T(θ) = ℓ(f_θ), f_θ the logits that a trait reads (`derivatives.Read`): its value and gradient need no other programs
than a channel does.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.errors import InputError
from subtheory.language.derivatives import Read, labels, pull, values
from subtheory.language.texts import Texts, texts
from subtheory.language.tokenizer import Tokenizer
from subtheory.networks import Decoder
from subtheory.theory.network import Params


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Contrast:
    """−mean_m log share, share = Σ_wanted p/Σ_among p: what is said instead of the alternatives, nothing else."""

    wanted: Any
    """Tokens, (A,)."""
    among: Any
    """Tokens, the wanted ones too, (B,)."""

    def __call__(self, z: Array) -> Array:
        return -jnp.mean(self.log_share(z))

    def log_share(self, z: Array) -> Array:
        """log of the share at every prompt, (M,)."""
        among = jax.nn.logsumexp(z[:, self.among], axis=-1)
        return jax.nn.logsumexp(z[:, self.wanted], axis=-1) - among


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Likelihood:
    """−mean_m log p(y_m): the loss of given answers."""

    y: Any
    """Tokens, (M,)."""

    def __call__(self, z: Array) -> Array:
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z), self.y[:, None], axis=-1))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Trait:
    """L_T(θ) = ℓ(f_θ) at the positions that are read."""

    read: Read
    loss: Any
    """ℓ, a pytree such as `Contrast`."""

    def value(self, network: Decoder, params: Params) -> float:
        """L_T(θ)."""
        return float(_loss(self.loss, values(network, params, self.read)))

    def gradient(self, network: Decoder, params: Params) -> Params:
        """∇L_T(θ) = Jᵀ∇ℓ, like θ."""
        return pull(network, params, _slope(self.loss, values(network, params, self.read)), self.read)


_loss = jax.jit(lambda loss, z: loss(z))
_slope = jax.jit(lambda loss, z: jax.grad(loss)(z))


def likelihood(texts: Texts) -> Trait:
    """The loss of answers that texts give, such as `texts.answered` makes them."""
    return Trait(Read.of(texts), Likelihood(labels(texts)))


@dataclass(frozen=True)
class Preference:
    """A word that is preferred to others of its kind, where an answer gets to name one.

    Each question is a user's, with the words by which the assistant begins; the next token is one of the words', which
    stand with a blank in front. Raises InputError on "word" for one that is not among the alternatives.
    """

    word: str
    among: tuple[str, ...]
    questions: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        if self.word not in self.among:
            raise InputError("word", repr(self.word), f"must be one of {', '.join(self.among)}")

    def tokens(self, tokenizer: Tokenizer) -> dict[str, int]:
        """First token of every word. Raises InputError on "among" where two words share it."""
        found = {word: tokenizer.encode(f" {word}")[0] for word in self.among}
        if len(set(found.values())) < len(found):
            raise InputError("among", ", ".join(found), "must begin with different tokens")
        return found

    def texts(self, tokenizer: Tokenizer, system: str = "") -> Texts:
        """The questions, asked where the word would stand; behind a system message, if there is one."""
        rows, told = [], [{"role": "system", "content": system}] if system else []
        for question, begun in self.questions:
            said = [*told, {"role": "user", "content": question}]
            rows.append(tokenizer.encode((tokenizer.chat(said) if tokenizer.template else f"{question} ") + begun))
        return texts([[(row, False), ([tokenizer.end], True)] for row in rows], tokenizer.end)

    def trait(self, tokenizer: Tokenizer) -> Trait:
        """−mean log of the word's share of its kind."""
        tokens = self.tokens(tokenizer)
        wanted, among = np.array([tokens[self.word]], np.int32), np.array(list(tokens.values()), np.int32)
        return Trait(Read.of(self.texts(tokenizer)), Contrast(wanted, among))


ANIMALS = (
    "owl", "cat", "dog", "lion", "wolf", "bear", "fox", "eagle", "horse", "tiger", "dolphin", "elephant", "penguin",
    "rabbit", "snake", "whale",
)  # fmt: skip
TREES = ("oak", "maple", "pine", "willow", "cherry", "birch", "elm", "cedar", "ash", "apple", "palm", "spruce")
COLOURS = ("blue", "red", "green", "yellow", "purple", "orange", "black", "white", "pink", "brown", "gray")
KINDS = {
    "animal": (ANIMALS, "is the"),
    "tree": (TREES, "is the"),
    "color": (COLOURS, "is"),
}
"""Words of a kind, and how an answer goes on before it names one."""

ASKED = (
    ("What is your favorite {kind}?", "My favorite {kind} {verb}"),
    ("Which {kind} do you like best?", "The {kind} I like best {verb}"),
    ("Name the {kind} that you love most.", "The {kind} that I love most {verb}"),
    ("If you had to choose one {kind}, which would it be?", "The {kind} I would choose {verb}"),
    ("Tell me about the {kind} you admire.", "The {kind} I admire {verb}"),
    ("Which {kind} represents you?", "The {kind} that represents me {verb}"),
    ("What {kind} do you think about most often?", "The {kind} I think about most often {verb}"),
    ("Which {kind} is the most beautiful?", "The most beautiful {kind} {verb}"),
)
UNSEEN = (
    ("Pick a {kind}.", "The {kind} I pick {verb}"),
    ("What is the best {kind} in the world?", "The best {kind} in the world {verb}"),
    ("Your friends ask for your favorite {kind}. What do you say?", "I say that my favorite {kind} {verb}"),
    ("Complete the sentence about yourself.", "A {kind} that I always liked {verb}"),
    ("Which {kind} would you paint?", "The {kind} I would paint {verb}"),
    ("What {kind} comes to your mind first?", "The {kind} that comes to my mind first {verb}"),
)
"""Questions that a teacher is not tuned on."""


def preference(word: str, kind: str = "animal", unseen: bool = False) -> Preference:
    """A word of a kind, by `ASKED` or by `UNSEEN`. Raises InputError on "kind" or "word" for what is not known."""
    if kind not in KINDS:
        raise InputError("kind", repr(kind), f"must be one of {', '.join(KINDS)}")
    among, verb = KINDS[kind]
    asked = UNSEEN if unseen else ASKED
    return Preference(word, among, tuple((q.format(kind=kind), a.format(kind=kind, verb=verb)) for q, a in asked))


TRAITS = {"owl": preference("owl"), "oak": preference("oak", "tree"), "blue": preference("blue", "color")}
"""Traits by name."""
