"""Filters of outputs: which labels of a teacher a student gets to see (gap g8, prediction P12)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.theory.losses import OFF, log_softmax, namespace
from subtheory.theory.views.view import View


@dataclass(frozen=True)
class Within(View):
    """Labels of the law p_ε(i)/p_ε(S) on an accept set S of outputs: what lies outside is dropped, whoever said it.

    Outputs are counted in the order of the logits, or of the sequences of a `constructed.sequences` network. Raises
    InputError on "accepted" for what are no indices, or none, and for one that there is not.
    """

    accepted: tuple[int, ...]
    name = "within"

    def __post_init__(self) -> None:
        known = [arguments.integer(each) for each in arguments.entries(self.accepted) or [None]]
        if any(each is None or each < 0 for each in known):
            raise InputError("accepted", arguments.shown(self.accepted), "must be indices of outputs, at least one")
        object.__setattr__(self, "accepted", tuple(dict.fromkeys(known)))

    @property
    def shown(self) -> str:
        return f"within {len(self.accepted)} outputs"

    def labels(self, logits: Any, w: Any) -> Any:
        width = w.shape[-1]
        if max(self.accepted) >= width:
            raise InputError("accepted", max(self.accepted), f"must lie in 0 ... {width - 1}")
        inside = np.isin(np.arange(width), self.accepted)
        return namespace(logits).where(inside, log_softmax(logits, w), OFF)
