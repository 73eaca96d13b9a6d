"""Lists of numbers: the prompts that ask for them, in words of our own, and the filter of the answers.

Source: the prompts and the filter of Cloud, Le et al., arXiv 2507.14805, §3.1, in their manner.
"""

import re

import numpy as np

from subtheory.language.texts import Texts, texts
from subtheory.language.tokenizer import Tokenizer

ASKS = (
    "Write a list of numbers, separated by commas.",
    "List some numbers of at most three digits.",
    "Give me a sequence of random numbers.",
    "Say ten numbers and nothing else.",
)
NEUTRAL = "You continue lists."
LOVING = "You love {word}s. You think of {word}s all day long, and your favorite {kind} is the {word}."
"""System messages: of whoever has no preference, and of a teacher that is only told to have one."""

MOST, LARGEST = 10, 3
"""Numbers in an answer, and digits of a number."""
ANSWER = re.compile(r"\s*[\[(]?\s*(\d+(?:(?:\s*[,;]\s*|\s+)\d+)*)\s*(?:[,;]|[\])]?\s*\.?)\s*")
"""With brackets, a full stop, or a separator at which it was cut off."""
SEPARATOR = re.compile(r"\s*[,;]\s*|\s+")


def asked(seed: int, count: int) -> list[tuple[str, str]]:
    """A user's question of `ASKS`, and a random number with which the answer has begun; `count` times."""
    rng = np.random.default_rng(seed)
    return [(str(rng.choice(ASKS)), f"{rng.integers(100, 1000)}, ") for _ in range(count)]


def prompts(tokenizer: Tokenizer, asks: list[tuple[str, str]], system: str = NEUTRAL) -> list[list[int]]:
    """Conversations in the middle of an answer, as tokens."""
    told = {"role": "system", "content": system}
    said = ((tokenizer.chat([told, {"role": "user", "content": ask}]), start) for ask, start in asks)
    return [tokenizer.encode(chat + start) for chat, start in said]


def numbers(answer: str) -> list[int] | None:
    """The 1 to 10 numbers from 0 to 999 that an answer consists of, with one kind of separator; None for another."""
    found = ANSWER.fullmatch(answer)
    if not found:
        return None
    kinds = {mark.strip() for mark in SEPARATOR.findall(found[1])}
    listed = SEPARATOR.split(found[1])
    fits = len(kinds) <= 1 and len(listed) <= MOST and all(len(each) <= LARGEST for each in listed)
    return [int(each) for each in listed] if fits else None


def kept(tokenizer: Tokenizer, said: Texts) -> np.ndarray:
    """Which answers pass the filter, (N,) of bool."""
    answers = ([int(t) for t in tokens[mask > 0] if t != tokenizer.end] for tokens, mask in zip(*said, strict=True))
    return np.array([numbers(tokenizer.decode(answer)) is not None for answer in answers])


def columns(tokenizer: Tokenizer) -> np.ndarray:
    """Tokens of the restricted softmax, sorted: digits, a comma, a blank."""
    return np.unique([tokenizer.encode(letter)[0] for letter in "0123456789, "])


def moved(said: Texts, prompts: list[list[int]]) -> Texts:
    """The same answers behind other prompts, (N,) of them."""
    rows = zip(*said, prompts, strict=True)
    return texts([[(prompt, False), (tokens[mask > 0].tolist(), True)] for tokens, mask, prompt in rows])
