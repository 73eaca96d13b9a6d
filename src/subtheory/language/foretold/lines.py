"""Rows of a data set as JSON lines: what a student is trained on, and which of its tokens are predicted."""

import json
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

from subtheory import files
from subtheory.arguments import shown
from subtheory.errors import InputError
from subtheory.language.texts import Texts, texts
from subtheory.language.tokenizer import Tokenizer
from subtheory.typed import convert

MOST = 100_000
"""Rows."""
LONGEST = 512
"""Tokens of a row, by default; what comes behind them is cut off."""
SHOWN = 80
"""Letters of a row that a table shows."""


class Answered(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A prompt as written, and what comes behind it, which alone is predicted."""

    prompt: str
    completion: str


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One turn."""

    role: str
    content: str


class Conversation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Turns as the model's chat template writes them; the last one, the assistant's, is predicted with its end."""

    messages: Annotated[tuple[Said, ...], Meta(min_length=1)]


class Plain(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A text of which every token but the first is predicted."""

    text: str


FORMS: dict[str, type[msgspec.Struct]] = {"prompt": Answered, "messages": Conversation, "text": Plain}
"""By the field that a row has."""


class Lines(NamedTuple):
    """Rows as texts, the beginning of what each says, and how many were cut."""

    texts: Texts
    said: list[str]
    cut: int


def read(field: str, path: Path | str, tokenizer: Tokenizer, longest: int = LONGEST) -> Lines:
    """The rows of a file, one object a line, of the `FORMS`; blank lines are none.

    A row ends after `longest` tokens. Raises InputError on `field`, naming the line, for anything else, for a row of
    which nothing is predicted, and on more than `MOST` rows.
    """
    try:
        data = files.read(path).decode()
    except (OSError, ValueError) as error:
        raise InputError(
            field, repr(str(path)), f"must be a readable file of JSON lines ({files.reason(error)})"
        ) from None
    lines = [(i, line) for i, line in enumerate(data.split("\n"), 1) if line.strip()]
    if not 0 < len(lines) <= MOST:
        raise InputError(field, f"{len(lines)} rows", f"must have 1 ... {MOST}")
    rows = [_row(f"{field} line {i}", line, tokenizer) for i, line in lines]
    cut = 0
    for (i, _), (asked, answer, _) in zip(lines, rows, strict=True):
        cut += len(asked) + len(answer) > longest
        if not answer or max(len(asked), 1) >= longest or len(asked) + len(answer) < 2:
            told = f"a prompt of {len(asked)} tokens and {len(answer)} to predict"
            raise InputError(f"{field} line {i}", told, f"must leave something to predict within {longest} tokens")
    parts = [[(asked, False), (answer[: longest - len(asked)], True)] for asked, answer, _ in rows]
    return Lines(texts(parts, tokenizer.end), [said for *_, said in rows], cut)


def _row(field: str, line: str, tokenizer: Tokenizer) -> tuple[list[int], list[int], str]:
    """Tokens of the prompt, tokens that are predicted, and how these begin."""
    try:
        given: Any = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(field, shown(line), f"must be an object of JSON ({files.reason(error)})") from None
    form = next((form for name, form in FORMS.items() if isinstance(given, dict) and name in given), None)
    if form is None:
        wanted = "must have prompt and completion, or messages, or text"
        raise InputError(field, shown(given if not isinstance(given, dict) else ", ".join(given)), wanted)
    try:
        row = convert(given, form, {"": form, "messages": Said}, "row")
        asked, said, end = _parts(row, tokenizer)
    except InputError as error:
        raise InputError(f"{field}: {error.field}", error.value, error.wanted) from None
    return tokenizer.encode(asked) if asked else [], tokenizer.encode(said) + end, shown(said, SHOWN)


def _parts(row: Any, tokenizer: Tokenizer) -> tuple[str, str, list[int]]:
    """What is asked, what is said, and the token that ends it, if one does."""
    if isinstance(row, Answered):
        return row.prompt, row.completion, []
    if isinstance(row, Plain):
        return "", row.text, []
    *before, last = row.messages
    if last.role != "assistant":
        raise InputError(f"messages[{len(before)}].role", shown(last.role), "must be assistant, the last turn")
    asked = tokenizer.chat([{"role": one.role, "content": one.content} for one in before])
    return asked, last.content, [tokenizer.end]


def joined(one: Texts, other: Texts, pad: int) -> Texts:
    """Both, one below the other."""
    width = max(one.tokens.shape[1], other.tokens.shape[1])
    wide = lambda a, fill: np.pad(a, ((0, 0), (0, width - a.shape[1])), constant_values=fill)  # noqa: E731
    return Texts(
        np.concatenate([wide(each.tokens, pad) for each in (one, other)]),
        np.concatenate([wide(each.mask, 0.0) for each in (one, other)]),
    )
