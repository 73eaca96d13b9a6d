"""The explicit threshold in rigorous arithmetic: D(ε) ≥ εq − ½ε²N(ε), so D > 0 below ε* = 2q/N(ε*).

N(ε) is the second-derivative bound of `theory.beyond.bounds`, with balls in place of a grid.
"""

from dataclasses import dataclass
from math import inf

from flint import arb, fmpq

from subtheory.certificate.balls import lower, rational, upper
from subtheory.certificate.curves import ORIGIN, Channel, alignment
from subtheory.certificate.jets import Jet, Span, square
from subtheory.certificate.problem import Problem

PIECES = 64
"""Pieces of the segment from 0 to the threshold that its curvature at 0 alone would give."""


@dataclass(frozen=True)
class Threshold:
    """D(ε) > 0 for 0 < ε ≤ eps, because 2q ≥ eps·N(eps); q from below, N from above, all floats."""

    eps: float
    q: float
    bound: float


def alignment_threshold(problem: Problem, limit: fmpq, pieces: int = PIECES) -> Threshold:
    """The largest ε* ≤ limit that is found with ε*·N(ε*) ≤ 2q.

    Pieces are added from the left, twice as many as `pieces` at most, and narrower where one fails.
    """
    channel = Channel(problem)
    q = lower(alignment(problem)(ORIGIN, 1).c[1][0, 0])
    most = curvature(channel, channel.outputs(ORIGIN, 2))
    place, bound = fmpq(0), sum(most)
    if not (0 < q < inf and bound < inf):
        return Threshold(0.0, q, bound)
    width = (min(limit, rational(2 * q / bound)) if bound > 0 else limit) / pieces
    for _ in range(2 * pieces):
        end = min(place + width, limit)
        found = curvature(channel, channel.outputs(Span.between(place, end), 3))
        higher = [max(m, one) for m, one in zip(most, found, strict=True)]
        total = upper(sum((arb(m) for m in higher), arb(0)))
        if not (total < inf and arb(end) * arb(total) <= 2 * arb(q)):
            width = width / 2
            continue
        place, bound, most = end, total, higher
        if place >= limit:
            break
    return Threshold(lower(arb(place)), q, bound)


def curvature(channel: Channel, z: Jet) -> list[float]:
    """N of every row from above: 2p|√w φ″||√w u| for squared error, ¼p R(u)(R(φ″) + R(φ′)²) for cross-entropy.

    R is the range over the distilled logits: a constant added to all of them changes nothing.
    """
    first, second = z.c[1].tolist(), z.c[2].tolist()
    found = []
    for p, u, v, a in zip(channel.law, channel.u.tolist(), first, second, strict=True):
        if channel.problem.loss == "squared-error":
            bound = 4 * p * size(channel, a) * size(channel, u)  # φ″ = 2 c_2
        else:
            bound = p / 4 * spread(channel, u) * (2 * spread(channel, a) + square(spread(channel, v)))
        found.append(upper(bound))
    return found


def size(channel: Channel, row: list[arb]) -> arb:
    """A number not below |√w a|: of a ball that reaches below 0 there is no root, but of its upper end there is."""
    terms = (arb(w) * square(a) for w, a in zip(channel.problem.outputs, row, strict=True))
    return arb(upper(sum(terms, arb(0)))).sqrt()


def spread(channel: Channel, row: list[arb]) -> arb:
    """A number not below max_i a_i − min_i a_i over the distilled logits."""
    return arb(max(upper(row[i] - row[j]) if i != j else 0.0 for i in channel.seen for j in channel.seen))


def second_derivatives(channel: Channel, upto: fmpq, pieces: int = PIECES) -> list[float]:
    """sup over [0, upto] of |√w φ″_x(t)| for every row x, from above."""
    most = [0.0] * channel.rows
    width = upto / pieces
    for k in range(pieces):
        rows = channel.outputs(Span.between(k * width, (k + 1) * width), 3).c[2].tolist()
        most = [max(m, upper(2 * size(channel, row))) for m, row in zip(most, rows, strict=True)]
    return most
