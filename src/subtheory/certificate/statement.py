"""A statement: a curve keeps its sign on (0, E], with the boxes that show it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

from flint import arb, fmpq

from subtheory.certificate import curves
from subtheory.certificate.balls import lower
from subtheory.certificate.jets import Function, Span
from subtheory.certificate.problem import Problem
from subtheory.certificate.search import enclosure


@dataclass(frozen=True)
class Kind:
    """What is said of a curve: sign · f(ε) > 0."""

    says: str
    curve: Callable[[Problem], Function]
    sign: int


KINDS: dict[str, Kind] = {
    "alignment": Kind("D(ε) > 0", curves.alignment, 1),
    "trait-loss": Kind("L_T(θ0 + αΔθ_S(ε)) < L_T(θ0)", curves.trait_change, -1),
}
"""The two statements that can be certified, by name: Lemma 1 and the theorem's conclusion."""


@dataclass(frozen=True)
class Statement:
    """sign · f > 0 on (0, ends[-1]], box by box.

    `values` are f at the middle of every box to 25 digits; `bounds` are what sign · f is not below on
    it (sign · f/ε on the first box), to three digits.
    """

    kind: str
    ends: tuple[fmpq, ...]
    values: tuple[str, ...]
    bounds: tuple[str, ...]
    teacher_error: str = ""
    """‖Δ + ∇L_T(θ0)‖/‖Δ‖, from above, of a statement on the trait loss: the theorem asks for 0."""

    @property
    def upto(self) -> float:
        """Certified on (0, upto]; from below."""
        return lower(arb(self.ends[-1])) if self.ends else 0.0


DIGITS, COARSE = 25, 3
HALF = Decimal("0.500001")
"""A last digit may be off by its own rounding."""

SLACK = Decimal("1e-6")
"""A bound is written this much lower than it was found, so that another precision finds the same digits."""


def boxes(ends: tuple[fmpq, ...]) -> Iterator[tuple[fmpq, fmpq]]:
    """Adjoining boxes from 0 on."""
    yield from zip((fmpq(0), *ends), ends, strict=False)


def state(kind: str, problem: Problem, curve: Function, ends: tuple[fmpq, ...]) -> Statement:
    """The statement that a search has found, with its numbers at the present precision."""
    values = [value(curve, a, b) for a, b in boxes(ends)]
    bounds = [floor(bound(KINDS[kind].sign, curve, a, b) * (1 - SLACK / 2)) for a, b in boxes(ends)]
    error = ceiling(distance(problem) * (1 + SLACK / 2)) if kind == "trait-loss" else ""
    return Statement(kind, ends, tuple(rounded(v) for v in values), tuple(bounds), error)


def distance(problem: Problem) -> Decimal:
    """‖Δ + ∇L_T(θ0)‖/‖Δ‖ from above."""
    return decimal(curves.teacher_error(problem).upper())


def value(curve: Function, a: fmpq, b: fmpq) -> Decimal:
    """f at the middle of a box."""
    return decimal(curve(Span((a + b) / 2), 0).c[0][0, 0])


def bound(sign: int, curve: Function, a: fmpq, b: fmpq) -> Decimal:
    """What sign · f, or sign · f/ε on the first box, is certainly not below; minus infinity if nothing is known."""
    ball = sign * enclosure(curve, a, b)
    return decimal(ball.lower()) if ball.is_finite() else Decimal("-Infinity")


def decimal(ball: arb) -> Decimal:
    """The middle of a ball, with more digits than are ever written."""
    text = ball.mid().str(2 * DIGITS, radius=False)
    return Decimal(text)


def rounded(number: Decimal) -> str:
    """To 25 digits."""
    return str(Context(prec=DIGITS, rounding=ROUND_HALF_EVEN).create_decimal(number))


def floor(number: Decimal) -> str:
    """Down to three digits."""
    return str(Context(prec=COARSE, rounding=ROUND_FLOOR).create_decimal(number))


def ceiling(number: Decimal) -> str:
    """Up to three digits."""
    return str(Context(prec=COARSE, rounding=ROUND_CEILING).create_decimal(number))


def differs(kind: str, problem: Problem, curve: Function, statement: Statement) -> str:
    """Why a statement is not what its numbers give, in one line; empty if it is. Asks nothing of the search."""
    place = fmpq(0)
    if not statement.ends or not len(statement.ends) == len(statement.values) == len(statement.bounds):
        return "boxes, values and bounds are not equally many"
    error = distance(problem) if kind == "trait-loss" else None
    if statement.teacher_error not in ([""] if error is None else [ceiling(error), ceiling(error * (1 + SLACK))]):
        return f"the teacher is off by {statement.teacher_error}, but {error} is found"
    for i, end in enumerate(statement.ends):
        if not end > place:
            return f"box {i} ends where it begins, or before"
        found = bound(KINDS[kind].sign, curve, place, end)
        if not found > 0:
            return f"the sign is not certain on box {i}"
        if statement.bounds[i] not in (floor(found), floor(found * (1 - SLACK))):
            return f"the bound on box {i} is {statement.bounds[i]}, but {floor(found)} is found"
        middle = value(curve, place, end)
        if abs(Decimal(statement.values[i]) - middle) > HALF.scaleb(middle.adjusted() - DIGITS + 1):
            return f"the value in the middle of box {i} is {statement.values[i]}, but {rounded(middle)} is found"
        place = end
    return ""
