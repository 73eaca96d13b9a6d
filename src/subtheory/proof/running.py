"""Running a proof: every step, what it asserted, and what went wrong."""

import time
from dataclasses import dataclass

from subtheory.proof.algebra import Disproved, Step, Unavailable, counting
from subtheory.proof.statement import Proof


@dataclass(frozen=True)
class Ran:
    """One step: how many assertions held, in which time, and the reason if it failed or was skipped."""

    step: str
    sentence: str
    assertions: int
    seconds: float
    failed: str = ""
    skipped: str = ""


def prove(proof: Proof) -> list[Ran]:
    """Run all steps of a proof. One that asserts nothing fails; one that needs an absent tool is skipped."""
    return [_run(name, step) for name, step in proof.steps.items()]


def _run(name: str, step: Step) -> Ran:
    sentence = " ".join((step.__doc__ or name).split("\n\n")[0].split())
    start, failed, skipped = time.perf_counter(), "", ""
    with counting() as count:
        try:
            step()
        except Disproved as error:
            failed = str(error)
        except Unavailable as error:
            skipped = str(error)
    if not (count[0] or failed or skipped):
        failed = "the step asserts nothing"
    return Ran(name, sentence, count[0], time.perf_counter() - start, failed, skipped)
