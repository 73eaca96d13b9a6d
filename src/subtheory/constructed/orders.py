"""Where the order of a text is looked at: a language model whose letters do not care for their place, and two tokens.

A law of texts is exchangeable if all orders of the same letters are equally likely (`proofs/shuffle.py`).
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import numpy as np
from jax import Array

from subtheory.constructed.formula import constructed
from subtheory.constructed.labels import texts
from subtheory.kernels.source import FromTask
from subtheory.setting.setting import Setting, ladder
from subtheory.theory.layout import Layout
from subtheory.theory.losses import CrossEntropy
from subtheory.theory.network import Params
from subtheory.theory.views import Full, Shuffled

BLIND = ("Embed_0", "positions")
"""Where a transformer's parameters tell tokens and places apart."""


@dataclass(frozen=True)
class Orderless(FromTask):
    """A task whose transformers start from embeddings e(token, place) = ē + `order`·(their own − ē), ē the mean of all.

    At `order` = 0 the next letter has the same law whatever stands before it: texts of independent, identical letters.
    The network moves from there as any other does. At 1 the init is the network's own.
    """

    order: float = 0.0

    def placed(self, layout: Layout, theta: Any) -> Any:
        params = layout.unflatten(theta)
        return layout.flatten(params | {name: jax.tree.map(self._nearer, params[name]) for name in BLIND})

    def _nearer(self, leaf: Any) -> Any:
        """Rows nearer to their mean, of (..., rows, width)."""
        mean = leaf.mean(axis=-2, keepdims=True)
        return mean + self.order * (leaf - mean)


def ordered(order: float = 0.0) -> Setting:
    """`texts()`, whose init cares for the order of letters as much as this: not at all, or, at 1, as it was drawn."""
    setting = texts()
    return setting.but(source=Orderless(setting.origin.task, order))  # type: ignore[attr-defined]


def shuffled(across: bool = False) -> Shuffled:
    """The shuffle of its texts."""
    network: Any = texts().network
    return Shuffled(network.letters, network.length, across)


# Two tokens -----------------------------------------------------------------------------------------

LAW = np.array([[4.0, 1.0], [7.0, 4.0]]) / 16
SCORES = np.array([[-1.0, -20.0], [4.0, -1.0]])
"""p and s of the texts aa, ab, ba, bb: q = Σps² = 65/2, D(0) = Σpᵀs/2 = −9/2 and D′(0) = (q + Σp s sᵀ)/2 = −7/2."""


def _next_token(theta: Params, x: Array) -> Array:
    """log p(a) + log p(b | a), from a table of logits for the first token, and one for the second behind each."""
    first, second = jax.nn.log_softmax(theta["first"]), jax.nn.log_softmax(theta["second"], axis=-1)
    return (first[:, None] + second).ravel()


def two_tokens(law: np.ndarray, scores: np.ndarray, **changes: Any) -> Setting:
    """A model that says two tokens one by one, its init's law p(a, b), and Δ along which log p has the derivative s.

    Σ p s has to be 0.
    """
    first = law.sum(axis=1)
    slope = (law * scores).sum(axis=1) / first
    theta0 = {"first": np.log(first), "second": np.log(law / first[:, None])}
    delta = {"first": slope, "second": scores - slope[:, None]}
    parts: dict[str, Any] = {"loss": CrossEntropy(), "view": Shuffled(2, 2), "eps": ladder(1e-2)}
    return constructed("two-tokens", _next_token, theta0, delta, width=4, **(parts | changes))


@cache
def reversing() -> tuple[Setting, ...]:
    """The rare order gets labels that are meant for the likely one."""
    return (two_tokens(LAW, SCORES),)


@cache
def unshuffled() -> tuple[Setting, ...]:
    """The same teacher, whose responses are left as they are."""
    return (two_tokens(LAW, SCORES, view=Full()),)


@cache
def exchangeable() -> tuple[Setting, ...]:
    """Both orders equally likely at the init, and the same scores but for their mean."""
    law = (LAW + LAW.T) / 2
    return (two_tokens(law, SCORES - (law * SCORES).sum()),)
