"""A claim: one sentence of the theory as a function of a measurement, with what must break it."""

import inspect
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType
from typing import TYPE_CHECKING, Any

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.instruments.first_order import FirstOrder
from subtheory.instruments.instrument import Instrument
from subtheory.setting.setting import Setting
from subtheory.setting.whole import whole
from subtheory.theory.distillation import Distillation

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy


class Verdict(StrEnum):
    """holds, fails, vacuous (the numbers sit at rounding level, nothing is said), undecided (statistics)."""

    HOLDS = "holds"
    FAILS = "fails"
    VACUOUS = "vacuous"
    UNDECIDED = "undecided"


NOT_FINITE = "a number that is not finite: nothing can be told from it"


@dataclass(frozen=True)
class Evidence:
    """One check: measured beside predicted, and a signed margin that is ≥ 0 iff the claim holds.

    The margin is 1 − error/tolerance at the worst ε, so 1 is perfect agreement. `vacuous` gives the
    reason why the check says nothing, if it does; `undecided` why there are too few draws to tell, or that a number
    is not finite: such a number neither refutes a claim nor breaks a control.
    """

    measured: float
    predicted: float
    margin: float
    vacuous: str = ""
    undecided: str = ""
    eps: float = math.nan
    """The ε at which measured and predicted are read; NaN where they are about no single one."""
    settling: bool = False
    """Of a failure on a ladder: at its smallest ε the remainder falls as fast as the claim says, so that the failure
    is one of larger ε and refutes nothing that is said of small ones."""

    def __post_init__(self) -> None:
        for name in ("measured", "predicted", "margin"):
            if arguments.number(getattr(self, name)) is None:
                raise InputError(name, arguments.shown(getattr(self, name)), "must be a number")
        for name in ("vacuous", "undecided"):
            if not isinstance(getattr(self, name), str):
                raise InputError(name, arguments.shown(getattr(self, name)), "must be a reason in words")
        if not (self.vacuous or self.undecided or self.finite):
            object.__setattr__(self, "undecided", NOT_FINITE)

    @property
    def finite(self) -> bool:
        """Whether it is made of numbers; a margin may be infinite."""
        return math.isfinite(self.measured) and math.isfinite(self.predicted) and not math.isnan(self.margin)

    @property
    def verdict(self) -> Verdict:
        """Vacuous or undecided if a reason is given; a margin that is negative never holds."""
        if self.vacuous:
            return Verdict.VACUOUS
        if self.undecided:
            return Verdict.UNDECIDED
        return Verdict.HOLDS if self.margin >= 0 else Verdict.FAILS


@dataclass(frozen=True)
class Assumption:
    """A sentence, and the change of setting that makes it false (None where it cannot be changed so)."""

    name: str
    """As `--without` and `without=` take it."""
    sentence: str
    breaks: Callable[[Setting], Setting | None]
    """The setting without it; None where there is none."""
    bar: Callable[[Setting], str] = lambda setting: ""
    """Why it cannot be changed so, where there is more to say than that."""


@dataclass(frozen=True)
class Control:
    """What breaking an assumption must do to a claim, declared before it is run.

    Either the claim then fails in at least `fails` of all runs, or, where random breaks are rare or
    need construction, each of the `witnesses` makes it fail.
    """

    assumption: Assumption
    fails: float = 0.0
    witnesses: Callable[[], tuple[Setting, ...]] | None = None

    @property
    def declared(self) -> str:
        """The declaration in words."""
        if self.witnesses:
            return "a witness exists"
        return f"fails in at least {100 * self.fails:g} % of runs"


CONJECTURE = "conjecture"
FALSE = "none, it is false"
"""What stands for a proof where there is none."""

Check = Callable[[Any], Evidence]
"""From what the claim's instrument records, or from a case of the claim's own type, to evidence."""

Cases = Callable[[], "SearchStrategy[Any] | Sequence[SearchStrategy[Any]]"]
"""What a search for counterexamples draws from, one strategy a compiled program."""


@dataclass(frozen=True)
class Claim:
    """A statement of the theory with its check; made by `@claim` from one function."""

    check_measurement: Check
    """Judges what `reads` records."""
    name: str
    """The function's, with hyphens."""
    statement: str
    """In words."""
    formula: str
    """In the letters of the proof."""
    source: str
    """Theorem, prediction or gap that says it."""
    controls: tuple[Control, ...]
    """What breaks it, as declared."""
    applies: Callable[[Setting], bool]
    """Whether it speaks of a setting."""
    settings: Callable[[], tuple[Setting, ...]] | None = None
    """Constructed ones, in place of a grid."""
    spread: Callable[[Setting], Iterable[Setting]] | None = None
    """Several settings of one, such as every path away from a shared init."""
    reads: Instrument = FirstOrder()
    """The instrument whose records it judges."""
    cases: Cases | None = None
    """What a search for counterexamples draws from."""
    every_eps: bool = False
    """Whether it speaks of every ε, not of small ones only."""
    exact: type | None = None
    """The type of its cases, if they are no distillations."""
    proof: str = CONJECTURE
    """A file of `proofs/`, or that there is none."""
    run_tier: str = "measured"
    """What one run gives: measured, certified or statistical."""

    def __post_init__(self) -> None:
        for name in ("name", "statement", "formula", "source"):
            if not isinstance(getattr(self, name), str):
                raise InputError(name, arguments.shown(getattr(self, name)), "must be words")
        for name in ("check_measurement", "applies", "settings", "spread", "cases"):
            part = getattr(self, name)
            if not (callable(part) or (part is None and name in ("settings", "spread", "cases"))):
                raise InputError(name, arguments.shown(part), "must be a function")
        if not (isinstance(self.controls, tuple) and all(isinstance(control, Control) for control in self.controls)):
            raise InputError("controls", arguments.shown(self.controls), "must be a tuple of controls")
        if not isinstance(self.reads, Instrument):
            raise InputError("reads", arguments.shown(self.reads), "must be an instrument")

    def own(self, grid: Iterable[Setting]) -> tuple[Setting, ...]:
        """All settings that it could run on: its constructed ones, or those of the grid it speaks of, spread out.

        Constructed ones give way to a network of one's own, if the claim can be spread out on it. Raises InputError on
        "grid" for what are no settings.
        """
        known = arguments.entries(grid)
        if known is None or not all(isinstance(setting, Setting) for setting in known):
            raise InputError("grid", arguments.shown(grid), "must be settings")
        found = [setting for setting in known if self.applies(setting)]
        if self.settings and not (self.spread and any(setting.source is not None for setting in found)):
            return self.settings()
        if self.spread:
            found = [one for setting in found for one in self.spread(setting)]
        return tuple(dict.fromkeys(found))

    @property
    def tier(self) -> str:
        """The strongest ground there is for it: proved, if a file of `proofs/` says so, or what a run gives."""
        return self.run_tier if self.proof in (CONJECTURE, FALSE) else "proved"

    @property
    def assumptions(self) -> tuple[Assumption, ...]:
        """Those that its controls break."""
        return tuple(control.assumption for control in self.controls)

    def check(self, case: Any) -> Evidence:
        """Measure one distillation and judge it; on numbers that are not finite no claim holds.

        A case of the claim's own `exact` type, or what its instrument records, is judged as it is. Raises InputError
        on "case" for a distillation where the claim compares several runs, and for anything else.
        """
        if isinstance(case, Distillation):
            return self.check_measurement(self.measured(case))
        taken = next(iter(inspect.signature(self.check_measurement).parameters.values())).annotation
        if isinstance(case, Setting) or (isinstance(taken, type) and not isinstance(case, taken)):
            wanted = "must be a distillation, setting.distillation(seed), or what the claim's instrument records"
            raise InputError("case", arguments.shown(case), wanted)
        return self.check_measurement(case)

    def measured(self, d: Distillation) -> Any:
        """What its check takes, of one distillation. Raises InputError on "case" where it compares several runs."""
        return self.reads.of(whole(d))


def claim(
    *,
    formula: str,
    source: str,
    controls: Iterable[Control] = (),
    applies: Callable[[Setting], bool] = lambda setting: True,
    settings: Callable[[], tuple[Setting, ...]] | None = None,
    spread: Callable[[Setting], Iterable[Setting]] | None = None,
    reads: Instrument = FirstOrder(),
    cases: Cases | None = None,
    every_eps: bool = False,
    exact: type | None = None,
    proof: str = CONJECTURE,
    run_tier: str = "measured",
) -> Callable[[Check], Claim]:
    """Turn a function of what an instrument records into a claim.

    Its name is the function's with hyphens, its statement the first paragraph of the docstring.
    `applies` picks the settings of the grid that the claim speaks of; `spread` makes several of one, such as every
    path away from a shared init; `settings` replaces the grid by constructed ones. `reads` is the
    instrument whose records the check takes. `cases` replaces what a search for
    counterexamples draws from, by default small networks on which the claim applies. `every_eps` says that the claim
    is not about small ε only: one ladder then refutes it, where others have to fail on a finer one too. `exact` is
    the type of the cases, a frozen dataclass of integers, if they are no distillations. `proof` names a file of
    `proofs/` that names the claim in turn; `run_tier` says what one run gives: measured, certified or statistical.
    """

    def wrap(check: Check) -> Claim:
        text = inspect.getdoc(check) or ""
        return Claim(
            check_measurement=check,
            name=check.__name__.replace("_", "-"),
            statement=" ".join(text.split("\n\n")[0].split()),
            formula=formula,
            source=source,
            controls=tuple(controls),
            applies=applies,
            settings=settings,
            spread=spread,
            reads=reads,
            cases=cases,
            every_eps=every_eps,
            exact=exact,
            proof=proof,
            run_tier=run_tier,
        )

    return wrap


def collect(modules: Iterable[ModuleType]) -> dict[str, Claim]:
    """Every claim defined in the modules, by name, in the order in which they are written."""
    found = [value for module in modules for value in vars(module).values() if isinstance(value, Claim)]
    return {one.name: one for one in found}
