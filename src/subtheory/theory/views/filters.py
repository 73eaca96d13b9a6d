"""Filters of outputs: which labels of a teacher a student gets to see (gap g8, prediction P12).

A filter of inputs is no view: what passes it is another channel, `verify(net, params, channel=x[kept], trait=...)`, and
its labels have the teacher's own law.
"""

from abc import abstractmethod
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.suggest import choose
from subtheory.theory import losses
from subtheory.theory.losses import OFF, log_softmax, namespace
from subtheory.theory.views.view import Compared, View


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


MODELS = {"teacher": "its own outputs", "base": "θ0's outputs"}
"""Whose opinion a filter asks, and of what."""


@dataclass(frozen=True)
class TopK(Compared):
    """The k most likely labels, by the teacher or by the base θ0, of the teacher's law on these.

    The base's are one accept set for each input; the teacher's are too, up to the ε at which its ranking changes (gap
    g12). Unlike the loss of that name it leaves the student's softmax alone. Raises InputError on "k" below 1, on "of".
    """

    k: int = 3
    of: str = "base"
    name = "top-k"

    def __post_init__(self) -> None:
        object.__setattr__(self, "k", arguments.whole("k", self.k))
        choose("of", self.of, MODELS)

    def beside(self, logits: Any, w: Any, base: Any) -> Any:
        judge = logits if self.of == "teacher" else base
        kept = losses.TopK(self.k).kept(judge, w) > 0
        return namespace(logits).where(kept, log_softmax(logits, w), OFF)


class Weighed(Compared):
    """Labels that pass at a rate ∝ p_ε^a p0^b: their law is ∝ p_ε^(1 + a) p0^b, without what either never says.

    [D(ε) − D(0)]/ε → (1 + a)Var_r(s), r ∝ p0^(1 + a + b) (`proofs/output_filter.py`).
    """

    @property
    @abstractmethod
    def rate(self) -> tuple[float, float]:
        """a and b."""

    @property
    def kept(self) -> float:
        """1 + a: how much of the teacher's scores the labels keep."""
        return 1 + self.rate[0]

    def beside(self, logits: Any, w: Any, base: Any) -> Any:
        log_p, log_p0 = log_softmax(logits, w), log_softmax(base, w)
        said = (log_p > OFF / 2) & (log_p0 > OFF / 2)
        return namespace(logits).where(said, self.kept * log_p + self.rate[1] * log_p0, OFF)


def _power(view: Weighed) -> float:
    """The power of a view. Raises InputError for what is no finite number."""
    found = arguments.number(view.power)  # type: ignore[attr-defined]
    if found is None or not isfinite(found):
        raise InputError("power", arguments.shown(view.power), "must be a finite number")  # type: ignore[attr-defined]
    return found


@dataclass(frozen=True)
class Thinned(Weighed):
    """Labels that pass at a rate ∝ (p0/p_ε)^power: what the teacher says more often than its init is thinned out.

    Power 1 undoes the teacher, a larger one turns it round. Raises InputError on "power" for what is no finite number.
    """

    power: float = 2.0
    name = "thinned"

    def __post_init__(self) -> None:
        object.__setattr__(self, "power", _power(self))

    @property
    def rate(self) -> tuple[float, float]:
        return -self.power, self.power


@dataclass(frozen=True)
class Scored(Weighed):
    """Labels that pass at a rate ∝ p^power, p the probability that the teacher, or the base θ0, gives them.

    By the base the filter is fixed, by the teacher it moves with ε. A threshold in place of a rate is `TopK`. Raises
    InputError on "power" for what is no finite number, on "of".
    """

    power: float = 1.0
    of: str = "teacher"
    name = "scored"

    def __post_init__(self) -> None:
        object.__setattr__(self, "power", _power(self))
        choose("of", self.of, MODELS)

    @property
    def rate(self) -> tuple[float, float]:
        return (self.power, 0.0) if self.of == "teacher" else (0.0, self.power)
