"""`--model FILE.py:NAME` of `verify` and `ablate`: the same on a network of a user's own, which a file describes."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from subtheory.cli.numbers import count, positive
from subtheory.cli.output import print_json, print_table
from subtheory.cli.user_file import blamed, line_of, module
from subtheory.errors import InputError

if TYPE_CHECKING:
    from subtheory.study.own import Ablations
    from subtheory.verification.results import Verification

FIELD = "model"

ARGUMENTS = (
    "model", "params", "trait", "channel", "loss", "outputs", "eps", "seeds", "seed", "init", "examples", "units",
)  # fmt: skip
"""What NAME may give: what `subtheory.verify` and `subtheory.ablate` both take."""

NEEDED = ("model", "trait", "channel")

ELSEWHERE = {
    "verify": ("network", "channel", "quick", "full", "processes", "trait", "tokens", "layers"),
    "ablate": ("network", "channel", "teacher"),
}
"""Flags that speak of built-in networks."""


def verified(options: Namespace) -> Verification:
    """What `verify` finds; flags go before what the file says. Raises InputError for flags of built-in networks."""
    from subtheory.verification.own import verify

    _alone(options)
    own = {"claims": _names(options.claims), "without": options.without}
    return _called(verify, "verify", options, {name: value for name, value in own.items() if value})


def ablated(options: Namespace) -> int:
    """Walk, print and write what was found; the exit code."""
    from subtheory.study.own import ablate

    _alone(options)
    amounts = None if options.amounts is None else [_number(part) for part in options.amounts.split(",")]
    own = {"path": _names(options.path), "amounts": amounts, "outputs": _outputs(options.outputs)}
    found = _called(ablate, "ablate", options, {name: value for name, value in own.items() if value is not None})
    folder = Path(options.out) / f"ablation-{options.model.rpartition(':')[2]}"
    if options.json:
        print_json(found.to_dict())
    else:
        _print(found, options.quiet)
    files = _write(found, folder)
    if not (options.json or options.quiet):
        print("\n".join(map(str, files)))
    return 0 if found.ok else 1


def _alone(options: Namespace) -> None:
    for name in ELSEWHERE[options.verb]:
        if getattr(options, name):
            raise InputError(FIELD, options.model, f"must stand without --{name}, which is about built-in networks")


def _called(function: Callable[..., Any], title: str, options: Namespace, own: Mapping[str, Any]) -> Any:
    """A function on the arguments of the file, with those of the command line in front of them."""
    from subtheory.arguments import LARGEST_SEED
    from subtheory.cli.progress import progress

    flags = {
        "loss": _names(options.loss),
        "eps": positive("eps", options.eps) if options.eps is not None else None,
        "seeds": count("seeds", options.seeds, 1, 10_000) if options.seeds is not None else None,
        "seed": count("seed", options.seed, 0, LARGEST_SEED) if options.seed is not None else None,
    }
    path, given = arguments_of(options.model)
    chosen = given | {name: value for name, value in flags.items() if value is not None} | dict(own)
    with progress(title) as report, placed(path):
        return function(**chosen, progress=report)


def arguments_of(place: str, needed: Sequence[str] = NEEDED) -> tuple[str, dict[str, Any]]:
    """The file of FILE.py:NAME, and the dict of arguments that NAME is or, a function, returns.

    Raises InputError on "model" for a place of another form, a file that cannot be run, a name that is not there,
    and for what is no dict, has other arguments or lacks one that is needed.
    """
    from subtheory.arguments import shown
    from subtheory.suggest import choose

    path, name, found = named(place, FIELD)
    if callable(found):
        with blamed(path, FIELD):
            found = found()
    if not isinstance(found, Mapping):
        raise InputError(FIELD, shown(found), f"{name} must be, or return, a dict of arguments")
    for each in found:
        choose("argument", each, dict.fromkeys(ARGUMENTS))
    if missing := [each for each in needed if each not in found]:
        raise InputError(FIELD, ", ".join(found) or "nothing", f"{name} must also give {', '.join(missing)}")
    return path, dict(found)


def named(place: str, field: str) -> tuple[str, str, Any]:
    """The file of FILE.py:NAME, NAME, and what it is there. Raises InputError on `field` as `arguments_of` does."""
    from subtheory.suggest import choose

    path, _, name = place.rpartition(":")
    if not path or not name.isidentifier():
        raise InputError(field, repr(place), "must be FILE.py:NAME")
    mine = {each: value for each, value in vars(module(path, field)).items() if not each.startswith("_")}
    return path, name, choose(field, name, mine)


@contextmanager
def placed(path: str) -> Iterator[None]:
    """What goes wrong in the model itself names the line of the file, whoever caught it first."""
    try:
        with blamed(path, FIELD):
            yield
    except InputError as error:
        line = line_of(error, path)
        if line is None or Path(path).name in str(error):
            raise
        raise InputError(error.field, f"{error.value} ({path}:{line})", error.wanted) from error


def _names(given: list[str] | None) -> list[str] | None:
    """Names repeated or separated by commas."""
    return [name for several in given for name in several.split(",")] if given else None


def _outputs(text: str | None) -> str | None:
    """All of them: groups are those of built-in tasks."""
    if text not in (None, "all"):
        raise InputError("outputs", text, "must be all, or indices that the file gives")
    return text


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError("amounts", repr(text), "must be numbers separated by commas") from None


def _print(found: Ablations, quiet: bool) -> None:
    from subtheory.study.finding import summary

    if not quiet:
        print("\n".join(found.messages), end="\n\n")
        print_table("what crosses, relative to the shared init", found.shown)
        for row in found.skipped:
            print(f"skipped: {row['path']}: {row['why']}")
        print_table("findings", [one.row for one in sorted(found.findings, key=lambda one: one.ok)])
    print(f"ablation: {summary(found.findings)}.")


def _write(found: Ablations, folder: Path) -> list[Path]:
    """The rows and means as CSV, everything as one file for `load` and `figures`, and the experiment's figure."""
    from subtheory import table
    from subtheory.files import write_atomic
    from subtheory.study import saved
    from subtheory.study.experiment import draw, experiments

    tables = {name: table.to_csv(rows) for name, rows in found.tables.items()}
    files = [write_atomic(folder / f"{name}.csv", text) for name, text in tables.items()]
    drawn = draw(experiments()[saved.ABLATION], found.tables, folder)
    return [*files, found.save(folder / f"{saved.ABLATION}.json"), *drawn]
