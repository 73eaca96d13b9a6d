"""`subtheory lineage FILE ACTION`: add to a record of models and data sets, check it, or ask it who shares an init."""

from argparse import Namespace
from pathlib import Path
from typing import Any

from subtheory.cli.output import print_json
from subtheory.errors import InputError
from subtheory.lineage import Lineage

FLAGS = {
    "hash": "hash", "content": "file", "initialised_from": "initialised-from", "trained_on": "trained-on",
    "generated_by": "generated-by", "view": "view", "inputs": "channel", "head": "head", "mend": "mend",
}  # fmt: skip
"""Options with their names on the command line."""

TAKES = {
    "add-model": ("NAME", ("hash", "content", "initialised_from", "trained_on")),
    "add-data": ("NAME", ("hash", "content", "generated_by", "view", "inputs")),
    "check": ("", ("head", "mend")),
    "ask": ("DATA STUDENT", ()),
}
"""The names and the options of an action."""


def main(options: Namespace) -> int:
    """Do it and print what came of it; 0, whatever the answer is."""
    _require_fitting(options)
    adds = options.action.startswith("add")
    if not adds and not Path(options.file).expanduser().exists():
        raise InputError("file", options.file, "must be there, the first add makes it")
    lineage = Lineage.open(options.file, head=options.head, mend=options.mend)
    if options.action == "ask":
        found = lineage.shares_init(*options.names)
        _print(options.json, found.to_dict(), str(found))
        return 0
    if adds:
        _add(lineage, options)
    about = {"file": options.file, "lines": len(lineage), "head": lineage.head}
    _print(options.json, about, f"{options.file}: {len(lineage)} lines, in order\nhead: {lineage.head}")
    return 0


def _add(lineage: Lineage, options: Namespace) -> None:
    (name,) = options.names
    sha256 = Path(options.content) if options.content else options.hash
    if sha256 is None:
        raise InputError("hash", "nothing", "must be given: --hash, or --file")
    if options.action == "add-model":
        lineage.add_model(name, sha256, options.initialised_from, options.trained_on or ())
    else:
        view = {} if options.view is None else {"view": options.view}
        lineage.add_data(name, sha256, options.generated_by, channel=options.inputs, **view)


def _require_fitting(options: Namespace) -> None:
    """Raise InputError for too few or too many names, and for a flag of another action."""
    names, takes = TAKES[options.action]
    if len(options.names) != len(names.split()):
        raise InputError(options.action, " ".join(options.names) or "nothing", f"must be given {names or 'no name'}")
    for option, flag in FLAGS.items():
        if getattr(options, option) and option not in takes:
            actions = " or ".join(action for action, (_, own) in TAKES.items() if option in own)
            raise InputError(flag, getattr(options, option), f"must stand with {actions}")


def _print(as_json: bool, value: dict[str, Any], text: str) -> None:
    if as_json:
        print_json(value)
    else:
        print(text)
