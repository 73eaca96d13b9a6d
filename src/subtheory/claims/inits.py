"""Two inits: what the teacher's update adds to a student that starts elsewhere, along every path away from θ0."""

from typing import TYPE_CHECKING, Any

import numpy as np

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import GRADIENT_STUDENT
from subtheory.claims.first_order import regular
from subtheory.envelope import limit, worst
from subtheory.instruments.two_inits import Crossing, TwoInits
from subtheory.networks import MLP, Linear
from subtheory.numerics import LADDER_RATIO
from subtheory.setting.setting import Setting
from subtheory.setting.spread import along_every_path, another_function
from subtheory.setting.student import Redrawn, path_of
from subtheory.setting.teachers import GradientDescent
from subtheory.theory.losses import KL, JensenShannon, ReverseKL, SquaredError

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

CONSTANT = 1e-3
"""How far the leading constant may be off, relative to E‖J_SΔ‖‖M J_TΔ‖."""


CONTROLLED = Assumption(
    "controlled",
    "The student of the untrained teacher, from the same init, is subtracted.",
    lambda setting: setting.but(subtracted=False) if another_function(setting) else None,
)

ONE_DIVERGENCE = Assumption(
    "one-divergence",
    "The loss is a KL divergence in one order, not a mixture of both.",
    lambda setting: (
        setting.but(loss=JensenShannon()) if isinstance(setting.network, MLP) and another_function(setting) else None
    ),
)

ONE_JACOBIAN = Assumption(
    "one-jacobian",
    "One Jacobian serves both inits: the network is linear in its parameters.",
    lambda setting: setting.but(network=MLP(width=8, depth=1, task=setting.network.task)),  # type: ignore[attr-defined]
)


def one_step(setting: Setting) -> bool:
    """The theorem's teacher, and a loss with an interior minimum."""
    return regular(setting) and setting.teacher == GradientDescent()


def extrapolated(values: np.ndarray) -> float:
    """The limit of a(ε) = a + bε + O(ε²) from the two smallest ε of a ladder."""
    return float((LADDER_RATIO * values[-1] - values[-2]) / (LADDER_RATIO - 1))


def _constant(c: Crossing, predicted: float) -> Evidence:
    """Whether [D(ε) − D(0)]/ε tends to `predicted`, relative to the scale; vacuous where rounding is as large."""
    if not c.scale > 0 or c.rounding[-2] > 0.1 * CONSTANT * c.eps[-2] * c.scale:
        return Evidence(0.0, 0.0, 1.0, "the kernel is at rounding level")
    measured = extrapolated(c.added / c.eps)
    return Evidence(measured / c.scale, predicted / c.scale, 1 - abs(measured - predicted) / (CONSTANT * c.scale))


@claim(
    formula="D(ε) − D(0) = ε E[(J_SΔ)ᵀ M (J_TΔ)] + ½ε²h″(0) + O(ε³),  M = −∂_z∂_y l at (f_S, f_T)",
    source="Lemma 1 of arXiv 2507.14805 for two inits, after subtraction of the untrained teacher's student (P18)",
    controls=[Control(CONTROLLED, fails=0.95), Control(GRADIENT_STUDENT, fails=0.95)],
    applies=one_step,
    spread=along_every_path,
    reads=TwoInits(),
    proof="cross_kernel",
)
def cross_kernel_is_the_trait_part(c: Crossing) -> Evidence:
    """What the teacher's update adds to a student of another init is a cross-kernel of the two, along every path.

    The error, relative to εE‖J_SΔ‖‖M J_TΔ‖, falls linearly in ε, with its own leading constant.
    """
    constant = _constant(c, c.kernel)
    if constant.vacuous:
        return constant
    first = limit(c.added, c.eps * c.kernel, c.eps * c.scale, c.eps, 2, c.rounding)
    curved = c.eps**2 / 2 * c.second
    rounding = c.rounding + c.eps**2 / 2 * c.second_rounding
    second = limit(c.added - c.eps * c.kernel, curved, curved, c.eps, 3, rounding)
    return worst([constant], first.margin, second.margin)


@claim(
    formula="KL(y ‖ z): M = diag(p) − ppᵀ at p = softmax(f_T);  KL(z ‖ y): at p = softmax(f_S)",
    source="−∂_z∂_y of either divergence; Lemma 1 of arXiv 2507.14805 for two inits (P18)",
    # Where the two functions are close, as halfway along noise, so is the mixture's M to both.
    controls=[Control(ONE_DIVERGENCE, fails=0.7), Control(CONTROLLED, fails=0.95)],
    applies=lambda setting: one_step(setting) and setting.loss in (KL(), ReverseKL()),
    spread=along_every_path,
    reads=TwoInits(),
    proof="cross_kernel",
)
def kl_order_chooses_the_init_of_m(c: Crossing) -> Evidence:
    """Forward KL takes the curvature at the teacher's init, reverse KL at the student's."""
    return _constant(c, c.at_student if c.loss == ReverseKL() else c.at_teacher)


def linear_settings() -> tuple[Setting, ...]:
    """Three losses on the network that is linear in its parameters, along every path that leaves its function."""
    base = [Setting(Linear(), loss) for loss in (SquaredError(), KL(), ReverseKL())]
    return tuple(
        one for setting in base for one in along_every_path(setting) if path_of(one.student.init).name != "null-noise"
    )


def linear_cases() -> "SearchStrategy[Any]":
    """Small linear networks, any two inits, two losses."""
    from subtheory.cases import strategies

    small = strategies.combinations(["linear"], losses=[SquaredError(), KL()])
    return strategies.chosen([s.but(init=Redrawn()) for s in small]).flatmap(strategies.cases)


@claim(
    formula="f = Jθ:  Δθ_S · (θ0 + εΔ − θ0_S) = E[−∂_z l(f_S, f_T) · (f_T − f_S)] ≥ 0 for every ε and θ0_S",
    source="convexity of l in z; the Theorem of arXiv 2507.14805 as the student sees it (P17)",
    controls=[Control(ONE_JACOBIAN, fails=0.9)],
    settings=linear_settings,
    reads=TwoInits(),
    cases=linear_cases,
    proof="cross_kernel",
)
def raw_step_approaches_the_teacher(c: Crossing) -> Evidence:
    """Seen from the student, one step leads towards the teacher from any init, if one Jacobian serves both inits.

    The raw alignment Δθ_S · Δ has either sign meanwhile: the two agree at a shared init only.
    """
    off = np.abs(c.approach - c.gap) / c.approach_rounding
    clear = c.gap > 2 * c.approach_rounding
    if not clear.any():
        return Evidence(0.0, 0.0, 1.0, "teacher and student already agree")
    worst = int(np.argmax(off))
    # Equal to what cannot be negative: no larger than its rounding apart, and positive where that is clear.
    sign = np.min(c.approach[clear] / c.gap[clear])
    return Evidence(float(c.approach[worst] / c.gap[worst]), 1.0, float(np.min([1 - off[worst], sign])))
