"""Which settings a verification starts from: a covering design over networks, channels, outputs, teachers."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from subtheory.data import Blank, Channel, NumberSequences, channels_of
from subtheory.networks import NETWORKS, LinenNetwork
from subtheory.setting.setting import Setting
from subtheory.setting.teachers import TEACHERS, Invisible, LogitShift
from subtheory.statistics import covering
from subtheory.theory.losses import LOSSES, Loss

OUTPUTS = ("all", "aux", "class")
"""Groups of logits that a student may be shown."""

SEEN = tuple(teacher for teacher in TEACHERS.values() if not teacher.unseen)
"""Teachers whose direction a channel is meant to see."""

QUICK = ("mlp", "mlp-relu", "convnet", "transformer")
"""Networks of a quick verification: smooth, kinked, convolutional, attentive."""


def zero_branch(network: LinenNetwork, channel: Channel) -> Iterator[Setting]:
    """A uniform logit shift, outputs that are not distilled, and inputs that leave parameters dead."""
    yield Setting(network, channel=channel, outputs="all", teacher=LogitShift())
    yield Setting(network, channel=channel, outputs="aux", teacher=LogitShift())
    yield Setting(network, channel=channel, outputs="aux", teacher=Invisible())
    dead = Blank() if network.task.dtype.startswith("float") else NumberSequences()
    yield Setting(network, channel=dead, outputs="all", teacher=Invisible())


def runs(
    networks: Iterable[LinenNetwork], channels: Sequence[Channel] | None = None, quick: bool = False
) -> list[Setting]:
    """The settings of a verification but for the loss, which every run measures all at once.

    Networks of one task share a covering design, of all pairs or, `quick`, of every level with each network; every
    network also gets its own zero branch.
    """
    chosen = list(networks)
    found: list[Setting] = []
    for task in dict.fromkeys(network.task for network in chosen):
        own = [network for network in chosen if network.task == task]
        laws = [c for c in channels or channels_of(task) if c.fits(task)]
        if not laws:
            continue
        design = covering([own, SEEN, laws, OUTPUTS], star=quick)
        found += [Setting(n, channel=c, outputs=o, teacher=t) for n, t, c, o in design]  # type: ignore[arg-type]
        for network in own:
            found += zero_branch(network, laws[0])
    return found


def cells(settings: Iterable[Setting], losses: Iterable[Loss], quick: bool = False) -> list[Setting]:
    """Every run with every loss; `quick`, with every other loss, by turns."""
    several, found = list(losses), list[Setting]()
    step = 2 if quick else 1
    for i, setting in enumerate(settings):
        chosen = (several[(i + step * j) % len(several)] for j in range(-(-len(several) // step)))
        found += [replace(setting, loss=loss) for loss in chosen]
    return found


def default(quick: bool = False) -> list[Setting]:
    """The grid of `subtheory verify` without arguments, or with `--quick`."""
    networks = [network for name, network in NETWORKS.items() if not quick or name in QUICK]
    return cells(runs(networks, quick=quick), LOSSES.values(), quick)
