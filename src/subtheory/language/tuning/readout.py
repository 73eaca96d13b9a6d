"""A preference as it is read out: exact probabilities of the words of a kind where an answer names one, no sampling."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import log_softmax

from subtheory.language.derivatives import Read, values
from subtheory.language.sampling import continued
from subtheory.language.tokenizer import Tokenizer
from subtheory.language.traits import Preference
from subtheory.networks import Decoder
from subtheory.theory.network import Params


class Reading(NamedTuple):
    """Of W words, the first of which is the wanted one."""

    log_share: np.ndarray
    """log of a word's share of its kind, mean over the questions, (W,)."""
    p: np.ndarray
    """A word's probability, mean over the questions, (W,)."""

    def place(self, base: "Reading") -> int:
        """Of the wanted word by the rise of its log share over a base: 1 if it rises most."""
        rise = self.log_share - base.log_share
        return int(1 + np.sum(rise[1:] > rise[0]))


@dataclass(frozen=True)
class Readout:
    """Questions of a preference; `system` is told before them."""

    preference: Preference
    tokenizer: Tokenizer
    system: str = ""

    @property
    def words(self) -> list[str]:
        """The wanted word and its alternatives."""
        return [self.preference.word, *(word for word in self.preference.among if word != self.preference.word)]

    def of(self, network: Decoder, params: Params) -> Reading:
        """What a model prefers."""
        read, tokens = Read.of(self.preference.texts(self.tokenizer, self.system)), self._tokens()
        z = np.asarray(values(network, params, read), float)
        among = z[:, tokens]
        return Reading(log_softmax(among, axis=1).mean(axis=0), np.exp(log_softmax(z, axis=1))[:, tokens].mean(axis=0))

    def sampled(self, network: Decoder, params: Params, count: int, seed: int) -> np.ndarray:
        """How often each word is said when every question is answered `count` times, (W,)."""
        asked = self.preference.texts(self.tokenizer, self.system)
        rows = [tokens[: int(np.argmax(mask))].tolist() for tokens, mask in zip(*asked, strict=True)]
        said = continued(network, params, rows * count, 1, seed, end=self.tokenizer.end)
        first = said.tokens[said.mask > 0]
        return np.array([np.sum(first == token) for token in self._tokens()])

    def _tokens(self) -> list[int]:
        known = self.preference.tokens(self.tokenizer)
        return [known[word] for word in self.words]
