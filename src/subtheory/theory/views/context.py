"""A teacher that a context moves, not training (gap g9, prediction P38)."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.theory.views.view import Compared


@dataclass(frozen=True)
class Contextual(Compared):
    """Labels f_θ0 + c(f_{θ_T} − f_θ0): a context moves θ0's outputs along the teacher's way, or, for c < 0, against it.

    No displacement need do the same. Raises InputError on "along" for what is no finite number.
    """

    along: float = -1.0
    name = "contextual"

    def __post_init__(self) -> None:
        found = arguments.number(self.along)
        if found is None or not isfinite(found):
            raise InputError("along", arguments.shown(self.along), "must be a finite number")
        object.__setattr__(self, "along", found)

    def beside(self, logits: Any, w: Any, base: Any) -> Any:
        return base + self.along * (logits - base)
