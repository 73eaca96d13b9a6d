"""Arguments as people type them: numbers of any library, lists, masks; each read once, or refused in one line."""

from collections.abc import Callable, Iterable
from math import isfinite
from numbers import Integral, Real
from typing import Any, TypeVar

import numpy as np

from subtheory.errors import InputError

T = TypeVar("T")

MOST_SEEDS = 10_000
"""More than anybody's machine would finish: a slip of the keyboard."""

LARGEST_SEED = 2**32 - 1


def number(value: Any) -> float | None:
    """A real number of Python, NumPy or JAX as a float; None for anything else, truth values too."""
    if _truth(value):
        return None
    if isinstance(value, Real):
        return _converted(float, value)
    # Kind V is that of bfloat16, and of records, which are no numbers.
    return _converted(float, value) if _scalar(value) and getattr(value.dtype, "kind", "") in "fiuV" else None


def integer(value: Any) -> int | None:
    """A whole number of Python, NumPy or JAX as an int; None for anything else, truth values and floats too."""
    if _truth(value):
        return None
    if isinstance(value, Integral):
        return int(value)
    return _converted(int, value) if _scalar(value) and getattr(value.dtype, "kind", "") in "iu" else None


def _converted(kind: Callable[[Any], T], value: Any) -> T | None:
    """The value as a number of Python; None if it is none, or too large for one."""
    try:
        return kind(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _scalar(value: Any) -> bool:
    """Whether this is an array without axes; a class is none, whatever it has."""
    return not isinstance(value, type) and hasattr(value, "dtype") and getattr(value, "shape", None) == ()


def _truth(value: Any) -> bool:
    return isinstance(value, bool | np.bool_) or (_scalar(value) and value.dtype == bool)


def positive(field: str, value: Any) -> float:
    """A finite number above 0. Raises InputError on `field` for anything else."""
    found = number(value)
    if found is None or not isfinite(found) or found <= 0:
        raise InputError(field, shown(value), "must be a positive number")
    return found


def whole(field: str, value: Any, low: int = 1, high: int | None = None) -> int:
    """A whole number from `low` on, to `high` if there is one. Raises InputError on `field` for anything else."""
    found = integer(value)
    if found is None:
        raise InputError(field, shown(value), "must be a whole number")
    if found < low:
        raise InputError(field, shown(value), f"must be at least {low}")
    if high is not None and found > high:
        raise InputError(field, shown(value), f"must be at most {high}")
    return found


def seeds(value: Any, field: str = "seeds", first: Any = 0) -> tuple[int, ...]:
    """`first` ... `first` + n − 1 for a count n, or the seeds of a list or array.

    Raises InputError on `field` for anything else, and on "seed" for a `first` that is none or stands beside a list.
    """
    start = whole("seed", first, 0, LARGEST_SEED)
    if integer(value) is not None:
        count = whole(field, value, 1, MOST_SEEDS)
        if start + count - 1 > LARGEST_SEED:
            raise InputError("seed", start, f"must leave room for {count} seeds up to {LARGEST_SEED}")
        return tuple(range(start, start + count))
    if start:
        raise InputError("seed", start, f"must stand beside a count of {field}, not a list of them")
    listed = None if isinstance(value, str) else entries(value)
    if listed is None:
        raise InputError(field, shown(value), "must be a whole number, or a list of them")
    found = tuple(_seed(field, each) for each in listed)
    if not found:
        raise InputError(field, "none", "must be at least one")
    if len(set(found)) < len(found):
        raise InputError(field, shown(value), "must differ from each other")
    return found


def entries(value: Any) -> list[Any] | None:
    """The entries of a list or an array of one axis; None for anything else."""
    if isinstance(value, dict | bytes) or not isinstance(value, Iterable) or _scalar(value):
        return None
    try:
        found = list(value)
    except TypeError:
        return None
    nested = [isinstance(each, Iterable) and not isinstance(each, str) and not _scalar(each) for each in found]
    return None if any(nested) else found


def _seed(field: str, value: Any) -> int:
    found = integer(value)
    if found is None or not 0 <= found <= LARGEST_SEED:
        raise InputError(field, shown(value), f"must lie in 0 ... {LARGEST_SEED}")
    return found


def outputs(value: Any, width: int | None, field: str = "outputs") -> str | tuple[int, ...]:
    """Which logits: a name as it is, else the indices of a list, an array or a mask of truth values, in order.

    Raises InputError on `field` for no logit, one that there is not among `width` of them, one that is named twice, and
    a mask of another length.
    """
    if isinstance(value, str):
        return value
    wanted = "must be 'all'" if width is None else f"must be 'all' or indices below {width}"
    wanted += ", or a mask of truth values"
    if integer(value) is not None:
        value = (value,)
    listed = entries(value)
    if listed is None:
        raise InputError(field, shown(value), wanted)
    if listed and all(_truth(each) for each in listed):
        if width is not None and len(listed) != width:
            raise InputError(field, shown(value), f"must have one truth value for each of {width} outputs")
        listed = [i for i, each in enumerate(listed) if each]
    found = [integer(each) for each in listed]
    known = [i for i in found if i is not None]
    if not known or len(known) < len(found) or min(known) < 0 or (width is not None and max(known) >= width):
        raise InputError(field, shown(value), wanted)
    if len(set(known)) < len(known):
        raise InputError(field, shown(value), "must name every output once (a mask must be of truth values)")
    return tuple(sorted(known)) if isinstance(value, set | frozenset) else tuple(known)


def hashable(field: str, value: Any) -> None:
    """Raise InputError on `field` for what has no hash: equal parts share what is compiled for them."""
    try:
        hash(value)
    except TypeError as error:
        raise InputError(field, shown(value), "must be hashable, with no list or array among its fields") from error


def shown(value: Any, longest: int = 60) -> str:
    """A value in one line that is not too long."""
    try:
        text = " ".join((str(value) if number(value) is not None else repr(value)).split())
    except Exception:  # of somebody's own class
        text = type(value).__name__
    return text if len(text) <= longest else f"{text[:longest]}..."
