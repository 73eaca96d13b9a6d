"""`subtheory forecast`: what each row of data would do to a student of a user's own network, before any training."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from subtheory.cli import environment, model
from subtheory.cli.output import print_json, print_table, writable
from subtheory.errors import InputError

NEEDED = ("model", "teacher", "data")
"""Flags that have to be given."""

TAKEN = ("model", "params", "trait", "outputs")
"""What of a model's arguments `subtheory.forecast` takes; the rest is for `verify`."""


def main(options: Namespace) -> int:
    """Forecast, print and write; 0 where the rows add up to the student's real step, 1 where they do not."""
    for name in NEEDED:
        if not getattr(options, name):
            raise InputError(name, "nothing", f"must be given: --{name}")
    if options.out:
        writable(options.out)
    environment.prepare(cache=not options.no_cache)
    from subtheory.study.forecast import forecast

    path, given = model.arguments_of(options.model, ("model",))
    own = {name: given[name] for name in TAKEN if name in given}
    if options.trait:
        _, _, own["trait"] = model.named(options.trait, "trait")
    if "trait" not in own:
        raise InputError("trait", "nothing", "must be given: --trait, or by the model")
    with model.placed(path):
        found = forecast(**own, **_given(options))
    if options.json:
        print_json(found.to_dict())
    else:
        _print(found)
    if options.out:
        from subtheory.pages.forecast import write

        files = write(found, options.out)
        if not options.json:
            print("\n".join(map(str, files)))
    return 0 if found.ok else 1


def _given(options: Namespace) -> dict[str, Any]:
    """The flags as arguments of `subtheory.forecast`."""
    names = ("teacher", "data", "control", "student", "rate")
    found = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    return found | ({"rate": _number(found["rate"])} if "rate" in found else {})


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError("rate", repr(text), "must be a number") from None


def _print(found: Any) -> None:
    for line in found.messages:
        print(line, end="\n\n")
    print_table("totals", found.sums)
    print_table("how scores rank the rows", found.audit)
    print_table("heaviest rows", found.heaviest())
