"""Students: steps of plain gradient descent, which the theorem is about, or of Adam, on tokens or on whole laws."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory.errors import InputError
from subtheory.language.derivatives import norm
from subtheory.language.tuning.batches import Batch, law, outputs
from subtheory.networks import Decoder
from subtheory.theory.network import Params

RULES: dict[str, Callable[[float], optax.GradientTransformation]] = {"sgd": optax.sgd, "adam": optax.adam}


@dataclass(frozen=True)
class Rule:
    """A rule of descent and its rate. Raises InputError on "rule" for one that is not in `RULES`."""

    name: str
    rate: float

    def __post_init__(self) -> None:
        if self.name not in RULES:
            raise InputError("rule", repr(self.name), f"must be one of {', '.join(RULES)}")

    def begin(self, params: Params) -> tuple[Params, Any]:
        """θ in memory of its own, which a step may overwrite, and the rule's state."""
        theta = jax.tree.map(lambda a: jnp.array(a, copy=True), params)
        return theta, RULES[self.name](self.rate).init(theta)

    def step(self, params: Params, state: Any, gradient: Params) -> tuple[Params, Any]:
        """θ one step on, and the state; both are overwritten."""
        return _updated(self.name, np.float32(self.rate), params, state, gradient)


@partial(jax.jit, static_argnums=0, donate_argnums=(2, 3))
def _updated(name: str, rate: Any, params: Params, state: Any, gradient: Params) -> tuple[Params, Any]:
    step, state = RULES[name](rate).update(gradient, state, params)
    return optax.apply_updates(params, step), state


def tokens(batch: Batch, width: int) -> Array:
    """The law that says an answer's own tokens and nothing else, (n, A, C) for C = `width`."""
    return jax.nn.one_hot(batch.y, width, dtype=jnp.float32)


@partial(jax.jit, static_argnums=0)
def gradient(network: Decoder, params: Params, batch: Batch, target: Array) -> Params:
    """∇ of −mean over the answers' tokens of Σ_v target_v log p(v), target (n, A, C); like θ."""

    def loss(p: Params) -> Array:
        return -jnp.sum(jnp.asarray(batch.w)[..., None] * target * law(network, p, batch)) / jnp.sum(batch.w)

    return jax.grad(loss)(params)


def trained(network: Decoder, params: Params, lessons: Iterable[tuple[Batch, Array]], rule: Rule) -> Iterator[Params]:
    """θ after every step, one a lesson: a batch and the law to imitate; the next step overwrites it."""
    theta, state = rule.begin(params)
    for batch, target in lessons:
        theta, state = rule.step(theta, state, gradient(network, theta, batch, target))
        yield theta


# The largest rate ----------------------------------------------------------------------------------


@partial(jax.jit, static_argnums=0, donate_argnums=2)
def _curved(network: Decoder, params: Params, v: Params, size: Any, batch: Batch) -> Params:
    """G v/size, G = E Jᵀ(diag p − ppᵀ)J a token."""
    f = lambda p: outputs(network, p, batch)  # noqa: E731
    z, u = jax.jvp(f, (params,), (jax.tree.map(lambda a: a / size, v),))
    p = jax.nn.softmax(z)
    pushed = p * (u - jnp.sum(p * u, axis=-1, keepdims=True))
    return jax.vjp(f, params)[1](pushed * jnp.asarray(batch.w)[..., None] / jnp.sum(batch.w))[0]


def sharpest(network: Decoder, params: Params, v: Params, batch: Batch, steps: int) -> float:
    """The largest eigenvalue of G that some power steps from v find, which is overwritten: a lower bound.

    Plain gradient descent with a rate above 2/λ diverges along its eigenvector.
    """
    for _ in range(steps):
        v = _curved(network, params, v, np.float32(norm(v)), batch)
    return norm(v)
