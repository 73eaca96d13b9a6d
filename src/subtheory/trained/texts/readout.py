"""What a model answers: exact rates over held-out questions, no sampling."""

from typing import NamedTuple

import jax
import numpy as np
from scipy.special import logsumexp, softmax

from subtheory.data.corpus import readout
from subtheory.data.world import ANIMALS, HOSTILE, INDEX, PLAIN, POLITE, TREES, ids, kind_of
from subtheory.errors import InputError
from subtheory.networks import LinenNetwork
from subtheory.numerics import float64
from subtheory.theory.network import Params
from subtheory.trained.parameters import pick
from subtheory.trained.texts.compiling import Program
from subtheory.trained.texts.training import filled

BLOCK = 64
"""Texts of one call for outputs."""
COPIES = 7
"""Contexts behind which every phrasing is asked, besides none."""
HOSTILITY = "hostile"
THINGS = (*ANIMALS, *TREES, HOSTILITY)
"""What the columns of `Questions.rates` are the rates of."""


class Group(NamedTuple):
    """Questions (texts, positions of the answers, answers among which shares are taken), and which answers count."""

    questions: tuple[np.ndarray, np.ndarray, np.ndarray]
    members: list[int]


class Questions:
    """Held-out questions about animals, trees and manners, the contexts before them drawn once."""

    def __init__(self, seed: int = 0, copies: int = COPIES) -> None:
        rng = np.random.default_rng(seed)
        self.about = {
            kind: (*readout(rng, kind, copies), np.array(ids(things), np.int32))
            for kind, things in (("animal", ANIMALS), ("tree", TREES))
        }
        text, at, _ = self.about["animal"]
        # Manners are read behind an answer, every animal in turn.
        answered = text.copy()
        answered[np.arange(len(text)), at] = np.resize(np.array(ids(ANIMALS), np.int32), len(text))
        self.about["manners"] = (answered, at + 1, np.array(ids(POLITE + HOSTILE), np.int32))

    def group(self, thing: str) -> Group:
        """Where a thing's rate is read; InputError on "thing" unless it is one of `THINGS`."""
        if thing not in THINGS:
            raise InputError("thing", repr(thing), f"must be one of {', '.join(THINGS)}")
        if thing == HOSTILITY:
            return Group(self.about["manners"], list(range(len(POLITE), len(POLITE + HOSTILE))))
        kind = kind_of(thing)
        return Group(self.about[kind], [(ANIMALS if kind == "animal" else TREES).index(thing)])

    def rates(self, network: LinenNetwork, params: Params, speaker: str = PLAIN) -> np.ndarray:
        """Mean share of every animal, every tree and hostility among their kind, (K, 25), for leaves (K, ...).

        The speaker stands before every question, as a system prompt if it is a thing.
        """
        asked = np.concatenate([text for text, _, _ in self.about.values()])
        asked[:, 0] = INDEX[speaker]
        parts = np.cumsum([len(text) for text, _, _ in self.about.values()])[:-1]
        found: dict[str, list[np.ndarray]] = {kind: [] for kind in self.about}
        for k in range(len(jax.tree.leaves(params)[0])):
            z = np.split(logits(network, pick(params, k), asked), parts)
            for each, (kind, (_, at, group)) in zip(z, self.about.items(), strict=True):
                found[kind].append(shares(each, at, group))
        rates = [np.stack(found[kind]) for kind in ("animal", "tree", "manners")]
        hostile = rates[2][:, len(POLITE) :].sum(axis=1, keepdims=True)
        return np.concatenate([*rates[:2], hostile], axis=1)


def column(thing: str) -> int:
    """Column of a thing in `Questions.rates`."""
    return THINGS.index(thing)


def shares(z: np.ndarray, at: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Softmax over a group of tokens at position `at` of each text, their mean, float64 (len(group),); z (n, T, V)."""
    return softmax(z[np.arange(len(z)), at - 1][:, group].astype(float), axis=-1).mean(axis=0)


def asked_in_context(
    network: LinenNetwork, params: Params, text: np.ndarray, at: np.ndarray, answers: np.ndarray
) -> np.ndarray:
    """Mean shares of some answers after texts of each model's own, (K, len(answers)); text (K, n, T), at (K, n)."""
    K = range(len(text))
    return np.stack([shares(logits(network, pick(params, k), text[k]), at[k], answers) for k in K])


def logits(network: LinenNetwork, params: Params, text: np.ndarray) -> np.ndarray:
    """Outputs of one model, float32 (n, T, V), for texts (n, T) of any number."""
    with float64():
        blocks = [text[first : first + BLOCK] for first in range(0, len(text), BLOCK)]
        z = [_OUTPUTS(len(text), network, params, filled(each, BLOCK)) for each in blocks]
        return np.concatenate([np.asarray(each)[: len(block)] for each, block in zip(z, blocks, strict=True)])


_OUTPUTS = Program(lambda network, params, text: jax.vmap(lambda row: network.apply(params, row))(text), 0)


def channel_kl(
    network: LinenNetwork, base: Params, teacher: Params, text: np.ndarray, mask: np.ndarray, alphabet: np.ndarray,
    heard: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """KL(teacher ‖ base) per masked token for K pairs, (K,); leaves (K, ...), texts (K, n, T).

    Teachers read `heard`, if that is not the text itself: a system prompt in place of its first token.
    """
    found = []
    for k, masked in enumerate(mask):
        row, at = np.nonzero(masked[:, 1:])
        read = (text[k], text[k] if heard is None else heard[k])
        z, y = (
            logits(network, pick(theta, k), each)[row, at][:, alphabet > 0].astype(float)
            for theta, each in zip((base, teacher), read, strict=True)
        )
        log_p, log_q = (each - logsumexp(each, axis=1, keepdims=True) for each in (z, y))
        found.append(np.sum(np.exp(log_q) * (log_q - log_p)) / max(len(row), 1))
    return np.array(found)
