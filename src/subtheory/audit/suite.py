"""The declared suite: claims about one step on small networks, judged seed by seed, many seeds in one stack.

A claim fails on a seed as it does in a verification: on the ladder of ε, and, if it is about small ε, on a finer one
too.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from subtheory.audit.planting import planted
from subtheory.audit.plants import PLANTS
from subtheory.audit.results import Check, Tell, at_least, at_most
from subtheory.claim import Claim, Verdict
from subtheory.claims import CLAIMS
from subtheory.instruments.first_order import FirstOrder
from subtheory.instruments.instrument import Instrument
from subtheory.instruments.two_inits import TwoInits
from subtheory.networks import MLP, ConvNet, LinenNetwork, Transformer
from subtheory.numerics import COARSE, LADDER_RATIO
from subtheory.setting.setting import Setting, ladder
from subtheory.setting.student import Redrawn
from subtheory.setting.teachers import Invisible
from subtheory.theory.losses import KL, CrossEntropy, Loss, SquaredError
from subtheory.verification.plan import measured

READS: tuple[Instrument, ...] = (FirstOrder(), TwoInits())
"""Instruments of the suite."""

SUITE: dict[str, Claim] = {name: one for name, one in CLAIMS.items() if one.reads in READS and one.settings is None}
"""Claims that speak of any network and are not about many steps, sampled labels or constructed cases."""

LARGEST = 0.04
"""Of the ladder: four times that of a verification, so that rounding leaves terms of second order on the finer one."""

EXAMPLES = 6
"""Of the channel, and of the trait."""

SQUARED = SquaredError()
LOSSES: tuple[Loss, ...] = (SQUARED, CrossEntropy(), KL())

NETWORKS: tuple[LinenNetwork, ...] = (MLP(width=4, depth=1), Transformer(width=4, heads=1))
"""On which errors are planted: outputs of one input, and at every position of a sequence."""

MORE: tuple[LinenNetwork, ...] = (
    MLP(width=4, depth=1, activation="relu"),
    MLP(width=4, depth=1, activation="gelu"),
    ConvNet(channels=(2,)),
)
"""On which true claims must not fail either."""


@dataclass(frozen=True)
class Place:
    """A setting of the suite, the instrument that reads it, and the losses of its students."""

    reads: Instrument
    setting: Setting
    losses: tuple[Loss, ...]


def places(networks: Sequence[LinenNetwork] = NETWORKS) -> list[Place]:
    """Students of a shared init on each network, and on the first also one of another init and an unseen teacher."""
    eps = ladder(LARGEST)
    each = [Setting(n, outputs="aux", examples=EXAMPLES, trait_examples=EXAMPLES, eps=eps) for n in networks]
    found = [Place(FirstOrder(), setting, LOSSES) for setting in each]
    found.append(Place(FirstOrder(), each[0].but(teacher=Invisible()), (SQUARED,)))
    return [*found, Place(TwoInits(), each[0].but(init=Redrawn()), LOSSES)]


Judged = dict[tuple[str, str], list[Verdict]]
"""A verdict a seed, by claim and loss."""


def verdicts(place: Place, seeds: Sequence[int]) -> Judged:
    """Of every claim that speaks of a place."""
    found: Judged = {}
    first, finer = _records(place, place.setting, seeds), dict[int, dict[str, list[Any]]]()
    for loss in place.losses:
        for claim in SUITE.values():
            if claim.reads != place.reads or not claim.applies(place.setting.but(loss=loss)):
                continue
            each = _judged(claim, first[loss.name])
            hidden = set() if claim.every_eps else {i for i, one in enumerate(each) if one is Verdict.FAILS}
            for rungs in range(COARSE, 0, -1):  # as `verification.judgement.confirmed` does
                if not hidden:
                    break
                finer[rungs] = finer.get(rungs) or _records(place, refined(place.setting, rungs), seeds)
                again = _judged(claim, finer[rungs][loss.name], finer=True)
                each = [again[i] if i in hidden else one for i, one in enumerate(each)]
                hidden = {i for i in hidden if again[i] is Verdict.VACUOUS}
            found[claim.name, loss.name] = each
    return found


def _records(place: Place, setting: Setting, seeds: Sequence[int]) -> dict[str, list[Any]]:
    return measured(((place.reads, setting), tuple(seeds), place.losses))


def _judged(claim: Claim, records: Sequence[Any], finer: bool = False) -> list[Verdict]:
    with np.errstate(all="ignore"):
        each = [claim.check_measurement(record) for record in records]
    return [Verdict.VACUOUS if finer and one.settling else one.verdict for one in each]


def refined(setting: Setting, rungs: int) -> Setting:
    """The same with a ladder so many rungs finer, on which a failure is confirmed."""
    return setting.but(eps=tuple(eps / LADDER_RATIO**rungs for eps in setting.eps))


def caught(core: AbstractContextManager[Any], seeds: Sequence[int]) -> list[set[str]]:
    """Names of the claims that fail on each seed, with the core as the context makes it."""
    found: list[set[str]] = [set() for _ in seeds]
    with core:
        for place in places():
            for (name, _), each in verdicts(place, seeds).items():
                for own, verdict in zip(found, each, strict=True):
                    own |= {name} if verdict is Verdict.FAILS else set()
    return found


# Checks -------------------------------------------------------------------------------------------

SEEDS, FEW = 40, 4
"""Of every kind of error; of a quick audit."""

DETECTED = 0.99
"""Share of the seeds on which a kind is to be noticed."""


def planted_errors(quick: bool, tell: Tell) -> Check:
    """Every kind of error, on many seeds: on how many does a claim of the suite fail?"""
    seeds = range(FEW if quick else SEEDS)
    rows: list[dict[str, Any]] = []
    for name, plant in PLANTS.items():
        tell(name)
        failed = caught(planted(plant), seeds)
        count = sum(map(bool, failed))
        low = at_least(count, len(seeds))
        by = ", ".join(claim for claim in SUITE if any(claim in each for each in failed))
        rows.append(
            {"kind": name, "error": plant.__doc__, "seeds": len(seeds), "caught": count, "at least": low, "by": by}
        )
    shares = [row["caught"] / row["seeds"] for row in rows]
    noticed = sum(share >= DETECTED for share in shares)
    return Check(
        row="R9",
        what="planted errors are caught",
        draws=len(rows) * len(seeds),
        found=f"{noticed} of {len(rows)} kinds, the least on {100 * min(shares):.3g} % of {len(seeds)} seeds",
        target=f"every kind on ≥ {100 * DETECTED:g} % of its seeds",
        ok=noticed == len(rows),
        details=tuple(rows),
    )


ALARMS = 80
"""Seeds of every network: with five of them, each with its own init and data, 400 draws."""

OPEN = 0.02
"""Share of the verdicts that may say nothing."""


def false_alarms(quick: bool, tell: Tell) -> Check:
    """The sound core on many draws of networks and data: does a claim fail?"""
    seeds, said, wrong, drawn = range(FEW if quick else ALARMS), list[Verdict](), set[tuple[Place, int]](), 0
    for place in places([*NETWORKS, *([] if quick else MORE)]):
        tell(place.setting.shown)
        drawn += len(seeds) if place.setting.theorem and not place.setting.zero_branch else 0
        for each in verdicts(place, seeds).values():
            said += each
            wrong |= {(place, seed) for seed, verdict in zip(seeds, each, strict=True) if verdict is Verdict.FAILS}
    silent = sum(verdict is not Verdict.HOLDS and verdict is not Verdict.FAILS for verdict in said) / len(said)
    return Check(
        row="R10",
        what="true claims do not fail",
        draws=drawn,
        found=f"{len(wrong)} fail (at most {100 * at_most(len(wrong), drawn):.2g} % of draws), "
        f"{100 * silent:.2g} % of {len(said)} verdicts say nothing",
        target=f"0 fail, ≤ {100 * OPEN:g} % say nothing",
        ok=not wrong and silent <= OPEN,
    )
