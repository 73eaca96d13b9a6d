"""A student whose init is off by a random δ: how often it still steps towards its teacher, and how far off it may be.

Settings are constructed: a small network, a gradient step of the teacher, sizes ε at which the law's neglected terms
are far below what is measured. Each run draws its own init, data and students; radii are in units of r*.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.special import bdtr, bdtrc, ndtri

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import SHARED_INIT, UNFILTERED
from subtheory.data.toys import toy
from subtheory.init import PATHS, Start, begin
from subtheory.init.noise import Noise
from subtheory.networks import MLP
from subtheory.numerics import float64, public
from subtheory.setting import Setting, at_rest, output_filter, scales
from subtheory.theory import sign_law
from subtheory.theory.distillation import Distillation, trait_loss
from subtheory.theory.losses import CrossEntropy
from subtheory.theory.network import Params

LEVEL = 1e-8
"""Chance that a true law leaves one interval. A run looks at 16 (12 cells, and 4 sums over ε), a verification of
3 settings and 8 seeds at 384. The law is judged only where what it neglects shifts a share by less than a fifth of
its standard error σ; that makes Φ(−5.7) at most three times larger. 384 · 3 · 10⁻⁸ < 2·10⁻⁵ < 10⁻⁴."""

SIGMAS = 5.5
"""Standard errors that a slope or a radius may be off: 4·10⁻⁸ for each of 48 numbers if they are normal. They are only
nearly so; even a tail thirty times heavier leaves 6·10⁻⁵ < 10⁻⁴."""

TELLING = 0.5
"""A mismatch that counts at second order has r* ∝ √ε: a slope of ½ has to be told from 1."""

EPS = tuple(1e-4 * 16.0**-k for k in range(3))
"""Relative sizes of the teacher's update."""

RELATIVE = np.array([0.5, 0.8, 1.25, 2.0])
"""r/r*: where a share says most about r*, P(D > 0) from 0.98 to 0.69."""

DRAWS = 400
"""Students at every ε and radius."""

ISOTROPIC = Assumption(
    "isotropic",
    "The mismatch δ has no preferred direction: it is not confined to null(G), which the channel does not see.",
    lambda setting: replace(setting, path=PATHS["null-noise"]),
)


@dataclass(frozen=True)
class Frequencies:
    """How many of so many students stepped towards their teacher: K sizes ε, R radii."""

    eps: np.ndarray
    """ε, (K,)."""
    critical: np.ndarray
    """Predicted r*, (K,)."""
    counts: np.ndarray
    """Students with D > 0, (K, R), at r = RELATIVE · r*."""
    draws: int
    """Students in every cell."""
    predicted: np.ndarray
    """P(D > 0), (R,): the same at every ε."""
    shift: np.ndarray
    """Bound on what the neglected terms do to that, from other draws, (K, R)."""
    P: int
    """Number of parameters."""


def settings() -> tuple[Setting, ...]:
    """A small tanh network in cross-entropy; all outputs, auxiliary ones, or those of the trait."""
    network = MLP(width=6, depth=1, task=toy((8,), 3, 4))
    return tuple(
        Setting(network, CrossEntropy(), outputs=group, eps=EPS, path=PATHS["noise"], examples=6, trait_examples=8)
        for group in ("all", "aux", "class")
    )


def frequencies(setting: Setting, seeds: Sequence[int]) -> list[Frequencies]:
    """Counts of the students' real steps beside what the law predicts; δ is drawn along the setting's path."""
    return [_one(setting, seed) for seed in seeds]


def _one(setting: Setting, seed: int) -> Frequencies:
    known = _known(replace(setting, path=None, independent=False, filtered=False), seed)
    assert isinstance(setting.path, Noise)
    with float64():
        d = replace(known.d, student=known.start.other if setting.independent else known.d.theta0)
        if setting.filtered:
            d = replace(d, shift=output_filter(d.outputs))
        directions = partial(_directions, setting.path, known.start)
        found = sign_law.sign_draws(d, known.radius, _key(seed, 8), DRAWS, directions=directions)
    return replace(known.law, counts=np.sum(np.asarray(found) > 0, axis=-1))


@dataclass(frozen=True)
class _Known:
    """What is known before a student is drawn."""

    d: Distillation
    start: Start
    radius: np.ndarray
    """(K, R)."""
    law: Frequencies
    """Still without counts."""


@lru_cache(maxsize=64)
def _known(setting: Setting, seed: int) -> _Known:
    with float64():
        start, delta, eps = _prepared(_key(seed, 0), replace(setting, outputs="all"))
        start = replace(start, outputs=jnp.asarray(setting.origin.weights(setting.outputs)))
        d = replace(_at(start), delta=delta, eps=eps, loss=setting.loss)
        q, size, P, _ = sign_law.first_order(d)
        critical = sign_law.critical_radius(d.eps, q, size, P)
        r = critical[:, None] * RELATIVE
        predicted = sign_law.sign_probability(d.eps[0], r[0], q, size, P)
        shift = sign_law.regime(d, r, _key(seed, 7))
        law = Frequencies(
            eps=np.asarray(d.eps),
            critical=np.asarray(critical),
            counts=np.zeros(r.shape),
            draws=DRAWS,
            predicted=np.asarray(predicted),
            shift=np.asarray(shift),
            P=P,
        )
        return _Known(d, start, np.asarray(r), law)


def _key(seed: int, use: int) -> Array:
    """`Setting` has the uses up to 6; use 0 is its own key."""
    return jax.random.fold_in(jax.random.key(seed), use) if use else jax.random.key(seed)


def _at(start: Start) -> Distillation:
    return at_rest(start.network, start.theta0, start.x, start.outputs, start.trait)


@partial(jax.jit, static_argnames="setting")
def _prepared(key: Array, setting: Setting) -> tuple[Start, Params, Array]:
    """Where `Setting` starts, and Δ and ε of one teacher, a gradient step: all teachers are slow to compile."""
    s = setting
    start = begin(s.network, key, channel=s.channel, loss=s.loss, examples=s.examples, trait_examples=s.trait_examples)
    blank = _at(start)
    delta = jax.grad(lambda theta: -trait_loss(blank, theta))(start.theta0)
    return start, delta, jnp.asarray(s.eps) * scales(blank, delta)[0]


@partial(jax.jit, static_argnums=0)
def _directions(path: Noise, start: Start, keys: Array) -> Params:
    """A direction of δ for every key."""
    return jax.vmap(jax.vmap(partial(path.direction, start)))(keys)


def surprise(counts: np.ndarray, draws: int, p: np.ndarray) -> np.ndarray:
    """z ≥ 0 with Φ(−z) = min(P(X ≤ k), P(X ≥ k)), X binomial: by how many σ a count is off, exactly.

    The exact (Clopper-Pearson) interval of confidence 1 − LEVEL covers p iff z ≤ −Φ⁻¹(LEVEL/2).
    """
    below = bdtr(counts, draws, p)
    above = np.where(counts > 0, bdtrc(np.maximum(counts, 1) - 1, draws, p), 1.0)
    # Φ⁻¹ of what is below the smallest number would be infinite.
    return np.maximum(-ndtri(np.clip(np.minimum(below, above), np.finfo(float).tiny, 0.5)), 0.0)


inside = public(sign_law.inside)
fitted_radius, log_slope = public(sign_law.fitted_radius), public(sign_law.log_slope)

OUTSIDE = "the terms that the law neglects would shift the share by more than a fifth of its standard error"


@claim(
    formula="P(D > 0) = ½ + ½I_{c²}(½, (P − 1)/2) → Φ(√P c), c = εΔᵀGΔ/(r‖GΔ‖), for δ uniform on a sphere of radius r",
    source="D = εΔᵀGΔ − ΔᵀGδ to first order in (ε, δ); prediction P16",
    controls=[Control(ISOTROPIC, fails=0.95), Control(SHARED_INIT, fails=0.95), Control(UNFILTERED, fails=0.95)],
    settings=settings,
    measure=frequencies,
    run_tier="statistical",
    proof="mismatch_sign_law",
)
def mismatch_sign_law(f: Frequencies) -> Evidence:
    """A student whose init is off by an isotropic δ steps towards its teacher with the probability of the sign law.

    Judged where terms of second order, measured on other draws, are below chance: each ε and radius, and all ε at
    one r/r* together, whose probability is the same. In null(G) the mismatch does no harm, and the law is wrong.
    """
    sizes = len(f.eps)
    cells = inside(f.shift, f.predicted, f.draws)
    sums = inside(np.mean(f.shift, axis=0), f.predicted, sizes * f.draws)
    if not np.any(cells):
        return Evidence(0.0, 0.0, 1.0, OUTSIDE)
    off = np.concatenate(
        [surprise(f.counts, f.draws, f.predicted), [surprise(f.counts.sum(0), sizes * f.draws, f.predicted)]]
    )
    off = np.where([*cells, sums], off, -1.0)
    row, worst = np.unravel_index(np.argmax(off), off.shape)
    shares = [*(f.counts / f.draws), f.counts.mean(0) / f.draws]
    margin = float(1 + off.max() / ndtri(LEVEL / 2))
    return Evidence(float(shares[row][worst]), float(f.predicted[worst]), margin)


@claim(
    formula="r* = ε√P ΔᵀGΔ/‖GΔ‖: d log r*/d log ε = 1",
    source="the radius at which the mean of D is its standard deviation; prediction P16",
    controls=[Control(ISOTROPIC, fails=0.95), Control(SHARED_INIT, fails=0.95), Control(UNFILTERED, fails=0.95)],
    settings=settings,
    measure=frequencies,
    run_tier="statistical",
    proof="mismatch_sign_law",
)
def critical_radius_is_proportional_to_eps(f: Frequencies) -> Evidence:
    """How far off an init may be is proportional to how far the teacher went, with the constant of the sign law.

    r* is fitted to the counts at each ε; slope and constant are judged by their standard errors. Where all students
    step towards the teacher, or most away from it, whatever the radius, there is no r*, and the claim fails.
    """
    judged = np.all(inside(f.shift, f.predicted, f.draws), axis=1)
    if np.sum(judged) < 2:
        return Evidence(0.0, 0.0, 1.0, OUTSIDE)
    fitted, error = fitted_radius(f.critical[:, None] * RELATIVE, f.counts, f.draws, f.P)
    if not np.all(np.isfinite(fitted[judged])):
        return Evidence(float("nan"), 1.0, float("nan"))
    slope, slope_error = log_slope(f.eps[judged], fitted[judged], error[judged])
    if SIGMAS * slope_error > TELLING:
        return Evidence(slope, 1.0, 0.0, undecided=f"a slope of {1 - TELLING:g} could not be told from 1")
    weight = error[judged] ** -2.0
    constant = np.sum(weight * np.log(fitted / f.critical)[judged]) * np.sum(weight) ** -0.5
    return Evidence(slope, 1.0, float(1 - max(abs(slope - 1) / slope_error, abs(constant)) / SIGMAS))
