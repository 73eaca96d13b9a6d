"""Pairs of inits on small networks, and every number of every loss in one program a network."""

from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from subtheory.data.toys import toy
from subtheory.networks import MLP, ConvNet, Linear, Transformer
from subtheory.numerics import float64, public
from subtheory.theory import alignment as theory
from subtheory.theory.beyond import cross_kernel as cross
from subtheory.theory.distillation import at_rest
from subtheory.theory.losses import LOSSES
from subtheory.theory.trait import LabelledTrait

REGULAR = {name: loss for name, loss in LOSSES.items() if loss.order == 1}
NETWORKS = {
    "linear": Linear(task=toy((3,), 2, 2)),
    "mlp": MLP(width=4, depth=2, task=toy((3,), 2, 2)),
    "convnet": ConvNet(channels=(2,), task=toy((4, 4), 2, 2)),
    "transformer": Transformer(width=4, heads=1, task=toy((3,), 2, 2, tokens=4)),
}
W = np.array([1.0, 2.0, 0.0, 0.5])
"""Output weights: one logit of four is not distilled."""
EPS = (*(2.0**-k for k in range(5, 12)), 0.0)
"""A ladder of ratio 2, and the untrained teacher for the dense reference."""


LOSSES_OF = {
    "mlp": tuple(REGULAR.values()),
    "convnet": tuple(REGULAR[name] for name in ("squared-error", "kl", "reverse-kl")),
    "transformer": (REGULAR["jensen-shannon"],),
}
"""Compiling grows with losses times network: the small perceptron has all that are regular."""


def drawn(rng, network):
    """Parameters N(0, 1/fan_in), biases and scales N(0, 1/4)."""
    with float64():
        shapes = jax.eval_shape(network.init, jax.random.key(0))
    draw = lambda leaf: rng.standard_normal(leaf.shape) / np.sqrt(leaf.shape[0] if leaf.ndim > 1 else 4)  # noqa: E731
    return jax.tree.map(draw, shapes)


@cache
def distillation(name, seed=0, shared=False, examples=3):
    """An independent (or shared) student of a teacher that moves at random, on three weighted inputs."""
    network, rng = NETWORKS[name], np.random.default_rng(seed)
    theta0, other, delta = (drawn(rng, network) for _ in range(3))
    shape = network.task.shape
    inputs = lambda n: rng.integers(0, 4, (n, *shape)) if name == "transformer" else rng.standard_normal((n, *shape))  # noqa: E731
    x, seen, labels = inputs(examples), inputs(5), rng.integers(0, 2, 5)
    with float64():
        d = at_rest(network, theta0, x, jnp.asarray(W), LabelledTrait(seen, labels, np.array([1.0, 1.0, 0.0, 0.0])))
    weights = np.arange(1.0, examples + 1) / np.sum(np.arange(1.0, examples + 1))
    return replace(d, student=theta0 if shared else other, delta=delta, weights=weights, eps=np.array(EPS))


@dataclass(frozen=True)
class Chosen:
    """One of several losses by a traced number, so that one compiled program serves them all."""

    index: Any
    losses: tuple
    name: str = "chosen"
    order: int = 1

    def value(self, z, y, w):
        return jax.lax.switch(self.index, [loss.value for loss in self.losses], z, y, w)

    def hessian(self, y, v, w):
        return jax.lax.switch(self.index, [loss.hessian for loss in self.losses], y, v, w)

    def leading(self, y, u, w):
        return jax.lax.switch(self.index, [loss.leading for loss in self.losses], y, u, w)


def for_every(losses, function):
    """function(loss) of every loss, by name, in one program."""
    found = jax.lax.map(lambda index: function(Chosen(index, losses)), jnp.arange(len(losses)))
    return {loss.name: jax.tree.map(lambda leaf, i=i: leaf[i], found) for i, loss in enumerate(losses)}


@partial(jax.jit, static_argnames=("losses", "steps"))
def every_loss(d, losses, steps):
    def one(loss):
        e = replace(d, loss=loss)
        found = cross.cross_coefficients(e)._asdict() | {"D": cross.control_subtracted_alignment(e)}
        if steps:
            found |= {"raw": theory.alignment(e), "update": ravel_pytree(cross.cross_update(e))[0]}
        return found

    return for_every(losses, one)


@cache
def everything(name, seed=0, shared=False):
    """Every number of every loss, one program a network; of the transformer, slow to compile, the law alone."""
    found = public(every_loss)(distillation(name, seed, shared), LOSSES_OF[name], name != "transformer")
    for f in found.values():
        f["law"] = np.array(EPS) * f["kernel"]
        f["law2"] = f["law"] + np.array(EPS) ** 2 / 2 * f["second"]
    return found


# The mixed Hessian M(z, y)


def softmax(z):
    p = np.where(W > 0, np.exp(z - z.max()), 0.0)
    return p / p.sum()


def covariance(p):
    return np.diag(p) - np.outer(p, p)


def jensen_shannon(z, y):
    """∂_z l = ½ Q log(q/m) with Q = cov(q), so M = ½ Q diag(1/m) ½ P."""
    q, p = softmax(z), softmax(y)
    inverse = np.divide(2.0, p + q, out=np.zeros(4), where=p + q > 0)
    return covariance(q) @ np.diag(inverse) @ covariance(p) / 4


def top_k(z, y):
    """The three logits with w > 0 are the three largest ones."""
    return covariance(softmax(y))


CLOSED = {
    "squared-error": lambda z, y: np.diag(2 * W),
    "cross-entropy": lambda z, y: covariance(softmax(y)),
    "kl": lambda z, y: covariance(softmax(y / 2)) / 4,
    "reverse-kl": lambda z, y: covariance(softmax(z)),
    "jensen-shannon": jensen_shannon,
    "bregman-logistic": lambda z, y: np.diag(W / (2 + 2 * np.cosh(y))),
    "bregman-cosh": lambda z, y: np.diag(W * np.cosh(y)),
    "top-k": top_k,
}


# Orders


def slopes(error, eps=EPS[:-1]):
    """log2 of how much the error falls from rung to rung of the ladder of ratio 2."""
    return np.log2(np.abs(error[:-1]) / np.abs(error[1:]))
