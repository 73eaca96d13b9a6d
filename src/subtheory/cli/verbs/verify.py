"""`subtheory verify`: the main job."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from subtheory.arguments import LARGEST_SEED
from subtheory.cli import environment
from subtheory.cli.numbers import count, positive
from subtheory.cli.output import print_json, print_table, writable
from subtheory.errors import InputError

if TYPE_CHECKING:
    from subtheory.networks import LinenNetwork
    from subtheory.verification.plan import Size
    from subtheory.verification.results import Verification

T = TypeVar("T")

SEEDS = {"quick": 2, "default": 8, "full": 32}


def main(options: Namespace) -> int:
    """Check the chosen claims on the chosen grid, or on a user's model; print, write, and answer with the exit code."""
    if options.out:
        writable(options.out)
    if options.model:
        environment.prepare(options.device, not options.no_cache)
        from subtheory.cli.verbs import model

        return _told(model.verified(options), options)
    seeds = count("seeds", options.seeds, 1, 10_000) if options.seeds is not None else SEEDS[_size(options)]
    first = count("seed", options.seed or "0", 0, LARGEST_SEED - seeds + 1)
    eps = positive("eps", options.eps) if options.eps is not None else None
    wanted = count("processes", options.processes, 1, 256) if options.processes is not None else None
    processes = _processes(wanted, options.device)
    environment.prepare(options.device, not options.no_cache, processes)

    from subtheory.claims import CLAIMS
    from subtheory.cli.progress import progress
    from subtheory.data import CHANNELS
    from subtheory.networks import NETWORKS
    from subtheory.provenance import provenance
    from subtheory.setting.setting import ladder
    from subtheory.theory.losses import LOSSES
    from subtheory.verification import grid
    from subtheory.verification.plan import How
    from subtheory.verification.verdicts import verify_settings, verify_without

    claims = _chosen("claim", options.claims, CLAIMS) or list(CLAIMS.values())
    default = [NETWORKS[name] for name in (grid.QUICK if options.quick else NETWORKS)]
    networks = _chosen("network", options.network, NETWORKS) or default
    losses = _chosen("loss", options.loss, LOSSES) or list(LOSSES.values())
    channels = _chosen("channel", options.channel, CHANNELS)
    settings = grid.cells(grid.runs(networks, channels, options.quick), losses, options.quick)
    if not settings:
        raise InputError("channel", options.channel[0], f"fits none of {', '.join(n.name for n in networks)}")
    if eps is not None:
        settings = [replace(setting, eps=ladder(eps)) for setting in settings]
    if options.without:
        known = {a.name: a for claim in claims for a in claim.assumptions}
        _chosen("without", [options.without], known)

    numbers = tuple(range(first, first + seeds))
    how = How(_size(options), processes, ours=True)
    with progress("verify") as report:
        if options.without:
            found = verify_without(options.without, claims, settings, numbers, report, how)
        else:
            found = verify_settings(claims, settings, numbers, report, how)
    if not found.claims:
        raise InputError("without", options.without, "cannot be broken on the chosen settings")
    return _told(replace(found, provenance=provenance(numbers)), options, networks)


def _told(found: Verification, options: Namespace, networks: Sequence[LinenNetwork] = ()) -> int:
    """Print it, write it if asked to, and the exit code."""
    command = " ".join(["subtheory", *sys.argv[1:]]) if sys.argv else ""
    found = replace(found, provenance=found.provenance | {"command": command})
    if options.json:
        print_json(found.to_dict())
    else:
        _print(found)
    code = 1 if not found.ok else 3 if options.strict and not found.decided else 0
    # The verdict stands before a file is written: a full disk does not take it away, nor the code of a failing claim.
    if options.out:
        sys.stdout.flush()
        try:
            _write(found, options.out, networks, found.provenance["seeds"])
        except InputError as error:
            if not code:
                raise
            print(f"error: {error}", file=sys.stderr)
            return code
        if not options.json:
            print(f"report: {options.out}/report.html")
    return code


def _print(found: Verification) -> None:
    for line in found.messages:
        print(line)
    print_table("claims", found.claim_table())
    print_table("without an assumption", found.control_table())
    print_table("not broken", found.untried_table())
    for line in found.reasons():
        print(line)
    held = sum(str(claim.verdict) == "holds" for claim in found.claims)
    print(f"{held} of {len(found.claims)} claims hold; {found.broke} of {found.tried} controls break as declared.")


def _write(found: Verification, folder: str, networks: Sequence[LinenNetwork], seeds: Sequence[int]) -> None:
    """The report, with the ladder of the built-in networks that were verified."""
    from subtheory.cli.progress import progress
    from subtheory.pages import report
    from subtheory.study import ladder

    with progress("figure") as say:
        runs = ladder.measured(networks, seeds, say) if networks else []
    report.write(found, folder, ladder.medians(runs) if runs else ())


def _processes(wanted: int | None, device: str | None) -> int:
    """As many as there are cores on a CPU; an accelerator has one process."""
    from subtheory.verification.workers import cores

    if device not in (None, "cpu"):
        return 1
    return wanted or cores()


def _size(options: Namespace) -> Size:
    return "quick" if options.quick else "full" if options.full else "default"


def _chosen(field: str, names: list[str] | None, known: Mapping[str, T]) -> list[T]:
    """Things by name, names repeated or separated by commas."""
    from subtheory.suggest import choose

    each = dict.fromkeys(name for several in names or [] for name in several.split(","))
    return [choose(field, name, known) for name in each]
