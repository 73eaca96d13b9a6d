"""`subtheory forecast`: what each row of data would do to a student of a network or a checkpoint, before training."""

from __future__ import annotations

import sys
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

from subtheory.cli import environment, model
from subtheory.cli.numbers import count, positive
from subtheory.cli.output import print_json, print_table, writable
from subtheory.errors import InputError

TAKEN = ("model", "params", "trait", "outputs")
"""What of a model's arguments `subtheory.forecast` takes; the rest is for `verify`."""

OF_BASE = ("planned", "threshold", "lineage", "draws", "norms", "tokens")
"""Flags that stand with --base."""


def main(options: Namespace) -> int:
    """Forecast, print and write; 1 where the rows miss the student's real step or a threshold is passed, else 0."""
    if options.base and options.model:
        raise InputError("model", options.model, "must not stand beside --base")
    for name in ("base" if options.base else "model", *(("trait",) if options.base else ("teacher",)), "data"):
        if not getattr(options, name):
            raise InputError(name, "nothing", f"must be given: --{name}")
    for name in OF_BASE:
        if not options.base and getattr(options, name) is not None:
            raise InputError(name, getattr(options, name), "must stand with --base")
    if options.out:
        writable(options.out)
    environment.prepare(cache=not options.no_cache)
    found, warning = _of_checkpoints(options) if options.base else (_of_network(options), False)
    if options.json:
        print_json(found.to_dict())
    else:
        _print(found)
    if options.out:
        from subtheory.pages.forecast import write

        files = write(found, options.out)
        if not options.json:
            print("\n".join(map(str, files)))
    return 1 if warning or not found.ok else 0


def _of_network(options: Namespace) -> Any:
    """Of a network of a user's own."""
    from subtheory.study.forecast import forecast

    path, given = model.arguments_of(options.model, ("model",))
    own = {name: given[name] for name in TAKEN if name in given}
    if options.trait:
        _, _, own["trait"] = model.named(options.trait, "trait")
    if "trait" not in own:
        raise InputError("trait", "nothing", "must be given: --trait, or by the model")
    with model.placed(path):
        return forecast(**own, **_given(options, "teacher", "data", "control", "student"))


def _of_checkpoints(options: Namespace) -> tuple[Any, bool]:
    """Of a language model, and whether it is above the threshold."""
    from subtheory.language.foretold import forecast, planned, threshold

    bound = None if options.threshold is None else threshold.read(options.threshold)
    numbers = {"draws": "draws", "norms": "norms", "tokens": "longest"}
    more: dict[str, Any] = {
        name: count(flag, getattr(options, flag), 1, 10**6)
        for flag, name in numbers.items()
        if getattr(options, flag) is not None
    }
    found = forecast(
        options.base, plan=planned.read(options.planned or ()), lineage=_recorded(options.lineage), **more,
        progress=None if options.json else partial(print, file=sys.stderr),
        **_given(options, "teacher", "data", "trait", "control", "student"),
    )  # fmt: skip
    return (found, False) if bound is None else (bound.told(found), bound.above(found))


def _recorded(asked: list[str] | None) -> Any:
    """What a record says of the data and the student."""
    if asked is None:
        return None
    from subtheory.lineage import Lineage

    file, data, student = asked
    if not Path(file).expanduser().exists():
        raise InputError("lineage", file, "must be a record, as subtheory lineage makes it")
    return Lineage.open(file).shares_init(data, student)


def _given(options: Namespace, *names: str) -> dict[str, Any]:
    """The flags as arguments of a forecast."""
    found = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return found | ({} if options.rate is None else {"rate": _rate(options)})


def _rate(options: Namespace) -> float:
    if options.base:
        return positive("rate", options.rate)
    try:
        return float(options.rate)
    except ValueError:
        raise InputError("rate", repr(options.rate), "must be a number") from None


def _print(found: Any) -> None:
    for line in found.messages:
        print(line, end="\n\n")
    print_table("totals", found.sums)
    if found.hypotheses:
        print_table("what the theorem asks of the training", found.hypotheses)
    print_table("how scores rank the rows", found.audit)
    print_table("heaviest rows", found.heaviest())
