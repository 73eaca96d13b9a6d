"""A verification of built-in things as it is asked for, by their names: any process can start it from JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from subtheory.claims import CLAIMS
from subtheory.data import CHANNELS
from subtheory.errors import InputError
from subtheory.ledger.parts import Progress
from subtheory.networks import NETWORKS
from subtheory.setting.setting import ladder
from subtheory.suggest import choose
from subtheory.theory.losses import LOSSES
from subtheory.verification import grid
from subtheory.verification.judgement import Plan, planned
from subtheory.verification.plan import How, Size, jobs
from subtheory.verification.results import Verification
from subtheory.verification.verdicts import broken, verified, without

KIND = "verify"


@dataclass(frozen=True)
class Asked:
    """Names of what is verified, the seeds first ... first + seeds − 1, the largest ε, and an assumption to break."""

    claims: tuple[str, ...]
    networks: tuple[str, ...]
    losses: tuple[str, ...]
    channels: tuple[str, ...] = ()
    size: Size = "default"
    first: int = 0
    seeds: int = 8
    eps: float | None = None
    without: str | None = None

    @property
    def about(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)

    @property
    def numbers(self) -> tuple[int, ...]:
        """The seeds."""
        return tuple(range(self.first, self.first + self.seeds))


def asked(about: Mapping[str, Any]) -> Asked:
    """From what `Asked.about` says."""
    given: dict[str, Any] = {name: tuple(v) if isinstance(v, list | tuple) else v for name, v in about.items()}
    return Asked(**given)


@lru_cache(maxsize=2)
def plan_of(what: Asked) -> Plan:
    """Claims on the grid of what is asked for. Raises InputError for an unknown name, and if nothing fits."""
    claims = [choose("claim", name, CLAIMS) for name in what.claims]
    networks = [choose("network", name, NETWORKS) for name in what.networks]
    losses = [choose("loss", name, LOSSES) for name in what.losses]
    channels = [choose("channel", name, CHANNELS) for name in what.channels]
    quick = what.size == "quick"
    settings = grid.cells(grid.runs(networks, channels, quick), losses, quick)
    if not settings:
        raise InputError("channel", what.channels[0], f"fits none of {', '.join(what.networks)}")
    if what.eps is not None:
        settings = [replace(setting, eps=ladder(what.eps)) for setting in settings]
    todo = jobs(claims, settings, what.size)
    if what.without is None:
        return planned(todo, what.numbers)
    choose("without", what.without, {a.name: a for claim in claims for a in claim.assumptions})
    chosen = without(what.without, todo)
    if not chosen:
        raise InputError("without", what.without, "cannot be broken on the chosen settings")
    return planned(chosen, what.numbers)


def verify(what: Asked, progress: Progress | None = None) -> Verification:
    """The verdicts. Raises InputError as `plan_of` does."""
    how, plan = How(what.size, ours=True), plan_of(what)
    return verified(plan, progress, how) if what.without is None else broken(plan, progress, how)


def replay(about: Mapping[str, Any]) -> None:
    """Start it again, for one of its parts."""
    verify(asked(about))
