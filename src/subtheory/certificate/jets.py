"""Jets: matrices whose entries are Taylor polynomials in the segment's t, with balls as coefficients.

A `Jet` holds c_0 ... c_K with f⁽ᵏ⁾(t)/k! ∈ c_k for every t of the box that it was made on. Products
are Cauchy products; an elementwise function F needs the balls F⁽ᵏ⁾(z)/k! only (module `functions`).
"""

from collections.abc import Callable, Sequence
from typing import Union

from flint import arb, arb_mat

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
