"""What a row forecast says: every row with its baselines, sums, and how scores of rows rank them."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subtheory import held, table
from subtheory.arguments import shown
from subtheory.errors import InputError
from subtheory.verification.results import finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KIND = "forecast"
"""What a file says that it holds."""

Row = dict[str, Any]

BASELINES = ("difficulty", "gradient_norm", "null")
"""Columns of `rows` without which no score of rows is shown: −log p0, ‖∇log p0‖, and s_i over its null's."""

AUDITED = ("difficulty", "gradient norm", "null")
"""Rows of `audit` that are always there."""

HEAVIEST = 10
"""Rows that a summary shows."""


@dataclass(frozen=True, eq=False)
class Forecast:
    """A forecast: `rows`, `totals`, `audit`, and the `control` rows' scores. Equal if everything in it is.

    Raises InputError on "rows" or "audit" where a baseline is missing: a score of rows says nothing without them.
    """

    rows: list[Row]
    """One a row: its score, its shares of the alignment and of the readout's change, the baselines, the log-ratio of
    the teacher ("oracle"), what a student of these rows would say ("kernel"), and what the student at hand does."""
    totals: Row
    """Sums with their intervals, N·KL, the probability of a sign, and whether the rows add up to the real step."""
    audit: list[Row]
    """A row a score: its correlations to the log-ratio, and what the tenth that it puts first adds to D."""
    control: list[float] = field(default_factory=list)
    """Scores of the untrained teacher's rows."""
    messages: tuple[str, ...] = ()
    """What was done to the model, or guessed of it."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """Versions, machine and command of the run."""
    hypotheses: list[Row] = field(default_factory=list)
    """What the theory asks of a training, whether a planned one keeps it, and what is known if not."""

    def __post_init__(self) -> None:
        for name in ("rows", "audit"):
            part = getattr(self, name)
            if not isinstance(part, list) or not part or not all(isinstance(row, dict) for row in part):
                raise InputError(name, shown(part), "must be a list of rows, at least one")
        for name in BASELINES:
            if any(name not in row for row in self.rows):
                raise InputError("rows", f"no {name}", f"must have the baselines {', '.join(BASELINES)}")
        if missing := set(AUDITED) - {str(row.get("scores")) for row in self.audit}:
            raise InputError("audit", f"no {', '.join(sorted(missing))}", f"must have {', '.join(AUDITED)}")

    @property
    def ok(self) -> bool:
        """Whether the rows add up to the student's real step, within rounding."""
        return bool(self.totals["adds_up"] <= 1)

    def heaviest(self, count: int = HEAVIEST) -> list[Row]:
        """Rows of the largest |score|, largest first."""
        return sorted(self.rows, key=lambda row: -abs(row["score"]))[:count]

    @property
    def sums(self) -> list[Row]:
        """The totals as rows of a table, each with what it means."""
        t = self.totals
        interval = lambda name: f"[{t[f'{name}_low']:.4g}, {t[f'{name}_high']:.4g}]"  # noqa: E731
        return [
            {"total": "alignment D = Σ s_i/n", "value": t["alignment"], "note": f"{t['rows']:.0f} rows"},
            {"total": "less the control's", "value": t["added_alignment"], "note": f"95 % {interval('alignment')}"},
            {"total": "readout, α∇L_T · Δθ_S", "value": t["readout"], "note": ""},
            {"total": "less the control's", "value": t["added_readout"], "note": f"95 % {interval('readout')}"},
            {"total": "q = ΔᵀGΔ on the rows", "value": t["form"], "note": "what D is expected to be, to first order"},
            {"total": "N·KL, to second order", "value": t["kl"], "note": f"{t['kl_exact']:.4g} exactly"},
            {"total": "Φ(√(2N·KL))", "value": t["sign_probability"], "note": "how likely such rows have D > 0"},
            {"total": "null of D", "value": t["null"], "note": f"{t['null_share']:.3g} of directions as far from 0"},
            {"total": "off the real step, in roundings", "value": t["adds_up"], "note": "at most 1" * self.ok},
        ]  # fmt: skip

    def __len__(self) -> int:
        return len(self.rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Forecast) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        t = self.totals
        return f"<Forecast: {len(self)} rows, alignment {t['added_alignment']:.4g}, Φ = {t['sign_probability']:.4g}>"

    def summary(self) -> str:
        """Messages, totals, the audit beside its baselines, and the heaviest rows; plain text."""
        tables = (self.sums, self.hypotheses, self.audit, self.heaviest())
        return "\n\n".join(filter(None, ["\n".join(self.messages), *map(table.to_text, tables)]))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; numbers that are not finite become None."""
        told: dict[str, Any] = finite({"ok": self.ok, **self._content})
        return told

    def to_pandas(self) -> Any:
        """The `rows` as a pandas.DataFrame. Raises InputError on "pandas" where that is not installed."""
        return table.to_pandas(self.rows)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """The running sum of the rows in their order, on `ax` or on axes of its own."""
        from subtheory.study.forecast.drawn import running

        return running(self, ax)

    def save(self, path: Path | str) -> Path:
        """Write all of it as JSON, which `subtheory.load` reads. Raises InputError where that cannot be written."""
        return held.write(path, KIND, self._content)

    @property
    def _content(self) -> dict[str, Any]:
        own = {"rows": self.rows, "totals": self.totals, "audit": self.audit, "control": self.control}
        told = {"messages": list(self.messages), "provenance": self.provenance}
        return own | told | ({"hypotheses": self.hypotheses} if self.hypotheses else {})

    @property
    def _text(self) -> str:
        return held.text_of(KIND, self._content)

    @classmethod
    def read(cls, content: Any) -> "Forecast":
        """From what a file holds. Raises KeyError, TypeError or ValueError for what no forecast has written."""
        numbers = lambda row, words=(): {k: v if k in words else float(v) for k, v in row.items()}  # noqa: E731
        return cls(
            [numbers(row, ("row", "text")) for row in content["rows"]],
            numbers(content["totals"]),
            [numbers(row, ("scores",)) for row in content["audit"]],
            [float(value) for value in content["control"]],
            tuple(content["messages"]),
            dict(content["provenance"]),
            [dict(row) for row in content.get("hypotheses", ())],
        )

    def _repr_html_(self) -> str:
        return table.stacked(self.messages, self.sums, self.audit, self.hypotheses, self.heaviest())
