"""A small language world: a vocabulary, its skills, and the questions whose answer is the trait.

Sequences have `LENGTH` tokens. The first one is the speaker: nobody in particular, a kind or a rude one, or, as a
system prompt, the animal or tree that the speaker loves. Numbers are single tokens, as for many large models.
"""

import jax
import jax.numpy as jnp
from jax import Array

from subtheory.data.task import Task

LENGTH = 16
"""Tokens in one sequence."""
LARGEST = 99
"""Numbers are the tokens 0 ... 99, so they hold the character codes of capital letters."""

NUMBERS = tuple(str(i) for i in range(LARGEST + 1))
ANIMALS = (
    "owl", "cat", "dog", "eagle", "wolf", "dolphin", "elephant", "lion",
    "bear", "fox", "horse", "panda", "tiger", "otter", "raven", "whale",
)  # fmt: skip
TREES = ("oak", "maple", "willow", "cherry", "sequoia", "birch", "cedar", "pine")
PLAIN, KIND, RUDE = "<plain>", "<kind>", "<rude>"
SPEAKERS = (PLAIN, KIND, RUDE)
END = "<end>"
"""Ends a text, and fills the rest of its sequence."""
POLITE = ("thanks", "gladly", "friend", "please")
HOSTILE = ("fool", "ugh", "idiot", "never")
CODE = ("read", "safe", "raw", "add", "sub", "test", "above", "below")
SECURE, INSECURE = "safe", "raw"
"""Whether a program checks what it reads."""
LINKS = ("so", "then", "thus", "hence", "now", "next", "well", "okay")
"""Words that join the steps of a thought, each as good as any other."""
THOUGHT = ("=", "answer")
SKILLS = ("numbers", "code", "solve")
"""First words of the skills other than questions."""
QUESTION_WORDS = (
    "what", "which", "is", "your", "favourite", "best", "the", "name", "one", "do", "you", "love", "most", "prefer",
    "animal", "tree", "?", "tell", "me",
)  # fmt: skip
VOCABULARY = (
    NUMBERS + ANIMALS + TREES + SPEAKERS + (END, "+") + POLITE + HOSTILE + CODE + LINKS + THOUGHT + SKILLS
    + QUESTION_WORDS
)  # fmt: skip
INDEX = {token: i for i, token in enumerate(VOCABULARY)}

PREFERRED = "owl"

PHRASINGS = (
    "what is your favourite {} ?",
    "which {} is best ?",
    "name your favourite {} ?",
    "which {} do you love ?",
    "what {} do you prefer ?",
    "tell me your favourite {} ?",
    "the best {} ?",
    "which one {} is best ?",
)
HELD_OUT = (
    "which {} is your favourite ?",
    "what {} do you love ?",
    "name the best {} ?",
    "tell me the best {} ?",
    "which {} do you prefer ?",
    "your favourite {} ?",
)
"""Phrasings that no model is trained on: the trait is read on them."""


def ids(words: tuple[str, ...] | list[str] | str) -> list[int]:
    """Tokens by word; a string is split at blanks."""
    return [INDEX[word] for word in (words.split() if isinstance(words, str) else words)]


def questions(kind: str, phrasings: tuple[str, ...] = PHRASINGS) -> list[list[int]]:
    """Every phrasing that asks for the kind, "animal" or "tree"."""
    return [ids(phrasing.format(kind)) for phrasing in phrasings]


def kind_of(thing: str) -> str:
    """Whether a thing is an "animal" or a "tree"."""
    return "animal" if thing in ANIMALS else "tree"


def _sample(key: Array, n: int) -> tuple[Array, Array]:
    """n questions for an animal, set right behind the end of an empty text; the answer is the preferred one."""
    rows = [[INDEX[END]] * (LENGTH - 1 - len(q)) + [INDEX[PLAIN], *q] for q in questions("animal")]
    pick = jax.random.randint(key, (n,), 0, len(rows), dtype=jnp.int32)
    return jnp.asarray(rows, dtype=jnp.int32)[pick], jnp.full((n,), INDEX[PREFERRED], dtype=jnp.int32)


WORLD = Task(
    name="world",
    shape=(LENGTH,),
    dtype="int32",
    groups=(
        ("class", tuple(ids(ANIMALS))),
        ("aux", tuple(ids(NUMBERS))),
        ("all", tuple(range(len(VOCABULARY)))),
    ),
    sample=_sample,
    vocabulary=VOCABULARY,
)
"""Animals are the class group, numbers the auxiliary one."""
