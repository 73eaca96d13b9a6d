"""Claim × setting × seeds: run the claims, break every assumption, and say what held."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from subtheory import known_answers
from subtheory.claim import Claim, Control, Evidence, Measure, Verdict
from subtheory.measurement import measurements
from subtheory.results import ClaimResult, ControlResult, Verification
from subtheory.setting import Setting
from subtheory.theory.losses import LOSSES, Loss, SquaredError

Progress = Callable[[int, int, str], None]
"""Called with runs done, runs in all, and what was just measured."""

CONTROL_RUNS = 16
"""Runs of a control, shared out among the networks (at least one each)."""

VACUOUS_SHARE = 0.1
"""A claim with more vacuous (undecided) runs than this is called vacuous (undecided), not holding."""


@dataclass(frozen=True)
class Job:
    """One claim, or one claim without one of its assumptions, and the settings to run it on."""

    claim: Claim
    settings: tuple[Setting, ...]
    control: Control | None = None

    @property
    def runs(self) -> list["Run"]:
        """What its settings are measured in."""
        return [run_of(setting, self.claim.measure) for setting in self.settings]


def jobs(claims: Iterable[Claim], grid: Sequence[Setting]) -> list[Job]:
    """What has to be run: every claim on every setting of the grid it speaks of, then its controls.

    A control runs on the first settings of every network (all losses), or on its constructed witnesses.
    """
    found = []
    for claim in claims:
        own = claim.own(grid)
        found.append(Job(claim, own))
        for control in claim.controls:
            found.append(Job(claim, control_settings(control, own), control))
    return found


def control_settings(control: Control, own: Sequence[Setting]) -> tuple[Setting, ...]:
    """The settings of a claim with the assumption broken."""
    if control.witnesses:
        return control.witnesses() if own else ()
    broken = {setting: control.assumption.breaks(setting) for setting in own}
    runs = list(dict.fromkeys(replace(s, loss=SquaredError()) for s, other in broken.items() if other is not None))
    networks = [run.network for run in runs]
    share = max(1, CONTROL_RUNS // len(set(networks))) if networks else 0
    chosen = {run for i, run in enumerate(runs) if networks[:i].count(run.network) < share}
    found = (other for s, other in broken.items() if replace(s, loss=SquaredError()) in chosen)
    return tuple(dict.fromkeys(setting for setting in found if setting is not None))


@dataclass(frozen=True)
class Run:
    """A setting that is measured once, for all claims that measure alike."""

    setting: Setting
    losses: tuple[Loss, ...]
    measure: Measure | None = None

    def values(self, seeds: Sequence[int]) -> dict[str, Sequence[Any]]:
        """What is measured for every seed, by the name of the loss."""
        if self.measure:
            return {self.setting.loss.name: self.measure(self.setting, seeds)}
        return dict(measurements(self.setting, seeds, self.losses))


def run_of(setting: Setting, measure: Measure | None = None) -> Run:
    """The run that measures a setting: all built-in losses at once, a constructed one by itself."""
    if measure is None and setting.loss in LOSSES.values() and setting.source is None:
        return Run(replace(setting, loss=SquaredError()), tuple(LOSSES.values()))
    return Run(setting, (setting.loss,), measure)


MAPPED = 25_000
"""Memory maps of the process beyond which compiled programs are dropped: Linux allows 65,530 unless told otherwise."""

OFTEN = 8
"""Runs between two looks at them."""


def make_room() -> None:
    """Drop compiled programs where the process has mapped too many: one more would end it, not raise."""
    try:
        with Path("/proc/self/maps").open("rb") as maps:
            crowded = sum(1 for _ in maps) > MAPPED
    except OSError:  # not Linux
        return
    if crowded:
        jax.clear_caches()


Found = dict[Run, dict[str, Sequence[Any]]]


def measure_all(some: Iterable[Run], seeds: Sequence[int], progress: Progress | None = None) -> Found:
    """Measure every run once, network after network.

    On one thread: two that run programs at once can wait for each other for ever in XLA's pool of threads for a CPU,
    which both share (seen with JAX 0.10 on two cores, with asynchronous and with synchronous dispatch).
    """
    runs = list(dict.fromkeys(some))
    groups: dict[object, list[Run]] = {}
    for run in runs:
        groups.setdefault(run.setting.network, []).append(run)
    found: Found = {}
    for group in groups.values():
        for i, run in enumerate(sorted(group, key=_prepared_with)):
            if i % OFTEN == 0:
                make_room()
            found[run] = run.values(_seeds(run.setting, seeds))
            if progress:
                progress(len(found), len(runs), run.setting.network.name)
    return found


def _prepared_with(run: Run) -> tuple[str, str]:
    """Runs that share prepared arrays come one after the other."""
    setting = run.setting
    return (setting.channel.name if setting.channel else "", str(setting.outputs))


def _seeds(setting: Setting, seeds: Sequence[int]) -> tuple[int, ...]:
    """A constructed witness has nothing random in it: one seed."""
    deterministic = getattr(setting.source, "deterministic", False)
    return tuple(seeds[:1]) if deterministic else tuple(seeds)


def verify_settings(
    claims: Iterable[Claim],
    grid: Sequence[Setting],
    seeds: Sequence[int],
    progress: Progress | None = None,
) -> Verification:
    """Run claims and controls on a grid of settings. Raises WrongNumbers where JAX fails a known answer."""
    known_answers.require()
    todo = jobs(claims, grid)
    found = measure_all((run for job in todo for run in job.runs), seeds, progress)
    results: dict[str, ClaimResult] = {}
    for job in todo:
        rows = judge(job, found)
        if job.control is None:
            results[job.claim.name] = summarize(job.claim, rows, len(seeds))
        else:
            done = results[job.claim.name]
            results[job.claim.name] = replace(done, controls=(*done.controls, control_result(job.control, rows)))
    return Verification(tuple(results.values()))


def verify_without(
    assumption: str,
    claims: Iterable[Claim],
    grid: Sequence[Setting],
    seeds: Sequence[int],
    progress: Progress | None = None,
) -> Verification:
    """The claims that rest on an assumption, on settings in which it is broken: they ought to fail.

    Raises WrongNumbers where JAX fails a known answer.
    """
    known_answers.require()
    todo = [
        job for job in jobs(claims, grid) if job.control and job.control.assumption.name == assumption and job.settings
    ]
    found = measure_all((run for job in todo for run in job.runs), seeds, progress)
    return Verification(tuple(summarize(job.claim, judge(job, found), len(seeds)) for job in todo))


Row = tuple[Setting, int, Evidence]


def judge(job: Job, found: Found) -> list[Row]:
    """The evidence of every setting and seed."""
    rows = []
    for setting in job.settings:
        for seed, measured in enumerate(found[run_of(setting, job.claim.measure)][setting.loss.name]):
            with np.errstate(all="ignore"):
                rows.append((setting, seed, job.claim.check_measurement(measured)))
    return rows


def summarize(claim: Claim, rows: Sequence[Row], seeds: int) -> ClaimResult:
    """The verdict over all runs of a claim, with its worst run."""
    said = [row for row in rows if row[2].verdict is not Verdict.VACUOUS]
    reasons = sorted({row[2].vacuous for row in rows if row[2].vacuous})
    failed = [row for row in said if row[2].verdict is Verdict.FAILS]
    vacuous = 1 - len(said) / len(rows) if rows else 1.0
    if failed:
        verdict = Verdict.FAILS
    elif vacuous > VACUOUS_SHARE:
        verdict = Verdict.VACUOUS
        reasons = reasons or ["no setting of the grid meets the claim's conditions"]
    elif sum(row[2].verdict is Verdict.UNDECIDED for row in rows) > VACUOUS_SHARE * len(rows):
        verdict = Verdict.UNDECIDED
        reasons = sorted({row[2].undecided for row in rows if row[2].undecided})
    else:
        verdict = Verdict.HOLDS
    worst = min(said, key=lambda row: np.nan_to_num(row[2].margin, nan=-np.inf), default=None)
    return ClaimResult(
        name=claim.name,
        statement=claim.statement,
        formula=claim.formula,
        source=claim.source,
        tier=claim.tier,
        run_tier=claim.run_tier,
        proof=claim.proof,
        verdict=verdict,
        settings=len({row[0] for row in rows}),
        seeds=seeds,
        runs=len(rows),
        failed=len(failed),
        vacuous_fraction=vacuous,
        reason="; ".join(reasons),
        measured=worst[2].measured if worst else float("nan"),
        predicted=worst[2].predicted if worst else float("nan"),
        margin=worst[2].margin if worst else float("nan"),
        worst=describe(worst[0], worst[1]) if worst else "",
    )


def describe(setting: Setting, seed: int) -> str:
    """One run in words."""
    channel = setting.channel.name if setting.channel else "given"
    outputs = setting.outputs if isinstance(setting.outputs, str) else ",".join(map(str, setting.outputs))
    return f"{setting.network.name} / {setting.loss.name} / {channel} / {outputs} / {setting.teacher} / run {seed}"


def control_result(control: Control, rows: Sequence[Row]) -> ControlResult:
    """How often the claim failed without the assumption, of the runs that say anything, and as declared or not."""
    failures = [row[2].verdict is Verdict.FAILS for row in rows if row[2].verdict is not Verdict.VACUOUS]
    fraction = float(np.mean(failures)) if failures else float("nan")
    if not rows:
        nothing = "cannot be broken on these settings"
        return ControlResult(control.assumption.name, Verdict.VACUOUS, fraction, nothing, as_declared=True, runs=0)
    # A witness that does not fail is no witness; of random runs the declared share must fail.
    needed = 1.0 if control.witnesses else control.fails
    return ControlResult(
        without=control.assumption.name,
        verdict=Verdict.FAILS if any(failures) else (Verdict.HOLDS if failures else Verdict.VACUOUS),
        failed_fraction=fraction,
        declared=control.declared,
        as_declared=bool(failures) and fraction >= needed,
        runs=len(failures),
    )
