"""`subtheory verify`: the main job."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from subtheory.arguments import LARGEST_SEED
from subtheory.cli import environment, pretrained, sharing, terminal
from subtheory.cli.numbers import count, positive
from subtheory.cli.output import print_claims, print_json, summary, writable
from subtheory.errors import InputError

if TYPE_CHECKING:
    from subtheory.networks import LinenNetwork
    from subtheory.session import Devices
    from subtheory.verification.plan import Size
    from subtheory.verification.results import Verification

SEEDS = {"quick": 2, "default": 8, "full": 32}


def main(options: Namespace) -> int:
    """Check the chosen claims on the chosen grid, or on a user's model; print, write, and answer with the exit code."""
    if options.out:
        writable(options.out)
    if options.model:
        environment.prepare(options.device, not options.no_cache, False, _devices(options.devices), options.multihost)
        from subtheory.cli import model

        return _told(model.verified(options), options)
    if (name := pretrained.named(options)) is not None:
        return _told(pretrained.verified(name, options), options)
    seeds = count("seeds", options.seeds, 1, 10_000) if options.seeds is not None else SEEDS[_size(options)]
    first = count("seed", "0" if options.seed is None else options.seed, 0, LARGEST_SEED - seeds + 1)
    eps = positive("eps", options.eps) if options.eps is not None else None
    processes = sharing.processes(options)
    devices = _devices(options.devices)
    environment.prepare(options.device, not options.no_cache, True, devices, options.multihost)

    from subtheory.claims import CLAIMS
    from subtheory.cli.progress import COUNTED, NOTHING, progress
    from subtheory.data import CHANNELS
    from subtheory.ledger.request import Request
    from subtheory.networks import NETWORKS
    from subtheory.provenance import provenance
    from subtheory.theory.losses import LOSSES
    from subtheory.verification import asked, grid

    claims = _chosen("claim", options.claims, CLAIMS) or tuple(CLAIMS)
    networks = _chosen("network", options.network, NETWORKS) or (grid.QUICK if options.quick else tuple(NETWORKS))
    losses = _chosen("loss", options.loss, LOSSES) or tuple(LOSSES)
    channels = _chosen("channel", options.channel, CHANNELS)
    what = asked.Asked(claims, networks, losses, channels, _size(options), first, seeds, eps, options.without)
    asked.plan_of(what)  # a bad name is an error before anything is computed
    with (
        sharing.engine(options, processes if environment.divides() else 1) as engine,
        # Hosts go through the same parts together: none may find one kept that another is to compute with it.
        nullcontext()
        if options.multihost
        else sharing.keeping(options, Request.of(asked.KIND, what.about), engine) as kept,
        progress("verify", COUNTED if kept else NOTHING) as report,
    ):
        found = asked.verify(what, report)
    told = provenance(what.numbers)
    if kept is not None:
        told |= {"parts": {"computed": kept.computed, "taken": kept.taken}}
    return _told(replace(found, provenance=told), options, [NETWORKS[name] for name in networks])


def _told(found: Verification, options: Namespace, networks: Sequence[LinenNetwork] = ()) -> int:
    """Print it, write it if asked to, and the exit code."""
    command = " ".join(["subtheory", *sys.argv[1:]]) if sys.argv else ""
    found = replace(found, provenance=found.provenance | {"command": command})
    code = 1 if not found.ok else 3 if options.strict and not found.decided else 0
    if environment.speaks() and options.json:
        print_json(found.to_dict())
    elif environment.speaks():
        _print(found, options)
    # The verdict stands before a file is written: a full disk does not take it away, nor the code of a failing claim.
    if options.out:
        sys.stdout.flush()
        try:
            _write(found, options, networks, found.provenance["seeds"])
        except InputError as error:
            if not code:
                raise
            print(f"error: {terminal.line(error)}", file=sys.stderr)
            return code
        if environment.speaks() and not (options.json or options.quiet):
            print(f"report: {options.out}/report.html")
    return code


def _print(found: Verification, options: Namespace) -> None:
    """A line a claim, and what is not as it should be; more with -v, and less with -q."""
    if not options.quiet:
        for line in found.messages:
            print(line)
        print_claims(found, options.verbose)
        print()
    print(summary(found))


def _write(
    found: Verification, options: Namespace, networks: Sequence[LinenNetwork], seeds: Sequence[int]
) -> None:  # fmt: skip
    """The report, with the ladder of the built-in networks that were verified, which all hosts measure together."""
    from subtheory.cli.progress import progress
    from subtheory.ledger.request import Request
    from subtheory.pages import explorer, report
    from subtheory.pages import map as atlas
    from subtheory.study import ladder

    about = {"networks": [network.name for network in networks], "seeds": list(seeds)}
    alone = options.multihost or not networks
    with (
        nullcontext() if alone else sharing.keeping(options, Request.of(ladder.NAME, about)),
        progress("figure") as say,
    ):
        runs = ladder.measured(networks, seeds, say) if networks else []
    if environment.speaks():
        report.write(found, options.out, ladder.medians(runs) if runs else (), beside=True)
        atlas.write(options.out, {claim.name: str(claim.verdict) for claim in found.claims}, "report")
        explorer.write(options.out)


def _devices(text: str | None) -> Devices:
    """How many devices share the rows: a number, or all."""
    return None if text is None else "all" if text == "all" else count("devices", text, 1, 65_536)


def _size(options: Namespace) -> Size:
    return "quick" if options.quick else "full" if options.full else "default"


def _chosen(field: str, names: list[str] | None, known: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of what there is, repeated or separated by commas."""
    from subtheory.suggest import choose

    each = dict.fromkeys(name for several in names or [] for name in several.split(","))
    for name in each:
        choose(field, name, known)
    return tuple(each)
