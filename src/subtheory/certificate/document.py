"""A certificate as a file: the problem and its statements in JSON, every number a rational or a decimal text."""

import hashlib
import json
import re
from collections.abc import Mapping
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import Any

import flint
from flint import fmpq

from subtheory import __version__
from subtheory.certificate.problem import Lesson, Problem, Table
from subtheory.certificate.statement import Statement
from subtheory.errors import DataError
from subtheory.files import BROKEN, read_json, reason
from subtheory.records import canonical, write_atomic

FORMAT = "subtheory-certificate-1"

HUGE = re.compile(r"[eE][+-]?[0-9]{5,}$")
"""The exponent of a number with more digits than there is memory."""


def to_json(problem: Problem, statements: tuple[Statement, ...]) -> dict[str, Any]:
    """The whole file, with its hash."""
    said = [
        {
            "kind": one.kind,
            "ends": texts(one.ends),
            "values": list(one.values),
            "bounds": list(one.bounds),
            "teacher_error": one.teacher_error,
        }
        for one in statements
    ]
    numbers = {"problem": problem_json(problem), "statements": said}
    body = {
        "format": FORMAT,
        "made_with": {
            "subtheory": __version__,
            "python-flint": version("python-flint"),
            "flint": flint.__FLINT_VERSION__,
        },
        **numbers,
        "sum": str(total(numbers)),
    }
    return body | {"sha256": digest(body)}


def digest(body: Mapping[str, Any]) -> str:
    """SHA-256 of everything but the hash itself."""
    return hashlib.sha256(canonical({k: v for k, v in body.items() if k != "sha256"}).encode()).hexdigest()


def problem_json(problem: Problem) -> dict[str, Any]:
    """Numbers as texts "p/q"."""
    trait = problem.trait
    return {
        "network": dict(problem.network),
        "loss": problem.loss,
        "theta0": {name: table_json(table) for name, table in problem.theta0.items()},
        "delta": {name: table_json(table) for name, table in problem.delta.items()},
        "x": inputs_json(problem.x),
        "weights": texts(problem.weights),
        "outputs": texts(problem.outputs),
        "alpha": str(problem.alpha),
        "trait": None
        if trait is None
        else {
            "x": inputs_json(trait.x),
            "outputs": texts(trait.outputs),
            "labels": list(trait.labels),
            "targets": None if trait.targets is None else table_json(trait.targets),
        },
    }


def texts(values: tuple[fmpq, ...]) -> list[str]:
    return [str(value) for value in values]


def table_json(table: Table) -> list[list[str]]:
    """Rows of texts."""
    return [texts(table.values[i : i + table.columns]) for i in range(0, len(table.values), table.columns)]


def inputs_json(x: Any) -> Any:
    return table_json(x) if isinstance(x, Table) else [list(row) for row in x]


def total(value: Any) -> Fraction:
    """The sum of all numbers: one that was changed shows here, even where no bound depends on it."""
    if isinstance(value, Mapping):
        return sum((total(item) for item in value.values()), Fraction(0))
    if isinstance(value, list):
        return sum((total(item) for item in value), Fraction(0))
    if isinstance(value, int):
        return Fraction(value)
    if isinstance(value, str) and HUGE.search(value):
        raise DataError(f"certificate: a number of an exponent that nobody can write out ({value[:40]})")
    try:
        return Fraction(value) if isinstance(value, str) else Fraction(0)
    except ValueError:  # a name
        return Fraction(0)


def problem_from(found: Mapping[str, Any]) -> Problem:
    """The problem of a file; KeyError, TypeError or ValueError where it is malformed."""
    trait = found["trait"]
    return Problem(
        network=found["network"],
        loss=found["loss"],
        theta0={name: table_from(rows) for name, rows in found["theta0"].items()},
        delta={name: table_from(rows) for name, rows in found["delta"].items()},
        x=inputs_from(found["x"]),
        weights=rationals(found["weights"]),
        outputs=rationals(found["outputs"]),
        alpha=rationals([found["alpha"]])[0],
        trait=None
        if trait is None
        else Lesson(
            inputs_from(trait["x"]),
            rationals(trait["outputs"]),
            tuple(trait["labels"]),
            None if trait["targets"] is None else table_from(trait["targets"]),
        ),
    )


def rationals(values: list[str]) -> tuple[fmpq, ...]:
    """Exact numbers of texts. Raises ValueError for one that is no ratio, and DataError for a huge exponent."""
    if any(HUGE.search(str(value)) for value in values):
        raise DataError("certificate: a number of an exponent that nobody can write out")
    exact = (Fraction(value) for value in values)
    return tuple(fmpq(value.numerator, value.denominator) for value in exact)


def table_from(rows: list[list[str]]) -> Table:
    if len({len(row) for row in rows}) != 1:
        raise ValueError("rows of one table differ in length")
    return Table(len(rows), len(rows[0]), tuple(value for row in rows for value in rationals(row)))


def inputs_from(rows: Any) -> Any:
    if all(isinstance(token, int) for row in rows for token in row):
        return tuple(tuple(row) for row in rows)
    return table_from(rows)


def statements_from(found: list[Mapping[str, Any]]) -> tuple[Statement, ...]:
    return tuple(
        Statement(one["kind"], rationals(one["ends"]), tuple(one["values"]), tuple(one["bounds"]), one["teacher_error"])
        for one in found
    )


def write(path: Path | str, body: Mapping[str, Any]) -> Path:
    """Write a certificate atomically."""
    return write_atomic(path, json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read(path: Path | str) -> dict[str, Any]:
    """A file's content. Raises DataError for one that is no certificate or does not have its own hash."""
    try:
        body = read_json(path)
        good = body["format"] == FORMAT and body["sha256"] == digest(body)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except BROKEN as error:
        raise DataError(f"{path}: is not a certificate ({reason(error)})") from None
    if not good:
        raise DataError(f"{path}: has another hash than it says, or another format than {FORMAT}")
    return dict(body)
