"""How much still crosses as the student's init leaves the teacher's: any paths, networks and losses, in one table.

One row a path, network, loss, seed and amount, with every measure of how alike the two inits are beside what one step
of the student does: alignment and change of the trait loss, raw, beyond the student of the untrained teacher, and as
predicted. The prediction is a cross-kernel of the two inits, D(ε) − D(0) = ε E[(J_SΔ)ᵀM(J_TΔ)] + ½ε²h″(0) + O(ε³), in
Jacobians alone (P18, P19); raw numbers are shown beside it, and not claimed. A path that a network has no units for, or
a student of another architecture that does not fit, is left out by name: table `skipped`.
"""

from dataclasses import dataclass

from subtheory.arguments import seeds
from subtheory.data import CHANNELS, Channel
from subtheory.errors import InputError
from subtheory.networks import NETWORKS
from subtheory.setting.setting import Setting
from subtheory.study.ablation import SEEDS, SIZE
from subtheory.study.curves import figure
from subtheory.study.experiment import Progress, Tables
from subtheory.study.judgement import findings
from subtheory.study.options import at_least
from subtheory.study.walks import swept
from subtheory.suggest import choose
from subtheory.theory.losses import LOSSES
from subtheory.verification.grid import OUTPUTS, SEEN

__all__ = ["COMMAND", "EXPECTED", "PLAN", "QUESTION", "QUICK", "figure", "findings", "tables"]

QUESTION = "How much still crosses as the student's init leaves the teacher's, along any path, on any network?"
COMMAND = "subtheory run ablation"
EXPECTED = (
    "What the teacher's update adds lies on the cross-kernel and its next order, off by less than the relative size of "
    "the update; at amount 0 it is that of the shared init; permuted units and flipped signs keep the trait change."
)
CAPTIONS = {
    "means": "What one step of a student takes over as its init leaves its teacher's, over the same at the shared "
    "init, by the amount along {means.path:list} ({means.network:list}; {means.loss:list}; means over {rows.seed} "
    "seeds, at most six combinations). (a) Alignment of student's step and teacher's update, (b) change of the trait "
    "loss: markers with 95 % intervals are measured, less the student of the untrained teacher; lines are predicted "
    "by the cross-kernel ε E[(J_SΔ)ᵀM(J_TΔ)] of the two inits, from Jacobians alone. (c), (d) How alike the inits "
    "are, by distances and by overlaps of kernels.",
}


@dataclass(frozen=True)
class Plan:
    """Names of paths, networks and losses, separated by commas; amounts likewise, or each path's own. The rest is what
    a setting has: `channel` the network's own if it is none, `seed` the first one, `eps` the relative size of
    the teacher's update.
    """

    path: str = "noise"
    network: str = "mlp"
    loss: str = "squared-error"
    channel: str | None = None
    outputs: str = "aux"
    teacher: str = "gradient-descent"
    amounts: str | None = None
    seeds: int = SEEDS
    seed: int = 0
    eps: float = SIZE

    def __post_init__(self) -> None:
        at_least(self, seeds=1, seed=0)


PLAN, QUICK = Plan(), Plan(seeds=4)


def tables(plan: Plan = PLAN, progress: Progress | None = None) -> Tables:
    """Means over seeds, all rows, and the paths that do not fit, if there are any."""
    settings = [one.but(eps=(plan.eps,)) for one in settings_of(plan)]
    amounts = numbers(plan.amounts) if plan.amounts is not None else None
    return swept(settings, names(plan.path), amounts, seeds(plan.seeds, first=plan.seed), plan.eps, progress)


# Options ------------------------------------------------------------------------------------------


def names(text: str) -> list[str]:
    """Names separated by commas, each once."""
    return list(dict.fromkeys(name.strip() for name in text.split(",")))


def numbers(text: str) -> tuple[float, ...]:
    """Numbers separated by commas, each once."""
    try:
        return tuple(dict.fromkeys(float(part) for part in text.split(",")))
    except ValueError:
        raise InputError("amounts", repr(text), "must be numbers separated by commas") from None


def settings_of(plan: Plan) -> list[Setting]:
    """One for every network and loss. Raises InputError, naming the option, for an unknown name or a misfit."""
    nets = [choose("network", name, NETWORKS) for name in names(plan.network)]
    regular = {name: loss for name, loss in LOSSES.items() if loss.order == 1}
    chosen = [choose("loss", name, regular) for name in names(plan.loss)]
    law: Channel | None = choose("channel", plan.channel, CHANNELS) if plan.channel else None
    group = choose("outputs", plan.outputs, {name: name for name in OUTPUTS})
    mover = choose("teacher", plan.teacher, {one.name: one for one in SEEN})
    for net in nets:
        if law is not None and not law.fits(net.task):
            raise InputError("channel", repr(law.name), f"must have the inputs of {net.name}")
    return [Setting(net, loss, law, group, mover) for net in nets for loss in chosen]
