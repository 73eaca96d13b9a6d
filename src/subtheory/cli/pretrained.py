"""`--network NAME|FILE|FOLDER` of `verify`, where that is a pretrained language model."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING, Any

from subtheory.arguments import LARGEST_SEED
from subtheory.cli import environment, sharing
from subtheory.cli.numbers import count, positive
from subtheory.errors import InputError

if TYPE_CHECKING:
    from subtheory.verification.results import Verification

OWN = ("trait", "tokens", "layers")
"""Flags that speak of pretrained models alone."""

ELSEWHERE = ("quick", "processes", "dask", "shard", "devices", "multihost")
"""Flags that do not: one process measures, on one device."""


def named(options: Namespace) -> str | None:
    """The model, if `--network` names one. Raises InputError for what does not go with it, and `OWN` without one."""
    names = [name for several in options.network or [] for name in several.split(",")]
    model = None
    if names:
        environment.settle(options.device)
        from subtheory.language.measuring import asked
        from subtheory.networks import NETWORKS

        model = next((name for name in names if name not in NETWORKS and asked.is_model(name)), None)
    if model is not None and len(names) > 1:
        raise InputError("network", ", ".join(names), "must be one, where it is a pretrained model")
    for field in OWN if model is None else ELSEWHERE:
        if getattr(options, field):
            given = "without a pretrained model" if model is None else model
            wanted = "goes with one, such as --network smollm2" if model is None else f"must stand without --{field}"
            raise InputError(field if model is None else "network", given, wanted)
    return model


def verified(model: str, options: Namespace) -> Verification:
    """What `verify` finds of it; parts are kept as they are done. Raises InputError as `asked.plan_of` does."""
    environment.prepare(options.device, not options.no_cache)
    from subtheory.cli.progress import COUNTED, NOTHING, progress
    from subtheory.language.measuring import asked
    from subtheory.ledger.request import Request

    given: dict[str, Any] = {
        "claims": _names(options.claims),
        "losses": _names(options.loss),
        "channels": _names(options.channel),
        "traits": _names(options.trait),
        "tokens": count("tokens", options.tokens, 2, 100_000) if options.tokens else None,
        "layers": tuple(count("layers", each, 0, 100_000) for each in _names(options.layers)),
        "seeds": count("seeds", options.seeds, 1, 10_000) if options.seeds else None,
        "first": count("seed", options.seed, 0, LARGEST_SEED) if options.seed else None,
        "eps": positive("eps", options.eps) if options.eps else None,
        "without": options.without,
        "full": options.full,
    }
    what = asked.Asked(model, **{field: value for field, value in given.items() if value})
    asked.plan_of(what)  # what is wrong is an error before anything is computed
    with (
        sharing.keeping(options, Request.of(asked.KIND, what.about)) as kept,
        progress("verify", COUNTED if kept else NOTHING) as report,
    ):
        return asked.measured(what, report)


def _names(given: list[str] | None) -> tuple[str, ...]:
    """Names repeated or separated by commas."""
    return tuple(dict.fromkeys(name for several in given or [] for name in several.split(",")))
