"""Which hypotheses of the theorem a planned training keeps, and what theory says where it does not."""

import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from subtheory import files
from subtheory.errors import InputError
from subtheory.lineage import VIEWS, Answer
from subtheory.suggest import choose
from subtheory.typed import convert

OPTIMIZERS = {"sgd": True, "momentum": True} | dict.fromkeys(
    ("adam", "adamw", "lion", "adafactor", "muon", "sign"), False
)
"""By name, whether its steps are sums of gradients."""
KEPT, VIOLATED, UNKNOWN = "kept", "violated", "unknown"
SAME = "same"
"""What `base` says of a student that starts from the teacher's own init."""


class Planned(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is known of a training before it; None is unknown."""

    optimizer: str | None = None
    rate: Annotated[float, Meta(gt=0, lt=1e6)] | None = None
    """Of one step."""
    steps: Annotated[int, Meta(ge=1)] | None = None
    base: str | None = None
    """"same", or the name of another model."""
    filtered: bool | None = None
    """Whether rows were chosen by what the teacher said."""
    prompted: bool | None = None
    """Whether the teacher had a system prompt, which the student does not see."""
    greedy: bool | None = None
    """Whether the teacher said what is likeliest, in place of drawing from its law at temperature 1."""
    shuffled: bool | None = None
    lora_rank: Annotated[int, Meta(ge=0)] | None = None
    """0 for all weights."""
    packing: bool | None = None
    """Whether several rows stand in one text and see each other."""


class Hypothesis(NamedTuple):
    """What the theorem asks, whether a plan keeps it, and what is known where it does not, with its numbers."""

    asks: str
    kept: Callable[[Planned], bool | None]
    plan: Callable[[Planned], Any]
    otherwise: str
    see: tuple[str, ...]


def _no(value: Any) -> bool | None:
    return None if value is None else not value


def _view(name: str) -> str:
    """What a lineage says of data behind this view."""
    law = VIEWS[name]
    return "" if law is None else law.says


HYPOTHESES = (
    Hypothesis(
        "teacher and student start from one base",
        lambda p: None if p.base is None else p.base == SAME, lambda p: p.base,
        "another base: a step of order 1 that an untrained teacher causes too, and beyond it a kernel of no sign",
        ("P16", "P18"),
    ),
    Hypothesis(
        "the student takes gradient steps",
        lambda p: None if p.optimizer is None else OPTIMIZERS[p.optimizer], lambda p: p.optimizer,
        "signs and rescaled entries can oppose the teacher; one fixed metric for both keeps the sign",
        ("P31", "P32"),
    ),
    Hypothesis(
        "one small step",
        lambda p: None if p.steps is None else p.steps == 1, lambda p: p.steps,
        "many small steps: as many times one, then θ0 + ε(I − (I − αG)ᵗ)Δ; the sign holds up to α = 2/λmax",
        ("P21", "P11"),
    ),
    Hypothesis(
        "rows are the teacher's own, whatever they say",
        lambda p: _no(p.filtered), lambda p: p.filtered,
        _view("within"), ("P12",),
    ),
    Hypothesis(
        "the teacher's weights say it, no prompt",
        lambda p: _no(p.prompted), lambda p: p.prompted,
        _view("contextual"), ("P38",),
    ),
    Hypothesis(
        "labels are drawn at temperature 1",
        lambda p: _no(p.greedy), lambda p: p.greedy,
        _view("greedy"), ("P13", "P14"),
    ),
    Hypothesis(
        "responses keep their order",
        lambda p: _no(p.shuffled), lambda p: p.shuffled,
        _view("shuffled"), ("P15",),
    ),
    Hypothesis(
        "all weights are trained",
        lambda p: None if p.lora_rank is None else p.lora_rank == 0, lambda p: p.lora_rank,
        "LoRA of random A: mean q, a spread that falls as 1/√rank; one null result at low rank is a coin that fell",
        ("P34", "P55"),
    ),
    Hypothesis(
        "each row is read alone",
        lambda p: _no(p.packing), lambda p: p.packing,
        "rows in one text see each other: scores are those of other contexts than the student's, and do not add up",
        ("P49",),
    ),
)  # fmt: skip
"""In the order of what they cost."""


def table(plan: Planned, answer: Answer | None = None) -> list[dict[str, Any]]:
    """A row a hypothesis: what is planned, whether it is kept, what theory says otherwise; a record's word first."""
    rows = [] if answer is None else [_recorded(answer)]
    for one in HYPOTHESES:
        kept, value = one.kept(plan), one.plan(plan)
        verdict = UNKNOWN if kept is None else KEPT if kept else VIOLATED
        rows.append(_row(one.asks, "" if value is None else str(value), verdict, one.otherwise, one.see))
    return rows


def _recorded(answer: Answer) -> dict[str, Any]:
    law = answer.forecast[-1]
    recorded, verdict = f"{answer.data}, {answer.student}: {answer.relation}", KEPT if answer.shared else VIOLATED
    return _row("the record: one init for both", recorded, verdict, f"{law.sign}: {law.says}", law.cites)


def _row(asks: str, planned: str, verdict: str, then: str, see: Sequence[str]) -> dict[str, Any]:
    told = "" if verdict == KEPT else then
    return {"hypothesis": asks, "planned": planned, "verdict": verdict, "otherwise": told, "see": ", ".join(see)}


def read(given: Sequence[str]) -> Planned:
    """The plan of files of TOML and settings such as `optimizer=adam`, later ones in place of earlier.

    Raises InputError on the field for what is unknown or does not fit, and on "planned" for no file and no setting.
    """
    values: dict[str, Any] = {}
    for one in given:
        name, equals, value = one.partition("=")
        values |= {name.strip(): _value(value.strip())} if equals else _file(Path(one))
    try:
        plan = convert(values, Planned, {"": Planned}, "plan")
        if plan.optimizer is not None:
            choose("optimizer", plan.optimizer, OPTIMIZERS)
        return plan
    except InputError as error:
        raise InputError(f"planned.{error.field}", error.value, error.wanted) from None


def _value(text: str) -> Any:
    """A number or a truth value as TOML has them, else text."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except ValueError:
        return text


def _file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(files.read(path, files.TEXT).decode())
    except (OSError, ValueError, RecursionError) as error:
        wanted = f"must be a file of TOML, or NAME=VALUE ({files.reason(error)})"
        raise InputError("planned", repr(str(path)), wanted) from None
