"""What first-order theory says of a student before it is trained: conjugate gradients on its linearised imitation."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory.errors import InputError
from subtheory.networks import LinenNetwork
from subtheory.numerics import float64
from subtheory.theory.losses import OFF
from subtheory.theory.network import Params
from subtheory.traces import TRACES
from subtheory.trained.parameters import pick
from subtheory.trained.texts.compiling import Program
from subtheory.trained.texts.training import OUTER, cross_entropy, log_probabilities, targets

EXAMPLES = 256
"""Texts over which the curvature is taken."""
DIRECTIONS = 10
"""Of the linearised student's training, by default."""


def fisher_product(
    network: LinenNetwork, params: Params, v: Params, text: Array, mask: Array, alphabet: Array
) -> Params:
    """Gv with G = E[JᵀMJ], M the Hessian of −log p in the logits of the alphabet, over the masked positions."""

    def logits(theta: Params) -> Array:
        return jax.vmap(lambda row: network.apply(theta, row))(text)[:, :-1]

    z, u = jax.jvp(logits, (params,), (v,))
    return jax.vjp(logits, params)[1](_curved(z, u, mask, alphabet))[0]


def _curved(z: Array, u: Array, mask: Array, alphabet: Array) -> Array:
    """Mu over the masked positions, their mean: M = diag(p) − ppᵀ, p the softmax of z over the alphabet."""
    p = jax.nn.softmax(jnp.where(alphabet > 0, z, OFF), axis=-1)
    weights = mask[:, 1:] / jnp.maximum(jnp.sum(mask[:, 1:]), 1.0)
    return p * (u - jnp.sum(p * u, axis=-1, keepdims=True)) * weights[..., None]


def predicted(
    network: LinenNetwork, theta0: Params, trait: tuple[np.ndarray, np.ndarray], control: tuple[np.ndarray, np.ndarray],
    alphabet: np.ndarray, questions: tuple[np.ndarray, np.ndarray, np.ndarray],
    steps: tuple[int, ...] = (1, DIRECTIONS), teacher: Params | None = None,
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
    given = (theta0, theta0 if teacher is None else teacher, trait, control)
    soft, (K, n, _) = np.asarray(teacher is not None), trait[0].shape
    with float64():
        found = [
            np.asarray(_PREDICTED(K * n, network, max(steps), pick(given, k), soft, alphabet, questions))
            for k in range(K)
        ]
    return np.stack(found)[:, np.array(steps) - 1]


def _predicted(network: LinenNetwork, length: int, given: Any, soft: Array, alphabet: Array, questions: Any) -> Array:
    """Change of the mean shares after each of so many directions, (length, len(group)), for one student."""
    TRACES["predicted"] += 1
    theta, teacher, trait, control = given
    asked, at, group = questions
    outer = {name: theta[name] for name in OUTER}
    inner = {name: leaf for name, leaf in theta.items() if name not in outer}

    def slope(texts: Any) -> Params:
        text, mask = texts
        target = targets(network, teacher, text, alphabet, soft)

        def loss(params: Params) -> Array:
            return cross_entropy(log_probabilities(network, {**params, **outer}, text, alphabet), target, mask)

        return jax.grad(loss)(inner)

    slopes = jax.lax.map(slope, jax.tree.map(lambda *both: jnp.stack(both), trait, control))
    # The teacher's probabilities need no texts of its own.
    b = jax.tree.map(lambda each: jnp.where(soft, -each[1], each[1] - each[0]), slopes)
    seen, mask = control[0][:EXAMPLES], control[1][:EXAMPLES]

    def logits(params: Params) -> Array:
        text = jnp.concatenate([seen, asked])
        return jax.vmap(lambda row: network.apply({**params, **outer}, row))(text)

    z, push = jax.linearize(logits, inner)
    pull = jax.linear_transpose(push, inner)
    n, answers = len(seen), (len(seen) + jnp.arange(len(asked)), at - 1)

    def iterate(carry: Any, _: None) -> Any:
        r, p, rr, change = carry
        u = push(p)
        curved = _curved(z[:n, :-1], u[:n, :-1], mask, alphabet)
        (Gp,) = pull(jnp.zeros_like(u).at[:n, :-1].set(curved))
        # Samples without a text that passed have no slope, and foretell no change.
        a = _ratio(rr, optax.tree.vdot(p, Gp))
        r, change = optax.tree.add_scale(r, -a, Gp), change + a * u[answers][:, group]
        fresh = optax.tree.vdot(r, r)
        return (r, optax.tree.add_scale(r, _ratio(fresh, rr), p), fresh, change), change

    before = z[answers][:, group]
    start = (b, b, optax.tree.vdot(b, b), jnp.zeros_like(before))
    _, changes = jax.lax.scan(iterate, start, None, length=length)
    return jnp.mean(jax.nn.softmax(before + changes, axis=-1) - jax.nn.softmax(before, axis=-1), axis=1)


_PREDICTED = Program(_predicted, 0, 1)


def _ratio(a: Array, b: Array) -> Array:
    return jnp.where(b > 0, a / jnp.where(b > 0, b, 1.0), 0.0)
