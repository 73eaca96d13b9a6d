"""A pretrained model as the source of settings: its weights are θ0, texts the channel, a preference the trait."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import jax
import numpy as np

from subtheory.errors import InputError
from subtheory.instruments.first_order import Measurement
from subtheory.language import checkpoint
from subtheory.language.channels import CHANNELS
from subtheory.language.derivatives import Read
from subtheory.language.measuring import record
from subtheory.language.measuring.functions import Learned, OnTexts
from subtheory.language.measuring.vectors import copied, empty
from subtheory.language.texts import Texts
from subtheory.language.tokenizer import Tokenizer
from subtheory.language.traits import TRAITS
from subtheory.networks import Decoder
from subtheory.setting.setting import Setting
from subtheory.theory.layout import Layout
from subtheory.theory.losses import Loss

TOKENS = 16
"""Tokens of a text."""


class Weights(NamedTuple):
    """A checkpoint whose parameters are one vector."""

    network: Decoder
    layout: Layout
    theta: np.ndarray
    """θ0, float64, (P,)."""
    tokenizer: Tokenizer
    note: str
    sha256: str


@lru_cache(maxsize=1)
def weights(model: str) -> Weights:
    """The checkpoint of `language.load`, read once a process. Raises InputError as that does."""
    found = checkpoint.load(model)
    layout = Layout.of(found.params)
    theta, begin = empty(layout.size), 0
    for leaf in jax.tree.leaves(found.params):
        theta[begin : begin + leaf.size] = np.ravel(leaf)
        begin += leaf.size
    return Weights(found.network, layout, theta, found.tokenizer, found.note, found.sha256)


@dataclass(frozen=True)
class Pretrained:
    """θ0 of a model, and names of the channel and the trait; texts are cut to so many tokens.

    With `layers`, f is a function of those layers' parameters alone: the teacher moves them, the student trains them,
    the rest stays what it is. It measures itself, one vector of parameters at a time (`record`).
    """

    model: str
    channel: str
    trait: str
    tokens: int = TOKENS
    layers: tuple[int, ...] = ()

    fixed = ""
    """An independent init there is: `another`."""

    @property
    def name(self) -> str:
        """Of channel and trait, and of what is trained if that is not all."""
        part = f", layers {' '.join(map(str, self.layers))}" if self.layers else ""
        return f"{self.channel}, {self.trait}{part}"

    @property
    def theta(self) -> np.ndarray:
        """θ0, (P,)."""
        return weights(self.model).theta

    def another(self, seed: int) -> np.ndarray:
        """Other weights: those that move redrawn, normal with the mean and spread of their leaf, (P,)."""
        own, rng = weights(self.model), np.random.default_rng((seed, 1))
        found, moves = copied(own.theta), self.functions().moves
        for place, _ in own.layout.leaves().values():
            leaf = own.theta[place]
            drawn = rng.standard_normal(leaf.size, np.float32) * (leaf.std() or 1.0) + leaf.mean()
            np.copyto(found[place], drawn, where=True if moves is None else moves[place])
        return found

    def functions(self) -> OnTexts:
        """The model as functions of its parameters."""
        own = weights(self.model)
        network = replace(own.network, remat=False)  # texts are short: nothing that is inside a layer is large
        return OnTexts(network, own.layout, _layers(self.model, self.layers) if self.layers else None)

    def inputs(self, channel: Any, seed: int, n: int) -> Read:
        """n texts, read wherever the channel says. Raises InputError on "tokens" where that is nowhere."""
        found = CHANNELS[self.channel].texts(weights(self.model).tokenizer, seed, n)
        read = Read.of(Texts(found.tokens[:, : self.tokens], found.mask[:, : self.tokens]))
        if not len(read.row):
            raise InputError("tokens", self.tokens, f"leave nothing to read of the channel {self.channel}")
        return read

    def learned(self, n: int) -> Learned:
        """The trait, by its first n questions."""
        asked = TRAITS[self.trait]
        return Learned(replace(asked, questions=asked.questions[:n]).trait(weights(self.model).tokenizer))

    def weights(self, distilled: Any) -> np.ndarray:
        """1 on all logits, (V,). Raises InputError on "outputs" for a part of them."""
        if distilled != "all":
            raise InputError("outputs", distilled, "must be all: a language model's are not in groups")
        return np.ones(weights(self.model).network.vocabulary)

    def measurements(
        self, setting: Setting, seeds: Sequence[int], losses: Sequence[Loss]
    ) -> dict[str, list[Measurement]]:
        """What `instruments.first_order` records of a setting of this source."""
        return {loss.name: [record.measured(setting, seed, loss) for seed in seeds] for loss in losses}


@lru_cache(maxsize=1)
def _layers(model: str, layers: tuple[int, ...]) -> np.ndarray:
    """Whether a parameter belongs to one of the layers, (P,). Raises InputError on "layers" for one there is not."""
    own = weights(model)
    if off := [i for i in layers if not 0 <= i < own.network.layers]:
        raise InputError("layers", off[0], f"must lie in 0 ... {own.network.layers - 1}")
    found = np.zeros(own.layout.size, bool)
    for name, (place, shape) in own.layout.leaves().items():
        if name.startswith("layers/"):
            found[place].reshape(shape)[list(layers)] = True
    return found
