"""The student: where it starts, what it trains, and by which rule it moves. The defaults are the theorem's own.

Records combine as they are typed, `Student(init=Along(path, 0.5), rule=Signs())`; two that have no meaning together
raise InputError and name both.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.init import Path, Rescaling, checked
from subtheory.theory.network import Network, require_network
from subtheory.theory.part import Part
from subtheory.theory.rule import Descent, Orthogonal, Rule
from subtheory.theory.trains import All, Trains


class Init(Part):
    """Where a student starts."""


@dataclass(frozen=True)
class Shared(Init):
    """θ0_S = θ0: the theorem's own assumption."""

    name = "shared"


@dataclass(frozen=True)
class Redrawn(Init):
    """θ0_S is an independent draw from the same initial law."""

    name = "redrawn"


@dataclass(frozen=True)
class Along(Init):
    """θ0_S lies `amount` along a path of `subtheory.init`; a fork moves the teacher too.

    Raises InputError on "amount" where the path has no such amount.
    """

    path: Path
    amount: float = 1.0
    name = "along"

    def __post_init__(self) -> None:
        if not isinstance(self.path, Path):
            raise InputError(
                "path", arguments.shown(self.path), "must be a path, such as subtheory.init.PATHS['noise']"
            )
        if arguments.number(self.amount) is None:
            raise InputError("amount", arguments.shown(self.amount), "must be a number")
        checked(self.path, (self.amount,))

    @property
    def shown(self) -> str:
        return f"{self.path.name} {self.amount:g}"


@dataclass(frozen=True)
class Elsewhere(Init):
    """θ0_S is a draw from the initial law of another network, with parameters of its own; Δθ_S · Δ has no meaning."""

    network: Network
    name = "elsewhere"

    def __post_init__(self) -> None:
        require_network(self.network)

    @property
    def shown(self) -> str:
        return f"a {self.network.name}"


@dataclass(frozen=True)
class Continued(Init):
    """In a chain of students θ0_S is where the generation before ended, and the first teacher goes on to teach.

    The first student of a chain, and one that is in none, starts at θ0.
    """

    name = "continued"


@dataclass(frozen=True)
class Student:
    """Init, trained parameters and rule of a student.

    Raises InputError on "student" for a metric that no rescaling carries along, and for another network of which a
    part is to be trained.
    """

    init: Init = Shared()
    """Where θ0_S is."""
    trains: Trains = All()
    """The parameters that its step moves."""
    rule: Rule = Descent()
    """What its step is made of −∇L_S by."""

    def __post_init__(self) -> None:
        for name, part, kind in (("init", self.init, Init), ("trains", self.trains, Trains), ("rule", self.rule, Rule)):
            if not isinstance(part, kind):
                raise InputError(
                    name, arguments.shown(part), f"must be of a kind that is known: {', '.join(kind.kinds())}"
                )
        stretched = isinstance(self.init, Along) and isinstance(self.init.path, Rescaling)
        if self.rule.carried and not stretched:
            self._refuse(self.rule, self.init, "needs an init along a rescaling, which carries the metric")
        if isinstance(self.init, Elsewhere) and self.trains != All():
            self._refuse(self.trains, self.init, "names parameters that the other network does not have")
        if isinstance(self.init, Elsewhere) and self.rule == Orthogonal():
            self._refuse(self.rule, self.init, "needs the teacher's direction, which the other network does not have")

    def _refuse(self, one: Part, other: Part, why: str) -> None:
        raise InputError("student", f"{one.shown} with {other.shown}", f"{one.name} {why}")

    @property
    def shown(self) -> str:
        """The parts that are not the theorem's own, in words."""
        own = [
            p.shown for p, usual in ((self.init, Shared()), (self.trains, All()), (self.rule, Descent())) if p != usual
        ]
        return ", ".join(own)


def amount_of(init: Init) -> float:
    """How far along its path an init lies; NaN without a path."""
    return init.amount if isinstance(init, Along) else float(np.nan)


def path_of(init: Init) -> Any:
    """The path of an init, or None."""
    return init.path if isinstance(init, Along) else None
