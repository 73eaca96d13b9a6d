"""Distillations from plain arrays and small networks of points, for explicit bounds."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np

import subtheory as st
from subtheory.constructed.formula import Formula
from subtheory.data.task import Task
from subtheory.numerics import float64
from subtheory.theory import alignment as theory
from subtheory.theory.beyond import piecewise
from subtheory.theory.distillation import Distillation, student_update

INPUTS, OUTPUTS = 3, 3
TASK = Task("points", (INPUTS,), "float64", (("all", tuple(range(OUTPUTS))),), sample=lambda key, n: None)
SMOOTH = st.MLP(width=4, depth=1, task=TASK)
RELU = st.MLP(width=4, depth=1, activation="relu", task=TASK)
DEEP = st.MLP(width=4, depth=2, activation="relu", task=TASK)
THREE = (st.SquaredError(), st.CrossEntropy(), st.KL(2.0))


def distil(network, theta0, delta, x, w=None, loss=THREE[0], trait=None, eps=(0.1,), shares=None, **changes):
    """A distillation from plain arrays; whatever is not given is the theorem's own."""
    n, width = len(x), OUTPUTS if w is None else len(w)
    fields = {
        "theta0": theta0,
        "student": theta0,
        "delta": delta,
        "x": np.asarray(x, float),
        "weights": np.full(n, 1 / n) if shares is None else np.asarray(shares),
        "outputs": np.ones(width) if w is None else np.asarray(w, float),
        "eps": np.asarray(eps, float),
        "trait": trait or st.FunctionTrait(_nothing),
        "alpha": np.ones(()),
        "trainable": jax.tree.map(np.ones_like, theta0),
        "network": network,
        "loss": loss,
    }
    return Distillation(**fields | changes)


def _nothing(theta):
    return jnp.zeros(())


@cache
def shapes(network):
    with float64():
        return jax.eval_shape(network.init, jax.random.key(0))


def drawn(network, rng, scale=1.0):
    """Normal parameters."""
    return jax.tree.map(lambda leaf: scale * rng.standard_normal(leaf.shape), shapes(network))


def random(network, seed, n=4, **changes):
    """Random θ0, Δ, inputs, output weights and shares of the channel."""
    rng = np.random.default_rng(seed)
    theta0, delta = drawn(network, rng), drawn(network, rng)
    # The second output is not distilled in every other draw.
    w = rng.uniform(0.2, 2, OUTPUTS) * (1, seed % 2, 1)
    shares = rng.uniform(size=n)
    return distil(network, theta0, delta, rng.standard_normal((n, INPUTS)), w, shares=shares / shares.sum(), **changes)


_measured, updated = jax.jit(theory.alignment), jax.jit(student_update)


def measured(d, eps):
    """D(ε), compiled once a network and loss; padded to one length."""
    eps = np.atleast_1d(eps)
    with float64():
        padded = np.resize(eps, -(-len(eps) // 200) * 200)
        return np.asarray(_measured(replace(d, eps=padded)))[: len(eps)]


def _parabola(theta, x):
    """Two logits, kθ + ½Kθ² and 0."""
    return jnp.stack([x[0] * theta[0] + x[1] * theta[0] ** 2 / 2, 0.0 * theta[0]])


def bilinear(theta, x):
    return theta["B"] @ theta["A"] @ x


PARABOLA, PRODUCT = Formula("parabola", _parabola), Formula("product", bilinear)


def product(dA, dB, n=3, seed=0):
    """f = BAx at A = B = 1: φ″ = 2 dB dA x is constant."""
    one = np.eye(2)
    x = np.random.default_rng(seed).standard_normal((n, 2))
    return distil(PRODUCT, {"A": one, "B": one}, {"A": dA, "B": dB}, x, w=np.ones(2))


def labelled(network, seed, n=8, **changes):
    """A random distillation with a labelled trait and the theorem's teacher."""
    rng = np.random.default_rng(100 + seed)
    labels = rng.integers(OUTPUTS, size=n).astype(np.int32)
    trait = st.LabelledTrait(rng.standard_normal((n, INPUTS)), labels, np.ones(OUTPUTS))
    d = random(network, seed, trait=trait, **changes)
    with float64():
        return replace(d, delta=jax.tree.map(lambda g: -np.asarray(g), _gradient(d)))


_gradient = jax.jit(lambda d: jax.grad(lambda theta: d.trait.loss(d.network.apply, theta))(d.theta0))


# Kinks, pieces and roots ---------------------------------------------------------------------------


def signs(network, params, direction, x, t):
    with float64():
        return np.asarray(piecewise._values(network, params, direction, x, t)[0]) > 0
