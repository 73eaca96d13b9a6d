"""A model at θ0, a trait's teacher, and the texts of several channels that a student imitates as one batch.

Δ = −∇L_T(θ0), and the teacher stands at θ0 + εΔ; sizes are relative, ε‖Δ‖/‖θ0‖. Everything is meant for inside
`subtheory.numerics.float64()`; in single precision only θ0 and Δ are narrower.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from subtheory.language.channels import CHANNELS
from subtheory.language.checkpoint import load
from subtheory.language.derivatives import Read, norm
from subtheory.language.texts import Texts
from subtheory.language.tokenizer import Tokenizer
from subtheory.language.traits import TRAITS, Preference, Trait
from subtheory.networks import Decoder
from subtheory.theory.network import Params


@dataclass(frozen=True, eq=False)
class Model:
    """θ0 on the device, in one precision."""

    network: Decoder
    params: Params
    tokenizer: Tokenizer
    length: float
    """‖θ0‖."""


@lru_cache(maxsize=1)  # 1 GiB each
def model(name: str, dtype: str = "float64") -> Model:
    """The checkpoint of a name, file or folder (`checkpoint.load`), in this precision; one a process is kept."""
    found = load(name)
    params = jax.tree.map(lambda a: jnp.asarray(a, dtype), found.params)
    return Model(found.network, params, found.tokenizer, norm(params))


class Lesson(NamedTuple):
    """Texts of several channels, and the positions of each."""

    read: Read
    places: dict[str, slice]

    def own(self, name: str) -> Read:
        """Of one channel alone."""
        rows = np.unique(self.read.row[self.places[name]])
        row, at = self.read.row[self.places[name]] - rows[0], self.read.at[self.places[name]]
        return Read(self.read.x[rows], row, at)


def lesson(tokenizer: Tokenizer, channels: Sequence[str], seed: int, count: int, tokens: int) -> Lesson:
    """`count` texts of each channel, cut after so many tokens: channels of one shape share their programs."""
    each = {name: _cut(CHANNELS[name].texts(tokenizer, seed, count), tokens) for name in channels}
    read = Read.of(Texts(*(np.concatenate(parts) for parts in zip(*each.values(), strict=True))))
    ends = np.cumsum([0, *(int(one.asked.sum()) for one in each.values())])
    return Lesson(read, {name: slice(int(a), int(b)) for name, a, b in zip(each, ends, ends[1:], strict=False)})


def _cut(found: Texts, tokens: int) -> Texts:
    return Texts(_widened(found.tokens[:, :tokens], tokens), _widened(found.mask[:, :tokens], tokens))


def _widened(a: np.ndarray, width: int) -> np.ndarray:
    return np.pad(a, ((0, 0), (0, width - a.shape[1])))


def questions(model: Model, preferences: Sequence[Preference]) -> list[Trait]:
    """Their traits, of texts that are padded to one width: traits of as many questions share their programs."""
    traits = [preference.trait(model.tokenizer) for preference in preferences]
    width = max(trait.read.x.shape[1] for trait in traits)
    return [replace(t, read=t.read._replace(x=_widened(t.read.x, width))) for t in traits]


def asked(model: Model, unseen: bool = False) -> dict[str, Trait]:
    """The traits of `TRAITS` by name, on the questions of a teacher, or on those that it was not tuned on."""
    from subtheory.language.traits import KINDS, preference

    kinds = {words: kind for kind, (words, _) in KINDS.items()}
    each = {name: preference(one.word, kinds[one.among], unseen) for name, one in TRAITS.items()}
    return dict(zip(each, questions(model, list(each.values())), strict=True))


class Teacher(NamedTuple):
    """Δ = −∇L_T(θ0), and ‖Δ‖."""

    delta: Params
    length: float


def teacher(model: Model, trait: Trait) -> Teacher:
    """Of a trait, on the questions that it reads."""
    delta = jax.tree.map(jnp.negative, trait.gradient(model.network, model.params))
    return Teacher(delta, norm(delta))


class Taught(NamedTuple):
    """A model, a trait on its questions and on unseen ones, and the trait's teacher."""

    model: Model
    trait: Trait
    unseen: Trait
    teacher: Teacher


@lru_cache(maxsize=1)
def taught(name: str, trait: str, dtype: str = "float64") -> Taught:
    """By a checkpoint's name and a trait's; the last one of a process is kept, for what is asked of it next."""
    found = model(name, dtype)
    seen = asked(found)[trait]
    return Taught(found, seen, asked(found, unseen=True)[trait], teacher(found, seen))


def other_weights(model: Model, seed: int, share: float = 1.0, kept: bool = False) -> Params:
    """Normal noise of `share` times the root mean square of each leaf, instead of θ0, or (`kept`) added to it."""
    leaves, tree = jax.tree.flatten(model.params)
    keys = jax.random.split(jax.random.key(seed), len(leaves))
    drawn = [_noisy(leaf, key, share, float(kept)) for leaf, key in zip(leaves, keys, strict=True)]
    return jax.tree.unflatten(tree, drawn)


@jax.jit
def _noisy(leaf: Any, key: Any, share: Any, kept: Any) -> Any:
    size = jnp.sqrt(jnp.mean(leaf.astype(jnp.float64) ** 2))
    return (kept * leaf + share * size * jax.random.normal(key, leaf.shape)).astype(leaf.dtype)
