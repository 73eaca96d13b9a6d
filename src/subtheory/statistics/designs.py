"""Covering designs: few settings in which every pair of levels of every two factors that can meet does meet."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from itertools import combinations, product
from typing import TypeVar

T = TypeVar("T")


def cover(candidates: Iterable[T], factors: Callable[[T], Sequence[Hashable]], *, star: bool = False) -> list[T]:
    """The candidates that a greedy choice takes until no pair of levels is new; deterministic.

    `factors` gives the levels of a candidate, as many for each; of a `star` only pairs with the first factor count. Of
    equal gain the earlier candidate is taken. A gain only ever falls, so that it is computed again for the best one
    alone (lazy greedy choice).
    """
    chosen, known = [], list(candidates)
    pairs = [frozenset(_pairs(factors(one), star)) for one in known]
    covered: set[tuple[int, Hashable, int, Hashable]] = set()
    heap = [(-len(each), i) for i, each in enumerate(pairs)]
    heapify(heap)
    while heap:
        gain, i = heappop(heap)
        now = -len(pairs[i] - covered)
        if now == 0:
            continue
        if now > gain and heap and (now, i) > heap[0]:
            heappush(heap, (now, i))
            continue
        covered |= pairs[i]
        chosen.append(known[i])
    return chosen


def _pairs(levels: Sequence[Hashable], star: bool) -> Iterator[tuple[int, Hashable, int, Hashable]]:
    for i, j in combinations(range(len(levels)), 2):
        if i == 0 or not star:
            yield i, levels[i], j, levels[j]


def covering(factors: Sequence[Sequence[Hashable]], *, star: bool = False) -> Iterator[tuple[Hashable, ...]]:
    """Rows of a design in which every pair of levels of every two factors occurs; greedy, deterministic.

    Of a `star` only pairs with the first factor count: each of its levels meets every other level at least once. The
    first factor's levels come round robin, so that every prefix of the design is balanced.
    """
    rows = cover(product(*factors), lambda row: row, star=star)
    turns = {level: [row for row in rows if row[0] == level] for level in factors[0]}
    for i in range(max(map(len, turns.values()), default=0)):
        yield from (own[i] for own in turns.values() if i < len(own))
