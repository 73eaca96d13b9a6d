"""A span: the piece of the segment, or the point on it, on which a jet is made; and Taylor's theorem on it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, wraps
from math import comb

from flint import arb, arb_mat, fmpq

from subtheory.certificate.jets import Jet


@dataclass(frozen=True)
class Span:
    """All t with |t − mid| ≤ radius; rational, and a point if the radius is 0."""

    mid: fmpq
    radius: fmpq = fmpq(0)

    @classmethod
    def between(cls, a: fmpq, b: fmpq) -> "Span":
        return cls((a + b) / 2, (b - a) / 2)

    @property
    def ball(self) -> arb:
        """A ball that contains the span."""
        return arb(self.mid - self.radius).union(arb(self.mid + self.radius)) if self.radius else arb(self.mid)

    def off(self, k: int) -> arb:
        """A ball of (t − mid)ᵏ; an even power is not negative."""
        if k == 0:
            return arb(1)
        most = arb(self.radius**k)
        return most.union(arb(0)) if k % 2 == 0 else most.union(-most)


Function = Callable[[Span, int], Jet]
"""(span, K) ↦ a jet of order K: balls of f⁽ᵏ⁾/k! on the span."""


def sharp(function: Function) -> Function:
    """The same function with Taylor's theorem about the middle, so that its excess falls like the width to the K-th.

    f⁽ᵏ⁾(t)/k! ∈ Σ_{k≤j<K} C(j,k) f_j(mid) (t − mid)^{j−k} + C(K,k) f_K(span) (t − mid)^{K−k}, intersected with what
    the span gives by itself. Values at points are kept: the next function along asks for them again.
    """

    @lru_cache(maxsize=8)
    def point(p: int, q: int, order: int) -> Jet:
        return function(Span(fmpq(p, q)), order)

    @wraps(function)
    def sharpened(span: Span, order: int) -> Jet:
        if not span.radius:
            return point(int(span.mid.p), int(span.mid.q), order)
        wide = function(span, order)
        if order == 0:
            return wide
        thin = point(int(span.mid.p), int(span.mid.q), order - 1)
        return Jet([*(_taylor(k, span, thin, wide) for k in range(order)), wide.c[order]])

    return sharpened


def _taylor(k: int, span: Span, thin: Jet, wide: Jet) -> arb_mat:
    """The k-th coefficient, from the derivatives at the middle and the last one on the span."""
    last = wide.order
    total = wide.c[last] * (comb(last, k) * span.off(last - k))
    for j in range(k, last):
        total = total + thin.c[j] * (comb(j, k) * span.off(j - k))
    rows, columns = wide.shape
    pairs = zip(total.entries(), wide.c[k].entries(), strict=True)
    return arb_mat(rows, columns, [both(a, b) for a, b in pairs])


def both(a: arb, b: arb) -> arb:
    """What two enclosures of one number leave; one that is not finite says nothing."""
    if not a.is_finite():
        return b
    return a.intersection(b) if b.is_finite() else a
