"""Look a name up, and say what was probably meant when it is not there."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

from subtheory.arguments import shown
from subtheory.errors import UnknownName

T = TypeVar("T")


def choose(field: str, name: str, known: Mapping[str, T]) -> T:
    """known[name]; UnknownName, an InputError on `field`, with the closest name, or all names, if there is none."""
    if not isinstance(name, str):
        raise UnknownName(field, shown(name), f"must be a name, one of {', '.join(known)}")
    if name in known:
        return known[name]
    close = get_close_matches(name, known, n=1)
    wanted = f"unknown, did you mean {close[0]!r}?" if close else f"must be one of {', '.join(known)}"
    raise UnknownName(field, repr(name), wanted)
