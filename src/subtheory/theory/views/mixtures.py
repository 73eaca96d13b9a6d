"""Labels of several sources: rows of a teacher among others, and what no source forbids (P29, P52, P57)."""

from dataclasses import dataclass
from math import log, log1p
from typing import Any

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.theory.losses import OFF, log_softmax, namespace
from subtheory.theory.views.view import Compared, Full, View


@dataclass(frozen=True)
class Diluted(Compared):
    """Rows of the teacher's for a share ρ, of θ0's for the rest: labels of the law ρp_ε + (1 − ρ)p0.

    `rest` is what those other rows show of θ0's outputs, in place of the whole: a third model. Raises InputError on
    "share" outside 0 ... 1, on "rest" for what is no view, or draws.
    """

    share: float = 0.1
    rest: View = Full()
    name = "diluted"

    def __post_init__(self) -> None:
        found = arguments.number(self.share)
        if found is None or not 0 <= found <= 1:
            raise InputError("share", arguments.shown(self.share), "must lie in 0 ... 1")
        object.__setattr__(self, "share", found)
        if not isinstance(self.rest, View) or self.rest.count is not None:
            raise InputError("rest", arguments.shown(self.rest), "must be a view that draws nothing, such as Full()")

    def beside(self, logits: Any, w: Any, base: Any) -> Any:
        own, others = log_softmax(logits, w), log_softmax(self.rest.labels(base, w), w)
        mine = log(self.share) if self.share > 0 else OFF
        theirs = log1p(-self.share) if self.share < 1 else OFF
        return namespace(own, others).logaddexp(own + mine, others + theirs)


@dataclass(frozen=True)
class Least(Compared):
    """The smallest probability over two sources, the teacher and θ0, renormalised: labels ∝ min(p_ε, p0).

    Any number of sources that are θ0's own count as one (prediction P57; idea: arXiv 2607.23394).
    """

    name = "least"

    def beside(self, logits: Any, w: Any, base: Any) -> Any:
        return namespace(logits).minimum(log_softmax(logits, w), log_softmax(base, w))
