"""A view is what a student is shown of its teacher's outputs; the theorem's own, and those that compose others."""

from abc import abstractmethod
from dataclasses import dataclass
from math import isfinite
from typing import Any, ClassVar

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.theory.losses import namespace
from subtheory.theory.part import Part


class View(Part):
    """Labels y from the teacher's logits f_{θ_T}(x); the theorem's own is `Full`.

    A law r of labels is told by its logarithm, so that σ(y) = r: cross-entropy is linear in r, and the student of y
    takes the mean step of students whose labels are drawn from r. `OFF` is the logit of what is never shown.
    """

    compares: ClassVar[bool] = False
    """Whether labels depend on θ0's own outputs too."""

    count: ClassVar[int | None] = None
    """Rows that a student draws from the law of its labels; None: it is shown the law itself."""

    @abstractmethod
    def labels(self, logits: Any, w: Any) -> Any:
        """What the student imitates, (..., V), of logits (..., V) that are distilled where w > 0, (V,).

        NumPy and JAX arrays alike; one example does not depend on another.
        """

    def beside(self, logits: Any, w: Any, base: Any) -> Any:
        """`labels` where θ0's own logits `base`, of a shape that broadcasts, count too; (..., V)."""
        return self.labels(logits, w)


@dataclass(frozen=True)
class Full(View):
    """The full output vectors, y = f_{θ_T}(x): the theorem's own (Cloud, Le et al., App. C)."""

    name = "full"

    def labels(self, logits: Any, w: Any) -> Any:
        return logits


class Compared(View):
    """Labels that depend on θ0's own outputs too."""

    compares = True

    @abstractmethod
    def beside(self, logits: Any, w: Any, base: Any) -> Any: ...

    def labels(self, logits: Any, w: Any) -> Any:
        """Of a teacher that has not moved, (..., V)."""
        return self.beside(logits, w, logits)


@dataclass(frozen=True)
class Then(View):
    """One view of what another shows: `Then(Within((0, 2)), Drawn(100))` draws from what a filter lets pass.

    The second view is beside what the first shows of θ0's outputs. Raises InputError on "first" or "second" for what is
    no view, and on "first" for one that draws.
    """

    first: View
    second: View
    name = "then"

    def __post_init__(self) -> None:
        for name in ("first", "second"):
            part = getattr(self, name)
            if not isinstance(part, View):
                raise InputError(name, arguments.shown(part), "must be a view, such as Full()")
        if self.first.count is not None:
            raise InputError("first", self.first.shown, "must not draw: only the last view does")

    @property
    def compares(self) -> bool:  # type: ignore[override]
        return self.first.compares or self.second.compares

    @property
    def count(self) -> int | None:  # type: ignore[override]
        return self.second.count

    @property
    def shown(self) -> str:
        return f"{self.first.shown}, then {self.second.shown}"

    def labels(self, logits: Any, w: Any) -> Any:
        return self.second.labels(self.first.labels(logits, w), w)

    def beside(self, logits: Any, w: Any, base: Any) -> Any:
        shown = self.first.beside(logits, w, base)
        return self.second.beside(shown, w, self.first.labels(base, w) if self.second.compares else None)


class Added(View):
    """Labels y = f_{θ_T}(x) + c with a constant c: what is left of outputs that pass with probability ∝ e^c.

    The labels of the untrained teacher are then no match, but y moves with θ_T as the outputs do.
    """

    @abstractmethod
    def rates(self, w: Any) -> Any:
        """c, log acceptance rates but for a constant, (V,)."""

    def labels(self, logits: Any, w: Any) -> Any:
        return logits + self.rates(w)


@dataclass(frozen=True)
class Accepted(Added):
    """A filter of outputs: every second distilled one passes with probability e^`log_rate` only (gap g8)."""

    log_rate: float = -2.0
    name = "accepted"

    def __post_init__(self) -> None:
        found = arguments.number(self.log_rate)
        if found is None or not isfinite(found):
            raise InputError("log_rate", arguments.shown(self.log_rate), "must be a finite number")
        object.__setattr__(self, "log_rate", found)

    def rates(self, w: Any) -> Any:
        xp = namespace(w)
        # Of the dtype of w, not weakly typed: that would compile a program a second time.
        return self.log_rate * ((xp.cumsum(w > 0) % 2 == 0) & (w > 0)).astype(w.dtype)


@dataclass(frozen=True)
class Shifted(Added):
    """The constant added to every logit, V numbers.

    Raises InputError on "by" for what is no finite number, or another number of them than V.
    """

    by: tuple[float, ...]
    name = "shifted"

    def __post_init__(self) -> None:
        known = [arguments.number(each) for each in arguments.entries(self.by) or [None]]
        if any(each is None or not isfinite(each) for each in known):
            raise InputError("by", arguments.shown(self.by), "must be finite numbers, one for each logit")
        object.__setattr__(self, "by", tuple(known))

    @property
    def shown(self) -> str:
        return f"shifted by {', '.join(f'{b:g}' for b in self.by[:4])}{', ...' if len(self.by) > 4 else ''}"

    def rates(self, w: Any) -> Any:
        if len(self.by) != w.shape[-1]:
            raise InputError("by", f"{len(self.by)} numbers", f"must be {w.shape[-1]}, one for each logit")
        return namespace(w).asarray(self.by, dtype=w.dtype)
