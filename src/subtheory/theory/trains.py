"""What a student trains, or a teacher moves: all parameters, or a part of them. To add a kind, add one class."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.theory.layout import Layout
from subtheory.theory.part import Part


def _several(value: Any) -> bool:
    """Whether this is a list, a tuple or a set."""
    return isinstance(value, list | tuple | set | frozenset)


class Trains(Part):
    """A set of parameters; the theorem's own is `All`."""

    @abstractmethod
    def mask(self, layout: Layout, drawn: Callable[[], Any]) -> Any:
        """1 where a parameter is in the set, 0 elsewhere, (..., P) or (P,); None for all of them.

        `drawn()` are standard normal numbers, (..., P), for sets that chance decides.
        """


@dataclass(frozen=True)
class All(Trains):
    """Every parameter: the theorem's own assumption (gap g15)."""

    name = "all"

    def mask(self, layout: Layout, drawn: Callable[[], Any]) -> Any:
        return None


@dataclass(frozen=True)
class Half(Trains):
    """Each parameter with probability one half."""

    name = "half"

    def mask(self, layout: Layout, drawn: Callable[[], Any]) -> Any:
        numbers = drawn()
        return (numbers > 0).astype(numbers.dtype)


@dataclass(frozen=True)
class OtherHalf(Trains):
    """Each parameter that `Half` leaves out, of the same draw: orthogonal to what a teacher of that half does."""

    name = "other-half"

    def mask(self, layout: Layout, drawn: Callable[[], Any]) -> Any:
        numbers = drawn()
        return (numbers <= 0).astype(numbers.dtype)


def _named(field: str, given: Any) -> tuple[str, ...]:
    """One name or several. Raises InputError on the field for none, or what is no name."""
    names = (given,) if isinstance(given, str) else tuple(given if _several(given) else ())
    if not names or not all(isinstance(name, str) for name in names):
        raise InputError(field, arguments.shown(given), f"must be names of {field}, at least one")
    return names


@dataclass(frozen=True)
class Layers(Trains):
    """The top-level parts of these names (prediction P35). Raises InputError on "layers" for one that is not there."""

    layers: tuple[str, ...]
    name = "layers"

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", _named("layers", self.layers))

    @property
    def shown(self) -> str:
        return "-and-".join(self.layers)

    def mask(self, layout: Layout, drawn: Callable[[], Any]) -> Any:
        known = layout.layers()
        if set(self.layers) - set(known):
            raise InputError("layers", ", ".join(self.layers), f"must be some of {', '.join(known)}")
        blank = layout.unflatten(np.zeros(layout.size))

        def part(path: Any, leaf: np.ndarray) -> np.ndarray:
            return np.full_like(leaf, jax.tree_util.keystr(path[:1], simple=True) in self.layers)

        return layout.flatten(jax.tree_util.tree_map_with_path(part, blank))


@dataclass(frozen=True)
class Leaves(Trains):
    """Arrays by their paths, or all below one: "Dense_0/bias", an added vector, or "Block_0" (predictions P34, P56).

    Raises InputError on "leaves" for a path that is not there.
    """

    leaves: tuple[str, ...]
    name = "leaves"

    def __post_init__(self) -> None:
        object.__setattr__(self, "leaves", _named("leaves", self.leaves))

    @property
    def shown(self) -> str:
        return "-and-".join(self.leaves)

    def mask(self, layout: Layout, drawn: Callable[[], Any]) -> Any:
        known, mask = layout.leaves(), np.zeros(layout.size)
        for name in self.leaves:
            found = [place for leaf, (place, _) in known.items() if f"{leaf}/".startswith(f"{name}/")]
            if not found:
                raise InputError("leaves", name, f"must be one of {', '.join(known)}, or what these are below")
            for place in found:
                mask[place] = 1.0
        return mask


@dataclass(frozen=True)
class Entries(Trains):
    """The parameters with a 1 here, P numbers in all, in the order of `Layout`.

    Raises InputError on "entries" for numbers other than 0 and 1, as indices are, or another number of them than P.
    """

    entries: tuple[float, ...]
    name = "entries"

    def __post_init__(self) -> None:
        each_one = arguments.entries(self.entries) or [None]
        known = [float(each) if isinstance(each, bool | np.bool_) else arguments.number(each) for each in each_one]
        if any(each not in (0.0, 1.0) for each in known):
            raise InputError("entries", arguments.shown(self.entries), "must be 0 or 1, one for each parameter")
        object.__setattr__(self, "entries", tuple(known))

    @property
    def shown(self) -> str:
        return f"entries: {np.count_nonzero(self.entries)} of {len(self.entries)}"

    def mask(self, layout: Layout, drawn: Callable[[], Any]) -> Any:
        if len(self.entries) != layout.size:
            raise InputError(
                "entries", f"{len(self.entries)} numbers", f"must be {layout.size}, one for each parameter"
            )
        return np.asarray(self.entries, np.float64)
