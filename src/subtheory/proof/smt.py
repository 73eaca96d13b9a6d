"""A second opinion by z3: implications between polynomial inequalities over the reals, every hypothesis needed."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from subtheory.proof.algebra import Unavailable, assert_that

SECONDS = 20
"""How long z3 may think about one question; no answer is no proof."""


def z3() -> Any:
    """The z3 module. Raises Unavailable where it is not installed."""
    try:
        import z3 as module
    except ImportError:
        raise Unavailable("z3 is not installed: pip install z3-solver") from None
    return module


def entails(hypotheses: Sequence[Any], conclusion: Any) -> None:
    """The hypotheses imply the conclusion, and no longer do so when any one of them is dropped.

    The second half makes the statement tight: a hypothesis that is not needed is an error as well. All are
    z3 formulas. Raises Disproved with a counterexample, Unavailable without z3.
    """
    proved, told = _counterexample(hypotheses, conclusion, "unsat")
    assert_that(proved, lambda: told)
    for i, dropped in enumerate(hypotheses):
        rest = [*hypotheses[:i], *hypotheses[i + 1 :]]
        found, _ = _counterexample(rest, conclusion, "sat")
        assert_that(found, partial("{} is not needed for {}".format, dropped, conclusion))


def refutable(hypotheses: Sequence[Any], conclusion: Any) -> None:
    """The hypotheses do not imply the conclusion: z3 finds a counterexample."""
    found, _ = _counterexample(hypotheses, conclusion, "sat")
    assert_that(found, lambda: f"no counterexample to {conclusion} under {list(hypotheses)}")


def _counterexample(hypotheses: Sequence[Any], conclusion: Any, wanted: str) -> tuple[bool, str]:
    solver = z3().Solver()
    solver.set("timeout", SECONDS * 1000)
    solver.add(*hypotheses, z3().Not(conclusion))
    answer = str(solver.check())
    told = f": {solver.model()}" if answer == "sat" else ""
    return answer == wanted, f"{conclusion} from {list(hypotheses)}: {answer}{told}"
