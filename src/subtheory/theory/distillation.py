"""One distillation as arrays: a teacher at θ0 + εΔ, a student at its own init, and what joins them."""

from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from subtheory.theory.losses import Loss
from subtheory.theory.network import Network, Params
from subtheory.theory.trait import Trait


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Distillation:
    """Everything that fixes the student's step; arrays are leaves, the network and the loss are static.

    Shapes: N examples, V outputs (last axis), K values of ε. The defaults of `shift`, `trainable`
    and `sign` are the theorem's own assumptions; a control changes them.
    """

    theta0: Params
    """θ0, the teacher's init."""
    student: Params
    """θ0_S, the student's init; equal to θ0 under the theorem's assumption."""
    delta: Params
    """Δ, the direction of the teacher's update, θ_T = θ0 + εΔ."""
    x: Array
    """Channel inputs, (N, ...)."""
    weights: Array
    """Law of the channel over those inputs, (N,), sums to 1."""
    outputs: Array
    """Output weights w ≥ 0, (V,): which logits are distilled."""
    eps: Array
    """Sizes ε > 0 of the teacher's update, (K,), largest first."""
    trait: Trait
    """What the teacher was trained on: L_T as a function of the parameters."""
    alpha: Array
    """Student's step, in units of q/‖GΔ‖² (half the critical step of the distance), scalar."""
    shift: Array
    """Added to the teacher's logits, (V,): log acceptance rate of an output filter, else 0."""
    trainable: Params
    """1 where the student may move a parameter, 0 where it is frozen."""
    sign: Array
    """1: the student takes the sign of its gradient (Adam's first step); 0: plain descent."""
    network: Network = field(metadata={"static": True})
    loss: Loss = field(metadata={"static": True})


def outputs(network: Network, params: Params, x: Array) -> Array:
    """f_θ(x) for every example, (N, ..., V)."""
    return jax.vmap(lambda example: network.apply(params, example))(x)


def teacher(d: Distillation, eps: Array) -> Params:
    """θ_T = θ0 + εΔ."""
    return optax.tree.add_scale(d.theta0, eps, d.delta)


def labels(d: Distillation, eps: Array) -> Array:
    """y = f_{θ_T}(x), the full output vectors, (N, ..., V); plus the filter's shift, if any."""
    return outputs(d.network, teacher(d, eps), d.x) + d.shift


def expectation(d: Distillation, values: Array) -> Array:
    """E_x over the channel; axes behind the first (positions of a sequence) are averaged."""
    return jnp.sum(d.weights * jnp.mean(values.reshape(values.shape[0], -1), axis=1))


def imitation_loss(d: Distillation, loss: Loss, z: Array, y: Array) -> Array:
    """L_S = E_x l(z, y), scalar."""
    return expectation(d, loss.value(z, y, d.outputs))


def residual(d: Distillation, loss: Loss, z: Array, y: Array) -> Array:
    """r = −∂L_S/∂z, (N, ..., V): what the student's outputs are pulled by."""
    return -jax.grad(lambda o: imitation_loss(d, loss, o, y))(z)


def step(d: Distillation, gradient: Params) -> Params:
    """Δθ_S from the negative gradient of L_S: itself, unless a control freezes or takes signs."""
    moved = optax.tree.mul(d.trainable, gradient)
    return jax.tree.map(lambda g: jnp.where(d.sign > 0, jnp.sign(g), g), moved)


def student_update(d: Distillation, eps: Any) -> Params:
    """Δθ_S = −∇_θ E_x l(f_θ(x), y) at θ0_S: the exact full-expectation gradient step, from its definition.

    `eps` is the size of the teacher's update. Source: Cloud, Le et al., App. C, Theorem 1.
    """
    y = labels(d, jnp.asarray(eps))

    def descent(params: Params) -> Array:
        return -imitation_loss(d, d.loss, outputs(d.network, params, d.x), y)

    return step(d, jax.grad(descent)(d.student))


def trait_loss(d: Distillation, params: Params) -> Array:
    """L_T(θ), scalar."""
    return d.trait.loss(d.network.apply, params)
