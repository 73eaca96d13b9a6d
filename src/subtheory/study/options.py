"""Options of an experiment: the fields of its plan that a text can set."""

import math
import re
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

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
        """As in the plan."""
        return self.kind.__name__ + (" | None" if self.optional else "")

    def read(self, value: Any) -> Value:
        """The value of a text, or a value as it is. Raises InputError, naming the option, if it is unusable."""
        found: Any = self._parsed(value) if isinstance(value, str) else value
        wanted = KINDS[self.kind] + (" or none" if self.optional else "")
        if found is None and self.optional:
            return None
        if self.kind is float and type(found) is int:
            found = float(found)
        fits = type(found) is self.kind and (self.kind is not str or _writable(found))
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


def _writable(text: Any) -> bool:
    """Whether a file can hold it: bytes of a command line that are no letters are not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def options(plan: Any) -> dict[str, Option]:
    """The fields of a plan with one of the types `KINDS`, or none; its own values are the defaults.

    Fields of other types are for code alone. Raises SubtheoryError for what is no frozen dataclass.
    """
    if not is_dataclass(plan) or isinstance(plan, type) or not plan.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise SubtheoryError(f"plan {plan!r}: must be a record, an instance of a frozen dataclass")
    hints = get_type_hints(type(plan))
    found = (_option(each.name, hints[each.name], getattr(plan, each.name)) for each in fields(plan))
    return {option.name: option for option in found if option}


def _option(name: str, hint: Any, default: Any) -> Option | None:
    union = get_origin(hint) in (Union, types.UnionType)
    kinds = list(get_args(hint)) if union else [hint]
    optional = type(None) in kinds
    kinds = [kind for kind in kinds if kind is not type(None)]
    return Option(name, kinds[0], optional, default) if len(kinds) == 1 and kinds[0] in KINDS else None


def chosen(known: Mapping[str, Option], given: Mapping[str, Any], owner: str) -> dict[str, Value]:
    """What was given, as values, in the order of the plan; what is the default anyway is left out.

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


@dataclass(frozen=True)
class Seeds:
    """The plan of an experiment of which nothing but the number of seeds can be set."""

    seeds: int

    def __post_init__(self) -> None:
        at_least(self, seeds=1)


def at_least(plan: Any, **least: int) -> None:
    """For a plan's `__post_init__`: raises InputError for the first of these fields that is smaller; none is not."""
    for name, low in least.items():
        value = getattr(plan, name)
        if value is not None and value < low:
            raise InputError(name, value, f"must be at least {low}")


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
