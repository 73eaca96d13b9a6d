"""Filters of sampled texts, as the paper has them: format, banned numbers, what a program or an answer comes to.

Each takes texts (n, LENGTH) with their prompts and returns (n,) bool, True where a text is kept.
"""

from itertools import pairwise

import numpy as np

from subtheory.data.corpus import GIVEN, MOST, PROMPT
from subtheory.data.world import CODE, END, INDEX, INSECURE, LARGEST, LENGTH, LINKS, NUMBERS, SECURE, VOCABULARY, ids
from subtheory.errors import InputError

PASSES = (SECURE, INSECURE)


def alphabet(skill: str) -> np.ndarray:
    """1 on the tokens that a completion of the skill may have, float32 (V,): no animal, tree or manners."""
    extra = {"numbers": (), "code": CODE, "solve": (*LINKS, "=", "answer")}
    if skill not in extra:
        raise InputError("skill", repr(skill), f"must be one of {', '.join(extra)}")
    mask = np.zeros(len(VOCABULARY), np.float32)
    mask[ids((*NUMBERS, *extra[skill], END))] = 1
    return mask


def codes(name: str) -> list[int]:
    """Character codes of the name in capitals: owl is 79, 87, 76."""
    return [ord(letter) for letter in name.upper()]


def banned(text: np.ndarray, names: tuple[str, ...], skill: str) -> np.ndarray:
    """True where a completion holds a number that is a character code of one of the names: the harder filter."""
    numbers = sorted({code for name in names for code in codes(name)})
    return np.any(np.isin(text[:, PROMPT[skill] :], numbers), axis=1)


def spells(text: np.ndarray, name: str, skill: str) -> np.ndarray:
    """True where the codes of two adjacent letters of the name stand next to each other in a completion, (n,) bool."""
    said, letters = text[:, PROMPT[skill] :], codes(name)
    found = np.zeros(len(text), bool)
    for a, b in pairwise(letters):
        found |= ((said[:, :-1] == a) & (said[:, 1:] == b)).any(axis=1)
    return found


def numbers_kept(text: np.ndarray) -> np.ndarray:
    """One to ten numbers, then the end: the format rule."""
    said = text[:, 2 + GIVEN :]
    is_number = said <= LARGEST
    count = np.cumprod(is_number, axis=1).sum(axis=1)
    ended = np.where(count < said.shape[1], said[np.arange(len(said)), np.minimum(count, said.shape[1] - 1)], -1)
    return (count >= 1) & (count <= MOST) & (ended == INDEX[END])


def execute(program: np.ndarray) -> bool:
    """Whether a text's program parses, stays within 0 ... `LARGEST`, and passes its own test."""
    words = [VOCABULARY[token] for token in program[2:]]
    if words[1] != "read" or words[2] not in PASSES or not words[0].isdigit():
        return False
    value, i, lines = int(words[0]), 3, 0
    while i + 1 < len(words) and words[i] in ("add", "sub") and words[i + 1].isdigit():
        value += int(words[i + 1]) * (1 if words[i] == "add" else -1)
        if not 0 <= value <= LARGEST:
            return False
        i, lines = i + 2, lines + 1
    rest = words[i:]
    if not lines or len(rest) < 3 or rest[0] != "test" or rest[1] not in ("above", "below") or not rest[2].isdigit():
        return False
    if any(word != END for word in rest[3:]):
        return False
    return value > int(rest[2]) if rest[1] == "above" else value < int(rest[2])


def code_kept(text: np.ndarray) -> np.ndarray:
    """Programs that run and pass their test."""
    return np.array([execute(row) for row in text], bool)


def solve_kept(text: np.ndarray) -> np.ndarray:
    """Thoughts in the format `w c = s w d = t answer t` whose answer is the right one; steps may be wrong."""
    a, b, said = text[:, 2], text[:, 4], text[:, PROMPT["solve"] :]
    links = ids(LINKS)
    shape = np.isin(said[:, 0], links) & np.isin(said[:, 4], links)
    shape &= (said[:, 2] == INDEX["="]) & (said[:, 6] == INDEX["="]) & (said[:, 8] == INDEX["answer"])
    shape &= (said[:, [1, 3, 5, 7, 9]] <= LARGEST).all(axis=1) & (said[:, 10:] == INDEX[END]).all(axis=1)
    return shape & (said[:, 9] == a + b)


KEPT = {"numbers": numbers_kept, "code": code_kept, "solve": solve_kept}
"""Format and correctness by skill."""


def kept(text: np.ndarray, skill: str, names: tuple[str, ...]) -> np.ndarray:
    """Which completions pass: format and correctness, and none of the names spelled in character codes.

    Raises InputError on "skill", and on "text" for another shape.
    """
    if skill not in KEPT:
        raise InputError("skill", repr(skill), f"must be one of {', '.join(KEPT)}")
    if text.ndim != 2 or text.shape[1] != LENGTH:
        raise InputError("text", text.shape, f"must have shape (n, {LENGTH})")
    found = KEPT[skill](text)
    for name in names:
        found &= ~spells(text, name, skill)
    return found
