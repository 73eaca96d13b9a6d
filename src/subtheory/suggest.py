"""Look a name up, and say what was probably meant when it is not there."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import TypeVar

from subtheory.arguments import shown
from subtheory.errors import UnknownName

T = TypeVar("T")

MOST = 30
"""Names that an error lists."""

LONGEST = 200
"""Letters of a name that are compared and shown: a file may give any number."""


def choose(field: str, name: str, known: Mapping[str, T]) -> T:
    """known[name]; UnknownName, an InputError on `field`, with the closest name, or some or all, if there is none."""
    if not isinstance(name, str):
        raise UnknownName(field, shown(name), f"must be a name, one of {_listed(known)}")
    if name in known:
        return known[name]
    close = get_close_matches(name[:LONGEST], known, n=1)
    wanted = f"unknown, did you mean {close[0]!r}?" if close else f"must be one of {_listed(known)}"
    raise UnknownName(field, shown(name, LONGEST), wanted)


def _listed(known: Mapping[str, T]) -> str:
    names = list(known)
    return ", ".join(names) if len(names) <= MOST else f"{', '.join(names[:MOST])} and {len(names) - MOST} more"
