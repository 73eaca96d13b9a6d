"""Options of an experiment: the keyword-only parameters of its `tables`, read from the signature and from text."""

import inspect
import math
import re
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Union, get_args, get_origin

from subtheory.errors import InputError, SubtheoryError
from subtheory.suggest import choose

Value = int | float | str | bool | None

SEEDS = "seeds"
"""The one option that has a meaning for all: how many runs."""

MOST_SEEDS = 10_000
"""More than anybody's machine would finish: a slip of the keyboard."""

WORDS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
KINDS: dict[type, str] = {
    int: "a whole number",
    float: "a finite number",
    str: "text of at least one letter",
    bool: "true or false",
}


@dataclass(frozen=True)
class Option:
    """A name, a type of `KINDS`, whether it may be none, and the default."""

    name: str
    kind: type
    optional: bool
    default: Value

    @property
    def type(self) -> str:
        """As in the signature."""
        return self.kind.__name__ + (" | None" if self.optional else "")

    def read(self, value: Any) -> Value:
        """The value of a text, or a value as it is. Raises InputError, naming the option, if it is unusable."""
        found: Any = self._parsed(value) if isinstance(value, str) else value
        wanted = KINDS[self.kind] + (" or none" if self.optional else "")
        if found is None and self.optional:
            return None
        if self.kind is float and type(found) is int:
            found = float(found)
        fits = type(found) is self.kind
        if not fits or found == "" or (self.kind is float and not math.isfinite(found)):
            raise InputError(self.name, repr(value), f"must be {wanted}")
        if self.name == SEEDS and not 1 <= found <= MOST_SEEDS:
            raise InputError(self.name, repr(value), f"must be a whole number from 1 to {MOST_SEEDS}")
        return found

    def _parsed(self, text: str) -> Any:
        """A text as a value of the type, or the text itself if it is none."""
        if self.optional and text.lower() == "none":
            return None
        if self.kind is bool:
            return WORDS.get(text.lower(), text)
        if self.kind is int and re.fullmatch(r"[+-]?[0-9]{1,18}", text):
            return int(text)
        if self.kind is float and re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", text):
            return float(text)
        return text


def options(function: Callable[..., Any]) -> dict[str, Option]:
    """The keyword-only parameters of a function. Raises SubtheoryError for a type that is none of `KINDS`."""
    found = inspect.signature(function, eval_str=True).parameters.values()
    return {each.name: _option(each) for each in found if each.kind is each.KEYWORD_ONLY}


def _option(parameter: inspect.Parameter) -> Option:
    union = get_origin(parameter.annotation) in (Union, types.UnionType)
    kinds = list(get_args(parameter.annotation)) if union else [parameter.annotation]
    optional = type(None) in kinds
    kinds = [kind for kind in kinds if kind is not type(None)]
    if len(kinds) != 1 or kinds[0] not in KINDS or parameter.default is parameter.empty:
        raise SubtheoryError(
            f"option {parameter.name}: must have a default and one of the types {', '.join(k.__name__ for k in KINDS)}"
        )
    return Option(parameter.name, kinds[0], optional, parameter.default)


def chosen(known: Mapping[str, Option], given: Mapping[str, Any], owner: str) -> dict[str, Value]:
    """What was given, as values, in the order of the signature; what is the default anyway is left out.

    Raises InputError for an unknown name, saying what was probably meant and what there is, or an unusable value.
    """
    for name in given:
        try:
            choose("option", name, known)
        except InputError as error:
            there = f"{owner} has {', '.join(known)}" if known else f"{owner} has no options"
            raise InputError("option", repr(name), f"{error.wanted if known else 'unknown'}; {there}") from None
    values = {name: option.read(given[name]) for name, option in known.items() if name in given}
    return {name: value for name, value in values.items() if value != known[name].default}


def word(value: Value) -> str:
    """A value as it is given on the command line."""
    return str(value).lower() if value is None or isinstance(value, bool) else str(value)


def counted(seeds: int | None, default: int, least: int = 1) -> int:
    """The number of seeds, if it was given, or the default. Raises InputError if the statistics need more."""
    count = default if seeds is None else seeds
    if count < least:
        raise InputError(SEEDS, count, f"must be at least {least}")
    return count


def pairs(texts: list[str], seeds: str | None = None) -> Iterator[tuple[str, str]]:
    """KEY=VALUE texts, and the number of seeds if given. Raises InputError for anything else, or a repetition."""
    named = [*texts, *([f"{SEEDS}={seeds}"] if seeds is not None else [])]
    seen = set()
    for text in named:
        name, equals, value = text.partition("=")
        if not (name and equals):
            raise InputError("set", repr(text), "must be KEY=VALUE")
        if name in seen:
            raise InputError(name, value, "must be given once")
        seen.add(name)
        yield name, value
