"""What a verification found: one record a claim, with its controls; the same record everywhere."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from subtheory import held, latex, table
from subtheory.claim import NOT_FINITE, Verdict
from subtheory.suggest import choose
from subtheory.verification.runs import Runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SCHEMA = 2
"""Version of the JSON form; 1 had no `tried` and no `reason` of a control, and called those not tried as declared."""

KIND = "verification"
"""What a file says that it holds."""

OF_A_PAGE = 32
"""Claims of a table in LaTeX."""
COLUMNS = r"@{}p{0.3\textwidth}lrrrr@{}"
CAPTION = (
    "Claims of the theory, verified. Measured over predicted: mean over the runs, with the standard deviation of a run "
    "in the last digits. The margin is that of the worst run, 1 minus its error over its tolerance. Controls: how many "
    "assumptions broke the claim as declared, of those that were tried."
)
CONTINUED = "Claims of the theory, verified, continued."


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
    every: Runs = field(default_factory=Runs, compare=False, repr=False)
    """All runs, of which `rows` are made; no part of the JSON form."""

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row a run: setting, seed, ε, measured, predicted, margin, verdict."""
        return self.every.rows(self.name)

    @property
    def ratio(self) -> tuple[float, float]:
        """Measured over predicted: mean over the runs that say something of a number other than 0, and deviation."""
        runs = self.every.table
        said = runs[~self.every.are(Verdict.VACUOUS) & (runs["predicted"] != 0)]
        each = said["measured"] / said["predicted"]
        each = each[np.isfinite(each)]
        return (float(each.mean()), float(each.std())) if len(each) else (math.nan, math.nan)

    @property
    def ok(self) -> bool:
        """Nothing failed or is not finite, and no control went against what was declared of it.

        One that was not tried, that too few runs leave undecided, or that says nothing like the claim, does not.
        """
        said = [c for c in self.controls if not (c.verdict is self.verdict is Verdict.VACUOUS)]
        sound = self.verdict is not Verdict.FAILS and self.reason != NOT_FINITE
        return sound and not any(control.wrong for control in said)

    @property
    def why(self) -> list[str]:
        """Why it fails or says nothing, a line each."""
        failed = f"fails in {self.failed} of {self.runs} runs, at worst in {self.worst}"
        none = f"{100 * self.vacuous_fraction:.3g} % of {self.runs} runs say nothing ({self.reason})"
        vacuous = self.runs and (self.verdict is Verdict.VACUOUS or (self.reason and self.vacuous_fraction > 0))
        said = none if vacuous else self.reason
        return [line for line in (failed if self.verdict is Verdict.FAILS else "", said) if line]

    def stated(self) -> dict[str, Any]:
        """All fields but `every`, which has a form of its own, as dicts."""
        found = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "every"}
        return found | {"controls": [asdict(control) for control in self.controls]}

    @property
    def alone(self) -> "Verification":
        """The verification of this claim and no other, with its sentence and formula first: what is shown of it."""
        return Verification((self,), messages=(self.statement, self.formula))

    def summary(self) -> str:
        """Plain text: sentence and formula, the claim, its controls, and why it fails or says nothing."""
        return self.alone.summary()

    def to_pandas(self) -> Any:
        """The `rows` as a pandas.DataFrame. Raises InputError on "pandas" where that is not installed."""
        return table.to_pandas(self.rows)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """The margin of every run, on `ax` or on axes of its own, which are returned; below 0 a run fails."""
        return self.alone.plot(ax)

    def _repr_html_(self) -> str:
        return self.alone._repr_html_()

    @property
    def tried(self) -> tuple[ControlResult, ...]:
        """Controls whose assumption could be broken: what is counted of them is counted of these."""
        return tuple(control for control in self.controls if control.tried)

    @property
    def broke(self) -> int:
        """How many controls did what was declared."""
        return sum(control.as_declared for control in self.tried)


@dataclass(frozen=True, eq=False)
class Verification:
    """All claims: `ok`, an iterable of them with access by name, `rows`, and tables of them in several forms.

    Equal if everything in it is, whoever made it or read it from a file.
    """

    claims: tuple[ClaimResult, ...]
    provenance: dict[str, Any] = field(default_factory=dict)
    """Versions, machine and command of the run."""
    messages: tuple[str, ...] = ()
    """What was done to the model, or guessed of it."""

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
        """The claim of that name. Raises UnknownName, an InputError and a KeyError, with what was probably meant."""
        return choose("claim", name, {claim.name: claim for claim in self.claims})

    def __contains__(self, name: object) -> bool:
        return any(claim.name == name or claim is name for claim in self.claims)

    def __iter__(self) -> Iterator[ClaimResult]:
        return iter(self.claims)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Verification) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    @property
    def _text(self) -> str:
        return held.text_of(KIND, self._content)

    def __len__(self) -> int:
        return len(self.claims)

    def __repr__(self) -> str:
        held = sum(claim.verdict is Verdict.HOLDS for claim in self.claims)
        return f"<Verification: {held} of {len(self.claims)} claims hold, {'ok' if self.ok else 'not ok'}>"

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One row a run: claim, setting, seed, ε, measured, predicted, margin, verdict; controls are not among them."""
        return [row for claim in self.claims for row in claim.rows]

    def claim_table(self) -> list[dict[str, Any]]:
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

    def control_table(self) -> list[dict[str, Any]]:
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

    def untried_table(self) -> list[dict[str, Any]]:
        """The assumptions that could not be broken, and why."""
        return [
            {"claim": claim.name, "not broken": control.without, "why": control.reason}
            for claim in self.claims
            for control in claim.controls
            if not control.tried
        ]

    def reasons(self) -> list[str]:
        """Why a claim fails or says nothing, and a control does not do what was declared; a line each."""
        found = []
        for claim in self.claims:
            found += [f"{claim.name}: {why}" for why in claim.why]
            for control in claim.tried:
                missed = (
                    f"failed in {100 * control.failed_fraction:.3g} % of {control.runs} runs" if control.wrong else ""
                )
                why = control.reason or missed
                found += [f"{claim.name} without {control.without}: {why}"] if why else []
        return found

    def summary(self) -> str:
        """Plain-text tables: the claims, what happens without each assumption, those not broken; then the reasons."""
        tables = [table.to_text(rows) for rows in (self.claim_table(), self.control_table(), self.untried_table())]
        return "\n\n".join(part for part in [*self.messages, *tables, "\n".join(self.reasons())] if part)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form (see schemas/verify.schema.json); numbers that are not finite become None."""
        claims = [finite(claim.stated()) for claim in self.claims]
        return {"schema": SCHEMA, "ok": self.ok, "claims": claims, "provenance": self.provenance}

    def to_pandas(self) -> Any:
        """The `rows` as a pandas.DataFrame. Raises InputError on "pandas" where that is not installed."""
        return table.to_pandas(self.rows)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """The margin of every run, a line a claim, on `ax` or on axes of its own, which are returned.

        1 is a perfect agreement, below 0 a run fails.
        """
        from subtheory.verification.drawing import margins

        return margins(self, ax)

    def save(self, path: Path | str) -> Path:
        """Write all of it as JSON, which `subtheory.load` reads. Raises InputError where that cannot be written."""
        return held.write(path, KIND, self._content)

    @property
    def _content(self) -> dict[str, Any]:
        claims = [{**claim.stated(), "every": claim.every.stated()} for claim in self.claims]
        return {"claims": claims, "provenance": self.provenance, "messages": list(self.messages)}

    @classmethod
    def read(cls, content: Any) -> "Verification":
        """From what a file holds. Raises KeyError, TypeError or ValueError for what no verification has written."""
        return cls(tuple(map(_claim, content["claims"])), dict(content["provenance"]), tuple(content["messages"]))

    def to_latex(self) -> str:
        """Booktabs tables of the claims for a plain article, each a page at most, and macros for the verdicts.

        Of measured over predicted the mean over the runs, the standard deviation of a run in its last digits.
        """
        rows = [
            {
                "claim": claim.name,
                "verdict": latex.Raw(latex.verdict(str(claim.verdict))),
                "measured/predicted": latex.Raw(latex.uncertain(*claim.ratio)),
                "margin": latex.Raw(latex.number(claim.margin, 3)),
                "runs": claim.runs,
                "controls": f"{claim.broke}/{len(claim.tried)}",
            }
            for claim in self.claims
        ]
        parts = [rows[i : i + OF_A_PAGE] for i in range(0, len(rows), OF_A_PAGE)]
        tables = [
            table.to_latex(part, CAPTION if i == 0 else CONTINUED, f"tab:claims{i or ''}", columns=COLUMNS)
            for i, part in enumerate(parts)
        ]
        return latex.definitions() + "".join(one.replace(r"\centering", r"\centering\scriptsize") for one in tables)

    def _repr_html_(self) -> str:
        tables = (self.claim_table(), self.control_table(), self.untried_table())
        return table.stacked(self.messages, *tables, self.reasons())


def _claim(told: dict[str, Any]) -> ClaimResult:
    """A claim from its stated form."""
    numbers = {name: float(told[name]) for name in ("measured", "predicted", "margin", "vacuous_fraction")}
    controls = tuple(
        ControlResult(**c | {"verdict": Verdict(c["verdict"]), "failed_fraction": float(c["failed_fraction"])})
        for c in told["controls"]
    )
    own = {"verdict": Verdict(told["verdict"]), "controls": controls, "every": Runs.read(told["every"])}
    return ClaimResult(**told | numbers | own)


def finite(value: Any) -> Any:
    """JSON has no NaN: such numbers become None."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
