"""Captions: text whose fields are counted in the tables that a figure shows, so that it is true of quick runs too."""

import re
from collections.abc import Mapping
from typing import Any

from subtheory.errors import SubtheoryError
from subtheory.table import Rows

Tables = Mapping[str, Rows]

ONE = re.compile(r"(?<![\w.,])1 (seed|init|base|size|network|temperature|draw|student|chain|pool|divergence|case)s\b")
"""Nouns of which a quick run may have one."""


def filled(text: str, tables: Tables) -> str:
    """The text with its fields, {TABLE.COLUMN}, as the tables have them.

    A field is the number of different values in a column; {...:list} names them, {...:max} and {...:min} are the
    ends, {...:one} is the value that all rows have, or their range. Raises SubtheoryError for a field that the tables
    do not have.
    """
    try:
        said = text.format_map(_Tables(tables))
        return ONE.sub(lambda found: f"1 {found[1]}", said)
    except (AttributeError, KeyError) as error:
        raise SubtheoryError(f"caption: {error} is not in the tables {', '.join(tables)}") from error


class _Tables(dict[str, "_Table"]):
    """Tables as they are asked for: a folder of them reads no others."""

    def __init__(self, tables: Tables) -> None:
        super().__init__()
        self._tables = tables

    def __missing__(self, title: str) -> "_Table":
        return _Table(self._tables[title])


class _Table:
    """Columns as attributes, for a format."""

    def __init__(self, rows: Rows) -> None:
        self._rows = rows

    def __getattr__(self, name: str) -> "_Column":
        values = [row[name] for row in self._rows if name in row]
        if not values:
            raise AttributeError(name)
        return _Column(list(dict.fromkeys(values)))


class _Column:
    """The different values of a column, in their order."""

    def __init__(self, values: list[Any]) -> None:
        self.values = values

    def __format__(self, how: str) -> str:
        return _SAID[how](self.values)


def _listed(values: list[Any]) -> str:
    """a, b and c."""
    words = [_number(value) for value in values]
    return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))


def _number(value: Any) -> str:
    return f"{value:,.3g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)


def _range(values: list[Any]) -> str:
    low, high = min(values), max(values)
    return _number(low) if low == high else f"{_number(low)} to {_number(high)}"


_SAID = {
    "": lambda values: f"{len(values):,}", "list": _listed, "one": _range,
    "max": lambda values: _number(max(values)), "min": lambda values: _number(min(values)),
}  # fmt: skip
