"""Two students of one teacher, one at θ0 and one at another point of its orbit: their updates and trait changes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array

from subtheory.init import PATHS, Path, Start, Symmetry, begin, fits
from subtheory.init.path import apart
from subtheory.init.symmetry import Rescaling
from subtheory.networks.linen import LinenNetwork
from subtheory.numerics import ROUNDINGS, UNIT, float64
from subtheory.setting import Setting, distillations
from subtheory.theory import distillation as core
from subtheory.theory.curvature import averaged
from subtheory.theory.distillation import Distillation, labels, outputs, residual, trait_loss
from subtheory.theory.losses import KL, Loss, SquaredError
from subtheory.theory.network import Params
from subtheory.traces import TRACES

TOGETHER: tuple[Loss, ...] = (SquaredError(), KL())
"""Losses that one program measures."""


@dataclass(frozen=True)
class Twins:
    """The student at θ0 and the one at θ0_S = Tθ0, of the same teacher, with one loss and one α; K values of ε."""

    trait_change: np.ndarray
    """L_T(θ + αΔθ(ε)) − L_T(θ) from θ = θ0 and from θ = θ0_S, (2, K)."""
    cosine: np.ndarray
    """cos(Δθ(ε), Δ), raw, (2, K)."""
    off: np.ndarray
    """‖Δθ_S(ε) − Tv(ε)‖/‖Tv(ε)‖, v the step from θ0 and T = 1 if the path is no symmetry, (K,)."""
    rounding: np.ndarray
    """Relative rounding of the trait change, that of the labels included, (K,)."""


@partial(jax.jit, static_argnames="losses")
def steps(d: Distillation, metric: Params, losses: tuple[Loss, ...]) -> dict[str, Any]:
    """Updates and trait changes from θ0 and from θ0_S, (S, 2, L, K, ...), for seeds, losses and ε.

    `metric` multiplies the update at θ0_S entry by entry. α counts in q/‖GΔ‖² at θ0 for both; q is `form`, (S, L).
    """
    return jax.lax.map(lambda each: _steps(each[0], each[1], losses), (d, metric))


def _steps(d: Distillation, metric: Params, losses: tuple[Loss, ...]) -> dict[str, Any]:
    TRACES[f"twins {d.network.name}"] += 1
    z0, u = jax.jvp(lambda theta: outputs(d.network, theta, d.x), (d.theta0,), (d.delta,))
    y = jax.lax.map(partial(labels, d), d.eps)
    seen = jnp.stack([loss.hessian(z0, u, d.outputs) for loss in losses])
    form = jax.vmap(lambda mu: core.expectation(d, jnp.sum(u * mu, axis=-1)))(seen)

    def pulled(init: Params) -> Params:
        """E[Jᵀr(ε)] for every loss and ε, and E[JᵀMu] last."""
        z, pullback = jax.vjp(lambda theta: outputs(d.network, theta, d.x), init)
        r = jnp.stack([jax.vmap(partial(residual, d, loss, z))(y) for loss in losses])
        every = jnp.concatenate([r, jax.vmap(partial(averaged, d))(seen)[:, None]], axis=1)
        flat = jax.lax.map(lambda one: pullback(one)[0], every.reshape(-1, *z.shape))
        return jax.tree.map(lambda leaf: leaf.reshape(*every.shape[:2], *leaf.shape[1:]), flat)

    inits = jax.tree.map(lambda *leaves: jnp.stack(leaves), d.theta0, d.student)
    metrics = jax.tree.map(lambda leaf: jnp.stack([jnp.ones_like(leaf), leaf]), metric)
    gradients = jax.lax.map(pulled, inits)
    curved = jax.vmap(lambda g: optax.tree.norm(g, squared=True))(jax.tree.map(lambda leaf: leaf[0, :, -1], gradients))
    alpha = d.alpha * form / jnp.where(curved > 0, curved, 1.0)

    def moved(args: tuple[Params, Params, Params]) -> tuple[Params, Array, Array]:
        init, metric, gradient = args
        before = trait_loss(d, init)

        def one(args: tuple[Params, Array]) -> tuple[Params, Array]:
            update = optax.tree.mul(metric, core.step(d, args[0]))
            return update, trait_loss(d, optax.tree.add_scale(init, args[1], update)) - before

        flat = jax.tree.map(lambda leaf: leaf[:, :-1].reshape(-1, *leaf.shape[2:]), gradient)
        shape = (len(losses), d.eps.shape[0])
        found = jax.lax.map(one, (flat, jnp.repeat(alpha, shape[1])))
        update, change = jax.tree.map(lambda leaf: leaf.reshape(*shape, *leaf.shape[1:]), found)
        return update, change, before

    update, change, before = jax.lax.map(moved, (inits, metrics, gradients))
    largest = 1.0 + jnp.max(jnp.abs(y))
    return {
        "update": update,
        "trait_change": change,
        "trait": before,
        "form": form,
        "pulled": largest * core.expectation(d, jnp.sum(d.outputs * jnp.abs(u), axis=-1)),
        "relative": largest / jnp.max(jnp.abs(y - z0) * d.outputs, axis=tuple(range(1, y.ndim))),
    }


def image(d: Distillation, path: Path, amount: float, seeds: Sequence[int], params: Params) -> Params:
    """T on parameters, or on a difference of them, (S, ...): the symmetry that takes θ0 to θ0_S in a `Setting`."""
    start = Start(params, params, d.x, d.outputs, d.trait, d.network)
    # The draws are those of `subtheory.setting`, so that T is the same.
    keys = jnp.stack([jax.random.fold_in(jax.random.key(seed), 6) for seed in seeds])
    return apart(path, start, amount, keys)[0]


@dataclass(frozen=True)
class Carried(Path):
    """θ0_S = Tθ0 by a rescaling, and the student's step is TTᵀ times the negative gradient: its metric went along."""

    of: Rescaling
    largest = np.inf

    @property
    def name(self) -> str:
        return f"{self.of.name}-with-its-metric"

    @property
    def says(self) -> str:
        return f"{self.of.says} The student's metric goes along."

    def __call__(self, start: Start, amount: Array, key: Array) -> Params:
        return self.of(start, amount, key)


def twins(setting: Setting, seeds: Sequence[int]) -> list[Twins]:
    """One `Twins` for every seed; one program for a network, whatever the path and the loss."""
    return _twins(replace(setting, loss=SquaredError()), tuple(seeds))[setting.loss.name]


@lru_cache(maxsize=64)
def _twins(setting: Setting, seeds: tuple[int, ...]) -> dict[str, list[Twins]]:
    d, _ = distillations(setting, seeds)
    carried = isinstance(setting.path, Carried)
    path = setting.path.of if isinstance(setting.path, Carried) else setting.path

    def turned(params: Params) -> Params:
        return image(d, path, setting.amount, seeds, params) if isinstance(path, Symmetry) else params

    with float64():
        ones = optax.tree.ones_like(d.theta0)
        metric = jax.tree.map(jnp.square, turned(ones)) if carried else ones
        found = steps(d, metric, TOGETHER)
        shared, own = (jax.tree.map(lambda leaf, i=i: leaf[:, i], found["update"]) for i in (0, 1))
        expected = jax.tree.map(np.zeros_like, own)
        for place in np.ndindex(len(TOGETHER), len(setting.eps)):
            at = (slice(None), *place)
            one = turned(jax.tree.map(lambda leaf, at=at: leaf[at], shared))
            jax.tree.map(lambda whole, part, at=at: whole.__setitem__(at, part), expected, one)
    delta = jax.tree.map(lambda leaf: np.asarray(leaf)[:, None, None], d.delta)
    cosine = np.stack([dot(each, delta) / (norm(each) * norm(delta)) for each in (shared, own)], 1)
    off = norm(jax.tree.map(lambda a, b: np.asarray(a) - b, own, expected)) / norm(expected)
    change = np.asarray(found["trait_change"])
    trait = (1 + np.asarray(found["trait"])[:, 0, None, None]) / np.abs(change[:, 0])
    rounding = ROUNDINGS * UNIT * (np.asarray(found["relative"])[:, None] + trait)
    return {
        loss.name: [Twins(change[s, :, i], cosine[s, :, i], off[s, i], rounding[s, i]) for s in range(len(seeds))]
        for i, loss in enumerate(TOGETHER)
    }


def dot(a: Params, b: Params) -> np.ndarray:
    """Inner products of trees of (S, L, K, ...), each (S, L, K)."""
    parts = [np.asarray(p) * np.asarray(q) for p, q in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)]
    return np.sum([part.sum(axis=tuple(range(3, part.ndim))) for part in parts], axis=0)


def norm(a: Params) -> np.ndarray:
    return np.sqrt(dot(a, a))


# What the claims speak of --------------------------------------------------------------------------


def ours(setting: Setting) -> bool:
    """One teacher of every built-in network, and the losses that are measured together."""
    return setting.source is None and setting.teacher == "gradient-descent" and setting.loss in TOGETHER


def fitting(setting: Setting, names: tuple[str, ...]) -> tuple[str, ...]:
    """Those of the paths that the network fits; computes nothing."""
    network: Any = setting.network
    return _fitting(network, names)


@lru_cache(maxsize=32)
def _fitting(network: LinenNetwork, names: tuple[str, ...]) -> tuple[str, ...]:
    with float64():
        start = jax.eval_shape(lambda: begin(network, jax.random.key(0), examples=2, trait_examples=2))
        return tuple(name for name in names if fits(PATHS[name], start))
