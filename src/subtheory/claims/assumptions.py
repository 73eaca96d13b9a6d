"""The assumptions of the theory, each a sentence and the change of setting that makes it false."""

from subtheory.claim import Assumption
from subtheory.setting.setting import Setting
from subtheory.setting.student import Elsewhere, Redrawn
from subtheory.setting.teachers import Converged, Random
from subtheory.theory.losses import L1
from subtheory.theory.rule import Signs
from subtheory.theory.trains import Half
from subtheory.theory.views import Accepted


def _no_other_init(setting: Setting) -> str:
    """Why the source of a setting has no independent init; empty if it has one."""
    return getattr(setting.source, "fixed", "")


SHARED_INIT = Assumption(
    "shared-init",
    "Teacher and student start from the same parameters θ0.",
    lambda setting: None if _no_other_init(setting) else setting.but(init=Redrawn()),
    _no_other_init,
)


def _another_architecture(setting: Setting) -> Setting | None:
    """The student becomes the next built-in network of the same task, with its own init."""
    from subtheory.networks import NETWORKS

    task = getattr(setting.network, "task", None)
    peers = [network for network in NETWORKS.values() if network.task == task]
    if setting.network not in peers or len(peers) < 2:
        return None
    return setting.but(init=Elsewhere(peers[(peers.index(setting.network) + 1) % len(peers)]))


SAME_ARCHITECTURE = Assumption(
    "same-architecture",
    "Teacher and student are the same function of the same parameters.",
    _another_architecture,
)

SAME_PARAMETERS = Assumption(
    "same-parameters",
    "The student may move every parameter that the teacher moved.",
    lambda setting: setting.but(trains=Half()),
)

GRADIENT_STUDENT = Assumption(
    "gradient-student",
    "The student takes one plain gradient step, not one of signs (Adam's first).",
    lambda setting: setting.but(rule=Signs()),
)

GRADIENT_TEACHER = Assumption(
    "gradient-teacher",
    "The teacher took one gradient step on its own loss, Δ = −∇L_T(θ0).",
    lambda setting: setting.but(teacher=Converged()),
)

UNFILTERED = Assumption(
    "unfiltered-outputs",
    "The labels are the teacher's full outputs: nothing is dropped or reweighted by what they say.",
    lambda setting: setting.but(view=Accepted()),
)

INTERIOR_MINIMUM = Assumption(
    "interior-minimum",
    "The imitation loss has an interior minimum at z = y, with a second derivative there.",
    lambda setting: setting.but(loss=L1()),
)

SMALL_EPS = Assumption(
    "small-eps",
    "ε is small: the outputs of the teacher lie within the linear range around θ0.",
    lambda setting: None,
)

DIFFERENTIABLE = Assumption(
    "differentiable",
    "The network is differentiable in its parameters at θ0, on every channel input, and so is the trait loss.",
    lambda setting: None,
)

SMOOTH_SEGMENT = Assumption(
    "smooth-segment",
    "The network is three times differentiable on the teacher's segment: no kink of a ReLU is crossed.",
    lambda setting: None,
)

NULL_SPACE = Assumption(
    "null-space-clause",
    "Directions that the loss does not see at the match, it sees for no teacher output at all.",
    lambda setting: None,
)

UNSEEN = Assumption(
    "unseen-direction",
    "The channel does not see the teacher's direction to first order, q = ΔᵀGΔ = 0.",
    lambda setting: setting.but(teacher=Random()),
)
