"""What a verification found: one record a claim, with its controls; the same record everywhere."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from subtheory import table
from subtheory.claim import NOT_FINITE, Verdict

SCHEMA = 2
"""Version of the JSON form; 1 had no `tried` and no `reason` of a control, and called those not tried as declared."""


@dataclass(frozen=True)
class ControlResult:
    """A claim without one of its assumptions."""

    without: str
    verdict: Verdict
    failed_fraction: float
    declared: str
    as_declared: bool
    runs: int
    tried: bool = True
    """Whether there was a setting in which the assumption could be broken."""
    reason: str = ""
    """Why it was not tried, or says nothing."""

    @property
    def wrong(self) -> bool:
        """It was tried, and did not do what was declared of it, as far as that can be told."""
        return self.tried and not self.as_declared and self.verdict is not Verdict.UNDECIDED

    @property
    def shown(self) -> str:
        """Whether it did what was declared, in a word."""
        return "yes" if self.as_declared else "NO" if self.wrong else "undecided"


@dataclass(frozen=True)
class ClaimResult:
    """A claim over all its settings and seeds; measured, predicted and margin are those of the worst run."""

    name: str
    statement: str
    formula: str
    source: str
    tier: str
    run_tier: str
    proof: str
    verdict: Verdict
    settings: int
    seeds: int
    runs: int
    failed: int
    vacuous_fraction: float
    reason: str
    measured: float
    predicted: float
    margin: float
    worst: str
    controls: tuple[ControlResult, ...] = ()

    @property
    def ok(self) -> bool:
        """Nothing failed or is not finite, and no control went against what was declared of it.

        One that was not tried, that too few runs leave undecided, or that says nothing like the claim, does not.
        """
        said = [c for c in self.controls if not (c.verdict is self.verdict is Verdict.VACUOUS)]
        sound = self.verdict is not Verdict.FAILS and self.reason != NOT_FINITE
        return sound and not any(control.wrong for control in said)

    @property
    def tried(self) -> tuple[ControlResult, ...]:
        """Controls whose assumption could be broken: what is counted of them is counted of these."""
        return tuple(control for control in self.controls if control.tried)

    @property
    def broke(self) -> int:
        """How many controls did what was declared."""
        return sum(control.as_declared for control in self.tried)


@dataclass(frozen=True)
class Verification:
    """All claims; `ok`, item access by claim name, and tables of them in several forms."""

    claims: tuple[ClaimResult, ...]
    provenance: dict[str, Any] = field(default_factory=dict)
    messages: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Every claim holds (or is vacuous, with its reason) and every control breaks as declared."""
        return bool(self.claims) and all(claim.ok for claim in self.claims)

    @property
    def decided(self) -> bool:
        """No claim is vacuous or undecided, and no control is undecided."""
        claims = all(claim.verdict in (Verdict.HOLDS, Verdict.FAILS) for claim in self.claims)
        return claims and not any(c.verdict is Verdict.UNDECIDED for claim in self.claims for c in claim.tried)

    @property
    def broke(self) -> int:
        """How many controls broke their claim as declared."""
        return sum(claim.broke for claim in self.claims)

    @property
    def tried(self) -> int:
        """How many controls there were whose assumption could be broken."""
        return sum(len(claim.tried) for claim in self.claims)

    def __getitem__(self, name: str) -> ClaimResult:
        for claim in self.claims:
            if claim.name == name:
                return claim
        raise KeyError(name)

    def __len__(self) -> int:
        return len(self.claims)

    def __repr__(self) -> str:
        held = sum(claim.verdict is Verdict.HOLDS for claim in self.claims)
        return f"<Verification: {held} of {len(self.claims)} claims hold, {'ok' if self.ok else 'not ok'}>"

    def rows(self) -> list[dict[str, Any]]:
        """The claims as rows of a table."""
        return [
            {
                "claim": claim.name,
                "verdict": str(claim.verdict),
                "measured": claim.measured,
                "predicted": claim.predicted,
                "margin": claim.margin,
                "runs": claim.runs,
                "controls": f"{claim.broke}/{len(claim.tried)}",
            }
            for claim in self.claims
        ]

    def control_rows(self) -> list[dict[str, Any]]:
        """The controls that were tried as rows of a table."""
        return [
            {
                "claim": claim.name,
                "without": control.without,
                "verdict": str(control.verdict),
                "failed": control.failed_fraction,
                "declared": control.declared,
                "as declared": control.shown,
            }
            for claim in self.claims
            for control in claim.tried
        ]

    def untried_rows(self) -> list[dict[str, Any]]:
        """The assumptions that could not be broken, and why."""
        return [
            {"claim": claim.name, "not broken": control.without, "why": control.reason}
            for claim in self.claims
            for control in claim.controls
            if not control.tried
        ]

    def reasons(self) -> list[str]:
        """Why a claim or a control says nothing, a line each."""
        found = []
        for claim in self.claims:
            if claim.reason:
                found.append(f"{claim.name}: {claim.reason}")
            found += [f"{claim.name} without {c.without}: {c.reason}" for c in claim.tried if c.reason]
        return found

    def summary(self) -> str:
        """Plain-text tables: the claims, what happens without each assumption, those not broken; then the reasons."""
        tables = [table.to_text(rows) for rows in (self.rows(), self.control_rows(), self.untried_rows())]
        return "\n\n".join(part for part in [*self.messages, *tables, "\n".join(self.reasons())] if part)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form (see schemas/verify.schema.json); numbers that are not finite become None."""
        claims = [finite(asdict(claim)) for claim in self.claims]
        return {"schema": SCHEMA, "ok": self.ok, "claims": claims, "provenance": self.provenance}

    def to_latex(self) -> str:
        """A booktabs table of the claims."""
        return table.to_latex(self.rows(), caption="Claims of the theory, verified.", label="tab:claims")

    def _repr_html_(self) -> str:
        return "".join(table.to_html(rows) for rows in (self.rows(), self.control_rows(), self.untried_rows()))


def finite(value: Any) -> Any:
    """JSON has no NaN: such numbers become None."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
