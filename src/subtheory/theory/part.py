"""A part of a setting: a frozen record with a name, which a file can state and read back."""

from abc import ABC
from dataclasses import fields
from typing import Any, ClassVar, TypeVar

T = TypeVar("T", bound="Part")


class Part(ABC):
    """What kinds of one part have in common. A kind is one subclass, a frozen dataclass that compares by value."""

    name: ClassVar[str]
    """Kebab-case name of the kind, by which files and the command line know it."""

    @property
    def shown(self) -> str:
        """The name with the values that are not those of the kind."""
        own = [f"{f.name}={getattr(self, f.name)}" for f in fields(self) if getattr(self, f.name) != f.default]  # type: ignore[arg-type]
        return f"{self.name}({', '.join(own)})" if own else self.name

    @classmethod
    def kinds(cls: type[T]) -> dict[str, type[T]]:
        """Every kind of this part by name, wherever it is written."""
        found: dict[str, type[T]] = {}
        for kind in cls.__subclasses__():
            found |= {kind.name: kind} if "name" in vars(kind) else {}
            found |= kind.kinds()
        return found


def stated(part: Part) -> dict[str, Any]:
    """A part of plain numbers, strings, tuples and other parts as JSON."""
    values = {field.name: getattr(part, field.name) for field in fields(part)}  # type: ignore[arg-type]
    return {"kind": part.name, **{n: stated(v) if isinstance(v, Part) else v for n, v in values.items()}}


def restored(kind: type[T], told: Any) -> T:
    """The part that `stated` told. Raises ValueError for one that is not of this kind, or does not fit it."""
    known = kind.kinds()
    named = told.get("kind", "no kind") if isinstance(told, dict) else told
    if named not in known:
        raise ValueError(f"{kind.__name__.lower()}: must be one of {', '.join(known)}, got {named!r}")
    try:
        return known[told["kind"]](**{name: _value(value) for name, value in told.items() if name != "kind"})
    except TypeError as error:
        raise ValueError(f"{kind.__name__.lower()} {told['kind']}: {error}") from error


def _value(told: Any) -> Any:
    if isinstance(told, dict):
        return restored(Part, told)
    return tuple(told) if isinstance(told, list) else told
