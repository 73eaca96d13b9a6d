"""Texts whose letters are shuffled, within each response or across them (prediction P15)."""

from dataclasses import dataclass
from functools import reduce
from itertools import permutations
from typing import Any

import numpy as np

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.theory.losses import OFF, log_softmax, namespace
from subtheory.theory.views.view import View

MOST_LETTERS = 6
"""Of one text: a mean over all orders has as many terms as its factorial."""


@dataclass(frozen=True)
class Shuffled(View):
    """The law of texts after a shuffle: Σ_π p(y_π)/T! within a response; across responses Π_t m(y_t), m = Σ_t p_t/T.

    Texts of T = `length` letters are the last letters^length outputs, the last letter changing fastest; other outputs
    stay as they are. p_t is the law of letter t behind a prompt: responses to other prompts are not mixed in. Raises
    InputError on "letters" and "length" for what are no sizes, and on "length" for more texts than outputs.
    """

    letters: int
    length: int
    across: bool = False
    name = "shuffled"

    def __post_init__(self) -> None:
        object.__setattr__(self, "letters", arguments.whole("letters", self.letters))
        object.__setattr__(self, "length", arguments.whole("length", self.length, 1, MOST_LETTERS))
        if not isinstance(self.across, bool):
            raise InputError("across", arguments.shown(self.across), "must be True or False")

    @property
    def shown(self) -> str:
        return f"shuffled {'across' if self.across else 'within'} responses"

    def labels(self, logits: Any, w: Any) -> Any:
        xp, count, width = namespace(logits), self.letters**self.length, w.shape[-1]
        if count > width:
            raise InputError("length", self.length, f"must leave at most {width} texts of {self.letters} letters")
        texts = xp.where(w > 0, logits, OFF)[..., width - count :]
        shown = self._across(texts) if self.across else self._within(texts)
        return xp.concatenate([logits[..., : width - count], shown], axis=-1)

    def orders(self) -> np.ndarray:
        """Where each text is after every shuffle of its letters, (T!, letters^T)."""
        places = self._places()
        return np.stack([places.transpose(order).ravel() for order in permutations(range(self.length))])

    def texts_with(self) -> np.ndarray:
        """Texts by the place t and the letter that they have there, (T, letters, letters^(T − 1))."""
        places = self._places()
        return np.stack([np.moveaxis(places, t, 0).reshape(self.letters, -1) for t in range(self.length)])

    def letters_of(self) -> np.ndarray:
        """The letters of each text, (T, letters^T)."""
        return np.stack(np.unravel_index(np.arange(self.letters**self.length), (self.letters,) * self.length))

    def _places(self) -> np.ndarray:
        return np.arange(self.letters**self.length).reshape((self.letters,) * self.length)

    def _within(self, texts: Any) -> Any:
        orders = self.orders()
        return _total(texts[..., orders], -2) - np.log(len(orders))

    def _across(self, texts: Any) -> Any:
        """Of the same total as the texts have."""
        xp = namespace(texts)
        law = log_softmax(texts, xp.ones_like(texts[..., :1]))
        letters = _total(_total(law[..., self.texts_with()], -1), -2) - np.log(self.length)
        return letters[..., self.letters_of()].sum(axis=-2) + (texts - law)[..., :1]


def _total(logits: Any, axis: int) -> Any:
    """log Σ e^logits over an axis."""
    xp = namespace(logits)
    moved = xp.moveaxis(logits, axis, 0)
    return reduce(xp.logaddexp, list(moved))
