"""Outputs in another code than the student's (prediction P43)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.theory.views.view import View


@dataclass(frozen=True)
class Recoded(View):
    """What the teacher says as output i is shown as output π(i), π = `order`, which the student takes for a label.

    Raises InputError on "order" unless it holds each of 0 ... n − 1 once, and for another number of outputs than n.
    """

    order: tuple[int, ...]
    name = "recoded"

    def __post_init__(self) -> None:
        known = tuple(arguments.integer(each) for each in arguments.entries(self.order) or ())
        if not known or sorted(-1 if each is None else each for each in known) != list(range(len(known))):
            raise InputError("order", arguments.shown(self.order), "must hold each of 0 ... n − 1 once")
        object.__setattr__(self, "order", known)

    @property
    def shown(self) -> str:
        return f"recoded {sum(i != j for i, j in enumerate(self.order))} outputs"

    def labels(self, logits: Any, w: Any) -> Any:
        if len(self.order) != w.shape[-1]:
            raise InputError("order", f"{len(self.order)} outputs", f"must be of {w.shape[-1]}")
        return logits[..., np.argsort(self.order)]
