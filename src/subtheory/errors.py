"""Errors that say in one line which field is wrong, what it was given, and what it wants."""


class SubtheoryError(Exception):
    """Base of every error that the package raises on purpose."""

    exit_code = 2


class InputError(SubtheoryError):
    """A value that a user gave is unusable: names the field and the offending value."""

    def __init__(self, field: str, value: object, wanted: str) -> None:
        self.field, self.value, self.wanted = field, value, wanted
        super().__init__(f"{field}: {wanted}, got {value}")


class DataError(SubtheoryError):
    """A stored record is corrupt or incomplete."""

    exit_code = 4
