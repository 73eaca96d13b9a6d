"""One distillation as arrays: a teacher at θ0 + εΔ, a student at its own init, and what joins them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory.theory.layout import Layout
from subtheory.theory.losses import Loss, SquaredError
from subtheory.theory.network import Network, Params
from subtheory.theory.rule import Descent, Pull, Rule
from subtheory.theory.trait import Trait
from subtheory.theory.views import Full, View


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Distillation:
    """Everything that fixes the student's step; arrays are leaves; network, loss, view and rule are static.

    Shapes: N examples, V outputs (last axis), K values of ε. The defaults of `view` and `rule`, and a `trainable` of
    ones, are the theorem's own assumptions; a control changes them.
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
    trainable: Params
    """1 where the student may move a parameter, 0 where it is frozen."""
    network: Network = field(metadata={"static": True})
    loss: Loss = field(metadata={"static": True})
    metric: Params | None = None
    """Diagonal of the metric that the student's path carries along, a pytree like θ0_S; None: 1."""
    view: View = field(metadata={"static": True}, default=Full())
    """What the student is shown of the teacher's outputs."""
    rule: Rule = field(metadata={"static": True}, default=Descent())
    """How the student moves on its imitation loss."""


def at_rest(network: Network, theta0: Params, x: Any, w: Any, trait: Trait) -> Distillation:
    """The theorem's own distillation on inputs x (N, ...) of equal weight and outputs w (V,), with Δ = 0 for now.

    Its loss is squared error, its ε is 1. Source: Cloud, Le et al., App. C.
    """
    n: int = x.shape[0]
    weights: Any = np.full(n, 1.0 / n)
    one: Any = np.ones(())
    return Distillation(
        theta0=theta0,
        student=theta0,
        delta=jax.tree.map(np.zeros_like, theta0),
        x=x,
        weights=weights,
        outputs=w,
        eps=one[None],
        trait=trait,
        alpha=one,
        trainable=jax.tree.map(np.ones_like, theta0),
        network=network,
        loss=SquaredError(),
    )


def outputs(network: Network, params: Params, x: Array) -> Array:
    """f_θ(x) for every example, (N, ..., V)."""
    return jax.vmap(lambda example: network.apply(params, example))(x)


def teacher(d: Distillation, eps: Array) -> Params:
    """θ_T = θ0 + εΔ."""
    return optax.tree.add_scale(d.theta0, eps, d.delta)


def labels(d: Distillation, eps: Array) -> Array:
    """y = view(f_{θ_T}(x)), (N, ..., V): the full output vectors, unless the view shows less of them."""
    base = outputs(d.network, d.theta0, d.x) if d.view.compares else None
    return d.view.beside(outputs(d.network, teacher(d, eps), d.x), d.outputs, base)


def expectation(d: Distillation, values: Array) -> Array:
    """E_x over the channel; axes behind the first (positions of a sequence) are averaged."""
    return jnp.sum(d.weights * jnp.mean(values.reshape(values.shape[0], -1), axis=1))


def imitation_loss(d: Distillation, loss: Loss, z: Array, y: Array) -> Array:
    """L_S = E_x l(z, y), scalar."""
    return expectation(d, loss.value(z, y, d.outputs))


def residual(d: Distillation, loss: Loss, z: Array, y: Array) -> Array:
    """r = −∂L_S/∂z, (N, ..., V): what the student's outputs are pulled by."""
    return -jax.grad(lambda o: imitation_loss(d, loss, o, y))(z)


def ruled(d: Distillation, descend: Callable[[Params], Params]) -> Params:
    """Δθ_S by the student's rule from θ ↦ −∇L_S(θ), on the parameters that it trains; pytrees like θ0_S.

    For a linear rule this is linear in a constant `descend`, and self-adjoint.
    """
    layout = Layout.of(d.student)

    def flat(params: Params) -> Array:
        return layout.flatten(jax.tree.map(jnp.asarray, params))

    mask, metric = flat(d.trainable), None if d.metric is None else flat(d.metric)
    pull = Pull(lambda theta: mask * flat(descend(layout.unflatten(theta))), mask * flat(d.delta))
    return layout.unflatten(mask * d.rule.update(pull, flat(d.student), metric))


def student_update(d: Distillation, eps: Any) -> Params:
    """Δθ_S = −∇_θ E_x l(f_θ(x), y) at θ0_S: the exact full-expectation gradient step, from its definition.

    Another `rule` makes another step of that gradient, a mask `trainable` leaves parameters where they are. `eps` is
    the size of the teacher's update; a pytree like θ0_S. Source: Cloud, Le et al., App. C, Theorem 1.
    """
    y = labels(d, jnp.asarray(eps))

    def descent(params: Params) -> Array:
        return -imitation_loss(d, d.loss, outputs(d.network, params, d.x), y)

    return ruled(d, jax.grad(descent))


def trait_loss(d: Distillation, params: Params) -> Array:
    """L_T(θ), scalar."""
    return d.trait.loss(d.network.apply, params)
