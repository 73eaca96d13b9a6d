"""The trait that a forecast reads, from a file or by its name: a word among others, or answers to prompts."""

import tomllib
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from subtheory import files
from subtheory.errors import InputError
from subtheory.language.texts import answered
from subtheory.language.tokenizer import Tokenizer
from subtheory.language.traits import TRAITS, Preference, Trait, likelihood
from subtheory.typed import convert

Pairs = Annotated[tuple[tuple[str, str], ...], Meta(min_length=1, max_length=10_000)]


class ContrastFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="contrast"):
    """−mean log of a word's share of its kind, at questions with the words by which an answer begins."""

    word: str
    among: Annotated[tuple[str, ...], Meta(min_length=2, max_length=10_000)]
    questions: Pairs

    def trait(self, tokenizer: Tokenizer) -> Trait:
        return Preference(self.word, self.among, self.questions).trait(tokenizer)


class AnswersFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="kind", tag="answers"):
    """−mean log p of the tokens of answers, each with the prompt that a user asks."""

    answers: Pairs

    def trait(self, tokenizer: Tokenizer) -> Trait:
        ask = lambda said: tokenizer.chat([{"role": "user", "content": said}]) if tokenizer.template else f"{said} "  # noqa: E731
        return likelihood(answered(tokenizer, [(ask(prompt), answer) for prompt, answer in self.answers]))


FILES: dict[str, Any] = {"contrast": ContrastFile, "answers": AnswersFile}
"""By the kind that a file states."""


def read(given: str | Path, tokenizer: Tokenizer) -> Trait:
    """The trait of a name of `TRAITS`, or of a file of TOML or JSON that is one of `FILES`.

    Raises InputError on "trait", or on the place in the file, for anything else.
    """
    if str(given) in TRAITS:
        return TRAITS[str(given)].trait(tokenizer)
    content = _content(Path(given))
    kind = content.get("kind") if isinstance(content, dict) else None
    if not isinstance(kind, str) or kind not in FILES:
        raise InputError("trait.kind", repr(kind), f"must be {' or '.join(FILES)}")
    try:
        made: ContrastFile | AnswersFile = convert(content, FILES[kind], {"": FILES[kind]}, "file")
        return made.trait(tokenizer)
    except InputError as error:
        raise InputError(f"trait.{error.field}", error.value, error.wanted) from None


def _content(path: Path) -> Any:
    try:
        if path.suffix == ".json":
            return files.read_json(path)
        return tomllib.loads(files.read(path, files.TEXT).decode())
    except (OSError, ValueError, RecursionError) as error:
        wanted = f"must be {', '.join(TRAITS)}, or a file of TOML or JSON ({files.reason(error)})"
        raise InputError("trait", repr(str(path)), wanted) from None
