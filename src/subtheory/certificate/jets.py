"""Jets: matrices whose entries are Taylor polynomials in t, balls as coefficients, and the spans of t they are made on.

A `Jet` holds c_0 ... c_K with f⁽ᵏ⁾(t)/k! ∈ c_k for every t of the `Span` that it was made on. Products
are Cauchy products; an elementwise function F needs the balls F⁽ᵏ⁾(z)/k! only (module `functions`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, wraps
from math import comb
from typing import Union

from flint import arb, arb_mat, fmpq

Table = Callable[[arb, int], list[arb]]
"""(z, K) ↦ balls of F(z), F′(z), F″(z)/2!, ..., F⁽ᴷ⁾(z)/K!."""


class Jet:
    """A matrix of Taylor polynomials: c_0, ..., c_K of one shape."""

    __slots__ = ("c",)

    def __init__(self, coefficients: Sequence[arb_mat]) -> None:
        self.c = list(coefficients)

    @property
    def order(self) -> int:
        return len(self.c) - 1

    @property
    def shape(self) -> tuple[int, int]:
        return self.c[0].nrows(), self.c[0].ncols()

    def __add__(self, other: "Jet") -> "Jet":
        return Jet([a + b for a, b in zip(self.c, other.c, strict=True)])

    def __sub__(self, other: "Jet") -> "Jet":
        return Jet([a - b for a, b in zip(self.c, other.c, strict=True)])

    def __matmul__(self, other: Union["Jet", arb_mat]) -> "Jet":
        """Matrix product; Σ_{i+j=k} a_i b_j."""
        if isinstance(other, arb_mat):
            return Jet([a * other for a in self.c])
        found = []
        for k in range(len(self.c)):
            term = self.c[0] * other.c[k]
            for i in range(1, k + 1):
                term = term + self.c[i] * other.c[k - i]
            found.append(term)
        return Jet(found)

    def __rmatmul__(self, other: arb_mat) -> "Jet":
        return Jet([other * a for a in self.c])

    def __mul__(self, other: Union["Jet", arb]) -> "Jet":
        """Entry by entry, or by one number."""
        if isinstance(other, arb):
            return Jet([a * other for a in self.c])
        mine, theirs = [a.entries() for a in self.c], [b.entries() for b in other.c]
        rows, columns = self.shape
        found = []
        for k in range(len(mine)):
            term = [a * b for a, b in zip(mine[0], theirs[k], strict=True)]
            for i in range(1, k + 1):
                term = [t + a * b for t, a, b in zip(term, mine[i], theirs[k - i], strict=True)]
            found.append(arb_mat(rows, columns, term))
        return Jet(found)

    def times(self, weights: arb_mat) -> "Jet":
        """Entry by entry with a matrix that does not change."""
        rows, columns = self.shape
        w = weights.entries()
        return Jet([arb_mat(rows, columns, [a * b for a, b in zip(c.entries(), w, strict=True)]) for c in self.c])

    def plus(self, matrix: arb_mat) -> "Jet":
        """With a matrix added that does not change."""
        return Jet([self.c[0] + matrix, *self.c[1:]])

    def less(self, matrix: arb_mat) -> "Jet":
        """With a matrix subtracted that does not change."""
        return Jet([self.c[0] - matrix, *self.c[1:]])

    def total(self) -> "Jet":
        """The sum of all entries, (1, 1)."""
        return Jet([arb_mat(1, 1, [sum(c.entries(), arb(0))]) for c in self.c])

    def map(self, table: Table) -> "Jet":
        """F(z) entry by entry, by Faà di Bruno's formula up to order 3."""
        rows, columns = self.shape
        entries = [composed(table(z[0], self.order), z) for z in zip(*(a.entries() for a in self.c), strict=True)]
        return Jet([arb_mat(rows, columns, list(column)) for column in zip(*entries, strict=True)])

    def transpose(self) -> "Jet":
        return Jet([a.transpose() for a in self.c])

    def gather(self, index: Sequence[int], rows: int, columns: int) -> "Jet":
        """A matrix of entries picked by their row-major position; −1 picks a zero."""
        zero = arb(0)
        found = []
        for a in self.c:
            entries = [*a.entries(), zero]
            found.append(arb_mat(rows, columns, [entries[i] for i in index]))
        return Jet(found)

    def rows(self) -> list["Jet"]:
        """The rows, each as a matrix of one."""
        _, columns = self.shape
        tables = [a.tolist() for a in self.c]
        return [Jet([arb_mat(1, columns, table[i]) for table in tables]) for i in range(self.shape[0])]


def square(z: arb) -> arb:
    """z² ≥ 0: the product of a ball with itself would reach below."""
    return (z * z).nonnegative_part()


def composed(f: Sequence[arb], z: Sequence[arb]) -> list[arb]:
    """Taylor coefficients of F(z(t)) from f_k = F⁽ᵏ⁾(z_0)/k! and those of z; orders up to 3."""
    found = [f[0]]
    if len(z) > 1:
        found.append(f[1] * z[1])
    if len(z) > 2:
        found.append(f[1] * z[2] + f[2] * square(z[1]))
    if len(z) > 3:
        found.append(f[1] * z[3] + 2 * f[2] * (z[1] * z[2]) + f[3] * (square(z[1]) * z[1]))
    if len(z) > 4:
        raise ValueError("jets go up to order 3")
    return found


def constant(matrix: arb_mat, order: int) -> Jet:
    """A matrix that does not change along the segment."""
    zero = arb_mat(matrix.nrows(), matrix.ncols())
    return Jet([matrix] + [zero] * order)


def stack(jets: Sequence[Jet]) -> Jet:
    """Matrices of equal width, one below the other."""
    columns = jets[0].shape[1]
    rows = sum(jet.shape[0] for jet in jets)
    orders = zip(*(jet.c for jet in jets), strict=True)
    return Jet([arb_mat(rows, columns, [e for part in parts for e in part.entries()]) for parts in orders])


def beside(jets: Sequence[Jet]) -> Jet:
    """Matrices of equal height, side by side."""
    return stack([jet.transpose() for jet in jets]).transpose()


@dataclass(frozen=True)
class Span:
    """The piece of the segment, or the point on it, on which a jet is made.

    All t with |t − mid| ≤ radius; rational, and a point if the radius is 0.
    """

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
