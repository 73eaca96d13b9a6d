"""Several paths, networks and losses in one table: what fits is walked, what does not is skipped by name."""

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from subtheory.errors import InputError
from subtheory.init import PATHS, Another, Path, checked
from subtheory.ledger.parts import Progress
from subtheory.setting.setting import Setting
from subtheory.study.ablation import ELSEWHERE, Row, ablate, fitting, known_paths, means, misfit
from subtheory.study.experiment import Tables, each
from subtheory.suggest import choose

EVERY = "all"
"""Name that stands for every path that fits the network."""


class Job(NamedTuple):
    """A path by name, from a setting's network with a setting's loss, and how far along it."""

    name: str
    path: Path
    setting: Setting
    amounts: tuple[float, ...]

    @property
    def key(self) -> dict[str, str]:
        """The columns that name a combination."""
        return {"path": self.name, "network": self.setting.network.name, "loss": self.setting.loss.name}


def swept(
    settings: Sequence[Setting], paths: Sequence[str], amounts: tuple[float, ...] | None, seeds: Sequence[int],
    size: float, progress: Progress | None = None,
) -> Tables:  # fmt: skip
    """Means over seeds, all rows, and the paths that do not fit, if there are any.

    Raises InputError for a name that is no path at all, for amounts that a path does not have, and if nothing fits.
    """
    jobs, skipped = planned(settings, paths, amounts)
    averages, rows = list[Row](), list[Row]()
    todo = {" ".join(job.key.values()): partial(walked, job, seeds, size) for job in jobs}
    for job, walk in zip(jobs, each(todo, progress=progress).values(), strict=True):
        if isinstance(walk, str):
            skipped.append({"path": job.name, "network": job.setting.network.name, "why": walk})
            continue
        averages += [job.key | mean for mean in means(walk)]
        rows += [job.key | {"seed": row["seed"]} | row for row in walk]
    if not rows:
        raise InputError("path", repr(",".join(paths)), f"must fit the network ({skipped[0]['why']})")
    found: Tables = {"means": averages, "rows": rows}
    return found | {"skipped": skipped} if skipped else found


def walked(job: Job, seeds: Sequence[int], size: float) -> list[Row] | str:
    """The rows of one path; in words why the numbers do not fit it, which shapes cannot tell."""
    try:
        return ablate(job.path, job.setting, job.amounts, seeds, size).rows
    except InputError as error:
        if error.field != "path":
            raise
        return str(error)


def planned(
    settings: Sequence[Setting], paths: Sequence[str], amounts: tuple[float, ...] | None
) -> tuple[list[Job], list[Row]]:
    """What there is to run, and a row for every path that was named and does not fit.

    Raises InputError for a name that is no path at all, for amounts that a path does not have, and if nothing fits.
    """
    for name in paths:
        choose("path", name, {**PATHS, **dict.fromkeys((*ELSEWHERE, EVERY))})
    jobs, skipped = list[Job](), dict[tuple[str, str], str]()
    for setting in settings:
        known, fit = known_paths(setting), fitting(setting)
        for name in dict.fromkeys([*(fit if EVERY in paths else ()), *(name for name in paths if name != EVERY)]):
            if name in fit:
                jobs.append(Job(name, fit[name], setting, _reached(name, fit[name], amounts)))
            else:
                none = f"there is no {setting.network.name} of another {name}"
                skipped[name, setting.network.name] = misfit(known[name], setting) if name in known else none
    if not jobs:
        nets = list(dict.fromkeys(setting.network.name for setting in settings))
        there = dict.fromkeys(name for setting in settings for name in fitting(setting))
        raise InputError("path", repr(",".join(paths)), f"must fit {' or '.join(nets)}: {', '.join(there)}")
    return jobs, [{"path": name, "network": net, "why": why} for (name, net), why in skipped.items()]


def _reached(name: str, path: Path, amounts: tuple[float, ...] | None) -> tuple[float, ...]:
    """The amounts of a path; of another architecture there is only far."""
    if amounts is None or isinstance(path, Another):
        return path.amounts
    try:
        checked(path, amounts)
    except InputError as error:
        raise InputError("amounts", f"{error.value} for {name}", error.wanted) from None
    return amounts
