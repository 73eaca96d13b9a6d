"""How likely a student whose init misses the teacher's by a random δ still steps towards the teacher.

Students start at θ0 + δ, the teacher goes from θ0 to θ0 + εΔ. To first order in (ε, δ), where one Jacobian serves
both, D = ε ΔᵀGΔ − ΔᵀGδ: a signal less a random number that knows δ through GΔ alone. For isotropic δ of norm r
in P dimensions ΔᵀGδ = r‖GΔ‖t, with t the first coordinate of a uniform unit vector, so that

    P(D > 0) = P(t < c) = ½ + ½ I_{c²}(½, (P − 1)/2),   c = ε ΔᵀGΔ/(r‖GΔ‖),

I the regularised incomplete beta function; for normal δ of root mean square norm r it is Φ(√P c), the limit of
the former. √P c = r*/r with r* = ε√P ΔᵀGΔ/‖GΔ‖. Source: prediction P16; `proofs/mismatch_sign_law.py`. In squared
error with a linear network nothing is neglected, and both hold at every r and ε.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array
from jax.flatten_util import ravel_pytree

from subtheory.errors import InputError
from subtheory.numerics import UNIT
from subtheory.theory.curvature import ggn
from subtheory.theory.distillation import Distillation, labels, outputs, residual
from subtheory.theory.network import Params
from subtheory.theory.rule import Descent
from subtheory.theory.views import Full

LAWS = ("sphere", "gaussian")
"""δ uniform on the sphere of radius r, or normal with covariance (r²/P)·1: E‖δ‖² = r² for both."""

SHARE = 0.2
"""A prediction may be off by this share of a measured frequency's standard error: a 99 % interval then still
covers the truth with probability Φ(2.576 − 0.2) − Φ(−2.576 − 0.2) = 98.85 %, hardly less than 99 %."""

CHUNK = 100
"""Students of a cell that take their step at once."""

Directions = Callable[[Array], Params]
"""Keys (KR, C) ↦ a direction of δ for each, leaves (KR, C, ...); δ has the radius of its cell."""

REACH, SCORINGS = 3.0, 60
"""A radius is looked for so many units of log r around those drawn, in so many steps; near its end one gains digits."""


class FirstOrder(NamedTuple):
    """What the law knows of a distillation."""

    q: Array
    """ΔᵀGΔ."""
    ggn_norm: Array
    """‖GΔ‖."""
    P: int
    """Number of parameters."""
    direction: Params
    """GΔ/‖GΔ‖: the only direction of δ that counts."""


def first_order(d: Distillation) -> FirstOrder:
    """q = ΔᵀGΔ, ‖GΔ‖, P and GΔ/‖GΔ‖, with G at the teacher's init θ0. Raises InputError if GΔ = 0."""
    q, size, direction = _form(d)
    if not size > 0:
        raise InputError("delta", "GΔ = 0", "must change what the channel sees")
    return FirstOrder(q, size, optax.tree.size(d.delta), direction)


@jax.jit
def _form(d: Distillation) -> tuple[Array, Array, Params]:
    g = ggn(d)(d.delta)
    size = optax.tree.norm(g)
    return optax.tree.vdot(d.delta, g), size, optax.tree.scale(1 / size, g)


def sign_probability(eps: Any, r: Any, q: Any, ggn_norm: Any, P: int, law: str = "sphere") -> Array:
    """P(D > 0) to first order: ½ + ½ I_{c²}(½, (P − 1)/2) or Φ(√P c), c = εq/(r‖GΔ‖); ε and r broadcast.

    Exactly 1 on the sphere for r ≤ r*/√P, and 0.84 at r = r* for large P; Φ exceeds the sphere's law by
    φ(s)(3s − s³)/(4P) + O(1/P²), s = r*/r. Raises InputError unless ε, q ≥ 0, r, ‖GΔ‖ > 0, and for an unknown
    law or P below 2. Source: P16.
    """
    _require(eps=(eps, False), r=(r, True), q=(q, False), ggn_norm=(ggn_norm, True))
    _require_law(law, P)
    return _at(eps, r, q, ggn_norm, P, law)


@partial(jax.jit, static_argnames="law")
def _at(eps: Array, r: Array, q: Array, ggn_norm: Array, P: Array, law: str) -> Array:
    return _probability(eps * q / (r * ggn_norm), P, law)


def critical_radius(eps: Any, q: Any, ggn_norm: Any, P: int) -> Array:
    """r* = ε√P ΔᵀGΔ/‖GΔ‖: where the signal is one standard deviation of the noise; in units of θ, shape of ε.

    Proportional to ε: how far off an init may be is a matter of how far the teacher went. Raises InputError
    unless ε, q ≥ 0 and ‖GΔ‖ > 0. Source: P16.
    """
    _require(eps=(eps, False), q=(q, False), ggn_norm=(ggn_norm, True))
    return _critical(eps, q, ggn_norm, P)


@jax.jit
def _critical(eps: Array, q: Array, ggn_norm: Array, P: Array) -> Array:
    return eps * jnp.sqrt(P) * q / ggn_norm


def sign_draws(
    d: Distillation, r: Any, key: Array, draws: int, law: str = "sphere", directions: Directions | None = None
) -> Array:
    """D(ε) = Δθ_S · Δ of students at θ0_S + δ, (K, R, draws): a new δ for every ε, radius and draw.

    r: (R,), the same for every ε, or (K, R). By one jvp a student, D = ⟨r(ε), J(θ0_S + δ)Δ⟩, which is exact for
    plain descent on all parameters. The law speaks of θ0_S = θ0, of no filter, and of isotropic `directions`; what
    else is given is drawn as well. Raises InputError for a student that does not descend plainly on all parameters,
    a loss whose D is not of first order in ε, an unknown law, or no draw.
    """
    _require_descent(d)
    _require_law(law, optax.tree.size(d.theta0))
    return _draws(d, _radii(d, r), jnp.nan, key, draws, law, directions)


def harmless_draws(d: Distillation, r: Any, key: Array, draws: int) -> Array:
    """D(ε) as in `sign_draws`, of δ orthogonal to GΔ: εq to first order at any r; (K, R, draws).

    The control. null(G) is part of that space, because Gδ = 0 makes ΔᵀGδ vanish.
    """
    _require_plain(d)
    return _draws(replace(d, student=d.theta0), _radii(d, r), 0.0, key, draws)


def regime(d: Distillation, r: Any, key: Array, draws: int = CHUNK) -> Array:
    """Bound on how far the terms that the law neglects shift P(D > 0), for every ε and radius; (K, R).

    δ is drawn where the law puts the boundary, δ·GΔ = εq, uniform otherwise: what D is there is neglected terms
    and nothing else. X of them act like εq + X in place of εq, so that the law at ε + X/q gives the shift of
    one draw. Returned is its mean *absolute* value: terms that would cancel count in full, and what is left out
    is smaller by the relative size of X. Where the sphere does not reach the boundary, its nearest point is
    taken. Raises InputError as `sign_draws` does.
    """
    _require_plain(d)
    radii = _radii(d, r)
    q, size, P, _ = first_order(d)
    signal = jnp.asarray(d.eps)[:, None] * q
    c = signal / (radii * size)
    t = jnp.minimum(c, 1.0)
    neglected = _draws(replace(d, student=d.theta0), radii, t, key, draws) - (signal - radii * size * t)[..., None]
    moved = c[..., None] + neglected / (radii * size)[..., None]
    return jnp.mean(jnp.abs(_probability(moved, P, "sphere") - _probability(c, P, "sphere")[..., None]), axis=-1)


def inside(shift: Any, probability: Any, draws: int) -> Array:
    """Whether the law may be judged by so many draws: shift < SHARE·√(p(1 − p)/draws); known before any draw."""
    p = jnp.asarray(probability)
    return jnp.asarray(shift) < SHARE * jnp.sqrt(p * (1 - p) / draws)


def fitted_radius(r: Any, successes: Any, draws: int, P: int) -> tuple[Array, Array]:
    """The most likely r* of counts of D > 0 on spheres of radii r, and its relative standard error; (...) each.

    r and successes are (..., R), draws is the number at every radius. By Fisher scoring in log r*; the error is
    1/√I, I Fisher's information at the fit. NaN where the counts know no radius: always D > 0, or seldom more often
    than not. Raises InputError unless r > 0, draws ≥ 1 and P ≥ 2.
    """
    _require(r=(r, True), draws=(draws, True))
    _require_law(LAWS[0], P)
    return _fit(r, successes, draws, P)


@jax.jit
def _fit(r: Array, successes: Array, draws: Array, P: Array) -> tuple[Array, Array]:
    """Fisher scoring from the geometric mean of the radii, by at most half a unit of log r* at once."""
    r, share = jnp.broadcast_arrays(r, successes / draws)
    lowest, highest = jnp.log(r.min(-1)) - REACH, jnp.log(r.max(-1)) + REACH

    def score(at: Array) -> tuple[Array, Array]:
        c = jnp.exp(at)[..., None] / (jnp.sqrt(P) * r)
        p = jnp.clip(_probability(c, P, LAWS[0]), UNIT, 1 - UNIT)
        slope = c * _density(c, P)  # ∂p/∂log r*
        weight = draws * slope / (p * (1 - p))
        return jnp.sum(weight * (share - p), -1), jnp.sum(weight * slope, -1)

    def better(_: int, at: Array) -> Array:
        gradient, information = score(at)
        step = gradient / jnp.where(information > 0, information, 1.0)
        return jnp.clip(at + jnp.clip(step, -0.5, 0.5), lowest, highest)

    at = jax.lax.fori_loop(0, SCORINGS, better, jnp.mean(jnp.log(r), -1))
    # At an end of the range the likelihood still rises; where D > 0 always it does so forever.
    found = (at > lowest) & (at < highest) & (jnp.min(share, -1) < 1)
    return jnp.where(found, jnp.exp(at), jnp.nan), jnp.where(found, score(at)[1] ** -0.5, jnp.nan)


def _density(t: Array, P: Array) -> Array:
    """Γ(P/2)/(√π Γ((P − 1)/2)) (1 − t²)^{(P − 3)/2} on (−1, 1), 0 beyond: of one coordinate of a unit vector."""
    lgamma = jax.scipy.special.gammaln
    inside = jnp.abs(t) < 1
    log = (P - 3) / 2 * jnp.log1p(-(jnp.where(inside, t, 0.0) ** 2))
    return jnp.where(inside, jnp.exp(lgamma(P / 2) - lgamma((P - 1) / 2) + log) / jnp.sqrt(jnp.pi), 0.0)


def log_slope(x: Any, y: Any, relative_error: Any) -> tuple[Array, Array]:
    """Slope of log y against log x by least squares, weighted by the errors of log y, and its standard error.

    All are (K,); the slope is NaN for K < 2.
    """
    x, y = jnp.log(jnp.asarray(x)), jnp.log(jnp.asarray(y))
    weight = jnp.asarray(relative_error) ** -2.0
    x = x - jnp.sum(weight * x) / jnp.sum(weight)
    spread = jnp.sum(weight * x**2)
    return jnp.sum(weight * x * y) / spread, spread**-0.5


def _probability(c: Array, P: int | Array, law: str) -> Array:
    """P(t < c), or Φ(√P c)."""
    if law == "gaussian":
        return jax.scipy.special.ndtr(jnp.sqrt(P) * c)
    within = jax.scipy.special.betainc(0.5, (P - 1) / 2, jnp.clip(c**2, 0.0, 1.0))
    return (1 + jnp.sign(c) * within) / 2


def _mismatch(drawn: Params, r: Array, t: Array, normal: Array, direction: Params) -> Params:
    """δ = r(t GΔ/‖GΔ‖ + √(1 − t²) s), with s and t those of what is drawn, or another t if it is a number."""
    size, along = optax.tree.norm(drawn), optax.tree.vdot(drawn, direction)
    across = optax.tree.add_scale(drawn, -along, direction)
    t = jnp.where(jnp.isnan(t), along / size, t)
    r = jnp.where(normal, r * size / jnp.sqrt(optax.tree.size(drawn)), r)
    part = r * jnp.sqrt(jnp.maximum(1 - t**2, 0.0)) / optax.tree.norm(across)
    return optax.tree.add_scale(optax.tree.scale(part, across), r * t, direction)


@jax.jit
def _isotropic(keys: Array, like: Params) -> Params:
    """Standard normal parameters for every key."""
    return jax.vmap(jax.vmap(lambda key: noise(key, like)))(keys)


def _draws(
    d: Distillation, r: Array, t: Any, key: Array, draws: int, law: str = "sphere", of: Directions | None = None
) -> Array:
    """D for every ε, radius and draw; r (K, R), t broadcasts to it. Whatever t, law and draws, one program."""
    if draws < 1:
        raise InputError("draws", draws, "must be at least 1")
    keys = jax.random.split(key, (-(-draws // CHUNK), r.size, CHUNK))
    direction = first_order(d).direction
    t, normal = jnp.broadcast_to(jnp.asarray(t, r.dtype), r.shape), jnp.asarray(law == "gaussian")
    drawn = (of(each) if of else _isotropic(each, d.theta0) for each in keys)
    return jnp.concatenate([_chunk(d, direction, r, t, each, normal) for each in drawn], axis=-1)[..., :draws]


@jax.jit
def _chunk(d: Distillation, direction: Params, r: Array, t: Array, drawn: Params, normal: Array) -> Array:
    """D of students in all of the directions drawn, leaves (KR, C, ...); r and t (K, R), result (K, R, C)."""

    def cell(args: tuple[Array, Array, Array, Params]) -> Array:
        eps, r, t, drawn = args
        y = labels(d, eps)

        def one(drawn: Params) -> Array:
            student = optax.tree.add(d.student, _mismatch(drawn, r, t, normal, direction))
            z, velocity = jax.jvp(lambda theta: outputs(d.network, theta, d.x), (student,), (d.delta,))
            return jnp.sum(residual(d, d.loss, z, y) * velocity)

        return jax.vmap(one)(drawn)

    eps = jnp.broadcast_to(d.eps[:, None], r.shape)
    found = jax.lax.map(cell, (eps.ravel(), r.ravel(), t.ravel(), drawn))
    return found.reshape(*r.shape, -1)


def _radii(d: Distillation, r: Any) -> Array:
    """Radii for every ε, (K, R)."""
    _require(r=(r, True))
    radii = jnp.asarray(r, d.eps.dtype)
    return jnp.broadcast_to(radii, (d.eps.shape[0], radii.shape[-1] if radii.ndim else 1))


def _require(**values: tuple[Any, bool]) -> None:
    """InputError naming the first value that is negative, not a number, or 0 where that is ruled out."""
    for name, (value, strictly) in values.items():
        found = np.asarray(value)
        if not np.all(np.isfinite(found) & ((found > 0) if strictly else (found >= 0))):
            raise InputError(name, found.tolist(), "must be positive" if strictly else "must not be negative")


def _require_law(law: str, P: int) -> None:
    if law not in LAWS:
        raise InputError("law", repr(law), f"must be one of {', '.join(LAWS)}")
    if P < 2:
        raise InputError("P", P, "must be at least 2")


def _require_plain(d: Distillation) -> None:
    """And InputError for a view of less than the full outputs."""
    _require_descent(d)
    if d.view != Full():
        raise InputError("view", d.view.shown, f"must be {Full.name}")


def _require_descent(d: Distillation) -> None:
    """InputError unless students descend plainly on all parameters, and D is of first order in ε."""
    if d.loss.order != 1:
        raise InputError("loss", d.loss.name, "must have an alignment of first order in ε")
    if d.rule != Descent():
        raise InputError("rule", d.rule.shown, f"must be {Descent.name}")
    if not all(np.all(np.asarray(leaf) == 1) for leaf in jax.tree.leaves(d.trainable)):
        raise InputError("trainable", "a mask with zeros", "must be 1 everywhere")


def noise(key: Array, like: Params) -> Params:
    """Standard normal parameters of the shape of `like`, from one draw."""
    flat, unravel = ravel_pytree(like)
    return unravel(jax.random.normal(key, flat.shape, flat.dtype))
