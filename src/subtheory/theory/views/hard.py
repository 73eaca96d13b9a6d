"""Labels that are made hard: the most likely output alone, or logits on a grid (predictions P13 and P51)."""

from dataclasses import dataclass
from typing import Any

from subtheory import arguments
from subtheory.theory.losses import OFF, namespace
from subtheory.theory.views.view import View


@dataclass(frozen=True)
class Greedy(View):
    """The most likely output alone, r = e_a with a = argmax y over what is distilled; the first one of a tie."""

    name = "greedy"

    def labels(self, logits: Any, w: Any) -> Any:
        xp = namespace(logits, w)
        first = xp.where(w > 0, logits, OFF).argmax(axis=-1)[..., None]
        return xp.where(xp.arange(logits.shape[-1]) == first, 0.0 * logits, OFF)


@dataclass(frozen=True)
class Rounded(View):
    """Logits to the nearest multiple of a grid, y = g·round(f/g).

    Raises InputError on "grid" unless it is positive.
    """

    grid: float = 0.1
    name = "rounded"

    def __post_init__(self) -> None:
        object.__setattr__(self, "grid", arguments.positive("grid", self.grid))

    def labels(self, logits: Any, w: Any) -> Any:
        return self.grid * namespace(logits).round(logits / self.grid)
