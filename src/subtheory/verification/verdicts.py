"""Claim × setting × seeds: run the claims, break every assumption, and say what held."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from subtheory import known_answers
from subtheory.claim import NOT_FINITE, Claim, Control, Verdict
from subtheory.instruments.instrument import OnStack
from subtheory.numerics import COARSE, LADDER_RATIO
from subtheory.setting.setting import Setting
from subtheory.verification.plan import Found, How, Job, Progress, jobs, measure_all, measured, run_of, seeds_of
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
    known_answers.require()
    todo = jobs(claims, grid, how.size)
    found = measure_all(todo, seeds, progress, how)
    results: dict[str, ClaimResult] = {}
    for job in todo:
        rows = judge(job, found, seeds)
        if job.control is None:
            rows = [confirmed(job.claim, row) for row in rows]
            results[job.claim.name] = summarize(job.claim, rows, len(seeds))
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
    known_answers.require()
    todo = [
        job
        for job in jobs(claims, grid, how.size)
        if job.control and job.control.assumption.name == assumption and job.settings
    ]
    found = measure_all(todo, seeds, progress, how)
    return Verification(tuple(summarize(job.claim, judge(job, found, seeds), len(seeds)) for job in todo))


def judge(job: Job, found: Found, seeds: Sequence[int]) -> list[Row]:
    """The evidence of every setting and seed."""
    rows = []
    for setting in job.settings:
        records = found[run_of(job.claim, setting)][setting.loss.name]
        for seed, record in zip(seeds_of(setting, seeds), records, strict=True):
            with np.errstate(all="ignore"):
                rows.append((setting, seed, job.claim.check_measurement(record)))
    return rows


def confirmed(claim: Claim, row: Row) -> Row:
    """A run that failed on sizes of ε of our own choice, measured again from where that ladder was judged first.

    A claim about small ε is refuted if it fails for smaller ones too, and not where their rounding hides it.
    """
    setting, seed, evidence = row
    ours = setting.relative and not claim.every_eps and isinstance(claim.reads, OnStack)
    if evidence.verdict is not Verdict.FAILS or not ours:
        return row
    finer = setting.but(eps=tuple(eps / LADDER_RATIO**COARSE for eps in setting.eps))
    (record,) = measured(((claim.reads, finer), (seed,), (setting.loss,)))[setting.loss.name]
    with np.errstate(all="ignore"):
        again = claim.check_measurement(record)
    if again.vacuous:
        again = replace(again, vacuous=f"fails where ε is not yet small, and for smaller ones {again.vacuous}")
    return setting, seed, again


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
