"""Students that train a part of the parameters: what each layer adds, and when the part that is left turns away."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims import witnesses
from subtheory.claims.assumptions import GRADIENT_STUDENT
from subtheory.claims.inits import CONSTANT, CONTROLLED, along_every_path, crossed, extrapolated
from subtheory.claims.twins import TOGETHER, dot, ours, steps
from subtheory.crossing import Crossing
from subtheory.envelope import limit
from subtheory.init import Path, Start, layers
from subtheory.measurement import Measurement
from subtheory.networks.linen import LinenNetwork
from subtheory.numerics import ROUNDINGS, UNIT, float64
from subtheory.setting import Setting, distillations
from subtheory.source import Given
from subtheory.theory.linearize import first_kink
from subtheory.theory.losses import SquaredError
from subtheory.theory.network import Params

# Layer by layer ------------------------------------------------------------------------------------


def shared_and_elsewhere(setting: Setting) -> Iterator[Setting]:
    """The shared init, and every path away from it."""
    yield setting
    yield from along_every_path(setting)


@claim(
    formula="Σ_ℓ D_ℓ = D and D_ℓ(ε) − D_ℓ(0) = ε Δ_ℓ·(E[J_Sᵀ M J_TΔ])_ℓ + O(ε²), at a shared init ε Δ_ℓᵀ(GΔ)_ℓ",
    source="the student's step Δθ_S = εGΔ + O(ε²), split by layers (prediction P35)",
    controls=[Control(CONTROLLED, fails=0.95), Control(GRADIENT_STUDENT, fails=0.95)],
    applies=ours,
    spread=shared_and_elsewhere,
    measure=crossed,
    proof="restricted_student",
)
def layers_add_up_to_the_alignment(c: Crossing) -> Evidence:
    """A student that trains one layer aligns by its part of the Gauss-Newton form, and the parts add up to the whole.

    The parts need not be positive. From another init the same is true of what the teacher's update adds.
    """
    if not c.scale > 0 or c.rounding[-2] > 0.1 * CONSTANT * c.eps[-2] * c.scale:
        return Evidence(0.0, 0.0, 1.0, "the kernel is at rounding level")
    parts = [
        (limit(c.by_layer[name], c.eps * predicted, c.eps * c.scale, c.eps, 2, c.rounding).margin,
         1 - abs(extrapolated(c.by_layer[name] / c.eps) - predicted) / (CONSTANT * c.scale))
        for name, predicted in c.predicted_by_layer.items()
    ]  # fmt: skip
    # The whole by its own forms: one inner product of all parameters, and E[(J_SΔ)ᵀM(J_TΔ)] without a pullback.
    whole = 1 - np.max(np.abs(sum(c.by_layer.values()) - c.added) / c.rounding)
    form = 1 - abs(sum(c.predicted_by_layer.values()) - c.kernel) / (ROUNDINGS * UNIT * c.scale * len(parts) * 4)
    total = sum(extrapolated(part / c.eps) for part in c.by_layer.values())
    return Evidence(float(total / c.scale), float(c.kernel / c.scale), float(np.min([*np.ravel(parts), whole, form])))


# One layer alone -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class TrainOnly(Path):
    """θ0_S = θ0, but the student trains the top-level parts `layers` only; so does the teacher, if `matched`."""

    layers: tuple[str, ...]
    matched: bool = True

    @property
    def name(self) -> str:
        return f"{'both' if self.matched else 'the-student'}-only-train-{'-and-'.join(self.layers)}"

    @property
    def says(self) -> str:
        return f"{'Teacher and student train' if self.matched else 'The student trains'} {', '.join(self.layers)} only."

    def __call__(self, start: Start, amount: Array, key: Array) -> Params:
        return start.theta0

    def project(self, params: Params) -> Params:
        """Q on parameters or on a difference of them."""

        def part(path: Any, leaf: Array) -> Array:
            return leaf * (jax.tree_util.keystr(path[:1], simple=True) in self.layers)

        return jax.tree_util.tree_map_with_path(part, params)


@dataclass(frozen=True)
class Restricted:
    """A student that trains Q's parameters only, of a teacher Δ; K values of ε."""

    eps: np.ndarray
    alignment: np.ndarray
    """D(ε) = QΔθ_S(ε) · Δ, (K,)."""
    form: float
    """ΔᵀQGQΔ = E[(JQΔ)ᵀM(JQΔ)]."""
    rounding: np.ndarray
    """Size of the rounding error of D, (K,)."""


def restricted(setting: Setting, seeds: Sequence[int]) -> list[Restricted]:
    """One `Restricted` for every seed; one program for a network, whatever the layer and the loss."""
    return _restricted(replace(setting, loss=SquaredError()), tuple(seeds))[setting.loss.name]


_kinks = jax.jit(jax.vmap(lambda d: first_kink(d.network, d.theta0, d.delta, d.x)))


@lru_cache(maxsize=64)
def _restricted(setting: Setting, seeds: tuple[int, ...]) -> dict[str, list[Restricted]]:
    whole, _ = distillations(setting, seeds)
    path = setting.path
    assert isinstance(path, TrainOnly)
    with float64():
        part = path.project(whole.delta)
        d = replace(whole, delta=part)
        # What ends the range of a polynomial in ε is the kink on the teacher's own segment.
        eps = d.eps * jnp.minimum(1.0, 0.5 * _kinks(d) / d.eps[:, 0])[:, None]
        ones = optax.tree.ones_like(d.theta0)
        matched = steps(replace(d, eps=eps), ones, TOGETHER)
        found = matched if path.matched else steps(replace(whole, eps=eps), ones, TOGETHER)
        update = path.project(jax.tree.map(lambda leaf: leaf[:, 0], found["update"]))
        along = jax.tree.map(lambda leaf: leaf[:, None, None], part)
    alignment, norms = dot(update, along), np.sqrt(dot(update, update) * dot(along, along))
    pulled, form, ladder = (np.asarray(a) for a in (found["pulled"], matched["form"], eps))
    rounding = ROUNDINGS * UNIT * (4 * pulled[:, None, None] + norms)
    return {
        loss.name: [
            Restricted(ladder[s], alignment[s, i], float(form[s, i]), rounding[s, i]) for s in range(len(seeds))
        ]
        for i, loss in enumerate(TOGETHER)
    }


@lru_cache(maxsize=32)
def parts(network: LinenNetwork) -> tuple[str, ...]:
    """Names of the layers of a network; computes nothing."""
    with float64():
        return layers(jax.eval_shape(network.init, jax.random.key(0)))


def layer_by_layer(setting: Setting) -> Iterator[Setting]:
    """Every layer alone, under two teachers; a head of which only the silent half moves shows nothing."""
    for name in parts(setting.network):  # type: ignore[arg-type]
        for teacher in (setting.teacher, "random"):
            if not (name == "head" and setting.outputs == "aux" and teacher != "random"):
                yield replace(setting, path=TrainOnly((name,)), amount=0.0, teacher=teacher)


def _unmatched(setting: Setting) -> Setting | None:
    """The teacher trains all layers, where the channel sees another one than the student's."""
    path, network = setting.path, setting.network
    hidden = setting.outputs == "aux" and setting.teacher != "random"
    others = [n for n in parts(network) if n not in getattr(path, "layers", ()) and not (hidden and n == "head")]  # type: ignore[arg-type]
    if not isinstance(path, TrainOnly) or not others:
        return None
    return replace(setting, path=replace(path, matched=False))


MATCHED = Assumption("matched", "The teacher moved only the parameters that the student trains.", _unmatched)


@claim(
    formula="Δ = QΔ:  D(ε) = ε ΔᵀQGQΔ + O(ε²) > 0, Q the projection onto what the student trains",
    source="Lemma 1 of arXiv 2507.14805 in the trained parameters alone (gap g15, prediction P35)",
    controls=[Control(MATCHED, fails=0.9), Control(GRADIENT_STUDENT, fails=0.95)],
    applies=ours,
    spread=layer_by_layer,
    measure=restricted,
    proof="restricted_student",
)
def matched_restriction_aligns(r: Restricted) -> Evidence:
    """A student that trains some layers only aligns with a teacher that moved the same layers only.

    The Gauss-Newton form of those layers, constant and order, whatever the layer. A teacher that moved elsewhere
    too adds ΔᵀQG(1 − Q)Δ, of either sign.
    """
    return limit(r.alignment, r.eps * r.form, r.eps * r.form, r.eps, 2, r.rounding)


def _with(**given: Any) -> tuple[Setting, ...]:
    """The witness of a frozen parameter, f = θ1 + θ2, Δ = (2, −1), θ1 frozen, with another Δ or mask."""
    (setting,) = witnesses.frozen()
    assert isinstance(setting.source, Given)
    return (replace(setting, source=replace(setting.source, **given)),)


@cache
def unfrozen() -> tuple[Setting, ...]:
    """Both parameters trained: D = 2ε (2 − 1)²."""
    return _with(trainable=None)


@cache
def frozen_alike() -> tuple[Setting, ...]:
    """A teacher that left θ1 alone too, Δ = (0, −1): D = 2ε (−1)²."""
    return _with(delta=np.array([0.0, -1.0]))


FROZEN = Assumption("frozen", "The student cannot move a parameter that the teacher moved.", lambda setting: None)

MOVED = Assumption(
    "moved-by-the-teacher", "The teacher moved a parameter that is frozen in the student.", lambda setting: None
)


@claim(
    formula="f = θ1 + θ2, Δ = (2, −1), Q = diag(0, 1):  D(ε) = 2ε ΔᵀQkkᵀΔ = −2ε, k = (1, 1)",
    source="counterexample to Lemma 1 for a student that trains less than its teacher (gap g15, prediction P35)",
    controls=[Control(FROZEN, witnesses=unfrozen), Control(MOVED, witnesses=frozen_alike)],
    settings=witnesses.frozen,
    every_eps=True,
    proof="restricted_student",
)
def frozen_parameters_can_reverse_alignment(m: Measurement) -> Evidence:
    """A student with a parameter frozen can move away from its teacher, by a constant, at any ε.

    Unfrozen, or with a teacher that had left the same parameter alone, it would align with 2ε.
    """
    return limit(m.alignment, -2 * m.eps, -2 * m.eps, m.eps, 2, m.alignment_rounding)
