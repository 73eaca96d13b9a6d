"""Ablate the init of a network of your own: paths away from it, in one call."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from subtheory import arguments, held, session, table
from subtheory.errors import InputError
from subtheory.init import Units
from subtheory.ledger.parts import Progress
from subtheory.provenance import provenance
from subtheory.study.ablation import SEEDS, SIZE, Row, means, says
from subtheory.study.experiment import Tables
from subtheory.study.finding import Finding, summary
from subtheory.study.judgement import combinations, findings
from subtheory.study.walks import swept
from subtheory.theory.losses import Loss, SquaredError
from subtheory.theory.network import Params
from subtheory.verification.losses import losses_of
from subtheory.verification.own import listen, prepared
from subtheory.verification.results import finite

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KIND = "ablation"
"""What a file says that it holds."""

SHOWN = {
    "amount": "amount", "distance": "distance", "on the channel": "channel_distance", "raw": "relative_alignment",
    "beyond control": "relative_added_alignment", "predicted": "relative_predicted_alignment",
    "ΔL_T beyond control": "relative_added_trait_change", "ΔL_T predicted": "relative_predicted_trait_change",
}  # fmt: skip
"""Columns of the means that `summary` prints: alignments and changes relative to the shared init."""


@dataclass(frozen=True, eq=False)
class Ablations:
    """What crosses along some paths: `rows`, `means` over seeds, `findings` with `ok`, and paths that were `skipped`.

    Equal if everything in it is, whoever made it or read it from a file.
    """

    rows: list[Row]
    """One a path, network, loss, seed and amount: likeness of the inits, what crosses, raw, added and predicted."""
    skipped: list[Row] = field(default_factory=list)
    """Paths that do not fit the network, each with why."""
    messages: tuple[str, ...] = ()
    """What was done to the model, or guessed of it."""
    provenance: dict[str, Any] = field(default_factory=dict)
    """Versions, machine and command of the run."""

    @cached_property
    def means(self) -> list[Row]:
        """One row a path, network, loss and amount: means over seeds with half of their 95 % intervals (`_half`)."""
        several = combinations(self.rows).items()
        keys = ("path", "network", "loss")
        return [dict(zip(keys, key, strict=True)) | mean for key, own in several for mean in means(own)]

    @property
    def tables(self) -> Tables:
        """Means and rows, and what was skipped if there is any; as the experiment `ablation` has them."""
        found: Tables = {"means": self.means, "rows": self.rows}
        return found | {"skipped": self.skipped} if self.skipped else found

    @cached_property
    def findings(self) -> list[Finding]:
        """What theory says of the rows, each a number and where it must fall."""
        return findings(self.tables)

    @property
    def ok(self) -> bool:
        """Everything came out as predicted, and something was."""
        return any(one.claimed for one in self.findings) and all(one.ok for one in self.findings)

    def __len__(self) -> int:
        return len(self.rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ablations) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)

    def __repr__(self) -> str:
        paths = ", ".join(dict.fromkeys(row["path"] for row in self.rows))
        return f"<Ablations: {paths}; {summary(self.findings)}>"

    def summary(self) -> str:
        """Messages, what each path does, the means, what was skipped and why, and the findings; plain text."""
        lines = [f"{path}: {says(path)}" for path in dict.fromkeys(row["path"] for row in self.rows)]
        left = [f"skipped: {row['path']}: {row['why']}" for row in self.skipped]
        parts = ["\n".join([*self.messages, *lines]), table.to_text(self.shown), "\n".join(left)]
        return "\n\n".join(filter(None, [*parts, table.to_text([one.row for one in self.findings])]))

    @property
    def shown(self) -> list[Row]:
        """The means as people read them: likeness, and what crosses relative to the shared init."""
        several = [name for name in ("path", "loss") if len({row[name] for row in self.rows}) > 1]
        return [
            {name: mean[name] for name in several} | {k: mean[name] for k, name in SHOWN.items()} for mean in self.means
        ]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready form; numbers that are not finite become None."""
        judged = {"ok": self.ok, "findings": [one.row for one in self.findings], "means": finite(self.means)}
        return judged | finite(self._content)

    def to_pandas(self) -> Any:
        """The `rows` as a pandas.DataFrame. Raises InputError on "pandas" where that is not installed."""
        return table.to_pandas(self.rows)

    def plot(self, ax: "Axes | None" = None) -> "Axes":
        """The alignment beyond the control on its prediction, a line a path, on `ax` or on axes of its own."""
        from subtheory.study.curves import crossing

        return crossing(self.tables, ax)

    def save(self, path: Path | str) -> Path:
        """Write all of it as JSON, which `subtheory.load` reads. Raises InputError where that cannot be written."""
        return held.write(path, KIND, self._content)

    @property
    def _content(self) -> dict[str, Any]:
        told = {"skipped": self.skipped, "messages": list(self.messages), "provenance": self.provenance}
        return {"rows": self.rows, **told}

    @property
    def _text(self) -> str:
        return held.text_of(KIND, self._content)

    @classmethod
    def read(cls, content: Any) -> "Ablations":
        """From what a file holds. Raises KeyError, TypeError or ValueError for what no ablation has written."""
        words = ("path", "network", "loss")
        rows = [{k: v if k in words or k == "seed" else float(v) for k, v in row.items()} for row in content["rows"]]
        found = cls(rows, list(content["skipped"]), tuple(content["messages"]), dict(content["provenance"]))
        assert found.means is not None  # a column that is missing is found here
        return found

    def _repr_html_(self) -> str:
        return table.stacked(self.messages, self.shown, self.skipped, [one.row for one in self.findings])


def ablate(
    model: Any,
    params: Params = None,
    *,
    trait: Callable[[Params], Any] | Sequence[Any],
    channel: Any,
    path: str | Iterable[str] = "noise",
    amounts: Iterable[float] | None = None,
    loss: str | Loss | Iterable[str | Loss] | None = None,
    outputs: Any = "all",
    eps: float = SIZE,
    seeds: int | Iterable[int] = SEEDS,
    seed: int = 0,
    init: Any = None,
    examples: int = 32,
    units: Sequence[Units] | None = None,
    progress: Progress | None = None,
) -> Ablations:
    """Walk away from the init of your network along paths: what of the teacher's update still reaches the student?

    path: names of `subtheory.init.PATHS`, or "all" that fit. amounts: how far along them (0 is the shared init), by
    default each path's own. loss: names or objects, default squared error. eps: relative size of the teacher's update.
    seeds: runs at every amount, from `seed` on, or a list of seeds. Everything else is as `verify` takes it.

    Returns `Ablations`: `rows`, `means`, `findings`, `ok`, `skipped`, `summary()`, `to_dict()`, `to_pandas()`,
    `plot()`, `save(path)`. A path that does not fit the network is skipped, with the reason. Raises InputError for what
    `verify` refuses, an unknown path, amounts that a path does not have, and if no path fits.
    """
    listen("ablate", progress)
    with np.errstate(all="ignore"):
        numbers = arguments.seeds(seeds, first=seed)
        size = arguments.positive("eps", eps)
        own = prepared(
            model, params, trait=trait, channel=channel, losses=losses_of(loss, (SquaredError(),)), outputs=outputs,
            eps=(size,), seeds=numbers, init=init, examples=examples, units=units,
        )  # fmt: skip
        found = swept(own.settings, _paths(path), _amounts(amounts), numbers, size, progress or session.report(KIND))
    told = provenance(numbers) | {"independent init": own.another.said}
    return Ablations(list(found["rows"]), list(found.get("skipped", ())), own.messages, told)


def _paths(given: Any) -> list[str]:
    """Names of paths. Raises InputError on "path" for what is none."""
    listed = [given] if isinstance(given, str) else arguments.entries(given)
    if not listed or not all(isinstance(one, str) for one in listed):
        raise InputError("path", arguments.shown(given), "must be a name of subtheory.init.PATHS, or a list of them")
    return list(dict.fromkeys(listed))


def _amounts(given: Any) -> tuple[float, ...] | None:
    """Numbers, each once. Raises InputError on "amounts" for what is none."""
    if given is None:
        return None
    listed = [given] if arguments.number(given) is not None else arguments.entries(given)
    found = [arguments.number(one) for one in listed or ()]
    known = [one for one in found if one is not None]
    if not known or len(known) < len(found):
        raise InputError("amounts", arguments.shown(given), "must be numbers")
    return tuple(dict.fromkeys(known))
