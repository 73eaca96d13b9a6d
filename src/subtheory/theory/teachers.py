"""Where a teacher goes: directions Δ, from one gradient step to the worst that one can choose.

Lemma 1 allows every direction; the theorem on the trait loss asks for Δ = −∇L_T(θ0). A direction is
a function of a `Start`; to add a teacher, add a function to `DIRECTIONS` or an optimizer to `OPTIMIZERS`.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from subtheory.theory.curvature import averaged, ggn
from subtheory.theory.distillation import Distillation, outputs, trait_loss
from subtheory.theory.losses import SquaredError
from subtheory.theory.network import Params
from subtheory.theory.training import train


class Start(NamedTuple):
    """What a direction may depend on: the distillation with Δ still empty, ∇L_T(θ0), and normal noise."""

    d: Distillation
    gradient: Params
    noise: Params


def start(d: Distillation, drawn: Params) -> Start:
    """The start of every teacher; `drawn` are standard normal parameters."""
    return Start(d, jax.grad(lambda theta: trait_loss(d, theta))(d.theta0), drawn)


def noise(key: Array, like: Params) -> Params:
    """Standard normal parameters of the shape of `like`, from one draw."""
    flat, unravel = ravel_pytree(like)
    return unravel(jax.random.normal(key, flat.shape, flat.dtype))


def gradient_descent(start: Start) -> Params:
    """Δ = −∇L_T(θ0): one full-batch step, the theorem's teacher."""
    return optax.tree.scale(-1.0, start.gradient)


def trained(start: Start) -> dict[str, Params]:
    """Δ = θ_T − θ0 after full-batch training on L_T, for every optimizer of `OPTIMIZERS` in one scan."""
    d = start.d
    teachers = dict.fromkeys(OPTIMIZERS, d.theta0)

    def loss(thetas: dict[str, Params], _: Array) -> Array:
        stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *thetas.values())
        return jnp.sum(jax.vmap(lambda theta: trait_loss(d, theta))(stacked))

    labels = {name: name for name in OPTIMIZERS}
    ends, _ = train(loss, teachers, optax.partition(OPTIMIZERS, labels), jnp.arange(STEPS))
    return {name: optax.tree.sub(theta, d.theta0) for name, theta in ends.items()}


def random(start: Start) -> Params:
    """Δ standard normal: a teacher that learned nothing in particular."""
    return start.noise


def adversarial(start: Start, power: int = 20, steps: int = 12) -> Params:
    """Δ that hides from the channel: (I − G/λ_max)^steps on a random draw shrinks ΔᵀGΔ/‖Δ‖².

    Knows θ0, the channel and the squared-error G; it can make q small, never negative. The first
    `power` rounds find λ_max by power iteration, the rest hide: one loop, one compiled product.
    """
    product = ggn(start.d, SquaredError())
    tiny = jnp.finfo(jnp.float64).tiny

    def choose(first: Array, a: Params, b: Params) -> Params:
        return jax.tree.map(lambda x, y: jnp.where(first, x, y), a, b)

    def turn(i: Array, state: tuple[Params, Array, Params]) -> tuple[Params, Array, Params]:
        top, largest, hidden = state
        first = i < power
        v = choose(first, top, hidden)
        gv = product(v)
        unit = optax.tree.scale(1 / jnp.maximum(optax.tree.norm(gv), tiny), gv)
        rayleigh = optax.tree.vdot(v, gv) / jnp.maximum(optax.tree.norm(v, squared=True), tiny)
        hide = optax.tree.add_scale(hidden, -1 / jnp.maximum(largest, tiny), gv)
        return choose(first, unit, top), jnp.where(first, rayleigh, largest), choose(first, hidden, hide)

    return jax.lax.fori_loop(0, power + steps, turn, (start.noise, jnp.ones(()), start.noise))[2]


def logit_shift(start: Start) -> Params:
    """Δ that adds one constant to every logit: invisible to every softmax, visible to squared error.

    Among the parameter leaves with one entry per logit it takes the one whose unit step shifts all
    outputs of the channel by 1 (an output bias); all zeros when there is none.
    """
    d = start.d
    size = d.outputs.shape[0]
    zero = optax.tree.zeros_like(d.theta0)
    leaves, tree = jax.tree.flatten(zero)
    best, miss = zero, jnp.asarray(jnp.inf)
    for i, leaf in enumerate(leaves):
        if leaf.shape != (size,):
            continue
        candidate = jax.tree.unflatten(tree, [jnp.ones_like(z) if i == j else z for j, z in enumerate(leaves)])
        shift = jax.jvp(lambda theta: outputs(d.network, theta, d.x), (d.theta0,), (candidate,))[1]
        off = jnp.max(jnp.abs(shift - 1.0))
        closer = off < miss
        best = jax.tree.map(lambda b, c, closer=closer: jnp.where(closer, c, b), best, candidate)
        miss = jnp.minimum(off, miss)
    found = jnp.where(miss < 1e-12, 1.0, 0.0)
    return optax.tree.scale(found, best)


def invisible(start: Start) -> Params:
    """−∇L_T on those parameters only that no distilled output sees on the channel, 0 elsewhere.

    Seen means that the pullback of a generic cotangent on the distilled outputs is not exactly zero.
    Gives the zero branch on any network: parameters of undistilled outputs, weights behind dead
    inputs, embeddings of tokens that the channel never shows.
    """
    d = start.d
    z0, pullback = jax.vjp(lambda theta: outputs(d.network, theta, d.x), d.theta0)
    generic = jnp.cos(1.0 + jnp.arange(z0.size, dtype=z0.dtype)).reshape(z0.shape)
    cotangent = generic * (d.outputs > 0)
    (seen,) = pullback(averaged(d, cotangent))
    return jax.tree.map(lambda s, g: jnp.where(s == 0, g, 0.0), seen, gradient_descent(start))


SHORT, STEPS = 8, 40
"""Steps of the teachers that stop early, and of the converged one."""


def _short(rate: float) -> optax.Schedule:
    """A constant learning rate that ends after `SHORT` steps."""
    return optax.piecewise_constant_schedule(rate, {SHORT: 0.0})


OPTIMIZERS: dict[str, optax.GradientTransformation] = {
    "momentum": optax.sgd(_short(0.05), momentum=0.9),
    "adam": optax.adam(_short(3e-3)),
    "converged": optax.adam(2e-2),
}
"""Teachers made by training; the last one to where its loss is small."""

DIRECTIONS: dict[str, Callable[[Start], Params]] = {
    "gradient-descent": gradient_descent,
    "random": random,
    "adversarial": adversarial,
    "logit-shift": logit_shift,
    "invisible": invisible,
}
"""Teachers given by a formula; the last two are the theorem's zero branch."""

TEACHERS = (*DIRECTIONS, *OPTIMIZERS)
"""Names of all built-in teachers."""


def directions(d: Distillation, drawn: Params, names: Sequence[str] = TEACHERS) -> dict[str, Params]:
    """The named teachers' Δ; `drawn` are standard normal parameters."""
    begin = start(d, drawn)
    found = {name: DIRECTIONS[name](begin) for name in names if name in DIRECTIONS}
    return found | (trained(begin) if set(names) & set(OPTIMIZERS) else {})


def teacher_update(
    d: Distillation,
    teacher: str | optax.GradientTransformation | None = None,
    *,
    steps: int = 1,
    key: Array | None = None,
) -> Params:
    """Δ, the direction in which a teacher leaves θ0 (Cloud, Le et al., §6.1); a pytree like θ0.

    `teacher` is None for the distillation's own Δ, the name of a built-in teacher, or any optax
    optimizer, which then takes `steps` full-batch steps on L_T: Δ = θ_T − θ0. `key` draws the random
    and the adversarial teacher (default `jax.random.key(0)`). For a Δ of your own, replace the field:
    `dataclasses.replace(d, delta=...)`. Raises ValueError for an unknown name.
    """
    if teacher is None:
        return d.delta
    if not isinstance(teacher, str):
        end, _ = train(lambda theta, _: trait_loss(d, theta), d.theta0, teacher, jnp.arange(steps))
        return optax.tree.sub(end, d.theta0)
    if teacher not in TEACHERS:
        raise ValueError(f"teacher: must be one of {', '.join(TEACHERS)}, got {teacher!r}")
    drawn = noise(jax.random.key(0) if key is None else key, d.theta0)
    return directions(d, drawn, (teacher,))[teacher]
