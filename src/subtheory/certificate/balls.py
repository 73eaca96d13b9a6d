"""Balls and exact rationals: what is known of a real number, and the few ways in which it may be used as a bound.

A ball that is not finite is never a bound, and neither is one that only *may* be positive.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from typing import Any

from flint import arb, ctx, fmpq

BITS = 128
"""Working precision of a search, in bits."""

CHECK_BITS = 192
"""Working precision of a check, which is not the search's."""


@contextmanager
def precision(bits: int) -> Iterator[None]:
    """Work with so many bits; the precision before comes back."""
    before, ctx.prec = ctx.prec, bits
    try:
        yield
    finally:
        ctx.prec = before


def rational(number: Any) -> fmpq:
    """The exact value of an int, a float or a Fraction. Raises ValueError for what is not finite."""
    try:
        value = Fraction(number)
    except (OverflowError, ValueError):
        raise ValueError(f"must be a finite number, got {number!r}") from None
    return fmpq(value.numerator, value.denominator)


def positive(ball: arb) -> bool:
    """Every real in the ball is positive; never true of a ball that is not finite."""
    return bool(ball.is_finite() and ball > 0)


def lower(ball: arb) -> float:
    """A float not above any real in the ball; −∞ if the ball is not finite."""
    if not ball.is_finite():
        return float("-inf")
    return _down(ball.lower())


def upper(ball: arb) -> float:
    """A float not below any real in the ball; +∞ if the ball is not finite."""
    if not ball.is_finite():
        return float("inf")
    return -_down(-ball.upper())


def _down(ball: arb) -> float:
    from math import inf, nextafter

    near = float(ball.mid())
    while not arb(near) <= ball:
        near = nextafter(near, -inf)
    return near
