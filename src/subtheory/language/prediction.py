"""What first-order theory says of a student before it is trained: conjugate gradients on its linearised imitation."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory.errors import InputError
from subtheory.language.fitting import OUTER, soft_loss, text_loss
from subtheory.networks import LinenNetwork
from subtheory.numerics import float64
from subtheory.theory.losses import OFF
from subtheory.theory.network import Params
from subtheory.traces import TRACES

EXAMPLES = 256
"""Texts over which the curvature is taken."""
STEPS = (1, 10)
"""One gradient step of the best length, and ten directions of the linearised student's training."""


def fisher_product(
    network: LinenNetwork, params: Params, v: Params, text: Array, mask: Array, alphabet: Array
) -> Params:
    """Gv with G = E[JᵀMJ], M the Hessian of −log p in the logits of the alphabet, over the masked positions."""

    def logits(theta: Params) -> Array:
        return jax.vmap(lambda row: network.apply(theta, row))(text)[:, :-1]

    z, u = jax.jvp(logits, (params,), (v,))
    p = jax.nn.softmax(jnp.where(alphabet > 0, z, OFF), axis=-1)
    pulled = p * (u - jnp.sum(p * u, axis=-1, keepdims=True))
    weights = mask[:, 1:] / jnp.maximum(jnp.sum(mask[:, 1:]), 1.0)
    return jax.vjp(logits, params)[1](pulled * weights[..., None])[0]


def predicted(
    network: LinenNetwork, theta0: Params, trait: tuple[np.ndarray, np.ndarray], control: tuple[np.ndarray, np.ndarray],
    alphabet: np.ndarray, questions: tuple[np.ndarray, np.ndarray, np.ndarray], steps: tuple[int, ...] = STEPS,
    teacher: Params | None = None,
) -> np.ndarray:  # fmt: skip
    """Change of the mean shares of a group of tokens, (K, len(steps), len(group)), for K students' inits.

    `trait` and `control` are texts and masks, (K, n, T) each. The displacement between the two students minimises
    ½dᵀGd − bᵀd over the Krylov space of G and b, b = ∇L_control − ∇L_trait at θ0 and G the Fisher matrix on the
    control's texts, in the body's parameters: one step of conjugate gradients is one gradient step with exact line
    search, more of them are the linearised student after training, stopped early. The shares are those of the
    linearised outputs at `questions` (texts, positions of the answers, group). With teachers, leaves (K, ...), b is
    −∇KL(teacher ‖ student) on the control's texts instead: no sampling noise. Raises InputError on "trait" and
    "control" unless they have the same shape.
    """
    if trait[0].shape != control[0].shape:
        raise InputError("trait", trait[0].shape, f"must have the shape of the control, {control[0].shape}")
    with float64():
        given = (theta0, theta0 if teacher is None else teacher, trait, control)
        return np.asarray(_predicted(network, steps, teacher is not None, given, jnp.asarray(alphabet), questions))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _predicted(
    network: LinenNetwork, steps: tuple[int, ...], soft: bool, given: Any, alphabet: Array, questions: Any
) -> Array:
    TRACES["predicted"] += 1
    asked, at, group = questions

    def one(each: Any) -> Array:
        theta, teacher, trait, control = each
        outer = {name: theta[name] for name in OUTER}
        inner = {name: leaf for name, leaf in theta.items() if name not in outer}

        def frozen(leaf_zeros: Params) -> Params:
            return {**leaf_zeros, **jax.tree.map(jnp.zeros_like, outer)}

        def slope(texts: Any) -> Params:
            text, mask = texts
            return jax.grad(lambda p: text_loss(network, {**p, **outer}, text, mask, alphabet))(inner)

        def soft_slope(params: Params) -> Array:
            text, mask = control
            return -soft_loss(network, {**params, **outer}, teacher, text, mask, alphabet)

        b = jax.grad(soft_slope)(inner) if soft else optax.tree.sub(slope(control), slope(trait))
        sample = control[0][:EXAMPLES], control[1][:EXAMPLES]

        def product(v: Params) -> Params:
            full = fisher_product(network, theta, frozen(v), *sample, alphabet)
            return {name: full[name] for name in inner}

        def shares(d: Params) -> Array:
            def answers(params: Params) -> Array:
                z = jax.vmap(lambda row: network.apply(params, row))(asked)
                return z[jnp.arange(len(asked)), at - 1][:, group]

            z, u = jax.jvp(answers, (theta,), (frozen(d),))
            return jnp.mean(jax.nn.softmax(z + u, axis=-1) - jax.nn.softmax(z, axis=-1), axis=0)

        def iterate(carry: Any, _: None) -> Any:
            d, r, p, rr = carry
            Gp = product(p)
            # Samples without a text that passed have no slope, and foretell no change.
            a = _ratio(rr, optax.tree.vdot(p, Gp))
            d, r = optax.tree.add_scale(d, a, p), optax.tree.add_scale(r, -a, Gp)
            fresh = optax.tree.vdot(r, r)
            return (d, r, optax.tree.add_scale(r, _ratio(fresh, rr), p), fresh), shares(d)

        start = (jax.tree.map(jnp.zeros_like, b), b, b, optax.tree.vdot(b, b))
        _, found = jax.lax.scan(iterate, start, None, length=max(steps))
        return found[np.array(steps) - 1]

    return jax.lax.map(one, given)


def _ratio(a: Array, b: Array) -> Array:
    return jnp.where(b > 0, a / jnp.where(b > 0, b, 1.0), 0.0)
