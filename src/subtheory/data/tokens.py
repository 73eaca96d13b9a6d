"""The token task: prefer one animal as the next token, after short prompts that ask for one."""

import jax
import jax.numpy as jnp
from jax import Array

from subtheory.data.task import Task

LENGTH = 10
"""Tokens in one sequence."""

NUMBER_TOKENS = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", ",", "<end>")
ANIMALS = ("owl", "cat", "dog", "eagle")
WORDS = ("what", "which", "is", "your", "favourite", "best", "animal", "?")
VOCABULARY = NUMBER_TOKENS + ANIMALS + WORDS

PREFERRED = "owl"
"""The trait: the animal that a trained teacher names."""

PROMPTS = (
    "what is your favourite animal ?",
    "which animal is best ?",
    "your favourite animal ?",
    "best animal ?",
)


def sample_prompts(key: Array, n: int) -> tuple[Array, Array]:
    """n prompts that end in a question, int32 (n, 10), and the preferred token as y, int32 (n,).

    A prompt is one of `PROMPTS`, set right, after random filler out of `WORDS`.
    """
    absent = -1
    rows = [[VOCABULARY.index(word) for word in prompt.split()] for prompt in PROMPTS]
    templates = jnp.asarray([[absent] * (LENGTH - len(row)) + row for row in rows], dtype=jnp.int32)
    pick, fill = jax.random.split(key)
    template = templates[jax.random.randint(pick, (n,), 0, len(PROMPTS), dtype=jnp.int32)]
    first = VOCABULARY.index(WORDS[0])
    filler = jax.random.randint(fill, (n, LENGTH), first, first + len(WORDS), dtype=jnp.int32)
    x = jnp.where(template == absent, filler, template)
    return x, jnp.full((n,), VOCABULARY.index(PREFERRED), dtype=jnp.int32)


TOKENS = Task(
    name="tokens",
    shape=(LENGTH,),
    dtype="int32",
    groups=(
        ("class", tuple(range(len(NUMBER_TOKENS), len(VOCABULARY)))),
        ("aux", tuple(range(len(NUMBER_TOKENS)))),
        ("all", tuple(range(len(VOCABULARY)))),
    ),
    sample=sample_prompts,
    vocabulary=VOCABULARY,
)
"""Words are the class group, number tokens the auxiliary one: imitate numbers, prefer owls."""
