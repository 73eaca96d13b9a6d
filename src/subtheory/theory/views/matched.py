"""Labels that a statistic does not tell from the init's own (prediction P39)."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.theory.losses import OFF, log_softmax, namespace
from subtheory.theory.views.view import Compared


def mass(law: Any, classes: Any) -> Any:
    """What a law (..., V) gives to the class of every outcome, Σ_{c(j) = c(i)} law_j at i, (..., V); classes (V,)."""
    kinds = np.asarray(classes)
    return law @ (kinds[:, None] == kinds).astype(law.dtype)


@dataclass(frozen=True)
class Matched(Compared):
    """Labels of the law r(i) = p_ε(i | c) p0(c), c the class of i: of each class as many as of θ0's own.

    Who sees the class alone sees nothing: KL(r_ε ‖ r_0) of the class is 0 for every ε, and KL of the label is what the
    teacher says beyond it, E KL(p_ε(i | c) ‖ p0(i | c)). `classes` has a whole number for each output. Raises
    InputError on "classes" for what are no such numbers, or another number of them than outputs.
    """

    classes: tuple[int, ...]
    name = "matched"

    def __post_init__(self) -> None:
        known = [arguments.integer(each) for each in arguments.entries(self.classes) or [None]]
        if None in known:
            raise InputError("classes", arguments.shown(self.classes), "must be whole numbers, one an output")
        object.__setattr__(self, "classes", tuple(known))

    @property
    def shown(self) -> str:
        return f"matched in {len(set(self.classes))} classes"

    def beside(self, logits: Any, w: Any, base: Any) -> Any:
        if len(self.classes) != w.shape[-1]:
            raise InputError("classes", f"{len(self.classes)} numbers", f"must be {w.shape[-1]}, one for each output")
        xp = namespace(logits)
        said, wanted = log_softmax(logits, w), log_softmax(base, w)
        own, other = (mass(xp.exp(law), self.classes) for law in (said, wanted))
        shown = (own > 0) & (other > 0)
        return xp.where(shown, said + xp.log(xp.where(shown, other, 1.0)) - xp.log(xp.where(shown, own, 1.0)), OFF)
