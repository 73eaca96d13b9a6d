"""R16: what sympy proves equal is equal in numbers, at points drawn by chance."""

import sys
from random import Random
from typing import Any

import sympy as sp

from checks.row import Row
from subtheory.proof.algebra import comparing
from subtheory.proof.running import prove
from subtheory.proof.statement import proofs

POINTS, DIGITS, WITHIN = 3, 40, 1e-12
"""Points of every identity, decimal places that are carried, and how far the sides may be apart, relative to them."""

TINY = 1e-30
"""What 40 digits leave of a zero: below it both sides are one."""

TOLD = (sp.core.function.AppliedUndef, sp.Derivative, sp.Integral, sp.Sum, sp.MatrixExpr)
"""Parts that no number can be put for: unknown functions, and what is left undone of known ones."""


def value_of(symbol: sp.Symbol, draw: Random) -> Any:
    """A number that the assumptions on a symbol allow, within (0, 1) in absolute value where they do."""
    if symbol.is_integer:
        return sp.Integer(draw.randint(2, 6))
    size = sp.Rational(draw.randint(1, 997), 1009)
    either = symbol.is_real and not symbol.is_nonnegative
    return -size if symbol.is_negative or (either and draw.random() < 0.5) else size


def apart(one: Any, other: Any, draw: Random) -> float | None:
    """How far two expressions are apart at one point, relative to their size; None where that is no number."""
    symbols = sorted(one.free_symbols | other.free_symbols, key=str)
    if one.atoms(*TOLD) | other.atoms(*TOLD) or not all(isinstance(s, sp.Symbol) and s.is_commutative for s in symbols):
        return None
    at = {symbol: value_of(symbol, draw) for symbol in symbols}
    values = [sp.N(side.subs(at), DIGITS) for side in (one, other)]
    if not all(value.is_number and value.is_finite for value in values):
        return None
    size = max(map(abs, values))
    return float(abs(values[0] - values[1]) / (size if size > TINY else 1))


def measured(row: Row, name: str, pairs: list[tuple[Any, Any]], draw: Random) -> int:
    """Try every pair; how many have no numbers. The same expression twice is none."""
    left = 0
    for one, other in pairs:
        found = [apart(one, other, draw) for _ in range(POINTS)] if one != other else [None]
        numbers = [each for each in found if each is not None]
        if not numbers:
            left += one != other
        else:
            row.tried(f"{name}: {one} and {other} are {max(numbers):.1e} apart" if max(numbers) > WITHIN else "")
    return left


def r16(quick: bool = False) -> Row:
    """Of every proof the identities that sympy had to see; the same expression on both sides is none."""
    row = Row("symbolic against numeric", f"every identity at {POINTS} points: within {WITHIN:g}")
    left, draw, every = 0, Random(0), list(proofs().items())
    for name, proof in every[:3] if quick else every:
        with comparing() as pairs:
            ran = prove(proof)
        if wrong := [one.step for one in ran if one.failed]:
            row.tried(f"{name}: not proved, {wrong}")
        left += measured(row, name, pairs, draw)
        print(name, row.count, left, file=sys.stderr, flush=True)
    row.found = f"{left} more have unknown functions in them, or letters that do not commute"
    return row
