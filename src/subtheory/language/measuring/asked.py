"""A verification of a pretrained model as it is asked for: claims, texts and traits, and what breaks assumptions."""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from subtheory import arguments, session
from subtheory.claim import Claim, Control
from subtheory.claims import CLAIMS
from subtheory.claims.assumptions import SHARED_INIT
from subtheory.errors import InputError
from subtheory.instruments.first_order import FirstOrder
from subtheory.language import checkpoint, packaged
from subtheory.language.channels import CHANNELS
from subtheory.language.measuring.pretrained import TOKENS, Pretrained, weights
from subtheory.language.traits import TRAITS
from subtheory.ledger.parts import Progress
from subtheory.provenance import provenance
from subtheory.setting.setting import Setting, ladder
from subtheory.setting.teachers import Converged
from subtheory.suggest import choose
from subtheory.theory.losses import LOSSES
from subtheory.verification.judgement import Plan, planned
from subtheory.verification.plan import Job, control_settings
from subtheory.verification.results import Verification
from subtheory.verification.verdicts import broken, verified, without

KIND = "pretrained"

PLAIN = ("numbers", "code", "reasoning")
"""Channels that share no prompt with a trait's questions."""


def is_model(name: str) -> bool:
    """Whether this names a pretrained model: by a name, a file or a folder."""
    return name in (*packaged.KNOWN, checkpoint.TINY) or name.endswith(".gguf") or os.path.exists(name)


@dataclass(frozen=True)
class Asked:
    """A model, names of claims (none: all that apply), losses, channels and traits, and how much of each is measured.

    Each channel's `texts` are cut to so many `tokens`; a trait asks its first `questions`; `layers` are all that
    teacher and student move, where any are named. `full` breaks assumptions on every channel and trait, in place of a
    few, and takes the claims in that each run several teachers of their own.
    """

    model: str
    claims: tuple[str, ...] = ()
    losses: tuple[str, ...] = ("cross-entropy",)
    channels: tuple[str, ...] = PLAIN
    traits: tuple[str, ...] = tuple(TRAITS)
    tokens: int = TOKENS
    texts: int = 2
    questions: int = 1
    layers: tuple[int, ...] = ()
    seeds: int = 1
    first: int = 0
    eps: float = 0.3
    without: str | None = None
    full: bool = False
    sha256: str = ""
    """Of the weights."""

    def __post_init__(self) -> None:
        for field, known in (("claim", CLAIMS), ("loss", LOSSES), ("channel", CHANNELS), ("trait", TRAITS)):
            names = getattr(self, "losses" if field == "loss" else f"{field}s")
            for name in names:
                choose(field, name, known)
            if not names and field != "claim":
                raise InputError(field, "none", "must be at least one")
        for field, least in (("tokens", 2), ("texts", 1), ("questions", 1), ("seeds", 1), ("first", 0)):
            arguments.whole(field, getattr(self, field), least)

    @property
    def about(self) -> dict[str, Any]:
        """As JSON; the weights by their hash, too."""
        return asdict(self) | {"sha256": weights(self.model).sha256}

    @property
    def numbers(self) -> tuple[int, ...]:
        """The seeds."""
        return tuple(range(self.first, self.first + self.seeds))


def pairs(what: Asked) -> list[tuple[str, str]]:
    """Channels and traits by turns, so that each is there; every one with every other with `full`."""
    C, T = what.channels, what.traits
    if what.full:
        return [(channel, trait) for trait in T for channel in C]
    return [(C[i % len(C)], T[i % len(T)]) for i in range(max(len(C), len(T)))]


def grid(what: Asked) -> list[Setting]:
    """The pairs of a channel and a trait, with every loss. Raises InputError for a model that is not there."""
    network, eps = weights(what.model).network, ladder(what.eps)
    sources = [Pretrained(what.model, channel, trait, what.tokens, what.layers) for channel, trait in pairs(what)]
    for source in sources:
        source.functions()
        for seed in what.numbers:
            source.inputs(None, seed, what.texts)
    return [
        Setting(network, LOSSES[loss], source=source, eps=eps, examples=what.texts, trait_examples=what.questions)
        for source in sources for loss in what.losses
    ]  # fmt: skip


def broken_on(what: Asked, settings: Sequence[Setting], assumption: str = "") -> list[Setting]:
    """Where an assumption is broken: on the first of these settings' sources, or everywhere with `full`.

    With other weights a sign is a coin: they are tried everywhere.
    """
    if what.full or assumption == SHARED_INIT.name:
        return list(settings)
    return [s for s in settings if (s.source.channel, s.source.trait) == pairs(what)[0]]  # type: ignore[union-attr]


def speaks(claim: Claim) -> bool:
    """Whether a claim is about the first order of a given network: what a large one can be measured for."""
    return isinstance(claim.reads, FirstOrder) and claim.settings is None


def jobs(what: Asked, settings: Sequence[Setting]) -> list[Job]:
    """Claims that speak of some of these settings, then their controls.

    Raises InputError on "claim" for one that is named and does not.
    """
    found = []
    for claim in (CLAIMS[name] for name in what.claims or CLAIMS):
        if own := _own(claim, settings, settings if what.full else ()):
            found.append(Job(claim, own))
            for control in claim.controls:
                few = broken_on(what, settings, control.assumption.name)
                found.append(_broken(claim, control, own if claim.spread else [s for s in own if s in few]))
        elif what.claims:
            more = " with --full" if claim.spread and speaks(claim) else ""
            raise InputError("claim", claim.name, f"must be one that such a model can be measured for{more}")
    return found


def _own(claim: Claim, settings: Sequence[Setting], spread: Sequence[Setting]) -> tuple[Setting, ...]:
    """Its settings; of a claim that makes several of one, each with a teacher of its own, those of the first."""
    if not speaks(claim):
        return ()
    return claim.own([s for s in spread if claim.applies(s)][:1] if claim.spread else settings)


TRAINED = "a converged teacher is trained for 40 steps, which such a model is not here"


def _broken(claim: Claim, control: Control, own: Sequence[Setting]) -> Job:
    """The claim without an assumption, where that can be measured."""
    every = control_settings(control, own)
    some = tuple(s for s in every if not (isinstance(s.source, Pretrained) and s.teacher == Converged()))
    bars = [control.assumption.bar(setting) for setting in own]
    return Job(claim, some, control, TRAINED if every and not some else "; ".join(dict.fromkeys(filter(None, bars))))


@lru_cache(maxsize=2)
def plan_of(what: Asked) -> Plan:
    """What has to be run. Raises InputError for what is not there, and where nothing applies."""
    todo = jobs(what, grid(what))
    if not todo:
        raise InputError("loss", ", ".join(what.losses), "has no claim that such a model can be measured for")
    if what.without is not None:
        choose("without", what.without, {a.name: a for job in todo for a in job.claim.assumptions})
        todo = without(what.without, todo)
        if not todo:
            raise InputError("without", what.without, "cannot be broken on such a model")
    return planned(todo, what.numbers)


def measured(what: Asked, progress: Progress | None = None) -> Verification:
    """The verdicts. Raises InputError as `plan_of` does."""
    plan = plan_of(what)
    found = (verified if what.without is None else broken)(plan, progress)
    told = provenance(what.numbers) | {"model": what.model, "sha256": weights(what.model).sha256}
    return replace(found, messages=_messages(what, plan), provenance=told)


def _messages(what: Asked, plan: Plan) -> tuple[str, ...]:
    own, claims = weights(what.model), {job.claim.name for job in plan.jobs}
    moved = f"layers {', '.join(map(str, what.layers))}" if what.layers else "all parameters"
    where = broken_on(what, grid(what))[0].source.name  # type: ignore[union-attr]
    asks = f"{what.questions} question{'s' if what.questions > 1 else ''} a trait"
    return (
        f"{what.model}: {own.layout.size:,} parameters{f', {own.note}' if own.note else ''}",
        f"{what.texts} texts of at most {what.tokens} tokens a channel, {asks}; {moved}",
        *(
            []
            if what.full
            else [f"channels and traits by turns; assumptions are broken on {where}, other weights everywhere"]
        ),
        f"{len(claims)} of {len(CLAIMS)} claims are asked: others read instruments that such a model is too large for, "
        "or settings of their own",
    )


def replay(about: Mapping[str, Any]) -> None:
    """Start it again, for one of its parts. Raises InputError on "model" where its weights are others now."""
    given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in about.items()}
    what = Asked(**given)
    if weights(what.model).sha256 != what.sha256:
        raise InputError("model", what.model, "has other weights than when it was asked about")
    measured(what)


def verify(
    model: str,
    *,
    channels: str | Iterable[str] = PLAIN,
    traits: str | Iterable[str] = tuple(TRAITS),
    losses: str | Iterable[str] = ("cross-entropy",),
    claims: str | Iterable[str] = (),
    layers: Iterable[int] = (),
    progress: Progress | None = None,
    **numbers: Any,
) -> Verification:
    """Check the first-order claims on a pretrained model, with assumptions broken in turn, as `subtheory.verify` does.

    model: "smollm2", a GGUF file or a folder. channels, traits, losses, claims: names, by default three channels that
    share no prompt with a trait's questions, three traits, cross-entropy, and all claims that apply. layers: all that
    teacher and student move. numbers: tokens, texts, questions, seeds, first, eps, without, full as in `Asked`. Needs
    about 6 GiB for 134 M parameters: float64, one vector of parameters after the other. Raises InputError for a model
    that is not there, unknown names, and claims that do not apply.
    """
    names = {"channels": channels, "traits": traits, "losses": losses, "claims": claims}
    given: dict[str, Any] = {field: (n,) if isinstance(n, str) else tuple(n) for field, n in names.items()}
    what = Asked(model, layers=tuple(layers), **given, **numbers)
    return measured(what, progress or session.report("verify"))
