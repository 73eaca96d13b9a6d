"""What a student trains, or a teacher moves: all parameters, or a part of them. To add a kind, add one class."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np

from subtheory.errors import InputError
from subtheory.theory.layout import Layout
from subtheory.theory.part import Part


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
class Layers(Trains):
    """The top-level parts of these names (prediction P35). Raises InputError on "layers" for one that is not there."""

    layers: tuple[str, ...]
    name = "layers"

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
class Entries(Trains):
    """The parameters with a 1 here, P numbers in all, in the order of `Layout`."""

    entries: tuple[float, ...]
    name = "entries"

    @property
    def shown(self) -> str:
        return f"entries: {np.count_nonzero(self.entries)} of {len(self.entries)}"

    def mask(self, layout: Layout, drawn: Callable[[], Any]) -> Any:
        return np.asarray(self.entries, np.float64)
