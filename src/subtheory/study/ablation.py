"""How much still crosses as the student's init leaves the teacher's along a path: every measure side by side.

One row for every amount and seed: how alike the two inits are, and what one step of the student does to the teacher's
direction and to the trait, raw, with the student of the untrained teacher subtracted, and as predicted (P16 to P20).
`relative_` columns are divided by the value at the shared init of the same seed; the last ones say how far off the
prediction may be. `experiments/ablation.py` runs many paths, and judges and draws them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

import jax.numpy as jnp
import numpy as np

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.init import PATHS, Another, Path, Units, checked, moving, others, units
from subtheory.init.measures import cka, distance, matched_distance
from subtheory.instruments.two_inits import Crossing, TwoInits
from subtheory.kernels.functions import Functions, output_shape
from subtheory.kernels.stack import Stack, averaged, each_eps, inner, labels, moved, pull
from subtheory.ledger.parts import Progress
from subtheory.numerics import ROUNDINGS, UNIT, float64
from subtheory.setting.preparation import outline, stack
from subtheory.setting.setting import Setting
from subtheory.setting.student import Along, Elsewhere, Shared
from subtheory.statistics import half_width
from subtheory.theory.losses import Loss
from subtheory.theory.network import Network, Params
from subtheory.theory.trait import LabelledTrait, TargetTrait

SIZE = 1e-3
"""Default relative size of the teacher's update."""

SEEDS = 20

ROWS = 512
"""Most scalar outputs whose tangent kernels are compared; inputs beyond them are left out."""

PERMUTED = ("hidden", "heads")
"""Kinds of units that may be renamed: permuting the gains of a LayerNorm alone would change the function."""

LIKENESS = (
    "distance", "matched_distance", "channel_distance", "trait_distance", "ntk_overlap", "cross_ntk_overlap", "cka",
)  # fmt: skip
"""‖θ0_S − θ0‖/‖θ0‖; the same modulo permutations; outputs on the channel (those distilled) and on the trait's inputs
(those that L_T reads); tangent kernels; Jacobians in shared coordinates; centred outputs on the channel."""

CROSSED = (
    "alignment", "approach", "added_alignment", "predicted_alignment",
    "trait_change", "added_trait_change", "predicted_trait_change",
)  # fmt: skip
"""Δθ_S·Δ; Δθ_S·(θ_T − θ0_S); D(ε) − D(0) and ε·kernel; the change of L_T raw, beyond the control, and predicted."""

LIMITS = ("error", "unit", "curvature", "rounding", "trait_rounding")
"""|D(ε) − D(0) − ε·kernel| over its unit ε·E‖J_SΔ‖‖M J_TΔ‖; that unit; ½ε²h″(0), the next term of D(ε) − D(0); how far
D(ε) − D(0) and the added change of L_T may be off by rounding."""

ELSEWHERE = ("width", "depth", "activation", "family")
"""Students of another architecture, by what differs; which of them there are depends on the network (`init.others`)."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Ablation:
    """One path: `rows`, one an amount and seed, of `LIKENESS`, `CROSSED`, the same `relative_`, "eps" and `LIMITS`."""

    path: Path
    setting: Setting
    rows: list[Row]

    def means(self) -> list[Row]:
        """`means` of the rows."""
        return means(self.rows)


def means(rows: Sequence[Row]) -> list[Row]:
    """One row an amount of one path: means over seeds, and `*_half`, half of the mean's 95 % interval (Student's t).

    `error` is the largest over seeds instead. A column that is undefined for one seed is so in the mean.
    """
    found = []
    for amount in dict.fromkeys(row["amount"] for row in rows):
        own = [row for row in rows if row["amount"] == amount]
        mean: Row = {"amount": amount, "seeds": len(own)}
        for name in (*LIKENESS, *CROSSED, *map(_relative, CROSSED)):
            value = np.array([row[name] for row in own])
            mean |= {name: float(np.mean(value)), f"{name}_half": half_width(value)}
        found.append(mean | {"error": float(np.max([row["error"] for row in own]))})
    return found


def named(setting: Setting) -> tuple[Units, ...]:
    """The units of a network that is not built in, as far as its source names any."""
    return getattr(setting.source, "units", ())


def known_paths(setting: Setting) -> dict[str, Path]:
    """Every path by name: `PATHS`, and students of another "width", "depth", "activation" or "family"."""
    elsewhere = others(setting.network) if setting.source is None else {}  # type: ignore[arg-type]
    return {**{name: moving(path, named(setting)) for name, path in PATHS.items()}, **elsewhere}


def fitting(setting: Setting, names: Sequence[str] | None = None) -> dict[str, Path]:
    """Those of `known_paths` (or of some of their names) that can leave from the setting's network; by shapes alone."""
    known = known_paths(setting)
    return {name: known[name] for name in (known if names is None else names) if not misfit(known[name], setting)}


def misfit(path: Path, setting: Setting) -> str:
    """Why a path cannot leave from the setting's network, in one line; empty where it can."""
    if path.redraws and (why := getattr(setting.source, "fixed", "")):
        return f"there is no independent init to go to ({why})"
    try:
        path.require(outline(setting))
    except InputError as error:
        return str(error)
    return ""


def says(name: str) -> str:
    """What a path of `known_paths` does, in one sentence; of another architecture without saying which."""
    return PATHS[name].says if name in PATHS else f"A student of another {name}; only its function can be compared."


def shared(path: Path, setting: Setting) -> Setting:
    """The setting in which teacher and student share the init that a path leaves: a fork has moved both of them."""
    forks = type(path).teacher is not Path.teacher
    return setting.but(init=Along(path, 0.0) if forks else Shared())


def ablate(
    path: Path, setting: Setting, amounts: Sequence[float] | None = None, seeds: int | Sequence[int] = SEEDS,
    size: float = SIZE,
    progress: Progress | None = None,
) -> Ablation:  # fmt: skip
    """The rows of one path at the given amounts (by default its own) and seeds 0 ... `seeds` − 1, or those listed.

    `size` is the relative size of the teacher's update, the setting's own sizes are not used. A student of another
    architecture (`init.others`) has rows of NaN but for functions, tangent kernels and the trait. Raises InputError on
    "seeds" below 1, "amount" outside the path's range, "loss" for one whose alignment is not of order ε, "teacher"
    for one whose update the channel is meant not to see, and what a path raises that does not fit the network.
    """
    chosen = tuple(path.amounts if amounts is None else amounts)
    if not chosen:
        raise InputError("amounts", "none", "must be at least one")
    checked(path, chosen)
    if setting.loss.order != 1:
        raise InputError("loss", repr(setting.loss.name), "must have an alignment of order ε")
    if setting.zero_branch:
        raise InputError("teacher", repr(setting.teacher.name), "must move in a direction that the channel sees")
    setting, numbers = setting.but(eps=(size,)), arguments.seeds(seeds)
    path.require(outline(setting))
    inits = [Elsewhere(path.network) if isinstance(path, Another) else Along(path, amount) for amount in chosen]
    along = [setting.but(init=init) for init in inits]
    base, rows = _crossings(shared(path, setting), numbers), list[Row]()
    alike = likeness([stack(one, numbers) for one in along], named(setting))
    for a, (amount, one) in enumerate(zip(chosen, along, strict=True)):
        found = _measured(one, numbers, base)
        for s, seed in enumerate(numbers):
            rows.append(_row(amount, seed, size, alike[a][s], found[s], crossed(base[s])))
        if progress:
            progress(a + 1, len(chosen), f"{path.name} {amount:g}")
    return Ablation(path, setting, rows)


def _crossings(setting: Setting, seeds: Sequence[int]) -> Sequence[Crossing]:
    return TwoInits().records(setting, seeds, (setting.loss,))[setting.loss.name]


def _measured(setting: Setting, seeds: Sequence[int], base: Sequence[Crossing]) -> list[Row]:
    """The columns `CROSSED` and `LIMITS` for every seed; `base` has the students of the shared init."""
    if isinstance(setting.student.init, Elsewhere):
        return _elsewhere(stack(setting, tuple(seeds)), setting.loss, np.array([c.alpha for c in base]))
    return [crossed(c) | limits(c) for c in _crossings(setting, seeds)]


def _row(amount: float, seed: int, size: float, alike: Row, found: Row, base: Row) -> Row:
    own, last = ({name: found[name] for name in names} for names in (CROSSED, LIMITS))
    relative = {_relative(name): float(_ratio(found[name], base[name])) for name in CROSSED}
    return {"amount": float(amount), "seed": seed, **alike, **own, **relative, "eps": size, **last}


def _relative(name: str) -> str:
    return f"relative_{name}"


def _ratio(a: Any, b: Any) -> Any:
    """a/b; not a number where b is 0, as where no step of the shared init gets through."""
    a, b = np.broadcast_arrays(np.asarray(a, float), b)
    return np.divide(a, b, out=np.full(b.shape, nan), where=b != 0)


def crossed(c: Crossing, k: int = 0) -> Row:
    """The columns `CROSSED`, at one ε."""
    eps = float(c.eps[k])
    return {
        "alignment": float(c.alignment[k]),
        "approach": float(c.approach[k]),
        "added_alignment": float(c.added[k]),
        "predicted_alignment": eps * c.kernel,
        "trait_change": float(c.trait_change[k]),
        "added_trait_change": float(c.added_trait[k]),
        "predicted_trait_change": c.alpha * eps * c.trait_slope,
    }


def limits(c: Crossing, k: int = 0) -> Row:
    """The columns `LIMITS`, at one ε."""
    eps, rounding, added = float(c.eps[k]), float(c.rounding[k]), float(c.added_trait[k])
    unit = eps * c.scale
    return {
        "error": error_of(c, k),
        "unit": unit,
        "curvature": eps**2 / 2 * c.second,
        "rounding": rounding,
        # Of two values of L_T, and of the step between them, which is off as much as what pulls it.
        "trait_rounding": ROUNDINGS * UNIT * (1 + abs(c.trait)) + float(_ratio(rounding, unit)) * abs(added),
    }


def error_of(c: Crossing, k: int = 0) -> float:
    """|D(ε) − D(0) − ε·kernel|/(ε·scale), at one ε."""
    return float(_ratio(np.abs(c.added[k] - c.eps[k] * c.kernel), c.eps[k] * c.scale))


# Another architecture -----------------------------------------------------------------------------


def _elsewhere(s: Stack, loss: Loss, alpha: np.ndarray) -> list[Row]:
    """The same for students whose parameters live elsewhere, by steps α (S,): only their functions can be compared."""
    f, step = s.students, alpha[:, None]
    taylor, z = s.functions.taylor(s.theta0, s.delta, s.x), f.values(s.student, s.x)
    y0 = s.view.labels(taylor.z0, s.outputs)
    r = pull(s, loss, each_eps(s, z, z.ndim - 1), labels(s, np.pad(s.eps, ((0, 0), (0, 1)))))
    update, control, added = (moved(s, each)[:, 0] for each in (r[:, :1], r[:, -1:], r[:, :1] - r[:, -1:]))
    crossing = f.pulls(s.student, averaged(s, f.terms(loss, z, y0, s.outputs, taylor.u, taylor.v).first), s.x)
    end = s.student + step * control
    trait = lambda theta: s.trait.value(f, theta)  # noqa: E731
    found = {
        "trait_change": trait(s.student + step * update) - trait(s.student),
        "added_trait_change": trait(end + step * added) - trait(end),
        "predicted_trait_change": alpha * s.eps[:, 0] * inner(s.trait.gradient(f, end), crossing),
    }
    undefined = dict.fromkeys([*CROSSED, *LIMITS], nan)
    return [undefined | {name: float(value[i]) for name, value in found.items()} for i in range(len(alpha))]


# How alike ----------------------------------------------------------------------------------------


def likeness(several: Sequence[Stack], known: tuple[Units, ...] = ()) -> list[list[Row]]:
    """The columns `LIKENESS` of stacks that have their teachers in common, a row for each student.

    `known` are the units of a network that is not built in.
    """
    found = [
        _parameters(s, known) | _functions(s) | tangents
        for s, tangents in zip(several, _tangents(several), strict=True)
    ]
    return [[{name: float(one[name][i]) for name in LIKENESS} for i in range(len(one["cka"]))] for one in found]


def _both(s: Stack) -> tuple[tuple[Functions, Any], tuple[Functions, Any]]:
    """Functions and inits of teacher and student."""
    return (s.functions, s.theta0), (s.students, s.student)


def _functions(s: Stack) -> dict[str, Any]:
    """How far the outputs are apart on the channel and, of a loss of examples, on the trait's inputs; (S,) each."""
    trait, on_trait = s.trait, np.full(len(s.theta0), nan)
    if isinstance(trait, LabelledTrait | TargetTrait):
        on_trait = _apart([f.values(theta, trait.x) for f, theta in _both(s)], trait.outputs)
    both = [f.values(theta, s.x) for f, theta in _both(s)]
    seen = zip(*(z[..., s.outputs > 0] for z in both), strict=True)
    return {
        "channel_distance": _apart(both, s.outputs),
        "trait_distance": on_trait,
        "cka": [_cka(first, second) for first, second in seen],
    }


def _apart(both: Sequence[np.ndarray], w: Any) -> np.ndarray:
    """`measures.functional_distance` of outputs f_T and f_S, (S, ..., V), with w (V,) or (S, V), for every seed."""
    f_T, f_S = both
    w = w.reshape(*w.shape[:-1], *(1,) * (f_T.ndim - w.ndim), w.shape[-1])
    size = lambda a: np.sum(w * a**2, axis=tuple(range(1, a.ndim)))  # noqa: E731
    return np.asarray(np.sqrt(_ratio(size(f_S - f_T), size(f_T))))


def _parameters(s: Stack, known: tuple[Units, ...]) -> dict[str, Any]:
    """Distances of parameters; NaN across architectures."""
    if s.other is not None:
        return dict.fromkeys(("distance", "matched_distance"), np.full(len(s.theta0), nan))
    params = s.functions.layout.unflatten
    pairs = [(params(theta), params(student)) for theta, student in zip(s.theta0, s.student, strict=True)]
    return {
        "distance": [distance(*pair) for pair in pairs],
        "matched_distance": [matched(s.functions.network, *pair, known) for pair in pairs],
    }


def matched(network: Network, theta0: Params, student: Params, known: tuple[Units, ...] = ()) -> float:
    """The distance modulo permutations of hidden units and heads; nan for a network whose units are not known."""
    try:
        known = known or units(network, theta0)
    except InputError:
        return nan
    groups = [[*u.incoming, *u.outgoing] for u in known if u.kind in PERMUTED]
    return matched_distance(theta0, student, groups)


def _cka(first: np.ndarray, second: np.ndarray) -> float:
    """nan where one of them does not vary."""
    try:
        return cka(first, second)
    except InputError:
        return nan


def _tangents(several: Sequence[Stack]) -> list[dict[str, Any]]:
    """Overlaps of K = JJᵀ of both inits, and of their Jacobians where these share parameters; teacher by teacher."""
    found: list[dict[str, Any]] = [{"ntk_overlap": [], "cross_ntk_overlap": []} for _ in several]
    for i, x in enumerate(several[0].x):
        (f, theta0), _ = _both(several[0])
        J_T = jacobian(f, theta0[i], x, several[0].outputs)
        K_T = _gram(J_T)
        for s, one in zip(several, found, strict=True):
            J_S = jacobian(s.students, s.student[i], x, s.outputs)
            K_S = _gram(J_S)
            across = _ratio(np.sum(J_S * J_T), np.sqrt(np.trace(K_S) * np.trace(K_T))) if s.other is None else nan
            one["ntk_overlap"].append(_ratio(np.sum(K_S * K_T), np.sqrt(np.sum(K_S**2) * np.sum(K_T**2))))
            one["cross_ntk_overlap"].append(across)
    return found


def jacobian(f: Functions, theta: np.ndarray, x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """∂f/∂θ of the outputs with w > 0 at θ (P,), (rows, P): a pullback for each on each of the first inputs.

    There are `ROWS` rows at most, but for one input that has more; x is (N, *example), w (V,).
    """
    shape = output_shape(f.network, f.layout, f.example, x.dtype.str)
    chosen = np.flatnonzero(np.broadcast_to(w > 0, shape))
    cotangents = np.eye(int(np.prod(shape)))[chosen].reshape(-1, 1, *shape)
    some = x[: max(1, ROWS // len(chosen)), None, None]
    return np.asarray(f.pulls(theta, cotangents, some).reshape(-1, f.layout.size))


def _gram(J: np.ndarray) -> np.ndarray:
    """JJᵀ, by JAX: the threads of NumPy's own product would go on spinning between two of them."""
    with float64():
        return np.asarray(jnp.matmul(J, J.T))
