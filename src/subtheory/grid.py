"""Which settings a verification runs: a pairwise covering design over networks, channels, outputs, teachers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import combinations, product

from subtheory.data.channels import Blank, Channel, NumberSequences, channels_of
from subtheory.networks import NETWORKS
from subtheory.networks.linen import LinenNetwork
from subtheory.setting import Setting
from subtheory.theory.losses import LOSSES, Loss
from subtheory.theory.teachers import TEACHERS

OUTPUTS = ("all", "aux", "class")
"""Groups of logits that a student may be shown."""

SEEN = tuple(name for name in TEACHERS if name not in ("logit-shift", "invisible"))
"""Teachers whose direction a channel is meant to see."""

QUICK = ("mlp", "mlp-relu", "convnet", "transformer")
"""Networks of a quick verification: smooth, kinked, convolutional, attentive."""


def covering(factors: Sequence[Sequence[object]]) -> Iterator[tuple[object, ...]]:
    """Rows of a design in which every pair of levels of every two factors occurs; greedy, deterministic.

    The first factor's levels come round robin, so that every prefix of the design is balanced.
    """
    pairs = {
        (i, a, j, b)
        for i, j in combinations(range(len(factors)), 2)
        for a in range(len(factors[i]))
        for b in range(len(factors[j]))
    }
    rows = list(product(*(range(len(levels)) for levels in factors)))
    turn = 0
    while pairs:
        own = [row for row in rows if row[0] == turn % len(factors[0])]
        best = max(own, key=lambda row: len(_covered(row) & pairs))
        turn += 1
        if _covered(best) & pairs:
            pairs -= _covered(best)
            yield tuple(levels[k] for levels, k in zip(factors, best, strict=True))


def _covered(row: tuple[int, ...]) -> set[tuple[int, int, int, int]]:
    return {(i, row[i], j, row[j]) for i, j in combinations(range(len(row)), 2)}


def zero_branch(network: LinenNetwork, channel: Channel) -> Iterator[Setting]:
    """A uniform logit shift, outputs that are not distilled, and inputs that leave parameters dead."""
    yield Setting(network, channel=channel, outputs="all", teacher="logit-shift")
    yield Setting(network, channel=channel, outputs="aux", teacher="logit-shift")
    yield Setting(network, channel=channel, outputs="aux", teacher="invisible")
    dead = Blank() if network.task.dtype.startswith("float") else NumberSequences()
    yield Setting(network, channel=dead, outputs="all", teacher="invisible")


def runs(networks: Iterable[LinenNetwork], channels: Sequence[Channel] | None = None) -> list[Setting]:
    """The settings of a verification but for the loss, which every run measures all at once.

    Networks of one task share a covering design; every network also gets its own zero branch.
    """
    chosen = list(networks)
    found: list[Setting] = []
    for task in dict.fromkeys(network.task for network in chosen):
        own = [network for network in chosen if network.task == task]
        laws = [c for c in channels or channels_of(task) if c.reals == task.dtype.startswith("float")]
        if not laws:
            continue
        design = covering([own, SEEN, laws, OUTPUTS])
        found += [Setting(n, channel=c, outputs=o, teacher=t) for n, t, c, o in design]  # type: ignore[arg-type]
        for network in own:
            found += zero_branch(network, laws[0])
    return found


def cells(settings: Iterable[Setting], losses: Iterable[Loss]) -> list[Setting]:
    """Every run with every loss."""
    return [replace(setting, loss=loss) for setting, loss in product(settings, losses)]


def default(quick: bool = False) -> list[Setting]:
    """The grid of `subtheory verify` without arguments, or with `--quick`."""
    networks = [network for name, network in NETWORKS.items() if not quick or name in QUICK]
    return cells(runs(networks), LOSSES.values())
