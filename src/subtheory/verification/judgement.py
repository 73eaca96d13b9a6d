"""A plan in parts: each measures some tasks and judges them where it is; evidence is all that is kept of them."""

import re
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from threadpoolctl import threadpool_limits

from subtheory import session
from subtheory.claim import Claim, Evidence, Verdict
from subtheory.instruments.instrument import OnStack
from subtheory.ledger.parts import Progress, each_of_arrays
from subtheory.numerics import COARSE, LADDER_RATIO
from subtheory.records import Arrays
from subtheory.setting.setting import Setting
from subtheory.verification.plan import How, Job, Run, Task, measured, run_of, seeds_of, tasks
from subtheory.verification.runs import Checked, Row, packed, unpacked

AT_ONCE = 4
"""Tasks of a part: a second or two, which is what a kill costs."""

FEW = 50
"""Parts that are not worth a second process."""

Place = tuple[int, int]
"""A job and a setting of its, by their numbers."""


@dataclass(frozen=True, eq=False)
class Plan:
    """What has to be run, its tasks in parts by name, and who reads a run with a loss."""

    jobs: tuple[Job, ...]
    seeds: tuple[int, ...]
    parts: dict[str, tuple[Task, ...]]
    readers: dict[tuple[Run, str], list[Place]]

    def network(self, part: str) -> Hashable | None:
        """The network of a part, on which its programs depend; None for what is constructed, each with its own."""
        setting = self.parts[part][0][0][1]
        return None if setting.source is not None else setting.network

    def about(self, part: str) -> str:
        """A part in words: its network, what is recorded, and claims that read it."""
        (run, _, losses), *_ = self.parts[part]
        places = (place for loss in losses for place in self.readers.get((run, loss.name), ()))
        first, *more = dict.fromkeys(self.jobs[j].claim.name for j, _ in places)
        recorded = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(run[0]).__name__).lower()
        return f"{run[1].network.name}, {recorded}, {first}" + (f" and {len(more)} more" if more else "")


def planned(todo: Sequence[Job], seeds: Sequence[int]) -> Plan:
    """The tasks of all jobs, so many of a network at once."""
    readers: dict[tuple[Run, str], list[Place]] = {}
    for j, job in enumerate(todo):
        for i, setting in enumerate(job.settings):
            readers.setdefault((run_of(job.claim, setting), setting.loss.name), []).append((j, i))
    parts: dict[str, tuple[Task, ...]] = {}
    for some in _split(tasks(todo, seeds)):
        parts[f"{len(parts)} {some[0][0][1].network.name}"] = some
    return Plan(tuple(todo), tuple(seeds), parts, readers)


def _split(order: Sequence[Task]) -> Iterator[tuple[Task, ...]]:
    """`AT_ONCE` neighbours of one network, or of those that are constructed; one where a source measures itself."""
    some: list[Task] = []
    for task in order:
        if some and (len(some) == AT_ONCE or _kin(some[0]) != _kin(task)):
            yield tuple(some)
            some = []
        some.append(task)
    if some:
        yield tuple(some)


def _kin(task: Task) -> Hashable:
    setting = task[0][1]
    return setting.source is not None, setting.network, setting if hasattr(setting.source, "measurements") else None


def judged(plan: Plan, progress: Progress | None = None, how: How = How()) -> list[list[Row]]:
    """For every job the evidence of its settings and seeds, in their order.

    In a run of the ledger parts are kept, and shared out among whoever computes them.
    """
    done = 0

    def say(so_far: int, total: int, name: str) -> None:
        nonlocal done
        done = so_far
        if progress:
            progress(done, total, plan.about(name) if name else "")

    def part(name: str) -> Arrays:
        say(done, len(plan.parts), name)
        return _part(plan, name)

    parts = {name: partial(part, name) for name in plan.parts}
    forget = session.forget if how.ours else lambda: None  # a constructed setting has a network of its own
    shared = sum(plan.network(name) is not None for name in parts)
    found = each_of_arrays(parts, plan.network, say, forget, light=shared <= FEW)
    rows: dict[tuple[int, int, int], Evidence] = {}
    for arrays in found.values():
        for job, setting, seed, evidence in unpacked(arrays):
            rows[job, setting, seed] = evidence
    return [
        [(setting, seed, rows[j, i, seed]) for i, setting in enumerate(job.settings)
         for seed in seeds_of(setting, plan.seeds)]
        for j, job in enumerate(plan.jobs)
    ]  # fmt: skip


def _part(plan: Plan, name: str) -> Arrays:
    # BLAS's own threads gain nothing on matrices as small as these, and spin between them.
    with threadpool_limits(1, user_api="blas"):
        return packed(row for task in plan.parts[name] for row in _checked(plan, task))


def _checked(plan: Plan, task: Task) -> Iterator[Checked]:
    """What every claim that reads a task makes of its records."""
    run, seeds, _ = task
    for loss, records in measured(task).items():
        for j, i in plan.readers.get((run, loss), ()):
            job = plan.jobs[j]
            for seed, record in zip(seeds, records, strict=True):
                with np.errstate(all="ignore"):
                    evidence = job.claim.check_measurement(record)
                if job.control is None:
                    evidence = confirmed(job.claim, job.settings[i], seed, evidence)
                yield Checked(j, i, seed, evidence)


def confirmed(claim: Claim, setting: Setting, seed: int, evidence: Evidence) -> Evidence:
    """Of a run that failed on sizes of ε of our own choice, measured again on finer ones.

    A claim about small ε is refuted if it fails for smaller ones too, and does not settle there: on the ladder that
    begins where the first one was judged first, or, where rounding hides everything there, on one that is less fine.
    """
    ours = setting.relative and not claim.every_eps and isinstance(claim.reads, OnStack)
    if evidence.verdict is not Verdict.FAILS or not ours:
        return evidence
    for rungs in range(COARSE, 0, -1):
        finer = setting.but(eps=tuple(eps / LADDER_RATIO**rungs for eps in setting.eps))
        (record,) = measured(((claim.reads, finer), (seed,), (setting.loss,)))[setting.loss.name]
        with np.errstate(all="ignore"):
            again = claim.check_measurement(record)
        if not (again.vacuous or again.settling):
            return again
    hidden = again.vacuous or "what is left falls as it should"
    return replace(again, vacuous=f"fails where ε is not yet small, and for smaller ones {hidden}", settling=False)
