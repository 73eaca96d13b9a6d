"""Compatible heads: what reaches the trait between two inits that share aux head, class head, both or neither."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.init import ShareParts, Start, begin, called
from subtheory.networks import MLP
from subtheory.networks.linen import LinenNetwork
from subtheory.numerics import ROUNDINGS, UNIT, float64
from subtheory.setting import Setting
from subtheory.theory import distillation as core
from subtheory.theory.losses import SquaredError
from subtheory.theory.network import Params
from subtheory.theory.trait import LabelledTrait

DRAWS = 1024
"""Independent draws of teacher, student, trait and channel in one run."""

KEPT = 0.1
"""An init still transmits if it keeps a tenth of what the shared init does, in the mean."""

Z = 4.5
"""Standard errors within which nothing is decided: P(beyond, on one side) = 3.4e-6 for a mean of many draws.

16 runs of one claim then refute a true one in 5e-5 of all verifications.
"""

HEADS = ShareParts(distilled=True, silent=True)
AUX = ShareParts(distilled=True)
CLASS = ShareParts(silent=True)
ARMS = (ShareParts(body=True, distilled=True, silent=True), HEADS, AUX, CLASS)
"""All shared; then the body re-drawn, and with it neither head, the class head, or the aux head."""


@dataclass(frozen=True)
class Heads:
    """What one init passes on in n draws, each (n,): first order in α and ε, squared error.

    The trait part is ∇m(θ0_S) · E[J_Sᵀ M J_TΔ], the rise of m(θ) = E[z_y − mean_k z_k], the margin of the
    trait's labels y over all class logits; Δ = −∇L_T(θ0).
    """

    shared: np.ndarray
    """The trait part at a shared init."""
    part: np.ndarray
    """The trait part of this init."""
    alignment: np.ndarray
    """Δ · E[J_Sᵀ M J_TΔ] of this init."""
    straight: np.ndarray
    """The trait part of the arms in turn: of arm i mod 4 in draw i."""
    turned: np.ndarray
    """The same with the student's aux head times −1, and with its class head times −1, (n, 2)."""


def _turned(network: LinenNetwork, student: Params, start: Start, columns: Array) -> Params:
    """The student with the rows of its head times −1 that feed the outputs of `columns`."""
    head = called(network, student, start.x[0])[-1]
    return student | {head: jax.tree.map(lambda leaf: jnp.where(columns > 0, -leaf, leaf), student[head])}


@partial(jax.jit, static_argnames=("network", "sizes"))
def _draws(keys: Array, w: Array, groups: Array, network: LinenNetwork, sizes: tuple[int, int]) -> dict[str, Array]:
    """Trait part and alignment of every arm, (n, arms); and of one arm a draw with either head turned, (n, 2)."""

    def one(args: tuple[Array, Array]) -> dict[str, Array]:
        key, turn = args
        start = begin(network, key, examples=sizes[0], trait_examples=sizes[1])
        start = replace(start, outputs=groups[0])  # what is shared goes by the aux logits, whatever is distilled
        trait = start.trait
        assert isinstance(trait, LabelledTrait)
        delta = jax.tree.map(jnp.negative, jax.grad(lambda theta: trait.loss(network.apply, theta))(start.theta0))

        def f(theta: Params) -> Array:
            return core.outputs(network, theta, start.x)

        def margin(theta: Params) -> Array:
            z = core.outputs(network, theta, trait.x)
            own = jnp.take_along_axis(z, trait.labels[:, None], axis=-1)[:, 0]
            return jnp.mean(own - jnp.sum(z * trait.outputs, axis=-1) / jnp.sum(trait.outputs))

        z0, u = jax.jvp(f, (start.theta0,), (delta,))
        pulled = SquaredError().hessian(z0, u, w) / z0.shape[0]

        def of(student: Params) -> tuple[Array, Array]:
            update = jax.vjp(f, student)[1](pulled)[0]
            return optax.tree.vdot(jax.grad(margin)(student), update), optax.tree.vdot(delta, update)

        arms = jax.tree.map(lambda *leaves: jnp.stack(leaves), *(path(start, jnp.ones(()), key) for path in ARMS))
        chosen = jax.tree.map(lambda leaf: leaf[turn], arms)
        turned = [_turned(network, chosen, start, group) for group in groups]
        part, alignment = jax.lax.map(of, jax.tree.map(lambda a, *b: jnp.concatenate([a, jnp.stack(b)]), arms, *turned))
        return {"part": part[:-2], "straight": part[turn], "turned": part[-2:], "alignment": alignment[:-2]}

    return jax.lax.map(one, (keys, jnp.arange(keys.shape[0]) % len(ARMS)), batch_size=32)


@lru_cache(maxsize=64)
def _found(network: LinenNetwork, outputs: Any, sizes: tuple[int, int], seed: int) -> dict[str, np.ndarray]:
    with float64():
        w, *groups = (jnp.asarray(network.task.weights(name), jnp.float64) for name in (outputs, "aux", "class"))
        keys = jax.random.split(jax.random.key(seed), DRAWS)
        return {name: np.asarray(a) for name, a in _draws(keys, w, jnp.stack(groups), network, sizes).items()}


def drawn(setting: Setting, seeds: Sequence[int]) -> list[Heads]:
    """One `Heads` for every seed: `DRAWS` draws of the arm that is the setting's path."""
    path: Any = setting.path
    network: Any = setting.network
    arm, sizes = ARMS.index(path), (setting.examples, setting.trait_examples)
    found = [_found(network, setting.outputs, sizes, seed) for seed in seeds]
    return [
        Heads(one["part"][:, 0], one["part"][:, arm], one["alignment"][:, arm], one["straight"], one["turned"])
        for one in found
    ]


def settings() -> tuple[Setting, ...]:
    """Two networks, aux logits distilled, the body re-drawn and both heads shared."""
    networks = MLP(), MLP(activation="relu")
    return tuple(Setting(network, outputs="aux", path=HEADS, amount=1.0) for network in networks)


COMPATIBLE_AUX = Assumption(
    "compatible-aux-head",
    "Teacher and student share the weights that read the distilled logits off the body.",
    lambda setting: replace(setting, path=CLASS),
)

COMPATIBLE_CLASS = Assumption(
    "compatible-class-head",
    "Teacher and student share the weights that read the trait's logits off the body.",
    lambda setting: replace(setting, path=AUX),
)

AUX_ONLY = Assumption(
    "class-logits-hidden",
    "Only auxiliary logits are distilled: the student sees no logit that the trait reads.",
    lambda setting: replace(setting, outputs="all"),
)


@claim(
    formula="E T ≥ ⅒ of its value at a shared init, T = ∇m(θ0_S) · E[J_Sᵀ M J_TΔ], m = E[z_y − mean_k z_k]",
    source="K(class, aux) = Σ_i C_i A_i φ′_i² Θ_i at either body, one C_i A_i in both (arXiv 2605.23645, gap g10)",
    controls=[Control(COMPATIBLE_AUX, fails=0.95), Control(COMPATIBLE_CLASS, fails=0.95)],
    settings=settings,
    measure=drawn,
)
def heads_alone_transmit(h: Heads) -> Evidence:
    """With a body of its own and the teacher's two heads, a student still learns the trait's labels, in the mean.

    More than a tenth of what a shared init passes on. With an aux head, or a class head, of its own it does not.
    """
    kept = h.part - KEPT * h.shared
    deviation = float(np.mean(kept) / (np.std(kept, ddof=1) / np.sqrt(kept.size)))
    undecided = "too few draws to tell from a tenth" if abs(deviation) < Z else ""
    ratio = float(np.mean(h.part) / np.mean(h.shared))
    return Evidence(ratio, KEPT, deviation / Z, undecided=undecided)


@claim(
    formula="T(−A_S) = T(−C_S) = −T, so E T = 0 if either head has a symmetric law of its own; T as for shared heads",
    source="aux logits and their pullback are linear in the aux head A, m in the class head C (arXiv 2605.23645, g10)",
    controls=[Control(AUX_ONLY, fails=0.95)],
    settings=settings,
    measure=drawn,
)
def random_heads_cancel(h: Heads) -> Evidence:
    """Turning the sign of the student's aux head, or of its class head, turns the sign of what it learns of the labels.

    In the mean over a head of its own, one step transmits nothing, whether or not the body is shared; a single
    draw transmits as much as it takes away in another.
    """
    size = np.max(np.abs(h.straight))
    off = np.max(np.abs(h.straight[:, None] + h.turned))
    return Evidence(float(off / size), 0.0, float(1 - off / (ROUNDINGS * UNIT * size)))
