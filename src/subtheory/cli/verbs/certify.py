"""`subtheory certify`: rigorous statements for every ε up to a size, or a check of a stored certificate."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from subtheory import files
from subtheory.cli import environment
from subtheory.cli.numbers import count, positive
from subtheory.cli.output import print_json, print_table
from subtheory.errors import InputError

if TYPE_CHECKING:
    from subtheory.theory.distillation import Distillation

LARGEST_SEED = 2**32 - 1


def main(options: Namespace) -> int:
    """Certify or check; exit code 1 if `--upto` is not reached, 4 if a certificate is refused."""
    upto = positive("upto", options.upto) if options.upto is not None else None
    alpha = positive("alpha", options.alpha)
    seed = count("seed", options.seed, 0, LARGEST_SEED)
    place = files.writable(options.out) if options.out else None
    environment.prepare(cache=not options.no_cache)

    from subtheory.certificate.cases import CASES
    from subtheory.certificate.problem import LOSSES
    from subtheory.suggest import choose
    from subtheory.theory.losses import LOSSES as KNOWN

    names = _names("network", options.network, CASES)
    losses = _names("loss", options.loss, {name: KNOWN[name] for name in LOSSES})
    if options.check:
        d = None
        if options.network or options.loss:
            d = choose("network", names[0], CASES).distillation(seed, KNOWN[losses[0]])
        return _check(options.check, d, options)
    pairs = [(name, loss) for name in names for loss in losses]
    if options.out and len(pairs) > 1:
        raise InputError("out", repr(options.out), "needs one --network and one --loss, a file holds one of each")

    from subtheory.certificate.making import certify
    from subtheory.cli.progress import progress
    from subtheory.networks import MLP

    rows: list[dict[str, Any]] = []
    complete = True
    with progress("certify") as report:
        for i, (name, loss) in enumerate(pairs):
            case = CASES[name]
            limits = {"alignment": upto or case.limit, "trait-loss": upto or case.trait_limit}
            kinds = tuple(limits) if isinstance(case.network, MLP) else ("alignment",)
            found = certify(case.distillation(seed, KNOWN[loss]), limits, alpha=alpha, kinds=kinds)
            rows += [{"network": name, "loss": loss, **row} for row in found.rows()]
            complete &= all(one.complete for one in found.found.values())
            report(i + 1, len(pairs), name)
    if options.json:
        print_json({"seed": seed, "alpha": alpha, "complete": complete, "certified": rows})
    else:
        print_table("certified", rows)
        print("Proved in ball arithmetic for every ε in (0, certified up to], at the exact numbers of the seed.")
    if place is not None:
        found.save(place)
        if not options.json:
            print(f"certificate: {options.out}")
    return 1 if upto is not None and not complete else 0


def _check(path: str, d: Distillation | None, options: Namespace) -> int:
    from subtheory.certificate.making import check_certificate
    from subtheory.certificate.statement import KINDS

    statements = check_certificate(path, d)
    rows = [{"statement": KINDS[one.kind].says, "up to": one.upto, "boxes": len(one.ends)} for one in statements]
    if options.json:
        print_json({"file": path, "accepted": True, "statements": rows})
    else:
        print_table("accepted", rows)
        print(f"{path}: every box was checked anew")
    return 0


def _names(field: str, given: list[str] | None, known: dict[str, Any]) -> list[str]:
    """Chosen names, repeated or separated by commas; all of them by default."""
    from subtheory.suggest import choose

    names = list(dict.fromkeys(name for several in given or [] for name in several.split(",")))
    for name in names:
        choose(field, name, known)
    return names or list(known)
