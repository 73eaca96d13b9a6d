"""What an audit found: one row a check, with its target."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from subtheory.statistics import share_interval

Tell = Callable[[str], None]
"""Called with what is being looked at."""

SURE = 0.95
"""Confidence of a bound on one side."""


@dataclass(frozen=True)
class Check:
    """One measurement of how far verdicts can be trusted."""

    row: str
    """Of docs/trust.md."""
    what: str
    draws: int
    found: str
    target: str
    ok: bool
    details: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    """What was found of each part, a row a part."""

    @property
    def shown(self) -> dict[str, Any]:
        """A row of the table."""
        met = "holds" if self.ok else "fails"
        return {"": self.row, "what": self.what, "draws": self.draws, "found": self.found, "target": self.target,
                "verdict": met}  # fmt: skip


@dataclass(frozen=True)
class Audit:
    """All checks; JSON of it is what a report shows of planted errors."""

    checks: tuple[Check, ...]
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Every check meets its target."""
        return all(check.ok for check in self.checks)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The table."""
        return [check.shown for check in self.checks]

    def stated(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "kind": "audit",
            "ok": self.ok,
            "checks": [asdict(c) for c in self.checks],
            "provenance": self.provenance,
        }


def at_most(count: int, draws: int) -> float:
    """Exact upper bound of the share that was seen so often in so many draws, one-sided (Clopper and Pearson 1934)."""
    return float(share_interval(np.array(count), draws, 2 * SURE - 1)[1])


def at_least(count: int, draws: int) -> float:
    """The exact lower bound."""
    return float(share_interval(np.array(count), draws, 2 * SURE - 1)[0])
