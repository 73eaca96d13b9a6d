"""Order and constant together: a remainder that must shrink like εᵖ below the constant it starts with."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from subtheory.claim import Evidence, Verdict
from subtheory.numerics import COARSE, extrapolation_constant

SHARP = 0.1
"""A check of a leading constant that could not tell 10 % says nothing."""


def envelope(remainder: np.ndarray, eps: np.ndarray, power: int, rounding: np.ndarray) -> np.ndarray:
    """Tolerance for |R(ε)| at every ε: Λ · max_coarse |R/εᵖ| · εᵖ + rounding; (K,).

    If R = c(ε)εᵖ with c smooth, the finer rungs obey it with Λ from `extrapolation_constant`; if R is of
    lower order, |R|/εᵖ grows by the ladder's ratio 4 > Λ at every rung, and the first finer rung breaks it.
    """
    coarse = slice(0, min(COARSE, max(1, len(eps) - 1)))
    constant = np.max(np.abs(remainder[coarse]) / eps[coarse] ** power)
    return extrapolation_constant() * constant * eps**power + rounding


def settles(remainder: np.ndarray, eps: np.ndarray, power: int, rounding: np.ndarray) -> bool:
    """Whether a remainder falls like εᵖ, to half an order, at the smallest ε at which rounding lets it be seen; (K,).

    There log(|R_i|/|R_{i+1}|)/log(ε_i/ε_{i+1}) lies in [p − ½, p + 3/2], with rounding at most half of either. A
    remainder of order p − 1, which is what a wrong constant or a wrong sign leaves, falls by half an order too little.
    """
    size = np.abs(remainder)
    seen = np.flatnonzero(np.isfinite(size) & (size > 0) & (rounding <= size / 2))
    pairs = [i for i in seen if i - 1 in seen and i >= COARSE]
    if not pairs:
        return False
    i = pairs[-1]
    order = np.log(size[i - 1] / size[i]) / np.log(eps[i - 1] / eps[i])
    return bool(power - 0.5 <= order <= power + 1.5)


def fine(values: np.ndarray) -> np.ndarray:
    """The rungs that are judged: those below the coarse ones."""
    return values[min(COARSE, len(values) - 1) :]


def worst_margin(remainder: np.ndarray, tolerance: np.ndarray) -> float:
    """min over the judged rungs of 1 − |R|/tolerance; NaN if any number is."""
    error, allowed = np.abs(fine(remainder)), fine(tolerance)
    return float(np.min(np.where(allowed > 0, 1 - error / np.where(allowed > 0, allowed, 1.0), -error)))


def outgrown(remainder: np.ndarray, eps: Sequence[float]) -> float:
    """A remainder at the smallest ε over its envelope O(ε), (K,): at most 1 if it is of that order, rounding apart."""
    return float(remainder[-1] / envelope(remainder, np.asarray(eps), 1, np.zeros(len(eps)))[-1])


def proportion(
    measured: np.ndarray, predicted: np.ndarray, eps: Sequence[float], power: int = 1, rounding: Any = 0.0
) -> tuple[float, float]:
    """The c that makes Σ(measured − c·predicted)² least at the smallest ε, and how far from 1 it may be; (K, n).

    |c − 1| ≤ ‖measured − predicted‖/‖predicted‖ by Cauchy and Schwarz, and that is in its envelope O(εᵖ) if no other
    order is missing; `rounding` says how far each measured number may be off, (K, n).
    """
    size = np.linalg.norm(predicted, axis=1)
    off = np.linalg.norm(measured - predicted, axis=1) / size
    blur = np.linalg.norm(np.broadcast_to(rounding, measured.shape), axis=1) / size
    c = np.sum(measured[-1] * predicted[-1]) / np.sum(predicted[-1] ** 2)
    return float(c), float(envelope(off, np.asarray(eps), power, blur)[-1])


def limit(
    measured: np.ndarray, predicted: np.ndarray, unit: np.ndarray, eps: np.ndarray, power: int, rounding: np.ndarray
) -> Evidence:
    """Judge measured = predicted + O(εᵖ), in units in which the result reads as a ratio; arrays are (K,).

    Fails where the remainder leaves its envelope; vacuous where the ladder is too short, or where the
    envelope is wider than `SHARP` of the unit on every judged rung (rounding, or ε not yet small).
    """
    if len(eps) <= COARSE:
        return Evidence(np.nan, np.nan, 0.0, f"needs more than {COARSE} sizes of ε")
    remainder = measured - predicted
    tolerance = envelope(remainder, eps, power, rounding)
    margin = worst_margin(remainder, tolerance)
    scale = np.abs(unit)
    if np.all(scale <= rounding) and np.all(np.abs(measured) <= rounding):
        return Evidence(0.0, 0.0, margin, "both sides are at rounding level")
    width = np.where(scale > 0, tolerance / np.where(scale > 0, scale, 1.0), np.inf)
    judged = np.arange(len(eps)) >= COARSE
    best = int(np.nanargmin(np.where(judged, width, np.inf)))
    dull = margin >= 0 and width[best] > SHARP
    one = unit[best] or 1.0  # where there is no unit, the numbers themselves
    return Evidence(
        measured=float(measured[best] / one),
        predicted=float(predicted[best] / one),
        margin=margin,
        vacuous="the tolerance is wider than 10 %" if dull else "",
        eps=float(eps[best]),
        settling=margin < 0 and settles(remainder, eps, power, rounding),
    )


def at_least(value: np.ndarray | float, least: np.ndarray | float, off: np.ndarray | float) -> Evidence:
    """Judge value ≥ least, or > 0 where that is 0, of numbers (n,) that may be `off` by so much: the worst of them.

    Fails where one is below by more than it may be off. Vacuous where one is no further from its bound than that, and
    that is `SHARP` of the bound or more: it could be on either side. The margin is (value + off − least)/unit, the unit
    being the bound, or `off` where that is 0.
    """
    value, least, off = (np.ravel(each) for each in np.broadcast_arrays(value, least, off))
    unit = np.where(least != 0, np.abs(least), off)
    above = value + off - least
    margin = np.where(unit > 0, above / np.where(unit > 0, unit, 1.0), above)
    hidden = (np.abs(value - least) <= off) & (off >= SHARP * np.abs(least))
    at = int(np.argmin(margin))  # of NaN the first
    dull = bool(margin[at] >= 0 and hidden.any())
    reason = "rounding would hide the sign, or 10 % of a bound" if dull else ""
    return Evidence(float(value[at]), float(least[at]), float(margin[at]), reason)


LEAST_FIRST = (Verdict.FAILS, Verdict.UNDECIDED, Verdict.VACUOUS, Verdict.HOLDS)


def worst(each: Iterable[Evidence], *margins: float, holds: bool | np.bool_ = True) -> Evidence:
    """What remains of a claim that says all of these at once: a failure, else what says nothing, else the least margin.

    Further margins, and a condition that `holds` or not, can break it too: nothing is vacuous then.
    """
    found = min(each, key=lambda one: (LEAST_FIRST.index(one.verdict), one.margin))
    low = float(np.min([found.margin, *margins, 1.0 if holds else -1.0]))
    broken = not holds or any(margin < 0 for margin in margins)
    settling = found.settling and low == found.margin
    return replace(found, margin=low, vacuous="" if broken else found.vacuous, settling=settling)
