"""Search for a counterexample to a claim: Hypothesis for structure, gradient ascent for parameters.

A case refutes a claim if the claim fails on it, on finer ladders of ε too where it speaks of small ε.
Cases on which it says nothing are no counterexamples, nor are those with numbers that are not finite,
or with a network on its kink where the claim asks for a differentiable one: they are outside its domain.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import hypothesis
import jax
import numpy as np
from hypothesis import HealthCheck, Phase, Verbosity, given
from hypothesis.errors import HypothesisException
from hypothesis.strategies import SearchStrategy

from subtheory.cases import strategies
from subtheory.cases.case import Case, numbers, sensitivity
from subtheory.cases.simplification import simplified
from subtheory.claim import Claim, Evidence, Verdict
from subtheory.claims.assumptions import SMALL_EPS
from subtheory.errors import InputError
from subtheory.instruments.instrument import OnStack
from subtheory.instruments.two_inits import TwoInits
from subtheory.ledger.parts import Progress
from subtheory.setting.setting import Setting
from subtheory.setting.student import Redrawn
from subtheory.suggest import choose
from subtheory.theory.distillation import Distillation

BUDGET = 60.0
"""Seconds of a search, compiling included."""

SHRINKING = 15.0
"""Seconds for making what was found simpler, on top of the budget if need be."""

FINER = (16.0, 64.0, 256.0, 1024.0)
"""A claim on small ε is refuted only if it also fails on a ladder so many times finer, and neither holds nor settles
(`envelope.settles`) on any of the others, of which the last begins where the first one ends: it may be vacuous there,
for rounding."""

FIRST, LATER = 60, 240
"""Examples of Hypothesis in the first round of a strategy, and in later ones."""

STEPS = (0.5, 0.1, 0.02, 0.004, 0.0008)
"""Lengths that gradient ascent tries, relative to the size of what it moves."""


class Refuted(Exception):
    """Tells Hypothesis that a case refutes the claim."""


class _OutOfTime(BaseException):
    """Ends a round of Hypothesis, which lets it pass."""


@dataclass
class Search:
    """What a search has found out: counts, the worst case, and a counterexample if there is one."""

    claim: Claim
    without: str | None
    seconds: float = 0.0
    cases: int = 0
    vacuous: int = 0
    outside: int = 0
    margin: float = np.inf
    """The worst margin of all cases that say something."""
    found: Any = None
    evidence: Evidence | None = None
    exhausted: bool = False
    """Every case of the domain was tried before the time was over."""
    at: float = 0.0
    """Seconds after which the first counterexample was found, before it was made simpler."""
    after: int = 0
    """Cases tried until then."""
    worst: dict[int, list[tuple[float, int, Any]]] = field(default_factory=dict, repr=False)
    """The worst cases of every strategy, for gradient ascent."""

    @property
    def sentence(self) -> str:
        """The outcome in one line."""
        if self.found is not None:
            return f"counterexample found after {self.at:.1f} s and {self.after} cases"
        worst = f"worst margin {self.margin:.4g}" if np.isfinite(self.margin) else "none of them said anything"
        all_of_them = ", all there are" if self.exhausted else ""
        return f"nothing found: {self.cases} cases tried{all_of_them} in {self.seconds:.0f} s, {worst}"


def searchable(claim: Claim) -> bool:
    """Whether one case is enough to judge it: its instrument records single distillations, or its cases are exact."""
    return isinstance(claim.reads, OnStack) or claim.exact is not None


def domain(claim: Claim, without: str | None = None, shapes: Iterable[str] | None = None) -> list[SearchStrategy[Any]]:
    """What is searched, one strategy a network: small networks, or the claim's own cases.

    `shapes` names the small networks, by default all of `strategies.SHAPES`.

    With `without`, an assumption is broken: by its change of setting, or by the control's witnesses.
    Raises InputError for an assumption that the claim does not rest on, or that only a whole
    verification can break, and for a claim that a single distillation cannot judge.
    """
    if not searchable(claim):
        raise InputError("claim", repr(claim.name), "compares several runs: subtheory verify runs it, no search can")
    names = list(strategies.SHAPES if shapes is None else shapes)
    if without is not None:
        control = choose("without", without, {c.assumption.name: c for c in claim.controls})
        if control.witnesses:
            return [strategies.constructed([one]) for one in control.witnesses()]
        free = not claim.cases and not claim.settings
        own = [[one for s in _settings(claim, name) for one in _spread(claim, s)] for name in names if free]
        broken = [each for several in own if (each := _drawable(map(control.assumption.breaks, several)))]
        if not broken:
            raise InputError("without", repr(without), "cannot be broken in a search, only by subtheory verify")
        return [strategies.chosen(each).flatmap(strategies.cases) for each in broken]
    if claim.cases is not None:
        cases = claim.cases()
        return list(cases) if isinstance(cases, Sequence) else [cases]
    if claim.settings is not None:
        return [strategies.constructed([one]) for one in claim.settings()]
    found = [_of(each, claim) for name in names if (each := _settings(claim, name))]
    if not found:
        raise InputError("claim", repr(claim.name), "must apply to a small setting, or state its own cases")
    return found


def _settings(claim: Claim, shape: str) -> list[Setting]:
    """The settings of a shape that a claim speaks of; with an init anywhere, if it is about two inits."""
    own = [setting for setting in strategies.combinations([shape]) if claim.applies(setting)]
    return [setting.but(init=Redrawn()) for setting in own] if isinstance(claim.reads, TwoInits) else own


def _spread(claim: Claim, setting: Setting) -> Iterable[Setting]:
    """What a claim makes of one setting; paths are inits like any other to a claim about two inits."""
    return (setting,) if claim.spread is None or isinstance(claim.reads, TwoInits) else claim.spread(setting)


def _drawable(settings: Iterable[Setting | None]) -> list[Setting]:
    return [setting for setting in settings if setting is not None and strategies.drawable(setting)]


def _of(settings: Sequence[Setting], claim: Claim) -> SearchStrategy[Any]:
    """Cases of the settings, each spread out when it is drawn: that may cost a program."""

    def spread(setting: Setting) -> SearchStrategy[Setting]:
        found = _drawable(_spread(claim, setting))
        if not found:
            raise InputError(
                "claim", repr(claim.name), "speaks of paths alone: subtheory verify runs it, no search can"
            )
        return strategies.chosen(found)

    return strategies.chosen(settings).flatmap(spread).flatmap(strategies.cases)


def judge(claim: Claim, case: Any) -> Evidence | None:
    """The evidence of a case; None outside the claim's domain (see the head of this module)."""
    with np.errstate(all="ignore"):
        if not isinstance(case, Case | Distillation):
            return claim.check_measurement(case)
        d = case.distillation() if isinstance(case, Case) else case
        if not np.all(np.isfinite(d.eps)) or not np.all(d.eps > 0):
            return None
        measured = claim.reads.of(d)
        # A step α < 0 is one backwards: its unit, q/‖GΔ‖², is then rounding.
        if not _finite(measured) or getattr(measured, "alpha", 0.0) < 0:
            return None
        evidence = claim.check_measurement(measured)
        if not isinstance(evidence, Evidence):
            raise InputError("claim", f"a {type(evidence).__name__} from {claim.name}", "must return Evidence")
        return None if np.isnan(evidence.margin) else evidence


def _finite(record: Any) -> bool:
    return all(bool(np.all(np.isfinite(number))) for number in jax.tree.leaves(numbers(record)))


def finer(case: Any, times: float) -> Any:
    """The same case on a finer ladder of ε."""
    if isinstance(case, Case):
        return replace(case, finer=case.finer * times)
    return replace(case, eps=np.asarray(case.eps) / times)


def fails(evidence: Evidence | None) -> bool:
    return evidence is not None and evidence.verdict is Verdict.FAILS


def refutes(claim: Claim, case: Any, without: str | None = None, evidence: Evidence | None = None) -> bool:
    """Whether a case is a counterexample to a claim, `without` one of its assumptions if so named."""
    if not fails(evidence if evidence is not None else judge(claim, case)):
        return False
    if claim.every_eps or without == SMALL_EPS.name or not isinstance(case, Case | Distillation):
        return True
    first = judge(claim, finer(case, FINER[0]))
    if first is None or not fails(first) or first.settling:
        return False
    for times in FINER[1:]:
        again = judge(claim, finer(case, times))
        if again is None or again.settling or again.verdict is Verdict.HOLDS:
            return False
    return True


def search(
    claim: Claim,
    budget: float = BUDGET,
    seed: int = 0,
    without: str | None = None,
    drawn: Sequence[SearchStrategy[Any]] | None = None,
    progress: Progress | None = None,
) -> Search:
    """Look for a counterexample for `budget` seconds.

    What a round draws follows from the seed, which round comes next from the clock as well.
    Rounds of Hypothesis go through the strategies in turn; a new one joins as long as no more than half
    of the time has gone into compiling. From the second round of a strategy on, its worst cases are
    driven further by gradient ascent on the violation.
    """
    own = list(drawn) if drawn is not None else domain(claim, without)
    run = _Run(Search(claim, without), budget, progress)
    rounds = [0] * len(own)
    for number in count():
        run.stop_if_late()
        if run.late or run.state.found is not None:
            break
        if all(rounds) and all(run.exhausted.values()):
            run.state.exhausted = True
            break
        known = sum(done > 0 for done in rounds)
        fresh = known < len(own) and (run.may_compile or known == 0)
        i = known if fresh else rounds.index(min(rounds[:known]))
        with run.compiling(None if rounds[i] else (i,)):
            run.examples(i, own[i], FIRST if rounds[i] == 0 else LATER, hash((seed, number)) % 2**32)
        if rounds[i] and run.state.found is None:
            run.ascend(i)
        rounds[i] += 1
        if rounds[i] > 1 and run.exhausted[i]:
            rounds[i] += 10  # its draws repeat: leave the time to the others
    return run.finish()


class _Run:
    """One search while it runs."""

    def __init__(self, state: Search, budget: float, progress: Progress | None) -> None:
        self.state, self.budget, self.progress = state, budget, progress
        self.start, self.late, self.shrink_until = time.monotonic(), False, np.inf
        self.exhausted: dict[int, bool] = {}
        self.compiled: dict[tuple[Any, ...], float] = {}
        self.numbers = count()

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.start

    @property
    def may_compile(self) -> bool:
        """Half of the time at most goes into programs, and none into one that would not be done in time."""
        spent = self.compiled.values()
        return 2 * sum(spent) <= self.elapsed and self.elapsed + max(spent, default=0.0) < self.budget

    @contextmanager
    def compiling(self, program: tuple[Any, ...] | None) -> Iterator[None]:
        """Takes the time of what is done with a program for the first time."""
        before = self.elapsed
        yield
        if program is not None and program not in self.compiled:
            self.compiled[program] = self.elapsed - before

    def stop_if_late(self) -> None:
        self.late = self.elapsed > (self.budget if self.state.found is None else self.shrink_until)

    def try_case(self, case: Any, i: int) -> Evidence | None:
        """Judge one case and keep count; what it finds becomes the counterexample if it is the simpler one."""
        state = self.state
        evidence = judge(state.claim, case)
        state.cases += 1
        if self.progress:
            shown = f"{state.cases} cases, worst margin {state.margin:.3g}"
            self.progress(min(int(self.elapsed), int(self.budget)), int(self.budget), shown)
        if evidence is None:
            state.outside += 1
        elif evidence.vacuous:
            state.vacuous += 1
        elif refutes(state.claim, case, state.without, evidence):
            if state.found is None:
                state.at, state.after = self.elapsed, state.cases
                self.shrink_until = self.elapsed + SHRINKING
            state.found, state.evidence = case, evidence
            state.margin = min(state.margin, evidence.margin)
        elif not fails(evidence) and evidence.margin < state.margin:
            state.margin = evidence.margin
        if evidence is not None and isinstance(case, Case) and not evidence.vacuous and not fails(evidence):
            kept = [*state.worst.get(i, []), (evidence.margin, next(self.numbers), case)]
            state.worst[i] = sorted(kept)[:3]
        return evidence

    def examples(self, i: int, strategy: SearchStrategy[Any], number: int, seed: int) -> None:
        """One round of Hypothesis, which shrinks what it finds."""
        before = self.state.cases

        @hypothesis.seed(seed)
        @hypothesis.settings(
            max_examples=number, database=None, deadline=None, suppress_health_check=list(HealthCheck),
            phases=(Phase.generate, Phase.target, Phase.shrink), report_multiple_bugs=False,
            verbosity=Verbosity.quiet, print_blob=False,
        )  # fmt: skip
        @given(strategy)
        def test(case: Any) -> None:
            self.stop_if_late()
            if self.late:
                raise _OutOfTime
            evidence = self.try_case(case, i)
            if evidence is None or evidence.vacuous:
                return
            if refutes(self.state.claim, case, self.state.without, evidence):
                raise Refuted
            if np.isfinite(evidence.margin):
                hypothesis.target(-evidence.margin)

        try:
            test()
        except (Refuted, _OutOfTime):
            pass
        except HypothesisException:  # nothing could be drawn, or time cut a replay short
            if self.state.cases == before:
                raise
        self.exhausted[i] = self.state.cases - before < number // 4

    def ascend(self, i: int) -> None:
        """Gradient ascent on the violation from the worst cases of a strategy, of one compiled program."""
        worst = [case for _, _, case in self.state.worst.pop(i, [])]
        for case in [case for case in worst if case.program == worst[0].program]:
            program = (i, *case.program)
            if program not in self.compiled and not self.may_compile:
                continue
            with self.compiling(program):
                self.slope(case)
            margin = np.inf
            for _ in range(30):
                self.stop_if_late()
                evidence = judge(self.state.claim, case)
                if self.late or evidence is None or evidence.vacuous or evidence.margin >= margin - 1e-9:
                    break
                margin = evidence.margin
                better = self.downhill(case, margin, i)
                if self.state.found is not None:
                    return
                if better is None:
                    break
                case = better

    def slope(self, case: Case) -> dict[str, np.ndarray]:
        """The gradient of the margin in the free fields of a case."""
        claim = self.state.claim
        assert isinstance(claim.reads, OnStack)
        return case.gradient(sensitivity(claim.check_measurement, case.measure(claim.reads)), claim.reads)

    def downhill(self, case: Case, margin: float, i: int) -> Case | None:
        """The first step along the gradient of the margin that lowers it, if there is one."""
        slope = self.slope(case)
        for length in STEPS:
            moved = case.moved(slope, length)
            self.stop_if_late()
            if moved is None or self.late:
                return None
            evidence = self.try_case(moved, i)
            if self.state.found is not None or (
                evidence is not None and not evidence.vacuous and evidence.margin < margin
            ):
                return moved
        return None

    def finish(self) -> Search:
        """Simplify what was found, and take the time."""
        state = self.state
        if isinstance(state.found, Case):

            def still(case: Any) -> bool:
                return refutes(state.claim, case, state.without)

            state.found = simplified(state.found, still, lambda: self.elapsed > self.shrink_until)
            state.evidence = judge(state.claim, state.found)
        state.seconds = self.elapsed
        return state
