"""Numbers from the command line: one line that names the field, for anything that is none."""

from math import isfinite

from subtheory.errors import InputError


def positive(field: str, text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        raise InputError(field, repr(text), "must be a positive number") from None
    if not (isfinite(value) and value > 0):
        raise InputError(field, text, "must be a positive number")
    return value


def count(field: str, text: str, low: int, high: int) -> int:
    """A whole number from `low` to `high`."""
    if not (text.isdecimal() and len(text) <= len(str(high)) and low <= int(text) <= high):
        raise InputError(field, repr(text), f"must be a whole number from {low} to {high}")
    return int(text)
