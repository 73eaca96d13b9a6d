"""The plan of a sweep, from a file of TOML: lists of what is combined, seeds, and exceptions."""

import math
import tomllib
from collections.abc import Iterator
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from subtheory import files
from subtheory.arguments import shown
from subtheory.errors import InputError
from subtheory.typed import convert

MOST = 1_000_000
"""Cells."""

LARGEST = 2**20
"""Bytes of a plan's file."""

OWN = "task"
"""The channel that stands for the inputs of the network's own task."""

T = TypeVar("T")
Several = Annotated[tuple[T, ...], Meta(min_length=1)]
Number = Annotated[float, Meta(ge=0)]


class Grid(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Every combination of these is run; names as `ablate` takes them, and amounts along each path."""

    amount: Several[Number]
    network: Several[str] = ("mlp",)
    loss: Several[str] = ("squared-error",)
    channel: Several[str] = (OWN,)
    outputs: Several[str] = ("aux",)
    teacher: Several[str] = ("gradient-descent",)
    path: Several[str] = ("noise",)
    eps: Several[Annotated[float, Meta(gt=0)]] = (1e-3,)


class Seeds(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """first ... first + count − 1, so many of them in one cell."""

    first: Annotated[int, Meta(ge=0, le=2**31)] = 0
    count: Annotated[int, Meta(ge=1, le=2**31)] = 1
    per_cell: Annotated[int, Meta(ge=1, le=10_000)] = 1


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Combinations that have one of these values in each field that is named."""

    network: Several[str] | None = None
    loss: Several[str] | None = None
    channel: Several[str] | None = None
    outputs: Several[str] | None = None
    teacher: Several[str] | None = None
    path: Several[str] | None = None
    amount: Several[float] | None = None
    eps: Several[float] | None = None

    def covers(self, place: dict[str, Any]) -> bool:
        return all(place[name] in values for name in AXES if (values := getattr(self, name)) is not None)


AXES = ("network", "loss", "channel", "outputs", "teacher", "path", "amount", "eps")
"""What is combined; the last ones change first."""


class Cell(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One record: what `ablate` says at one amount for seeds (first, count). Its name is the canonical JSON of it."""

    network: str
    loss: str
    channel: str
    outputs: str
    teacher: str
    path: str
    amount: float
    eps: float
    seeds: tuple[int, int]

    @property
    def name(self) -> str:
        return msgspec.json.encode(self, order="sorted").decode()

    @classmethod
    def read(cls, name: str) -> "Cell":
        """The cell of a name. Raises InputError for any other text."""
        try:
            found = msgspec.json.decode(name, type=cls)
        except msgspec.MsgspecError:
            found = None
        if found is None or found.name != name:
            raise InputError("cell", shown(name), "must be the canonical JSON of one")
        return found


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, dict=True):
    """A grid, seeds, and exceptions: with `only`, what one of those rules covers; never what one of `skip` covers."""

    grid: Grid
    seeds: Seeds = Seeds()
    only: tuple[Rule, ...] = ()
    skip: tuple[Rule, ...] = ()

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """The seeds of the cells of one combination."""
        s = self.seeds
        return [(s.first + i, min(s.per_cell, s.count - i)) for i in range(0, s.count, s.per_cell)]

    @property
    def places(self) -> Iterator[dict[str, Any]]:
        """The combinations that are run."""
        for values in product(*(getattr(self.grid, name) for name in AXES)):
            place = dict(zip(AXES, values, strict=True))
            if (not self.only or any(r.covers(place) for r in self.only)) and not any(
                r.covers(place) for r in self.skip
            ):
                yield place

    @cached_property
    def names(self) -> list[str]:
        """Of all cells, in order."""
        blocks = self.blocks
        return [Cell(**place, seeds=seeds).name for place in self.places for seeds in blocks]


def read(path: Path | str) -> Plan:
    """The plan of a file. Raises InputError, naming file and place in it, for what is unknown or out of range."""
    try:
        text = files.read(path, LARGEST).decode()
    except (OSError, ValueError) as error:
        raise InputError("plan", path, f"must be a readable file of TOML ({files.reason(error)})") from None
    try:
        given = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(str(path), "none", f"must be TOML ({files.reason(error)})") from None
    try:
        return planned(given)
    except InputError as error:
        raise InputError(f"{path}: {error.field}", error.value, error.wanted) from None


def planned(given: Any) -> Plan:
    """A plan of plain values. Raises InputError, naming the place, for what is unknown or out of range."""
    tables = {"": Plan, "grid": Grid, "seeds": Seeds, "only": Rule, "skip": Rule}
    plan = convert(given, Plan, tables, "plan")
    for name in AXES:
        values = getattr(plan.grid, name)
        for i, value in enumerate(values):
            if value in values[:i]:
                raise InputError(f"grid.{name}[{i}]", shown(value), "must differ from those before")
            if isinstance(value, float) and not math.isfinite(value):
                raise InputError(f"grid.{name}[{i}]", value, "must be finite")
    _require_rules(plan)
    count = math.prod(len(getattr(plan.grid, name)) for name in AXES) * -(-plan.seeds.count // plan.seeds.per_cell)
    if count > MOST:
        raise InputError("grid", count, f"must have at most {MOST} cells (with more seeds in each, seeds.per_cell)")
    if next(plan.places, None) is None:
        raise InputError("skip" if plan.skip else "only", "none", "must leave at least one combination")
    return plan


def _require_rules(plan: Plan) -> None:
    """Rules speak of what the grid has."""
    for kind in ("only", "skip"):
        for i, rule in enumerate(getattr(plan, kind)):
            for name in AXES:
                for k, value in enumerate(getattr(rule, name) or ()):
                    if value not in getattr(plan.grid, name):
                        there = ", ".join(map(str, getattr(plan.grid, name)))
                        raise InputError(f"{kind}[{i}].{name}[{k}]", shown(value), f"must be in the grid: {there}")
