"""Covering (0, E] with boxes on which a curve is certainly positive, the end at 0 included.

On the first box f(t)/t is bounded, since f(0) = 0: f(t)/t ∈ f′(0) + f″(box)/2 · t. On [a, b] with midpoint m
f(t) ∈ f(m) + f′(m)(t − m) + f″(box)/2 · (t − m)², whose excess shrinks like the square of the width.
"""

import time
from dataclasses import dataclass

from flint import arb, fmpq

from subtheory.certificate.balls import positive
from subtheory.certificate.jets import Function, Span

FIRST = fmpq(1, 64)
"""Width of the first box that is tried, relative to the limit."""

ORDER = 2
"""Order of the jets: what is lost on a box shrinks like its width to this power."""

CLOSE = fmpq(1, 10**6)
"""A search ends where a box this narrow, relative to its place, cannot be decided."""


@dataclass(frozen=True)
class Cover:
    """Ends 0 < e_1 < ... of adjoining boxes that are certified, and where the sign is certainly wrong, if found."""

    ends: tuple[fmpq, ...]
    wrong: fmpq | None
    seconds: float

    @property
    def upto(self) -> fmpq:
        """Certified on (0, upto]; 0 if nothing is."""
        return self.ends[-1] if self.ends else fmpq(0)


def enclosure(curve: Function, a: fmpq, b: fmpq, order: int = ORDER) -> arb:
    """A ball of f on [a, b]; of f(t)/t if a = 0, where f(t)/t ∈ Σ_{0<k<K} f_k(0) t^{k−1} + f_K(box) t^{K−1}."""
    span = Span.between(a, b)
    jet = curve(span, order)
    if a > 0:
        return jet.c[0][0, 0]
    total = jet.c[order][0, 0]
    for c in reversed(curve(Span(a), order - 1).c[1:]):
        total = total * span.ball + c[0, 0]
    return total


def cover(curve: Function, limit: fmpq, sign: int = 1, seconds: float = 60.0) -> Cover:
    """Certify sign·f > 0 on (0, e] for e as close to `limit`, or to the first root before it, as can be had.

    Boxes are added from left to right, each as wide as can be decided; `seconds` bounds the work.
    """
    began = time.monotonic()
    ends: list[fmpq] = []
    place, width = fmpq(0), limit * FIRST
    wrong = None
    while place < limit and time.monotonic() - began < seconds:
        end = min(place + width, limit)
        if positive(sign * enclosure(curve, place, end)):
            place, width = end, 2 * width
            ends.append(end)
            continue
        if positive(-sign * curve(Span(end), 0).c[0][0, 0]):
            wrong = end if wrong is None else min(wrong, end)
        width = (end - place) / 2
        if width < CLOSE * max(place, limit * CLOSE):
            break
    return Cover(tuple(ends), wrong, time.monotonic() - began)
