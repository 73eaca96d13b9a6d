"""The planner: which runs all claims and controls need of which instruments, each a task measured once."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any, Literal

import numpy as np

from subtheory.claim import Claim, Control
from subtheory.instruments.instrument import Instrument
from subtheory.setting.setting import Setting
from subtheory.setting.spread import kind_of
from subtheory.setting.student import amount_of, path_of
from subtheory.statistics import cover
from subtheory.theory.losses import Loss, SquaredError

Size = Literal["quick", "default", "full"]
"""Of the design: one path of each kind; every pair of levels once; everything."""

SEEDS = 16
"""Seeds that are measured at once: the memory of a verification does not grow with their number."""


@dataclass(frozen=True)
class How:
    """How much is run."""

    size: Size = "default"
    ours: bool = False
    """Whether the process runs nothing of a user's own, so that programs which are used no more can be let go of."""


CONTROL_RUNS, EACH = 8, 2
"""Runs of a control over all networks, and of every network: at least, where so many can be broken."""


@dataclass(frozen=True)
class Job:
    """One claim, or one claim without one of its assumptions, and the settings to run it on."""

    claim: Claim
    settings: tuple[Setting, ...]
    control: Control | None = None
    bar: str = ""
    """Why there are no settings, where that is known."""


Run = tuple[Instrument, Setting]
"""What is measured once, whatever the loss: the setting has squared error for its own."""


def run_of(claim: Claim, setting: Setting) -> Run:
    """The run in which a claim reads a setting."""
    return claim.reads, setting.but(loss=SquaredError())


def jobs(claims: Iterable[Claim], grid: Sequence[Setting], size: Size = "default") -> list[Job]:
    """What has to be run: every claim on the settings it speaks of, then its controls.

    A control runs on some settings of every network (all losses), or on its constructed witnesses.
    """
    found = []
    for claim in claims:
        own = claim.own(grid)
        if claim.spread and size != "full":
            own = tuple(cover(own if size == "default" else one_of_each_kind(own), levels))
        found.append(Job(claim, own))
        for control in claim.controls:
            broken = control_settings(control, own)
            found.append(Job(claim, broken, control, "" if broken else _bar(control, own)))
    return found


def _bar(control: Control, own: Sequence[Setting]) -> str:
    return "; ".join(dict.fromkeys(filter(None, map(control.assumption.bar, own))))


def levels(setting: Setting) -> tuple[Hashable, ...]:
    """The factors of a claim that spreads settings out."""
    student = setting.student
    walk = (path_of(student.init), amount_of(student.init) if path_of(student.init) else 0.0, student.trains)
    return setting.network, setting.loss, setting.channel, setting.outputs, walk, setting.teacher, setting.view


def one_of_each_kind(settings: Iterable[Setting]) -> list[Setting]:
    """Of every network and kind of path the settings of the first path, at the first amount."""
    first: dict[Hashable, Hashable] = {}
    own = [(s, (s.network, kind_of(s), s.student.trains), (path_of(s.student.init), s.student.init)) for s in settings]
    for _, place, path in own:
        first.setdefault(place, path)
    return [setting for setting, place, path in own if first[place] == path]


def control_settings(control: Control, own: Sequence[Setting]) -> tuple[Setting, ...]:
    """The settings of a claim with the assumption broken: of every network some that can be broken, with all losses."""
    if control.witnesses:
        return control.witnesses() if own else ()
    runs: dict[Hashable, dict[Setting, list[Setting]]] = {}
    for setting in own:
        runs.setdefault(setting.network, {}).setdefault(setting.but(loss=SquaredError()), []).append(setting)
    share = max(EACH, -(-CONTROL_RUNS // max(1, len(runs))))
    found: list[Setting] = []
    for each in runs.values():
        several = list(each.values())
        broken = (_broken(control, several[i]) for i in _apart(len(several)))
        found += [setting for settings in islice(filter(None, broken), share) for setting in settings]
    return tuple(dict.fromkeys(found))


def _broken(control: Control, settings: Iterable[Setting]) -> list[Setting]:
    """The settings with the assumption broken, of those that can be."""
    return [broken for setting in settings if (broken := control.assumption.breaks(setting)) is not None]


def _apart(count: int) -> list[int]:
    """0 ... count − 1 so that every beginning is spread out evenly: 0, the middle, the quarters, ..."""
    bits = max(1, (count - 1).bit_length())
    order = (int(f"{i:0{bits}b}"[::-1], 2) for i in range(2**bits))
    return [i for i in order if i < count]


Task = tuple[Run, tuple[int, ...], tuple[Loss, ...]]
"""A run with some seeds, `SEEDS` at most, and losses."""


def tasks(todo: Iterable[Job], seeds: Sequence[int]) -> list[Task]:
    """Every run once, with the losses that some job asks for; network after network, some seeds after others."""
    wanted: dict[Run, dict[Loss, None]] = {}
    for job in todo:
        for setting in job.settings:
            wanted.setdefault(run_of(job.claim, setting), {})[setting.loss] = None
    runs, order = sorted(wanted, key=_place(wanted)), list[Task]()
    # Network after network, and in each some seeds after others: what is prepared for them serves every run.
    for _, own in groupby(runs, key=lambda run: run[1].network):
        several = [(run, seeds_of(run[1], seeds), tuple(wanted[run])) for run in own]
        for alone, at_once in ((False, SEEDS), (True, 1)):
            same = [each for each in several if each[0][0].alone == alone]
            for start in range(0, len(seeds), at_once):
                parts = [(run, known[start : start + at_once], losses) for run, known, losses in same]
                order += [part for part in parts if part[1]]
    return order


def measured(task: Task) -> dict[str, list[Any]]:
    """The records of one task, by the name of the loss."""
    (instrument, setting), seeds, losses = task
    with np.errstate(all="ignore"):  # numbers that are not finite stay, and no claim holds on them
        return {name: list(each) for name, each in instrument.records(setting, seeds, losses).items()}


def _place(runs: Iterable[Run]) -> Callable[[Run], tuple[Any, ...]]:
    """Runs that share a network and what is prepared for it come one after the other."""
    each = list(runs)
    networks = {network: i for i, network in enumerate(dict.fromkeys(setting.network for _, setting in each))}
    sources = {source: i for i, source in enumerate(dict.fromkeys(setting.source for _, setting in each))}

    def place(run: Run) -> tuple[Any, ...]:
        setting = run[1]
        channel = setting.channel.name if setting.channel else ""
        begun = networks[setting.network], sources[setting.source], channel, str(setting.outputs)
        return *begun, setting.examples, setting.student.shown

    return place


def seeds_of(setting: Setting, seeds: Sequence[int]) -> tuple[int, ...]:
    """A constructed witness has nothing random in it: one seed."""
    return tuple(seeds[:1]) if getattr(setting.source, "deterministic", False) else tuple(seeds)
