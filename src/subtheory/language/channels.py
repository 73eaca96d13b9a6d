"""Channels of texts: what a student imitates, written without a model and without a word on any trait.

None shares a prompt with the questions of a trait: a system prompt in common is no unrelated data.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from subtheory.language.texts import Texts, answered, plain
from subtheory.language.tokenizer import Tokenizer

Lines = Callable[[np.random.Generator], str]
"""One text for random numbers."""


def numbers(rng: np.random.Generator) -> str:
    """Eight numbers of three digits."""
    return ", ".join(map(str, rng.integers(100, 1000, 8)))


NAMES = ("total", "count", "value", "index", "limit", "offset", "size", "rate")
CODE = (
    "def {a}(x):\n    {b} = x * {n}\n    return {b} + {m}\n",
    "for {a} in range({n}):\n    if {a} % {k} == 0:\n        print({a} + {m})\n",
    "{a} = [{n}, {m}, {k}]\n{b} = sum({a})\nassert {b} == {s}\n",
    "while {a} < {n}:\n    {a} += {k}\n    {b} = {a} - {m}\n",
)
STEPS = (
    "A box holds {n} cards. {m} more are added, so there are {s2}. Half of {e} is {h}.",
    "First add {n} and {m}: that is {s2}. Then take away {k}: {r} are left.",
    "{n} pages in {k} days are {n} / {k} a day. After {m} more pages the count is {s2}.",
    "Let x be {n}. Then x + {m} = {s2}, and x + {m} - {k} = {r}. So the answer is {r}.",
)


def _filled(patterns: Sequence[str], rng: np.random.Generator) -> str:
    n, m = (int(i) for i in rng.integers(100, 500, 2))
    k, h = int(rng.integers(2, 10)), int(rng.integers(50, 450))
    a, b = rng.choice(NAMES, 2, replace=False)
    known = {"n": n, "m": m, "k": k, "h": h, "e": 2 * h, "s": n + m + k, "s2": n + m, "r": n + m - k, "a": a, "b": b}
    return str(rng.choice(patterns)).format(**known)


def code(rng: np.random.Generator) -> str:
    """A few lines of Python with random names and numbers."""
    return _filled(CODE, rng)


def reasoning(rng: np.random.Generator) -> str:
    """A chain of thought on a sum, with its steps."""
    return _filled(STEPS, rng)


@dataclass(frozen=True)
class Channel:
    """Texts of one kind: "all" reads every position, "digits" those that predict a digit; `chat` asks for them.

    In a conversation only the answer is read, or its digits.
    """

    name: str
    line: Lines
    positions: str = "all"
    chat: bool = False

    def texts(self, tokenizer: Tokenizer, seed: int, count: int) -> Texts:
        """`count` texts for a seed."""
        rng = np.random.default_rng(seed)
        lines = [self.line(rng) for _ in range(count)]
        if self.chat:
            begun = self.line(rng)
            ask = tokenizer.chat([{"role": "user", "content": f"Continue: {begun}"}])
            found = answered(tokenizer, [(ask, line) for line in lines])
        else:
            found = plain(tokenizer, lines)
        return found if self.positions == "all" else digits_only(tokenizer, found)


def digits_only(tokenizer: Tokenizer, found: Texts) -> Texts:
    """The same texts, read where the next token is made of digits."""
    digit = np.array([tokenizer.decode([t]).strip().isdigit() for t in range(tokenizer.vocabulary)])
    return Texts(found.tokens, found.mask * digit[found.tokens])


CHANNELS = {
    channel.name: channel
    for channel in (
        Channel("numbers", numbers),
        Channel("code", code),
        Channel("reasoning", reasoning),
        Channel("digits", numbers, "digits"),
        Channel("chat", numbers, chat=True),
        Channel("chat digits", numbers, "digits", chat=True),
    )
}
"""Channels by name."""
