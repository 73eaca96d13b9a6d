"""Every run of a claim by itself: where, with which seed, at which ε, what was found; some fifty bytes each.

The checks of a part are columns, too: they go into a record and come back bit for bit.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from subtheory.claim import Evidence, Verdict
from subtheory.records import Arrays
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

    def are(self, verdict: Verdict) -> np.ndarray:
        """Which runs have this verdict, (n,)."""
        return np.asarray(self.table["verdict"] == VERDICTS.index(verdict))

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


# The checks of a part ---------------------------------------------------------------------------

NUMBERS = ("measured", "predicted", "margin", "eps")
WORDS = ("vacuous", "undecided")


class Checked(NamedTuple):
    """A job and a setting of its, by their places in the plan, a seed, and what the claim made of the record."""

    job: int
    setting: int
    seed: int
    evidence: Evidence


def packed(rows: Iterable[Checked]) -> Arrays:
    """An array a column, in the order of the rows."""
    each = list(rows)
    found = {name: np.array([getattr(row, name) for row in each], np.uint32) for name in Checked._fields[:-1]}
    for name in NUMBERS:
        found[name] = np.array([getattr(row.evidence, name) for row in each], np.float64)
    for name in WORDS:
        words = [getattr(row.evidence, name) for row in each]
        known = list(dict.fromkeys(words))
        found[name] = np.array([known.index(word) for word in words], np.uint32)
        found[f"{name} words"] = np.array(known, np.str_)
    return found


def unpacked(arrays: Arrays) -> Iterator[Checked]:
    """The rows of `packed`."""
    places = zip(*(arrays[name].tolist() for name in Checked._fields[:-1]), strict=True)
    numbers = zip(*(arrays[name].tolist() for name in NUMBERS), strict=True)
    words = zip(*(arrays[f"{name} words"][arrays[name]].tolist() for name in WORDS), strict=True)
    for place, (measured, predicted, margin, eps), (vacuous, undecided) in zip(places, numbers, words, strict=True):
        job, setting, seed = place
        yield Checked(job, setting, seed, Evidence(measured, predicted, margin, vacuous, undecided, eps))
