"""Students on the orbit of θ0 under symmetries of the function: what permutations keep, and rescalings do not."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import SHARED_INIT
from subtheory.claims.twins import Carried, Twins, fitting, ours, twins
from subtheory.claims.witnesses import Formula
from subtheory.envelope import limit
from subtheory.init import PATHS, Permutation, Place, ReluRescaling, Units
from subtheory.init.symmetry import Turn
from subtheory.measurement import Measurement
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.setting import Setting, ladder
from subtheory.source import Given
from subtheory.theory.network import Params
from subtheory.theory.trait import FunctionTrait

SAME = 1e-10
"""Two numbers are the same to rounding if they are no farther apart than this, relative to the first."""

DIFFERENT = 100 * SAME
"""Two cosines that are farther apart than this are not the same up to rounding."""


STEP: dict[str, Any] = {"relative": False, "eps": ladder(1.0)}
"""ε counts gradient steps: large ones, because these are equalities for every ε."""

ORTHOGONAL = ("permutation", "head-permutation", "sign-flip")
STRETCHING = ("relu-rescaling", "gain-rescaling")


def turned(setting: Setting) -> Iterator[Setting]:
    """A half and all of the units moved, by every orthogonal symmetry that the network has, under two teachers."""
    for name in fitting(setting, ORTHOGONAL):
        for amount in (0.5, 1.0):
            for teacher in (setting.teacher, "random"):
                yield replace(setting, path=PATHS[name], amount=amount, teacher=teacher, **STEP)


def stretched(setting: Setting) -> Iterator[Setting]:
    """Rescalings of three sizes, with the metric carried along, under two teachers."""
    for name in fitting(setting, STRETCHING):
        for amount in (0.2, 0.5, 1.0):
            for teacher in (setting.teacher, "random"):
                yield replace(setting, path=Carried(PATHS[name]), amount=amount, teacher=teacher, **STEP)  # type: ignore[arg-type]


def _rescaled(setting: Setting) -> Setting | None:
    found = fitting(setting, STRETCHING)
    return replace(setting, path=PATHS[found[0]], amount=1.0) if found else None


SAME_FUNCTION = Assumption(
    "same-function",
    "The student starts from the teacher's function: a symmetry of it, not a draw of its own, leads there.",
    lambda setting: replace(setting, path=PATHS["linear"], amount=1.0),
)

LENGTHS_KEPT = Assumption(
    "lengths-kept",
    "The symmetry is orthogonal: units change places or signs, and no weight is stretched.",
    _rescaled,
)

METRIC_CARRIED = Assumption(
    "metric-carried",
    "The student's step is TTᵀ times the gradient: its metric is the shared student's, carried along by T.",
    lambda setting: replace(setting, path=getattr(setting.path, "of", None)),
)


def same(t: Twins) -> Evidence:
    """Whether both students change L_T by the same amount and make the same step up to T, where rounding can tell."""
    clear = t.rounding <= SAME
    if not clear.any():
        return Evidence(0.0, 0.0, 1.0, "rounding would hide a difference")
    ratio = t.trait_change[1][clear] / t.trait_change[0][clear]
    error = np.maximum(np.abs(ratio - 1), t.off[clear])
    return Evidence(float(ratio[np.argmax(error)]), 1.0, float(1 - np.max(error) / SAME))


@claim(
    formula="θ0_S = Tθ0, TᵀT = 1, f_{Tθ} = f_θ:  Δθ_S = Tv and ΔL_T = L_T(θ0 + αv) − L_T(θ0), v the step from θ0",
    source="equivariance of the gradient, ∇L(Tθ) = T∇L(θ) for orthogonal T (gap g10, prediction P19)",
    controls=[Control(SAME_FUNCTION, fails=0.95), Control(LENGTHS_KEPT, fails=0.95)],
    applies=lambda setting: ours(setting) and bool(fitting(setting, ORTHOGONAL)),
    spread=turned,
    measure=twins,
    every_eps=True,
    proof="permutation",
)
def permuted_init_transmits_alike(t: Twins) -> Evidence:
    """A student from a permuted init changes the trait loss exactly as the shared one does, to rounding and at any ε.

    Units, attention heads or signs of an odd activation are turned. The student's step, turned back, is the
    shared student's; its raw cosine with Δ is another.
    """
    found = same(t)
    apart = np.max(np.abs(t.cosine[1] - t.cosine[0]))
    return replace(found, margin=float(np.min([found.margin, apart / DIFFERENT - 1])))


@claim(
    formula="θ0_S = Tθ0, f_{Tθ} = f_θ:  Δθ_S = −TTᵀ∇L_S(Tθ0) = Tv and ΔL_T as from θ0, for any invertible T",
    source="∇L(Tθ) = T⁻ᵀ∇L(θ): a step in a metric that T carries along is equivariant (gap g10, prediction P19)",
    controls=[Control(METRIC_CARRIED, fails=0.95), Control(SAME_FUNCTION, fails=0.95)],
    applies=lambda setting: ours(setting) and bool(fitting(setting, STRETCHING)),
    spread=stretched,
    measure=twins,
    every_eps=True,
    proof="permutation",
)
def carried_metric_undoes_rescaling(t: Twins) -> Evidence:
    """A student from a rescaled init transmits exactly as the shared one if its metric is carried along.

    ReLU units and LayerNorm gains are rescaled. The plain step from there is another step.
    """
    return same(t)


# A rescaling that reverses the trait ---------------------------------------------------------------


def _relu_pair(theta: Params, x: Array) -> Array:
    """b · relu(Ax), A (2, 2)."""
    return jnp.sum(theta["b"] * jax.nn.relu(theta["A"] @ x), keepdims=True)


PAIR = (Units("hidden", 2, (Place(("A",), 0),), (Place(("b",), 0),), "relu"),)


@dataclass(frozen=True)
class Doubling(ReluRescaling):
    """Weights into every ReLU times 2^amount, weights out of it divided by it."""

    spec: tuple[Units, ...] | None = PAIR
    name = "doubling"

    def turn(self, size: int, amount: Array, key: Array) -> Turn:
        return Turn(jnp.arange(size), jnp.full(size, 2.0) ** amount)


def _no_trait(theta: Params) -> Array:
    return jnp.zeros(())


def constructed(name: str, function: Any, theta0: Params, x: Any, width: int = 1, **changes: Any) -> Setting:
    """A witness: one formula, exact numbers, ε as absolute sizes; `delta`, `trainable` and `other` as in `Given`."""
    given = {key: changes.pop(key) for key in ("delta", "trainable", "other") if key in changes}
    trait = FunctionTrait(changes.pop("trait", _no_trait))
    source = Given(theta0, np.asarray(x), trait, width, deterministic=True, **given)
    chosen: dict[str, Any] = {"relative": False, "eps": ladder(0.5)} | changes
    return Setting(Formula(name, function), source=source, **chosen)


@cache
def doubled() -> tuple[Setting, ...]:
    """A = 1, b = (1, 2), distilled at x = (2, −1); L_T = f(−1, 2); every unit doubled."""
    theta0 = {"A": np.ones((2, 2)), "b": np.array([1.0, 2.0])}
    other = np.array([-1.0, 2.0])
    trait = lambda theta: _relu_pair(theta, jnp.asarray(other))[0]  # noqa: E731
    base = constructed("relu-pair", _relu_pair, theta0, ((2.0, -1.0),), trait=trait, eps=ladder(1e-2))
    return (replace(base, path=Doubling(), amount=1.0),)


@cache
def undoubled() -> tuple[Setting, ...]:
    """The same from θ0 itself."""
    return tuple(replace(setting, amount=0.0) for setting in doubled())


@cache
def swapped() -> tuple[Setting, ...]:
    """The same with the two units swapped instead."""
    return tuple(replace(setting, path=Permutation(spec=PAIR)) for setting in doubled())


RESCALED = Assumption("rescaled", "The student starts from another point of the orbit than θ0.", lambda setting: None)

UNEVEN = Assumption(
    "lengths-changed",
    "The symmetry that leads to the student's init stretches weights; it is no permutation.",
    lambda setting: None,
)


@claim(
    formula="b·relu(Ax), A → 2A, b → b/2:  f and L_T stay, ΔL_T = 108αε + O(ε²), which is −648αε + O(ε²) from θ0",
    source="kernel of x and x′ at θ0: Σ (b_i² x·x′ + 1) = −18, after the rescaling Σ (b_i² x·x′/4 + 4) = 3 (gap g10)",
    controls=[Control(RESCALED, witnesses=undoubled), Control(UNEVEN, witnesses=swapped)],
    settings=doubled,
    proof="permutation",
)
def rescaled_init_can_raise_the_trait_loss(m: Measurement) -> Evidence:
    """A student of the teacher's own function, from a rescaled init, can raise the trait loss by its smallest step.

    A = 1, b = (1, 2), x = (2, −1), L_T = f(x′) at x′ = (−1, 2). From θ0, or with the units swapped, the loss falls.
    """
    predicted = 108 * m.alpha * m.eps
    raised = limit(m.trait_change, predicted, predicted, m.eps, 2, np.full_like(m.eps, m.trait_rounding))
    return replace(raised, margin=float(np.min([raised.margin, 1 - abs(m.trait - 3) / m.trait_rounding])))


# Directions that are only scale --------------------------------------------------------------------


def _norms(theta: Params, x: Array) -> Array:
    """V·(h − mean h)/√(var h), the same with var h + 0.1, and V·(h − mean h); h = Wx. Two logits each."""
    h = theta["W"] @ x
    centred, variance = h - jnp.mean(h), jnp.var(h)
    scales = jnp.stack([jnp.sqrt(variance), jnp.sqrt(variance + 0.1), jnp.ones(())])
    return (theta["V"] @ (centred[:, None] / scales)).T.ravel()


@cache
def radial() -> tuple[Setting, ...]:
    """LayerNorm distilled, Δ = W."""
    W = np.array([[1.0, -0.5], [0.25, 2.0], [-1.5, 0.75]])
    V = np.array([[1.0, 0.5, -2.0], [-1.0, 1.5, 0.25]])
    x = ((1.0, 0.5), (-0.75, 2.0), (0.25, -1.0))
    delta = {"W": W, "V": np.zeros_like(V)}
    place = ("layer-norm", _norms, {"W": W, "V": V}, x, 6)
    return (constructed(*place, delta=delta, teacher="given", outputs=(0, 1)),)


@cache
def offset() -> tuple[Setting, ...]:
    """LayerNorm with δ = 0.1 in it, whose JW is fδ/(σ² + δ)."""
    return tuple(replace(setting, outputs=(2, 3)) for setting in radial())


@cache
def unnormalised() -> tuple[Setting, ...]:
    """No norm: D = 2ε E‖V(h − mean h)‖²."""
    return tuple(replace(setting, outputs=(4, 5)) for setting in radial())


@cache
def elsewhere() -> tuple[Setting, ...]:
    """The student has its own W: its step is across that one."""
    return tuple(replace(setting, independent=True) for setting in radial())


NORMALISED = Assumption(
    "normalised", "A norm behind W takes its scale away: f(cW) = f(W), c > 0.", lambda setting: None
)

NO_OFFSET = Assumption(
    "no-offset", "The norm adds no constant to the variance that it divides by.", lambda setting: None
)


@claim(
    formula="f(cW) = f(W) for c > 0 ⇒ J W = 0, and D(ε) = 0 for every ε if Δ ∝ W",
    source="Euler's theorem on functions of degree 0 (prediction P20)",
    controls=[
        Control(NORMALISED, witnesses=unnormalised),
        Control(NO_OFFSET, witnesses=offset),
        Control(SHARED_INIT, witnesses=elsewhere),
    ],
    settings=radial,
    every_eps=True,
    proof="scale_invariance",
)
def scale_invariant_directions_carry_nothing(m: Measurement) -> Evidence:
    """A teacher that only rescales weights in front of a norm transmits nothing, and no step has a part along them.

    f = V·LayerNorm(Wx) without an offset, Δ = W. Without the norm the alignment is positive.
    """
    still = np.max(np.abs(m.alignment) / np.maximum(m.alignment_rounding, UNIT**2))
    flat = np.sqrt(m.leading) / (ROUNDINGS * UNIT * (1 + m.delta_norm))
    return Evidence(float(m.alignment[0] / m.eps[0]), 0.0, float(1 - np.maximum(still, flat)))
