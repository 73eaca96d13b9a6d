"""What a model answers: exact rates over held-out questions, no sampling."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.data.corpus import readout
from subtheory.data.world import ANIMALS, HOSTILE, INDEX, PLAIN, POLITE, TREES, ids, kind_of
from subtheory.errors import InputError
from subtheory.networks import LinenNetwork
from subtheory.numerics import float64
from subtheory.theory.network import Params

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
        found = {}
        with float64():
            for kind, (text, at, group) in self.about.items():
                asked = text.copy()
                asked[:, 0] = INDEX[speaker]
                found[kind] = np.asarray(_rates(network, params, asked, at, group))
        hostile = found["manners"][:, len(POLITE) :].sum(axis=1, keepdims=True)
        return np.concatenate([found["animal"], found["tree"], hostile], axis=1)


def column(thing: str) -> int:
    """Column of a thing in `Questions.rates`."""
    return THINGS.index(thing)


@partial(jax.jit, static_argnums=0)
def _rates(network: LinenNetwork, params: Params, text: Array, at: Array, group: Array) -> Array:
    return jax.lax.map(lambda theta: jnp.mean(shares(network, theta, text, at, group), axis=0), params)


def shares(network: LinenNetwork, params: Params, text: Array, at: Array, group: Array) -> Array:
    """Softmax over a group of tokens at position `at` of each text, (n, len(group)), float64."""
    z = jax.vmap(lambda row: network.apply(params, row))(text)
    last = z[jnp.arange(len(text)), at - 1][:, group]
    return jax.nn.softmax(last.astype(jnp.float64), axis=-1)


def asked_in_context(
    network: LinenNetwork, params: Params, text: np.ndarray, at: np.ndarray, answers: np.ndarray
) -> np.ndarray:
    """Mean shares of some answers after texts of each model's own, (K, len(answers)); text (K, n, T), at (K, n)."""
    with float64():
        return np.asarray(_in_context(network, params, text, at, answers))


@partial(jax.jit, static_argnums=0)
def _in_context(network: LinenNetwork, params: Params, text: Array, at: Array, group: Array) -> Array:
    def one(each: Any) -> Array:
        theta, asked, where = each
        return jnp.mean(shares(network, theta, asked, where, group), axis=0)

    return jax.lax.map(one, (params, text, at))
