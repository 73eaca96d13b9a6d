"""Claim × setting × seeds: run the claims, break every assumption, and say what held."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from subtheory import known_answers
from subtheory.claim import NOT_FINITE, Claim, Control, Verdict
from subtheory.ledger.parts import Progress
from subtheory.setting.setting import Setting
from subtheory.verification.judgement import Plan, judged, planned
from subtheory.verification.plan import How, Job, jobs
from subtheory.verification.results import ClaimResult, ControlResult, Verification
from subtheory.verification.runs import Row, Runs

VACUOUS_SHARE = 0.1
"""A claim with more vacuous (undecided) runs than this is called vacuous (undecided), not holding."""


def verify_settings(
    claims: Iterable[Claim],
    grid: Sequence[Setting],
    seeds: Sequence[int],
    progress: Progress | None = None,
    how: How = How(),
) -> Verification:
    """Run claims and controls on a grid of settings. Raises WrongNumbers where JAX fails a known answer."""
    return verified(planned(jobs(claims, grid, how.size), seeds), progress, how)


def verified(plan: Plan, progress: Progress | None = None, how: How = How()) -> Verification:
    """The verdict on every claim and control of a plan. Raises WrongNumbers where JAX fails a known answer."""
    known_answers.require()
    results: dict[str, ClaimResult] = {}
    for job, rows in zip(plan.jobs, judged(plan, progress, how), strict=True):
        if job.control is None:
            results[job.claim.name] = summarize(job.claim, rows, len(plan.seeds))
        else:
            done = results[job.claim.name]
            results[job.claim.name] = replace(
                done, controls=(*done.controls, control_result(job.control, rows, job.bar))
            )
    return Verification(tuple(results.values()))


def verify_without(
    assumption: str,
    claims: Iterable[Claim],
    grid: Sequence[Setting],
    seeds: Sequence[int],
    progress: Progress | None = None,
    how: How = How(),
) -> Verification:
    """The claims that rest on an assumption, on settings in which it is broken: they ought to fail.

    Raises WrongNumbers where JAX fails a known answer.
    """
    return broken(planned(without(assumption, jobs(claims, grid, how.size)), seeds), progress, how)


def without(assumption: str, todo: Iterable[Job]) -> list[Job]:
    """Those jobs that break this assumption."""
    return [job for job in todo if job.control and job.control.assumption.name == assumption and job.settings]


def broken(plan: Plan, progress: Progress | None = None, how: How = How()) -> Verification:
    """What the claims of a plan say where an assumption is broken."""
    known_answers.require()
    found = judged(plan, progress, how)
    each = (summarize(job.claim, rows, len(plan.seeds)) for job, rows in zip(plan.jobs, found, strict=True))
    return Verification(tuple(each))


def summarize(claim: Claim, rows: Sequence[Row], seeds: int) -> ClaimResult:
    """The verdict over all runs of a claim, with its worst run."""
    said = [row for row in rows if row[2].verdict is not Verdict.VACUOUS]
    failed = [row for row in said if row[2].verdict is Verdict.FAILS]
    open_ = [row for row in said if row[2].verdict is Verdict.UNDECIDED]
    broken = [row for row in open_ if row[2].undecided == NOT_FINITE]
    reasons = sorted({row[2].vacuous for row in rows if row[2].vacuous})
    vacuous = 1 - len(said) / len(rows) if rows else 1.0
    if failed:
        verdict, said = Verdict.FAILS, failed
    elif broken or (vacuous <= VACUOUS_SHARE and len(open_) > VACUOUS_SHARE * len(rows)):
        verdict, said = Verdict.UNDECIDED, broken or said
        reasons = sorted({row[2].undecided for row in broken or open_})
    elif vacuous > VACUOUS_SHARE:
        verdict = Verdict.VACUOUS
        reasons = reasons or ["no setting of the grid meets the claim's conditions"]
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
        every=Runs.of(rows),
    )


def describe(setting: Setting, seed: int) -> str:
    """One run in words."""
    return f"{setting.shown} / seed {seed}"


def control_result(control: Control, rows: Sequence[Row], bar: str = "") -> ControlResult:
    """How often the claim failed without the assumption, of the runs that say anything, and as declared or not.

    Undecided where a number is not finite, or where the declared share might well have failed so seldom. `bar` is why
    there are no rows, if that is known.
    """
    said = [row for row in rows if row[2].verdict is not Verdict.VACUOUS]
    failures = [row[2].verdict is Verdict.FAILS for row in said]
    fraction = float(np.mean(failures)) if failures else float("nan")
    # A witness that does not fail is no witness; of random runs the declared share must fail.
    needed = 1.0 if control.witnesses else control.fails
    as_declared = bool(failures) and fraction >= needed
    undecided = [NOT_FINITE] if any(row[2].undecided == NOT_FINITE for row in said) else []
    if not (as_declared or undecided) and said and _by_chance(fraction, needed, said):
        undecided = [f"too few seeds to tell {100 * fraction:.3g} % from {100 * needed:g} %"]
    reasons = undecided or sorted({row[2].vacuous for row in rows if row[2].vacuous and not said})
    verdict = Verdict.FAILS if any(failures) else (Verdict.HOLDS if failures else Verdict.VACUOUS)
    return ControlResult(
        without=control.assumption.name,
        verdict=Verdict.UNDECIDED if undecided and not as_declared else verdict,
        failed_fraction=fraction,
        declared=control.declared,
        as_declared=as_declared,
        runs=len(failures),
        tried=bool(rows),
        reason=("" if as_declared else "; ".join(reasons)) if rows else _untried(bar),
    )


def _untried(bar: str) -> str:
    return "cannot be broken on these settings" + (f": {bar}" if bar else "")


CHANCE = 0.01
"""A control that would fail so seldom, or more seldom, with this probability has not done what was declared."""


def _by_chance(fraction: float, needed: float, said: Sequence[Row]) -> bool:
    """Whether P(no more failures) ≥ `CHANCE` at the declared rate; runs of one network and seed count as one."""
    from scipy.special import bdtr

    draws = len({(row[0].network, row[1]) for row in said})
    return bool(bdtr(np.floor(fraction * draws), draws, needed) >= CHANCE)
