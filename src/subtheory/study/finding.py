"""Findings: what an experiment says of its tables before they are computed, each a number and where it must fall."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Finding:
    """A sentence about the tables, the number that decides it, and the interval that was predicted for that number."""

    says: str
    found: float
    low: float = -inf
    high: float = inf
    claimed: bool = True
    """Whether a number out of the interval counts; what is shown, and not claimed, has no prediction."""

    @property
    def ok(self) -> bool:
        """As predicted; never where the number is not one."""
        return not self.claimed or bool(self.low <= self.found <= self.high)

    @property
    def row(self) -> dict[str, Any]:
        """A row of a table."""
        verdict = "shown" if not self.claimed else "as predicted" if self.ok else "NOT as predicted"
        numbers = {"found": self.found, "low": self.low, "high": self.high}
        return {"finding": self.says, **{k: v if isfinite(v) else None for k, v in numbers.items()}, "verdict": verdict}


def shown(says: str, found: float) -> Finding:
    """A number that is shown, and not claimed."""
    return Finding(says, float(found), claimed=False)


def rate(says: str, came: Sequence[bool], least: float = 1.0) -> Finding:
    """How large a share of cases came out, at least `least` of them; no case at all is not as predicted."""
    return Finding(says, sum(came) / len(came) if len(came) else float("nan"), least, 1.0)


def most(says: str, values: Sequence[float], high: float) -> Finding:
    """The largest of some sizes, at most `high`; not as predicted where one is no number, or there is none."""
    return Finding(f"{says}, at most", float(np.max(list(values) or [np.nan])), 0.0, high)


def least(says: str, values: Sequence[float], low: float) -> Finding:
    """The smallest of some, at least `low`; the same."""
    return Finding(f"{says}, at least", float(np.min(list(values) or [np.nan])), low)


def farthest(says: str, found: Any, low: Any, high: Any) -> Finding:
    """Of several numbers the one that is off the middle of its interval by most of its width; (...) each.

    What is not a number comes first, and so it does where there is none.
    """
    values, low, high = np.broadcast_arrays(np.asarray(found, float) if np.size(found) else [np.nan], low, high)
    with np.errstate(divide="ignore", invalid="ignore"):
        at = int(np.argmax(np.abs(2 * values - low - high) / (high - low)))
    return Finding(says, float(values.flat[at]), float(low.flat[at]), float(high.flat[at]))


def said(one: Finding) -> str:
    """The sentence, the number, and where it should be."""
    ends = " to ".join(f"{end:.3g}" if isfinite(end) else "any" for end in (one.low, one.high))
    return f"{one.says}: {one.found:.3g}, predicted {ends}"


def summary(findings: Sequence[Finding]) -> str:
    """n of n as predicted."""
    claimed = [one for one in findings if one.claimed]
    more = f", {len(findings) - len(claimed)} more shown" if len(claimed) < len(findings) else ""
    return f"{sum(one.ok for one in claimed)} of {len(claimed)} as predicted{more}"
