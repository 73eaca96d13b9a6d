"""Assertions of a proof: symbolic, exact, and false by default."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from functools import partial, reduce
from random import Random
from typing import Any

import sympy as sp

Step = Callable[[], None]

DIGITS = 40
"""Of the evaluation at one point that refutes most wrong identities before any algebra is tried."""

MARK = "_subtheory_step"
"""Attribute of a function that is a step."""

_compared: ContextVar[list[tuple[Any, Any]] | None] = ContextVar("compared", default=None)
_asserted: ContextVar[list[int] | None] = ContextVar("asserted", default=None)


class Disproved(AssertionError):
    """A step of a proof asserts what is not so, or what sympy cannot see to be so."""


class Unavailable(Exception):
    """A step needs a tool that is not installed."""


def step(function: Step) -> Step:
    """Mark a function of a proof file as a step; its docstring is the sentence that it proves."""
    setattr(function, MARK, True)
    return function


@contextmanager
def counting() -> Iterator[list[int]]:
    """Count the assertions made inside."""
    count = [0]
    token = _asserted.set(count)
    try:
        yield count
    finally:
        _asserted.reset(token)


@contextmanager
def comparing() -> Iterator[list[tuple[Any, Any]]]:
    """The expressions that `equal` finds equal inside, entry by entry."""
    pairs: list[tuple[Any, Any]] = []
    token = _compared.set(pairs)
    try:
        yield pairs
    finally:
        _compared.reset(token)


def assert_that(true: bool, otherwise: Callable[[], str]) -> None:
    """Count one assertion; raises Disproved with the text if it is not true (printing is slow: only then)."""
    count = _asserted.get()
    if count is not None:
        count[0] += 1
    if not true:
        raise Disproved(otherwise())


def equal(left: Any, right: Any) -> None:
    """left = right as expressions, entry by entry for matrices and sequences: an identity in all free symbols.

    Raises Disproved if they differ, if the shapes differ, or if sympy cannot reduce the difference to 0.
    """
    ones, others = _entries(left), _entries(right)
    same = len(ones) == len(others) and getattr(left, "shape", None) == getattr(right, "shape", None)
    assert_that(same, lambda: f"{left} and {right} have different shapes")
    for one, other in zip(ones, others, strict=True):
        assert_that(_is_zero(one - other), partial("{} is not {}".format, one, other))
        pairs = _compared.get()
        if pairs is not None:
            pairs.append((one, other))


def nonnegative(value: Any) -> None:
    """value ≥ 0 by the assumptions on its symbols: sympy has to see it without help."""
    assert_that(_sign(value, "is_nonnegative"), lambda: f"{value} is not seen to be nonnegative")


def positive(value: Any) -> None:
    """value > 0 by the assumptions on its symbols."""
    assert_that(_sign(value, "is_positive"), lambda: f"{value} is not seen to be positive")


def negative(value: Any) -> None:
    """value < 0 by the assumptions on its symbols."""
    assert_that(_sign(value, "is_negative"), lambda: f"{value} is not seen to be negative")


def _entries(value: Any) -> list[Any]:
    if isinstance(value, sp.MatrixBase):
        return [sp.sympify(entry) for entry in value]
    if isinstance(value, (list, tuple)):
        return [entry for part in value for entry in _entries(part)]
    return [sp.sympify(value)]


def _sign(value: Any, property_: str) -> bool:
    # Sympy sees signs best in factored form, and in a sum of squares only if it is left as it stands.
    value = sp.sympify(value)
    return any(getattr(form(value), property_) is True for form in (lambda e: e, sp.factor, sp.expand))


def _is_zero(difference: Any) -> bool:
    """Whether the difference reduces to 0; certainly not if it differs from 0 at one point."""
    if difference == 0:
        return True
    if _differs_at_a_point(difference):
        return False
    forms: tuple[Callable[[Any], Any], ...] = (_numerator, sp.expand, sp.simplify)
    return any(form(difference) == 0 for form in forms)


def _numerator(difference: Any) -> Any:
    """Over one denominator, exponentials and logarithms taken for letters: fast, and 0 only if all of it is."""
    return sp.expand(sp.fraction(sp.together(difference))[0])


def _differs_at_a_point(difference: Any) -> bool:
    """Evaluate at one admissible rational point; False where that says nothing (undefined functions, noncommuting)."""
    symbols = sorted(difference.free_symbols, key=str)
    plain = all(isinstance(s, sp.Symbol) and s.is_commutative and s.is_integer is not True for s in symbols)
    if not plain or difference.atoms(sp.core.function.AppliedUndef, sp.Derivative, sp.Integral, sp.Sum):
        return False
    draw = Random(len(symbols))
    point = {}
    for symbol in symbols:
        value = Fraction(draw.randint(1, 97), 101)
        # Numbers in (0, 1) meet positive, nonnegative and real; what is negative gets its sign.
        point[symbol] = sp.Rational(-value if symbol.is_negative else value)
    value = sp.N(difference.subs(point), DIGITS)
    return bool(value.is_number and value.is_finite and abs(value) > sp.Float(10) ** (-DIGITS // 2))


def total(terms: Any) -> Any:
    """The sum of some expressions; 0 if there are none."""
    return reduce(lambda a, b: a + b, terms, sp.Integer(0))
