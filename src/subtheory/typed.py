"""Plain values, as files have them, as records of a type: whatever does not fit is one line that names the place."""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from subtheory.arguments import shown
from subtheory.errors import InputError
from subtheory.suggest import choose

T = TypeVar("T")

KINDS = {
    "float": "a number", "int": "a whole number", "str": "text", "bool": "true or false", "array": "a list",
    "object": "a table",
}  # fmt: skip
"""What msgspec calls its types."""


def convert(given: Any, kind: type[T], tables: Mapping[str, Any], field: str) -> T:
    """The record of plain values. Raises InputError, naming the place, or `field` for all of it.

    `tables` has the type of what stands at each name, and at "" of the whole: names that it has are suggested.
    """
    try:
        return msgspec.convert(given, kind)
    except msgspec.ValidationError as error:
        raise _misfit(given, str(error), tables, field) from None


def _misfit(given: Any, said: str, tables: Mapping[str, Any], whole: str) -> InputError:
    """What msgspec says, as this package says it: the place, what it must be, and what it is."""
    said, _, place = said.partition(" - at `$")
    place = place.rstrip("`").lstrip(".")
    if named := re.fullmatch(r"Object (contains unknown|missing required) field `(.*)`", said, re.DOTALL):
        unknown, name = named[1] == "contains unknown", named[2]
        field = shown(f"{place}.{name}".lstrip(".")).strip("'\"")
        if not unknown:
            return InputError(field, "none", "must be given")
        known = tables[re.split(r"[.\[]", place)[0]].__struct_fields__
        try:
            choose("field", name, dict.fromkeys(known))
        except InputError as error:
            return InputError(field, error.value, error.wanted)
    value = given
    for step in re.findall(r"[^.\[\]]+", place):
        value = value[int(step) if isinstance(value, list) else step]
    kind, *rest = re.sub(r"^Expected ", "", said).partition(", got ")[0].partition("` ")
    name = kind.strip("`").removesuffix(" | null")
    wanted = f"must be {KINDS.get(name, name)} {rest[-1]}".rstrip().replace(">=", "≥").replace("<=", "≤")
    return InputError(place or whole, shown(value), wanted)
