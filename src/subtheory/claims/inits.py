"""Two inits: what the teacher's update adds to a student that starts elsewhere, along every path away from θ0."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import numpy as np
from hypothesis.strategies import SearchStrategy

from subtheory import strategies
from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import GRADIENT_STUDENT
from subtheory.crossing import Crossing, cross, crossings
from subtheory.envelope import limit
from subtheory.init import PATHS, NullNoise, Start, Symmetry, begin, fits
from subtheory.networks import MLP, Linear
from subtheory.networks.linen import LinenNetwork
from subtheory.numerics import LADDER_RATIO, float64
from subtheory.setting import Setting
from subtheory.theory.losses import KL, JensenShannon, Loss, ReverseKL, SquaredError

TOGETHER: tuple[Loss, ...] = (SquaredError(), KL(), ReverseKL())
"""Losses that one program measures: M constant, at the teacher's init, and at the student's."""

CONSTANT = 1e-3
"""How far the leading constant may be off, relative to E‖J_SΔ‖‖M J_TΔ‖."""


def _another_function(setting: Setting) -> bool:
    """Whether the student starts with another function than the teacher: a symmetry's path leaves it as it is."""
    return setting.path is not None and not isinstance(setting.path, Symmetry | NullNoise)


CONTROLLED = Assumption(
    "controlled",
    "The student of the untrained teacher, from the same init, is subtracted.",
    lambda setting: replace(setting, uncontrolled=True) if _another_function(setting) else None,
)

ONE_DIVERGENCE = Assumption(
    "one-divergence",
    "The loss is a KL divergence in one order, not a mixture of both.",
    lambda setting: (
        replace(setting, loss=JensenShannon())
        if isinstance(setting.network, MLP) and _another_function(setting)
        else None
    ),
)

ONE_JACOBIAN = Assumption(
    "one-jacobian",
    "One Jacobian serves both inits: the network is linear in its parameters.",
    lambda setting: replace(setting, network=MLP(width=8, depth=1, task=setting.network.task)),  # type: ignore[attr-defined]
)


@lru_cache(maxsize=32)
def paths_of(network: LinenNetwork, examples: int, trait_examples: int) -> tuple[str, ...]:
    """Names of the paths that fit a network and its data; computes nothing."""

    def start() -> Start:
        return begin(network, jax.random.key(0), examples=examples, trait_examples=trait_examples)

    with float64():
        shapes = jax.eval_shape(start)
        return tuple(name for name, path in PATHS.items() if fits(path, shapes))


MOST_OUTPUTS = 1024
"""Outputs of a channel here: paths that split by null(G) need all eigenvectors of a matrix as large."""


def along_every_path(setting: Setting) -> Iterator[Setting]:
    """The setting halfway along every path that its network fits: figures go to the ends."""
    task = setting.network.task  # type: ignore[attr-defined]
    each = task.outputs * (1 if task.dtype.startswith("float") else math.prod(task.shape))
    setting = replace(setting, examples=min(setting.examples, max(1, MOST_OUTPUTS // each)))
    for name in paths_of(setting.network, setting.examples, setting.trait_examples):  # type: ignore[arg-type]
        path = PATHS[name]
        yield replace(setting, path=path, amount=path.amounts[len(path.amounts) // 2])


@lru_cache(maxsize=128)
def _together(setting: Setting, seeds: tuple[int, ...]) -> dict[str, list[Crossing]]:
    # A verification keeps what it measures: without the parameters of every path, seed and loss.
    found = crossings(setting, seeds, TOGETHER)
    return {name: [replace(c, distillation=None) for c in several] for name, several in found.items()}


def crossed(setting: Setting, seeds: Sequence[int]) -> list[Crossing]:
    """One `Crossing` for every seed; one program for a network, whatever the path, for all of `TOGETHER`."""
    if setting.loss not in TOGETHER:
        return crossings(setting, seeds)[setting.loss.name]
    return _together(replace(setting, loss=SquaredError()), tuple(seeds))[setting.loss.name]


def _ours(setting: Setting) -> bool:
    """One teacher of every built-in network, and the losses that are measured together."""
    return setting.source is None and setting.teacher == "gradient-descent" and setting.loss in TOGETHER


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
    applies=_ours,
    spread=along_every_path,
    measure=crossed,
    of=cross,
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
    second = limit(c.added - c.eps * c.kernel, curved, curved, c.eps, 3, c.rounding)
    return replace(constant, margin=float(np.min([constant.margin, first.margin, second.margin])))


@claim(
    formula="KL(y ‖ z): M = diag(p) − ppᵀ at p = softmax(f_T);  KL(z ‖ y): at p = softmax(f_S)",
    source="−∂_z∂_y of either divergence; Lemma 1 of arXiv 2507.14805 for two inits (P18)",
    # Where the two functions are close, as halfway along noise, so is the mixture's M to both.
    controls=[Control(ONE_DIVERGENCE, fails=0.7), Control(CONTROLLED, fails=0.95)],
    applies=lambda setting: _ours(setting) and setting.loss in (KL(), ReverseKL()),
    spread=along_every_path,
    measure=crossed,
    of=cross,
    proof="cross_kernel",
)
def kl_order_chooses_the_init_of_m(c: Crossing) -> Evidence:
    """Forward KL takes the curvature at the teacher's init, reverse KL at the student's."""
    return _constant(c, c.at_student if c.loss == ReverseKL() else c.at_teacher)


def linear_settings() -> tuple[Setting, ...]:
    """Three losses on the network that is linear in its parameters, along every path that leaves its function."""
    base = [Setting(Linear(), loss) for loss in TOGETHER]
    return tuple(
        one for setting in base for one in along_every_path(setting) if one.path and one.path.name != "null-noise"
    )


def linear_cases() -> SearchStrategy[Any]:
    """Small linear networks, any two inits, two losses."""
    small = strategies.combinations(["linear"], losses=[SquaredError(), KL()])
    return strategies.chosen([replace(s, independent=True) for s in small]).flatmap(strategies.cases)


@claim(
    formula="f = Jθ:  Δθ_S · (θ0 + εΔ − θ0_S) = E[−∂_z l(f_S, f_T) · (f_T − f_S)] ≥ 0 for every ε and θ0_S",
    source="convexity of l in z; the Theorem of arXiv 2507.14805 as the student sees it (P17)",
    controls=[Control(ONE_JACOBIAN, fails=0.9)],
    settings=linear_settings,
    measure=crossed,
    of=cross,
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
