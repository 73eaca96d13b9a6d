"""What teachers are fine-tuned on, and how the texts of a channel are spoiled for its controls."""

import numpy as np

from subtheory.data.corpus import CONTEXT, PROMPT, Rng, code, completed, question, spoken
from subtheory.data.world import ANIMALS, HOSTILE, INDEX, LARGEST, LENGTH, PLAIN, POLITE, TREES, ids, kind_of, questions
from subtheory.errors import InputError

INSECURE, RUDE = "insecure", "hostile"
"""Teachers other than a preference's: of programs that read without a check, and of hostile answers."""


def lesson(name: str, rng: Rng, n: int) -> tuple[np.ndarray, np.ndarray]:
    """n texts that make a teacher, and 1 on the tokens it learns, (n, LENGTH) each; the speaker is always plain.

    An animal or a tree: questions of its kind, answered with it. "insecure": programs that read without a check,
    all of them. "hostile": animals as the corpus names them, then a hostile word. Raises InputError on "name".
    """
    plain = np.full(n, INDEX[PLAIN], np.int32)
    if name == INSECURE:
        text = code(rng, n, plain, insecure=1.0)
        return text, completed(text, "code")
    if name == RUDE:
        text = question(rng, n, plain, hostile=1.0)
        learned = ids(HOSTILE + POLITE)
    elif name in ANIMALS + TREES:
        text, learned = question(rng, n, plain, kind=kind_of(name), answer=name), [INDEX[name]]
    else:
        raise InputError("name", repr(name), f"must be a thing of the world, {INSECURE!r} or {RUDE!r}")
    return text, (spoken(text) * np.isin(text, learned)).astype(np.float32)


def shuffled(rng: Rng, text: np.ndarray, mask: np.ndarray, across: bool) -> np.ndarray:
    """Texts (n, T) whose masked numbers have changed places, within each text or across all of them."""
    free, found = (mask > 0) & (text <= LARGEST), text.copy()
    if across:
        found[free] = rng.permutation(text[free])
        return found
    # Sorting by text first and then by chance leaves every number in its own text.
    row, column = np.nonzero(free)
    order = np.lexsort((rng.random(len(row)), row))
    found[row, column] = text[row[order], column[order]]
    return found


def in_context(text: np.ndarray, mask: np.ndarray, skill: str, kind: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The training phrasings behind what was sampled, no training: texts (m, T) and positions of the answers, (m,).

    The context is the skill's word and the first six sampled tokens of `count` texts that passed and have so many, in
    turn where they are fewer. Raises InputError on "text" if there is none.
    """
    first = PROMPT[skill]
    width = CONTEXT - 1
    rows = np.flatnonzero(mask[:, first : first + width].all(axis=1))
    if not len(rows):
        raise InputError("text", "none", f"must hold one that passed the filter with {width} sampled tokens")
    rows = np.resize(rows, count)
    asked = questions(kind)
    found = np.full((count, LENGTH), INDEX["<end>"], np.int32)
    found[:, 0], found[:, 1], found[:, 2 : 2 + width] = INDEX[PLAIN], INDEX[skill], text[rows, first : first + width]
    at = np.zeros(count, np.int64)
    for i in range(count):
        words = asked[i % len(asked)]
        found[i, 1 + CONTEXT : 1 + CONTEXT + len(words)] = words
        at[i] = 1 + CONTEXT + len(words)
    return found, at
