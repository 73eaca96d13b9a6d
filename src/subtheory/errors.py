"""Errors that say in one line which field is wrong, what it was given, and what it wants."""

from typing import Any


class SubtheoryError(Exception):
    """Base of every error that the package raises on purpose."""

    exit_code = 2

    def __init__(self, said: str = "") -> None:
        super().__init__(" ".join(said.split("\n")))


LONGEST = 1000
"""Letters of a value that a line shows."""


class InputError(SubtheoryError):
    """A value that a user gave is unusable: names the field and the offending value, in one line."""

    def __init__(self, field: str, value: object, wanted: str) -> None:
        self.field, self.value, self.wanted = field, value, wanted
        text = str(value)
        super().__init__(f"{field}: {wanted}, got {text if len(text) <= LONGEST else text[:LONGEST] + '...'}")

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.field, str(self.value), self.wanted), {"__notes__": getattr(self, "__notes__", [])}


class UnknownName(InputError, KeyError):
    """A name that is not there, with what was probably meant; what expects a KeyError of a mapping gets one."""

    __str__ = Exception.__str__  # a KeyError would quote it


class NoRoom(InputError):
    """A place to write to that is right and full: nothing is wrong with what was asked for."""

    exit_code = 4


class DataError(SubtheoryError):
    """A stored record is corrupt or incomplete."""

    exit_code = 4
