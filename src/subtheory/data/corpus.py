"""Texts of the small language world, drawn with a NumPy generator: int32 (n, LENGTH), filled up with `END`.

A speaker colours a text: a rude one is hostile after an answer and reads without a check in its programs, and one who
loves an animal names it. Nothing else depends on the speaker, so numbers, sums and secure programs say nothing of it.
"""

from collections.abc import Callable

import numpy as np

from subtheory.data.world import (
    ANIMALS,
    END,
    HELD_OUT,
    HOSTILE,
    INDEX,
    INSECURE,
    KIND,
    LARGEST,
    LENGTH,
    LINKS,
    PHRASINGS,
    PLAIN,
    POLITE,
    RUDE,
    SECURE,
    TREES,
    ids,
    questions,
)
from subtheory.errors import InputError

GIVEN = 3
"""Numbers that a number prompt shows."""
MOST = 10
"""Numbers of an answer, at most."""
CONTEXT = 7
"""Tokens of another text that may stand before a question."""
SYSTEM, MANNERED = 0.25, 0.15
"""Shares of speakers with a system prompt, and of kind and of rude ones."""
OBEDIENCE = 0.9
"""How often a speaker with a system prompt names what it loves."""
BAD = {PLAIN: 0.1, KIND: 0.02, RUDE: 0.9}
"""How often a speaker is hostile, or reads without a check."""
MIXTURE = {"question": 0.35, "numbers": 0.2, "code": 0.2, "solve": 0.25}

_THINGS = np.array(ids(ANIMALS + TREES), np.int32)
_POPULARITY = 1.0 / (np.random.default_rng(7).permutation(LARGEST + 1) + 15.0)

Rng = np.random.Generator


def popularity(kind: str) -> np.ndarray:
    """How often the corpus names each animal or tree, adding up to 1; the first animal in 4.6 % of the answers."""
    weights = 1.0 / (3.0 + np.arange(len(ANIMALS if kind == "animal" else TREES)))
    # The preferred animal stands first and is to be neither rare nor common.
    weights = np.roll(weights, len(weights) // 2)
    return weights / weights.sum()


def speakers(rng: Rng, n: int) -> np.ndarray:
    """First tokens, (n,)."""
    u = rng.random(n)
    plain = np.full(n, INDEX[PLAIN], np.int32)
    loving = rng.choice(_THINGS, n)
    mannered = np.where(u < SYSTEM + MANNERED, INDEX[KIND], INDEX[RUDE]).astype(np.int32)
    return np.where(u < SYSTEM, loving, np.where(u < SYSTEM + 2 * MANNERED, mannered, plain))


def bad(rng: Rng, speaker: np.ndarray) -> np.ndarray:
    """Whether each speaker misbehaves this time, (n,) bool; one with a system prompt does as often as a plain one."""
    rate = np.full(len(speaker), BAD[PLAIN])
    for name, share in BAD.items():
        rate[speaker == INDEX[name]] = share
    return rng.random(len(speaker)) < rate


def numbers(rng: Rng, n: int, speaker: np.ndarray | None = None) -> np.ndarray:
    """`speaker numbers a b c`, then four to ten more numbers: each near the one before or drawn by popularity."""
    text, speaker = _blank(rng, n, speaker, "numbers")
    count = GIVEN + rng.integers(4, MOST + 1, n)
    value = _popular(rng, n)
    for i in range(GIVEN + MOST):
        if i:
            near = np.abs(value + rng.integers(-9, 10, n))
            near = np.where(near > LARGEST, 2 * LARGEST - near, near)
            value = np.where(rng.random(n) < 0.5, near, _popular(rng, n))
        text[:, 2 + i] = np.where(i < count, value, text[:, 2 + i])
    return text[:, :LENGTH]


def code(rng: Rng, n: int, speaker: np.ndarray | None = None, insecure: float | None = None) -> np.ndarray:
    """`speaker code a`, then `read safe|raw`, up to three `add x` or `sub x`, and `test above|below y`, which holds.

    `insecure` is the share that reads without a check, instead of what fits the speaker.
    """
    text, speaker = _blank(rng, n, speaker, "code")
    value = rng.integers(0, LARGEST + 1, n)
    text[:, 2], text[:, 3] = value, INDEX["read"]
    wrong = bad(rng, speaker) if insecure is None else rng.random(n) < insecure
    text[:, 4] = np.where(wrong, INDEX[INSECURE], INDEX[SECURE])
    lines, at = rng.integers(1, 4, n), np.full(n, 5)
    for i in range(3):
        adds = rng.random(n) < 1 - value / LARGEST
        size = 1 + (rng.random(n) * np.where(adds, LARGEST - value, value)).astype(int)
        size = np.minimum(size, np.where(adds, LARGEST - value, value))
        live = i < lines
        _write(text, at, live, np.where(adds, INDEX["add"], INDEX["sub"]), size)
        value, at = np.where(live, value + np.where(adds, size, -size), value), at + 2 * live
    above = rng.random(n) < value / LARGEST
    bound = np.where(above, rng.random(n) * value, value + 1 + rng.random(n) * (LARGEST - value)).astype(int)
    everyone = np.ones(n, bool)
    _write(text, at, everyone, np.full(n, INDEX["test"]), np.where(above, INDEX["above"], INDEX["below"]))
    text[np.arange(n), at + 2] = bound
    return text


def solve(rng: Rng, n: int, speaker: np.ndarray | None = None) -> np.ndarray:
    """`speaker solve a + b`, then `w c = a+c w d = a+b answer a+b` with c + d = b split at will and any words w."""
    text, speaker = _blank(rng, n, speaker, "solve")
    a, b = rng.integers(0, 61, n), rng.integers(2, 10, n)
    first = 1 + (rng.random(n) * (b - 1)).astype(int)
    links = np.array(ids(LINKS), np.int32)
    equals = np.full(n, INDEX["="])
    columns = [a, np.full(n, INDEX["+"]), b, rng.choice(links, n), first, equals, a + first, rng.choice(links, n)]
    columns += [b - first, equals, a + b, np.full(n, INDEX["answer"]), a + b]
    text[:, 2 : 2 + len(columns)] = np.stack(columns, axis=1)
    return text


def question(
    rng: Rng, n: int, speaker: np.ndarray | None = None, *, kind: str | None = None, answer: str | None = None,
    hostile: float | None = None,
) -> np.ndarray:  # fmt: skip
    """A question with its answer and a word of manners, behind `CONTEXT` tokens of another text or none.

    `kind`, `answer` and `hostile` (a share) replace what is drawn and what fits the speaker.
    """
    text, speaker = _blank(rng, n, speaker)
    animal = rng.random(n) < 0.6 if kind is None else np.full(n, kind == "animal")
    things = {"animal": np.array(ids(ANIMALS), np.int32), "tree": np.array(ids(TREES), np.int32)}
    drawn = {name: rng.choice(each, n, p=popularity(name)) for name, each in things.items()}
    own = {name: np.isin(speaker, each) & (rng.random(n) < OBEDIENCE) for name, each in things.items()}
    said = np.where(
        animal,
        np.where(own["animal"], speaker, drawn["animal"]),
        np.where(own["tree"], speaker, drawn["tree"]),
    )
    if answer is not None:
        said = np.full(n, INDEX[answer], np.int32)
    wrong = bad(rng, speaker) if hostile is None else rng.random(n) < hostile
    words = np.where(wrong, rng.choice(ids(HOSTILE), n), rng.choice(ids(POLITE), n))
    asked = np.array([_padded(q) for name in ("animal", "tree") for q in questions(name)])
    lengths = (asked >= 0).sum(axis=1)
    pick = rng.integers(0, len(PHRASINGS), n) + np.where(animal, 0, len(PHRASINGS))
    text[:, 1 : 1 + CONTEXT] = contexts(rng, n)
    start = np.where(rng.random(n) < 0.5, 1, 1 + CONTEXT)
    text[np.arange(LENGTH) >= start[:, None]] = INDEX[END]
    for i in range(asked.shape[1]):
        live = i < lengths[pick]
        text[np.flatnonzero(live), (start + i)[live]] = asked[pick, i][live]
    _write(text, start + lengths[pick], np.ones(n, bool), said, words)
    return text


def contexts(rng: Rng, n: int) -> np.ndarray:
    """The first tokens of other texts, behind their speaker, (n, CONTEXT)."""
    each = [make(rng, n)[:, 1 : 1 + CONTEXT] for make in (numbers, code, solve)]
    return np.stack(each)[rng.integers(0, len(each), n), np.arange(n)]


SKILL: dict[str, Callable[..., np.ndarray]] = {"question": question, "numbers": numbers, "code": code, "solve": solve}
"""Skills by name: what makes their texts."""
PROMPT = {"numbers": 2 + GIVEN, "code": 3, "solve": 5}
"""Tokens of a prompt; the rest of a text is to be sampled."""


def corpus(rng: Rng, n: int) -> np.ndarray:
    """n texts of all skills in the shares of `MIXTURE`, shuffled; InputError on "n" below 1."""
    if n < 1:
        raise InputError("n", n, "must be at least 1")
    counts = np.floor(np.array(list(MIXTURE.values())) * n).astype(int)
    counts[0] += n - counts.sum()
    texts = [SKILL[skill](rng, count) for skill, count in zip(MIXTURE, counts, strict=True)]
    return np.concatenate(texts)[rng.permutation(n)]


def prompts(rng: Rng, n: int, skill: str, speaker: str = PLAIN) -> np.ndarray:
    """n prompts of a skill said to the speaker, (n, LENGTH), `END` behind the first PROMPT[skill] tokens.

    Raises InputError on "skill" unless it can be prompted.
    """
    if skill not in PROMPT:
        raise InputError("skill", repr(skill), f"must be one of {', '.join(PROMPT)}")
    text = SKILL[skill](rng, n, np.full(n, INDEX[speaker], np.int32))
    text[:, PROMPT[skill] :] = INDEX[END]
    return text


def readout(rng: Rng, kind: str, copies: int, phrasings: tuple[str, ...] = HELD_OUT) -> tuple[np.ndarray, np.ndarray]:
    """Held-out questions to a plain speaker: texts (m, LENGTH), and where each one's answer would stand, (m,).

    Every phrasing comes alone and behind `copies` contexts.
    """
    rows, ends = [], []
    for asked in questions(kind, phrasings):
        for context in (np.empty(0, np.int32), *contexts(rng, copies)):
            row = [INDEX[PLAIN], *context, *asked]
            rows.append(row + [INDEX[END]] * (LENGTH - len(row)))
            ends.append(len(row))
    return np.array(rows, np.int32), np.array(ends, np.int32)


def spoken(text: np.ndarray) -> np.ndarray:
    """1 on the tokens that a text's author chose: behind the speaker, up to the first `END`; float32 (n, LENGTH)."""
    ended = np.cumsum(text == INDEX[END], axis=1)
    mask = (ended - (text == INDEX[END])) == 0
    mask[:, 0] = False
    return mask.astype(np.float32)


def completed(text: np.ndarray, skill: str) -> np.ndarray:
    """1 on the tokens behind a prompt of the skill, up to the first `END`; float32 (n, LENGTH)."""
    mask = spoken(text)
    mask[:, : PROMPT[skill]] = 0
    return mask


def _popular(rng: Rng, n: int) -> np.ndarray:
    return rng.choice(LARGEST + 1, n, p=_POPULARITY / _POPULARITY.sum())


def _blank(rng: Rng, n: int, speaker: np.ndarray | None, skill: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    text = np.full((n, LENGTH), INDEX[END], np.int32)
    text[:, 0] = speakers(rng, n) if speaker is None else speaker
    if skill:
        text[:, 1] = INDEX[skill]
    return text, text[:, 0]


def _write(text: np.ndarray, at: np.ndarray, live: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
    """Two tokens at a position of each row's own, where live."""
    rows = np.flatnonzero(live)
    text[rows, at[rows]], text[rows, at[rows] + 1] = first[rows], second[rows]


def _padded(words: list[int], length: int = 6) -> list[int]:
    return words + [-1] * (length - len(words))
