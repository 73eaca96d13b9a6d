"""Labels that are drawn from what the teacher says (prediction P9, gap g7)."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.theory.views.view import View


@dataclass(frozen=True)
class Drawn(View):
    """One-hot labels of `count` rows drawn at a temperature: r = σ(y/τ). Its `labels` are their law, r's own logits.

    An instrument that looks at means takes the law; `instruments.sampled` draws. Raises InputError on "count" below 1,
    on "temperature" unless it is positive.
    """

    count: int = 100  # type: ignore[misc]
    temperature: float = 1.0
    name = "drawn"

    def __post_init__(self) -> None:
        object.__setattr__(self, "count", arguments.whole("count", self.count))
        found = arguments.number(self.temperature)
        if found is None or not (isfinite(found) and found > 0):
            raise InputError("temperature", arguments.shown(self.temperature), "must be a positive number")
        object.__setattr__(self, "temperature", found)

    def labels(self, logits: Any, w: Any) -> Any:
        return logits / self.temperature
