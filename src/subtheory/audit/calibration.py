"""Whether verdicts by chance are as rare as they say: statistics are drawn where claims are true, or just false.

A verdict fails at a chance of 10⁻⁸ or so, which nobody sees happen: so each claim is also judged at `ALPHA`, by the
tail that its margin has, and that many false failures are allowed.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.random import Generator

from subtheory.audit.nulls import NULLS, sustained, sustained_tail
from subtheory.audit.results import Check, Tell, at_least, at_most
from subtheory.claim import Assumption, Control, Evidence, Verdict
from subtheory.claims import CLAIMS
from subtheory.networks import Linear
from subtheory.setting.setting import Setting
from subtheory.statistics import Area, at_chance, binomial_tails, equivalence, holm
from subtheory.verification.verdicts import CHANCE, control_result

ALPHA = 0.05
"""Level at which false verdicts are seen."""

RUNS, FEW = 1000, 100
"""Simulated verifications; of a quick audit."""

SEED = 11


@cache
def nulls(runs: int) -> tuple[np.ndarray, np.ndarray]:
    """Of so many runs of all statistical claims on true records: whether each failed, and its p-value, (runs, claims).

    Claims that read alike judge the same record, as in a verification.
    """
    rng = np.random.default_rng(SEED)
    failed, p = np.zeros((runs, len(NULLS)), bool), np.ones((runs, len(NULLS)))
    for run in range(runs):
        records = {draw: draw(rng) for draw in dict.fromkeys(null.draw for null in NULLS)}
        for i, null in enumerate(NULLS):
            with np.errstate(all="ignore"):
                found = CLAIMS[null.claim].check_measurement(records[null.draw])
            failed[run, i] = found.verdict is Verdict.FAILS
            p[run, i] = null.tail(found.margin) if not (found.vacuous or found.undecided) else 1.0
    return failed, p


def false_failures(quick: bool, tell: Tell) -> Check:
    """R11: each statistical claim where it is true."""
    runs = FEW if quick else RUNS
    tell(f"{len(NULLS)} claims on {runs} true records")
    failed, p = nulls(runs)
    counts, refused = failed.sum(axis=0), (p <= ALPHA).sum(axis=0)
    rows: list[dict[str, Any]] = [
        {"claim": null.claim, "records": runs, "fails": int(k), "refused": int(r), "at least": at_least(int(r), runs),
         "at most": at_most(int(r), runs)}
        for null, k, r in zip(NULLS, counts, refused, strict=True)
    ]  # fmt: skip
    worst = max(rows, key=lambda row: row["refused"])
    return Check(
        row="R11",
        what="statistical claims where they are true",
        draws=runs * len(NULLS),
        found=f"{int(counts.sum())} fail; judged at {ALPHA:g}, {int(refused.sum())}, at most "
        f"{100 * worst['refused'] / runs:.2g} % of one claim's ({worst['claim']})",
        target=f"0 fail, none with more than {100 * ALPHA:g} % for sure",
        ok=not counts.any() and all(_within(row["refused"], runs, ALPHA, len(rows)) for row in rows),
        details=tuple(rows),
    )


def _within(count: int, draws: int, level: float, family: int) -> bool:
    """Whether a rate may be the level or less: P(X ≥ k) > 5 % over a family of such questions (Bonferroni)."""
    return bool(binomial_tails(np.array(count), draws, level)[1] > 0.05 / family)


def family_wise(quick: bool, tell: Tell) -> Check:
    """R12: all statistical claims of one verification where all are true, by their verdicts and by Holm's rule."""
    runs = FEW if quick else RUNS
    tell(f"{runs} verifications under the global null")
    failed, p = nulls(runs)
    any_failed, refused = int(failed.any(axis=1).sum()), int((holm(p) <= ALPHA).any(axis=1).sum())
    return Check(
        row="R12",
        what="family-wise error of all statistical claims",
        draws=runs,
        found=f"{any_failed} runs with a failure (≤ {100 * at_most(any_failed, runs):.2g} %); by Holm's rule at "
        f"{ALPHA:g}, {100 * refused / runs:.2g} % of them, between {100 * at_least(refused, runs):.2g} and "
        f"{100 * at_most(refused, runs):.2g} %",
        target=f"≤ {100 * ALPHA:g} %",
        ok=at_most(any_failed, runs) <= ALPHA and _within(refused, runs, ALPHA, 1),
    )


# At the edge --------------------------------------------------------------------------------------

MARGIN, PAIRS, SAMPLE = 0.1, 1200, 12


def blind(rng: Generator) -> bool:
    """An area under the curve that is ½ + margin passes for ½."""
    share = rng.binomial(PAIRS, 0.5 + MARGIN) / PAIRS
    return at_chance(Area(share, float(np.sqrt(share * (1 - share) / PAIRS))), MARGIN, ALPHA).equivalent


def paired(rng: Generator) -> bool:
    """Two groups that differ by the margin pass for equivalent, pair by pair."""
    a = rng.standard_normal(SAMPLE)
    return equivalence(a + rng.normal(1.0, 1.0, SAMPLE), a, 1.0, level=ALPHA).equivalent


def unpaired(rng: Generator) -> bool:
    """The same of two groups of other sizes and spreads."""
    a, b = rng.normal(1.0, 1.0, SAMPLE), rng.normal(0.0, 2.0, 3 * SAMPLE)
    return equivalence(a, b, 1.0, paired=False, level=ALPHA).equivalent


def aligned(rng: Generator) -> bool:
    """Students whose mean cosine is 0 pass for aligned, judged at `ALPHA` and not at the claim's own level."""
    found = CLAIMS["alignment-is-sustained-in-training"].check_measurement(sustained(rng))
    return sustained_tail(found.margin) <= ALPHA


EDGES: tuple[tuple[Callable[[Generator], bool], float], ...] = (
    (blind, ALPHA), (paired, ALPHA), (unpaired, ALPHA), (aligned, ALPHA),
)  # fmt: skip


def controls(rng: Generator) -> bool:
    """A control that fails at exactly the declared rate is said not to have done what was declared."""
    declared = 0.9
    control = Control(Assumption("any", "Any.", lambda setting: None), fails=declared)
    good, bad = Evidence(1.0, 1.0, 1.0), Evidence(2.0, 1.0, -1.0)
    rows = [(_ANY, seed, bad if fails else good) for seed, fails in enumerate(rng.random(24) < declared)]
    return control_result(control, rows).wrong


_ANY = Setting(Linear())


def false_passes(quick: bool, tell: Tell) -> Check:
    """R11: what is false by just so much, or declared exactly so."""
    runs, rng = FEW if quick else RUNS, np.random.default_rng(SEED)
    rows: list[dict[str, Any]] = []
    for case, level in (*EDGES, (controls, CHANCE)):
        tell(case.__name__)
        wrong = sum(case(rng) for _ in range(runs))
        rows.append({"case": (case.__doc__ or "").strip(), "draws": runs, "wrong": wrong, "level": level,
                     "at most": at_most(wrong, runs)})  # fmt: skip
    ok = all(_within(row["wrong"], runs, row["level"], len(rows)) for row in rows)
    shown = ", ".join(f"{100 * row['wrong'] / runs:.2g} % of {100 * row['level']:g} %" for row in rows)
    return Check(
        row="R11",
        what="equivalences, signs and controls at their edge",
        draws=runs * len(rows),
        found=f"wrong: {shown}",
        target="none more often than its level for sure",
        ok=ok,
        details=tuple(rows),
    )
