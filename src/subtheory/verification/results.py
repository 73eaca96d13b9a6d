"""What a verification found: one record a claim, with its controls; the same record everywhere."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any

from subtheory import table
from subtheory.claim import Verdict

SCHEMA = 1
"""Version of the JSON form."""


@dataclass(frozen=True)
class ControlResult:
    """A claim without one of its assumptions."""

    without: str
    verdict: Verdict
    failed_fraction: float
    declared: str
    as_declared: bool
    runs: int


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
        """Nothing failed, and every control did what was declared of it (or, like the claim, said nothing)."""
        said = [c for c in self.controls if not (c.verdict is self.verdict is Verdict.VACUOUS)]
        return self.verdict is not Verdict.FAILS and all(control.as_declared for control in said)


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
        """No claim is vacuous or undecided."""
        return all(claim.verdict in (Verdict.HOLDS, Verdict.FAILS) for claim in self.claims)

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
                "controls": f"{sum(c.as_declared for c in claim.controls)}/{len(claim.controls)}",
            }
            for claim in self.claims
        ]

    def control_rows(self) -> list[dict[str, Any]]:
        """The controls as rows of a table."""
        return [
            {
                "claim": claim.name,
                "without": control.without,
                "verdict": str(control.verdict),
                "failed": control.failed_fraction,
                "declared": control.declared,
                "as declared": "yes" if control.as_declared else "NO",
            }
            for claim in self.claims
            for control in claim.controls
        ]

    def summary(self) -> str:
        """Two plain-text tables: the claims, and what happens without each assumption."""
        parts = [*self.messages, table.to_text(self.rows()), table.to_text(self.control_rows())]
        return "\n\n".join(part for part in parts if part)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form (see schemas/verify.schema.json); numbers that are not finite become None."""
        claims = [finite(asdict(claim)) for claim in self.claims]
        return {"schema": SCHEMA, "ok": self.ok, "claims": claims, "provenance": self.provenance}

    def to_latex(self) -> str:
        """A booktabs table of the claims."""
        return table.to_latex(self.rows(), caption="Claims of the theory, verified.", label="tab:claims")

    def _repr_html_(self) -> str:
        return table.to_html(self.rows()) + table.to_html(self.control_rows())


def finite(value: Any) -> Any:
    """JSON has no NaN: such numbers become None."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
