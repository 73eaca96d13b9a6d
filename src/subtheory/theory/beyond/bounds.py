"""How small is small enough: sizes of ε and of the student's step below which the theorem holds, with constants.

φ(t) = f_{θ0+tΔ}(x), u = φ′(0), and D(ε) = h(ε) with h(0) = 0, h′(0) = q, so that by Taylor
D(ε) ≥ εq − ½ε²N(ε) for every N(ε) ≥ sup_[0,ε] (−h″). Sources: theory §1.5; Cloud, Le et al., App. C, where
"sufficiently small" stands without a constant. Every supremum here is one over a grid, hence an *estimate* in
float64; `certify` gives the rigorous bound, with balls. Taylor's formula ends at the first kink of a ReLU
network, where φ′ jumps; what holds beyond it is in `piecewise`.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory import arguments
from subtheory.errors import InputError
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.theory.alignment import leading
from subtheory.theory.beyond.piecewise import first_kink_on, require_positive
from subtheory.theory.distillation import Distillation, expectation, outputs, student_update, teacher, trait_loss
from subtheory.theory.linearize import derivatives, taylor_model
from subtheory.theory.losses import KL, CrossEntropy, Loss, SquaredError
from subtheory.theory.network import Params
from subtheory.theory.rule import Descent
from subtheory.theory.views import Full

POINTS = 256
"""Default number of intervals of a grid."""

DOUBLINGS = 10
"""How often `trait_step` doubles the step at which it looks for upward curvature."""

MOST_POINTS = 100_000
"""A finer grid than anybody's machine would finish."""


class Threshold(NamedTuple):
    """D(ε) > 0 for 0 < ε < `eps`, by D ≥ εq − ½ε²N; `curvature` is N(`eps`)."""

    eps: float
    q: float
    curvature: float


def _require_theorem(d: Distillation) -> None:
    """InputError unless the bounds know the loss, and the student is the theorem's own."""
    # A subclass may redefine the loss, so that only the class itself will do.
    if type(d.loss) not in (SquaredError, CrossEntropy, KL):
        raise InputError("loss", d.loss.name, "must be squared-error, cross-entropy or kl")
    if d.rule != Descent():
        raise InputError("rule", d.rule.shown, f"must be {Descent.name}")
    same = jax.tree.map(np.array_equal, d.student, d.theta0)
    if not all(jax.tree.leaves(same)):
        raise InputError("student", "another init", "must start at θ0")
    if d.view != Full():
        raise InputError("view", d.view.shown, f"must be {Full.name}")
    if not all(np.all(np.asarray(leaf) == 1) for leaf in jax.tree.leaves(d.trainable)):
        raise InputError("trainable", "a mask with zeros", "must be 1 everywhere")


def _norm(a: Array, w: Array) -> Array:
    """|√w a| over the last axis."""
    return jnp.sqrt(jnp.sum(w * a**2, axis=-1))


def _range(a: Array, w: Array) -> Array:
    """R(a) = max a − min a over the distilled outputs, the only thing about a that a softmax sees."""
    top = jnp.max(jnp.where(w > 0, a, -jnp.inf), axis=-1)
    return jnp.maximum(top - jnp.min(jnp.where(w > 0, a, jnp.inf), axis=-1), 0.0)


def _second(loss: Loss, u: Array, first: Array, second: Array, w: Array) -> Array:
    """Bound on |h″_x(t)| from φ′(t) and φ″(t), (N, ...).

    Squared error: h″ = 2Σw φ″u, at most 2|√w φ″||√w u|. Softmax of φ/T, with π its probabilities:
    h″ = Cov_π(φ″, u)/T² + Cov_π((φ′ − E_π φ′)², u)/T³, at most ¼R(u)(R(φ″)/T² + R(φ′)²/T³), because the
    standard deviation of anything is at most half its range.
    """
    if isinstance(loss, SquaredError):
        return 2 * _norm(second, w) * _norm(u, w)
    T = loss.temperature if isinstance(loss, KL) else 1.0
    return _range(u, w) * (_range(second, w) / T**2 + _range(first, w) ** 2 / T**3) / 4


@jax.jit
def curvature_bound(d: Distillation, times: Array) -> tuple[Array, Array]:
    """q, scalar, and N at every time, (n,): N(t_k) = E_x max_{j≤k} of the bound on |h″_x(t_j)|.

    `times` start at 0 and ascend. D ≥ εq − ½ε²N needs h″ ≥ −N only, so that sup (−φ″·u)₊ would do for squared
    error, and be sharper. Norms are taken because the machine-checked bound and the one by balls take them, so
    that the three can be compared.
    """
    start = taylor_model(d)

    def turn(largest: Array, t: Array) -> tuple[Array, Array]:
        now = derivatives(lambda s: outputs(d.network, teacher(d, s), d.x), t)
        bound = _second(d.loss, start.u, now.u, now.v, d.outputs)
        largest = jnp.maximum(largest, jnp.where(jnp.isnan(bound), jnp.inf, bound))
        mean = expectation(d, largest)
        return largest, jnp.where(jnp.isnan(mean), jnp.inf, mean)

    _, bounds = jax.lax.scan(turn, jnp.zeros(start.u.shape[:-1]), times)
    q = leading(d, d.loss, start)
    # What a softmax makes of a constant shift of all logits is rounding, no slope.
    seen = expectation(d, jnp.sum(jnp.where(d.outputs > 0, start.u, 0.0) ** 2, axis=-1))
    return jnp.where(q > ROUNDINGS * UNIT * seen, q, 0.0), bounds


def _crossing(times: np.ndarray, slope: float, bounds: np.ndarray) -> tuple[float, float, int | None]:
    """Largest t with t·N(t) ≤ 2·slope, N(t), and the index of the first time beyond it (None: there is none).

    Between two times N is the later one's.
    """
    with np.errstate(invalid="ignore"):  # 0 · inf: beyond it, as anything that is no number
        over = np.flatnonzero(~(times * bounds <= 2 * slope))
    if not slope > 0 or (over.size and over[0] == 0):
        return 0.0, float(bounds[0]), 0
    if not over.size:
        return float(times[-1]), float(bounds[-1]), None
    i = int(over[0])
    inside = 2 * slope / float(bounds[i])
    if inside > times[i - 1]:
        return inside, float(bounds[i]), i
    return float(times[i - 1]), float(bounds[i - 1]), i


def _search(
    evaluate: Callable[[np.ndarray], tuple[Any, Any]], end: float, points: int, doublings: int = 0
) -> tuple[float, float, float]:
    """The t of `_crossing`, its N and the slope, on a grid that ends less than twice beyond it.

    The grid starts on [0, end], which is doubled while nothing crosses; t is inf if that never helps.
    """
    unit = np.arange(points + 1) / points
    grown = 0
    while True:
        slope, bounds = (np.asarray(part) for part in evaluate(end * unit))
        t, bound, i = _crossing(end * unit, float(slope), bounds)
        if i is None and grown < doublings:
            end, grown = 2 * end, grown + 1
            continue
        if i is None:
            return (math.inf if doublings else t), bound, float(slope)
        # Powers of two: every time of the coarser grid is one of the finer, so that N only grows.
        halvings = int(math.log2(points / i)) if i else 0
        if halvings == 0 or end < math.sqrt(np.finfo(float).tiny):
            return t, bound, float(slope)
        end /= 2.0**halvings


def alignment_threshold(d: Distillation, upto: float, points: int = POINTS) -> Threshold:
    """The largest ε* ≤ `upto` with ε*N(ε*) ≤ 2q: D(ε) > 0 for 0 < ε < ε*; with q and N(ε*).

    N(ε) bounds |h″| on [0, ε] only, and never falls, so that the crossing is unique. Squared error:
    N = 2E[|√w u_x| sup_t |√w φ″_x(t)|]; cross-entropy and KL at temperature T:
    N = ¼E[R(u_x) sup_t (R(φ″_x(t))/T² + R(φ′_x(t))²/T³)], R the range over the distilled outputs.
    ε is in units of Δ, as in `d.eps`. 0 if q = 0; never beyond the first kink of a ReLU network that reports its
    pre-activations (kinks of other networks are not seen). The supremum is one over a grid of `points`
    intervals, at least points/2 of them below ε*: an estimate, which a spike between two of them escapes;
    `certify` gives the rigorous form. Source: theory §1.5.

    Raises InputError for another loss, and for a student that is not the theorem's: other init, filtered,
    frozen or sign-taking; and for a ReLU network that is no polynomial between its kinks.
    """
    _require_theorem(d)
    require_positive(upto=upto)
    arguments.whole("points", points, 1, MOST_POINTS)
    end = min(upto, first_kink_on(d.network, d.theta0, d.delta, d.x, upto))
    if end == 0:
        q, bounds = curvature_bound(d, jnp.zeros(1))
        return Threshold(0.0, float(q), float(bounds[0]))
    eps, bound, q = _search(partial(curvature_bound, d), end, points)
    return Threshold(eps, q, bound)


def alignment_lower_bound(d: Distillation, points: int = POINTS) -> np.ndarray:
    """εq − ½ε²N(ε) ≤ D(ε) for every ε of `d.eps`, (K,), with N of `alignment_threshold` (same estimate, same errors).

    `points` as there. −inf beyond the first kink of a ReLU network, where Taylor's formula says nothing.
    """
    _require_theorem(d)
    arguments.whole("points", points, 1, MOST_POINTS)
    eps = np.asarray(d.eps, float)
    times = np.sort(np.concatenate([[0.0], *(e * np.arange(1, points + 1) / points for e in eps)]))
    q, bounds = (np.asarray(part) for part in curvature_bound(d, times))
    bound = eps * q - eps**2 / 2 * bounds[np.searchsorted(times, eps, side="right") - 1]
    return np.where(eps <= first_kink_on(d.network, d.theta0, d.delta, d.x, float(eps.max())), bound, -np.inf)


@jax.jit
def _trait_segment(d: Distillation, eps: Array, times: Array) -> tuple[Array, Array, Array, Params]:
    """−ψ′(0), sup ψ″ up to every time, and the unit of time, for ψ(s) = L_T(θ0_S + s·unit·Δθ_S); unit·Δθ_S.

    The unit step moves the student by its own size (1 if it sits at the origin).
    """
    update = student_update(d, eps)
    length = optax.tree.norm(update)
    unit = jnp.maximum(optax.tree.norm(d.student), 1.0) / jnp.where(length > 0, length, 1.0)
    direction = optax.tree.scale(unit, update)
    gradient = jax.grad(lambda theta: trait_loss(d, theta))(d.student)
    fall = -optax.tree.vdot(gradient, direction)
    rounding = ROUNDINGS * UNIT * optax.tree.norm(gradient) * optax.tree.norm(direction)

    def turn(largest: Array, t: Array) -> tuple[Array, Array]:
        second = derivatives(lambda s: trait_loss(d, optax.tree.add_scale(d.student, s, direction)), t).v
        largest = jnp.maximum(largest, jnp.where(jnp.isnan(second), jnp.inf, second))
        return largest, largest

    _, bounds = jax.lax.scan(turn, -jnp.inf * jnp.ones_like(fall), times)
    return jnp.where(fall > rounding, fall, 0.0), bounds, unit, direction


def trait_step(d: Distillation, points: int = POINTS) -> np.ndarray:
    """α* below which L_T(θ0_S + αΔθ_S) < L_T(θ0_S), for every ε of `d.eps`, (K,); plain α, not units of `d.alpha`.

    The largest α with α < 2(−∇L_T·Δθ_S)/(β‖Δθ_S‖²), where β‖Δθ_S‖² = sup of d²/ds² L_T(θ0_S + sΔθ_S) over
    s in [0, α] only: smoothness is asked of the student's segment, nowhere else. For Δ = −∇L_T and shared init
    the slope is D(ε) = −∇L_T·Δθ_S; here it is the true one, for any teacher and any student. 0 where L_T does
    not fall to first order; inf where it does and no β > 0 is met before the student has moved by 2^DOUBLINGS
    times its own size (nothing is said of larger steps). Never beyond the first kink of a ReLU network on the
    trait's inputs, where L_T has no finite β. A supremum over a grid of `points` intervals: an estimate. Source:
    theory §1.5, from ΔL_T ≤ −αD(ε) + ½α²β‖Δθ_S‖².

    Raises InputError for what is no distillation, and for points that are no positive number.
    """
    arguments.whole("points", points, 1, MOST_POINTS)
    x = getattr(d.trait, "x", None)  # a trait that is a function of θ alone has none
    steps = []
    for eps in np.asarray(d.eps, float):
        segment = partial(_trait_segment, d, eps)
        _, _, unit, direction = segment(np.zeros(points + 1))
        t, _, _ = _search(lambda times, segment=segment: segment(times)[:2], 1.0, points, DOUBLINGS)  # type: ignore[misc]
        if t > 0 and x is not None:
            t = min(t, first_kink_on(d.network, d.student, direction, x, min(t, 2.0**DOUBLINGS)))
        steps.append(t * float(unit))
    return np.asarray(steps)
