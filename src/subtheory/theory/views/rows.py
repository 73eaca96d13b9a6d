"""A view of some rows only: elsewhere the student is shown θ0's own labels, which add nothing (P13, P14, P50)."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.theory.losses import OFF, namespace
from subtheory.theory.part import Part
from subtheory.theory.views.view import Compared, Full, View


def margins(logits: Any, w: Any) -> Any:
    """First minus second largest logit of (..., V) where w > 0, (V,): (...)."""
    xp = namespace(logits, w)
    ordered = xp.sort(xp.where(w > 0, logits, OFF), axis=-1)
    return ordered[..., -1] - ordered[..., -2]


class Rows(Part):
    """Which rows: one label's place each, told by the teacher's logits there and θ0's own."""

    @abstractmethod
    def chosen(self, logits: Any, w: Any, base: Any) -> Any:
        """Whether a row is, (...), of the logits and of those of θ0, (..., V), distilled where w > 0, (V,)."""


@dataclass(frozen=True)
class Flips(Rows):
    """Rows whose most likely output is not θ0's: the divergence tokens of arXiv 2509.23886, on common prefixes."""

    name = "flips"

    def chosen(self, logits: Any, w: Any, base: Any) -> Any:
        xp = namespace(logits, w)
        first, before = (xp.where(w > 0, each, OFF).argmax(axis=-1) for each in (logits, base))
        return first != before


@dataclass(frozen=True)
class NearTies(Rows):
    """Rows on which θ0's first logit is ahead of its second by less than δ = `margin`.

    Raises InputError on "margin" unless it is positive.
    """

    margin: float = 0.1
    name = "near-ties"

    def __post_init__(self) -> None:
        object.__setattr__(self, "margin", arguments.positive("margin", self.margin))

    def chosen(self, logits: Any, w: Any, base: Any) -> Any:
        near = margins(base, w) < self.margin
        return namespace(near).broadcast_to(near, logits.shape[:-1])


@dataclass(frozen=True)
class Others(Rows):
    """The rows that `rows` leaves out. Raises InputError on "rows" for what are none."""

    rows: Rows
    name = "others"

    def __post_init__(self) -> None:
        require_rows(self.rows)

    @property
    def shown(self) -> str:
        return f"all but {self.rows.shown}"

    def chosen(self, logits: Any, w: Any, base: Any) -> Any:
        return ~self.rows.chosen(logits, w, base)


@dataclass(frozen=True)
class Only(Compared):
    """What `view` shows of the teacher on chosen rows; on the others, what it shows of θ0.

    The student of the untrained teacher sees the same there, so that they add nothing: masking rows is `Only` the
    others. Raises InputError on "view" for what is none, or one that draws, and on "rows" for what are none.
    """

    view: View
    rows: Rows
    name = "only"

    def __post_init__(self) -> None:
        if not isinstance(self.view, View):
            raise InputError("view", arguments.shown(self.view), "must be a view, such as Greedy()")
        if self.view.count is not None:
            raise InputError("view", self.view.shown, "must not draw")
        require_rows(self.rows)

    @property
    def shown(self) -> str:
        return f"{self.view.shown} on {self.rows.shown}"

    def beside(self, logits: Any, w: Any, base: Any) -> Any:
        chosen = self.rows.chosen(logits, w, base)[..., None]
        labels, own = (self.view.beside(each, w, base) for each in (logits, base))
        return namespace(logits, w).where(chosen, labels, own)


def require_rows(rows: Any) -> None:
    """Raise InputError on "rows" for what are none."""
    if not isinstance(rows, Rows):
        raise InputError("rows", arguments.shown(rows), f"must be one of {', '.join(Rows.kinds())}")


@dataclass(frozen=True)
class InTurn(Full):
    """Of a chain of students: generation k is shown every `parts`-th input, from number k − 1 on, and so on in turn.

    Other students are shown all of them. Raises InputError on "parts" unless it is a whole number from 1 on.
    """

    parts: int = 2
    name = "in-turn"

    def __post_init__(self) -> None:
        object.__setattr__(self, "parts", arguments.whole("parts", self.parts))
