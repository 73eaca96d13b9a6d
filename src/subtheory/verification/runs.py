"""Every run of a claim by itself: where, with which seed, at which ε, what was found; some fifty bytes each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from subtheory.claim import Evidence, Verdict
from subtheory.setting.setting import Setting

Row = tuple[Setting, int, Evidence]
"""A setting, a seed, and what a claim made of the two."""

VERDICTS = tuple(Verdict)

COLUMNS = np.dtype(
    [("setting", "u4"), ("seed", "u4"), ("eps", "f8"), ("measured", "f8"), ("predicted", "f8"), ("margin", "f8"),
     ("verdict", "u1")]
)  # fmt: skip
"""Setting and verdict by their numbers."""


@dataclass(frozen=True, eq=False)
class Runs:
    """`settings` in words, and a row a run, (n,) of `COLUMNS`."""

    settings: tuple[str, ...] = ()
    table: np.ndarray = field(default_factory=lambda: np.empty(0, COLUMNS))

    @classmethod
    def of(cls, rows: Sequence[Row]) -> "Runs":
        """The evidence of every setting and seed."""
        places: dict[Setting, int] = {}
        names = dict[str, int]()
        found = []
        for setting, seed, e in rows:
            if setting not in places:
                places[setting] = names.setdefault(setting.shown, len(names))
            verdict = VERDICTS.index(e.verdict)
            found.append((places[setting], seed, e.eps, e.measured, e.predicted, e.margin, verdict))
        return cls(tuple(names), np.array(found, COLUMNS))

    def rows(self, claim: str) -> list[dict[str, Any]]:
        """One dict a run; a run that says nothing has no tolerance, and its margin means nothing."""
        names = COLUMNS.names or ()
        each = (dict(zip(names, row, strict=True)) for row in self.table.tolist())
        return [
            {"claim": claim, **one, "setting": self.settings[one["setting"]], "verdict": str(VERDICTS[one["verdict"]])}
            for one in each
        ]

    def stated(self) -> dict[str, Any]:
        """Columns as lists; numbers may be not finite."""
        return {"settings": list(self.settings), **{name: self.table[name].tolist() for name in COLUMNS.names or ()}}

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> "Runs":
        """From what `stated` says. Raises KeyError, TypeError or ValueError for anything else."""
        columns = [np.asarray(told[name], COLUMNS[name]) for name in COLUMNS.names or ()]
        table = np.array(list(zip(*(column.tolist() for column in columns), strict=True)), COLUMNS)
        settings = tuple(map(str, told["settings"]))
        if len(table) and (table["setting"].max() >= len(settings) or table["verdict"].max() >= len(VERDICTS)):
            raise ValueError("a row of a setting or a verdict that there is not")
        return cls(settings, table)
