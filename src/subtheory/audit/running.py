"""All checks of an audit, one after the other."""

from collections.abc import Callable

from subtheory import known_answers
from subtheory.audit.arithmetic import balls, derivatives, no_numbers, precisions
from subtheory.audit.calibration import false_failures, false_passes, family_wise
from subtheory.audit.results import Audit, Check, Tell
from subtheory.audit.suite import false_alarms, planted_errors
from subtheory.ledger.parts import Progress
from subtheory.provenance import provenance

CHECKS: tuple[Callable[[bool, Tell], Check], ...] = (
    planted_errors,
    false_alarms,
    false_failures,
    false_passes,
    family_wise,
    derivatives,
    balls,
    precisions,
    no_numbers,
)
"""In the order of docs/trust.md."""


def audit(quick: bool = False, progress: Progress = lambda done, total, text: None) -> Audit:
    """Look how far the verdicts of this installation can be trusted; `quick`, on few draws.

    Raises WrongNumbers where JAX fails a known answer.
    """
    known_answers.require()
    found = []
    for i, check in enumerate(CHECKS):
        found.append(check(quick, lambda text, i=i: progress(i, len(CHECKS), text)))  # type: ignore[misc]
    progress(len(CHECKS), len(CHECKS), "")
    return Audit(tuple(found), provenance())
