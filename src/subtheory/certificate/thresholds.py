"""The explicit threshold in rigorous arithmetic: D(ε) ≥ εq − ½ε²N(ε), so D > 0 below ε* = 2q/N(ε*).

N(ε) is the second-derivative bound of `theory.beyond.bounds`, with balls in place of a grid.
"""

from dataclasses import dataclass
from math import inf

from flint import arb, fmpq

from subtheory.certificate.balls import lower, rational, upper
from subtheory.certificate.curves import ORIGIN, Pupil, alignment
from subtheory.certificate.jets import Jet, Span, square
from subtheory.certificate.problem import Problem

PIECES = 64
"""Pieces of the segment from 0 to the threshold that its curvature at 0 alone would give."""


@dataclass(frozen=True)
class CertifiedThreshold:
    """D(ε) > 0 for 0 < ε ≤ eps, because 2q ≥ eps·N(eps); q from below, N from above, all floats."""

    eps: float
    q: float
    bound: float


def alignment_threshold(problem: Problem, limit: fmpq, pieces: int = PIECES) -> CertifiedThreshold:
    """The largest ε* ≤ limit that is found with ε*·N(ε*) ≤ 2q.

    Pieces are added from the left, twice as many as `pieces` at most, and narrower where one fails.
    """
    pupil = Pupil(problem)
    q = lower(alignment(problem)(ORIGIN, 1).c[1][0, 0])
    most = curvature(pupil, pupil.outputs(ORIGIN, 2))
    place, bound = fmpq(0), sum(most)
    if not (0 < q < inf and bound < inf):
        return CertifiedThreshold(0.0, q, bound)
    width = (min(limit, rational(2 * q / bound)) if bound > 0 else limit) / pieces
    for _ in range(2 * pieces):
        end = min(place + width, limit)
        found = curvature(pupil, pupil.outputs(Span.between(place, end), 3))
        higher = [max(m, one) for m, one in zip(most, found, strict=True)]
        total = upper(sum((arb(m) for m in higher), arb(0)))
        if not (total < inf and arb(end) * arb(total) <= 2 * arb(q)):
            width = width / 2
            continue
        place, bound, most = end, total, higher
        if place >= limit:
            break
    return CertifiedThreshold(lower(arb(place)), q, bound)


def curvature(pupil: Pupil, z: Jet) -> list[float]:
    """N of every row from above: 2p|√w φ″||√w u| for squared error, ¼p R(u)(R(φ″) + R(φ′)²) for cross-entropy.

    R is the range over the distilled logits: a constant added to all of them changes nothing.
    """
    first, second = z.c[1].tolist(), z.c[2].tolist()
    found = []
    for p, u, v, a in zip(pupil.law, pupil.u.tolist(), first, second, strict=True):
        if pupil.problem.loss == "squared-error":
            bound = 4 * p * size(pupil, a) * size(pupil, u)  # φ″ = 2 c_2
        else:
            bound = p / 4 * spread(pupil, u) * (2 * spread(pupil, a) + square(spread(pupil, v)))
        found.append(upper(bound))
    return found


def size(pupil: Pupil, row: list[arb]) -> arb:
    """A number not below |√w a|: of a ball that reaches below 0 there is no root, but of its upper end there is."""
    terms = (arb(w) * square(a) for w, a in zip(pupil.problem.outputs, row, strict=True))
    return arb(upper(sum(terms, arb(0)))).sqrt()


def spread(pupil: Pupil, row: list[arb]) -> arb:
    """A number not below max_i a_i − min_i a_i over the distilled logits."""
    return arb(max(upper(row[i] - row[j]) if i != j else 0.0 for i in pupil.seen for j in pupil.seen))


def second_derivatives(pupil: Pupil, upto: fmpq, pieces: int = PIECES) -> list[float]:
    """sup over [0, upto] of |√w φ″_x(t)| for every row x, from above."""
    most = [0.0] * pupil.rows
    width = upto / pieces
    for k in range(pieces):
        rows = pupil.outputs(Span.between(k * width, (k + 1) * width), 3).c[2].tolist()
        most = [max(m, upper(2 * size(pupil, row))) for m, row in zip(most, rows, strict=True)]
    return most
