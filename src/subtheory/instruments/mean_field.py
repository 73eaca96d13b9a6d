"""What teachers add to students of correlated inits, in many draws, beside what mean-field theory says of it."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.data import Channel
from subtheory.init import Keys, Path, Start
from subtheory.instruments.ensemble import Ensemble, Taught, inits, mask, taught
from subtheory.kernels.draws import data
from subtheory.kernels.source import FromTask
from subtheory.kernels.stack import each_eps, inner, labels, pull, trained, updates
from subtheory.networks import MLP
from subtheory.setting.setting import Setting
from subtheory.setting.student import Student, amount_of
from subtheory.theory.beyond.mean_field import SMOOTH, transfer
from subtheory.theory.losses import SquaredError
from subtheory.theory.rule import Descent
from subtheory.theory.trait import TargetTrait

TARGETS = 2.0
"""Standard deviation of the trait's targets: above that of the outputs, so that the mean needs few inits."""

SEED = 44
"""Of inputs and targets, which all runs share; a run's own seed draws its inits."""

UNITS, PIECE = 100_000, 10_000
"""Hidden units over which the expectation in `rest` is taken, known to a hundredth of itself; so many at a time."""


@dataclass(frozen=True)
class Regression(FromTask):
    """A task with one channel and one trait for all seeds: to fit normal targets on the class outputs."""

    def inputs(self, channel: Channel | None, key: Array, n: int) -> Array:
        return super().inputs(channel, jax.random.key(SEED), n)

    def trait(self, key: Array, n: int) -> TargetTrait:
        w, key = jnp.asarray(self.task.weights("class")), jax.random.key(SEED)
        x, drawn = self.task.labelled(jax.random.fold_in(key, 3), n)[0], jax.random.fold_in(key, 7)
        return TargetTrait(x, TARGETS * jax.random.normal(drawn, (n, len(w)), jnp.float64), w)


@dataclass(frozen=True)
class Unrelated(Path):
    """θ0_S = θ0', whatever correlation the amount speaks of: what a prediction for that one must not fit."""

    name = "unrelated"
    says = "An independent init that passes for a correlated one."

    def __call__(self, start: Start, amount: Any, keys: Keys) -> np.ndarray:
        return start.other


@dataclass(frozen=True)
class Transferred:
    """What teachers added to their students, beside its prediction; all per ε."""

    added: np.ndarray
    """[D(ε) − D(0)]/ε of every pair of inits, at the largest ε, (draws,)."""
    predicted: float
    """Its mean by mean-field theory."""
    rest: float
    """What the mean at this width has beyond that."""
    unrelated: float
    """The prediction for ρ = 0."""


@dataclass(frozen=True)
class Transfer(Ensemble):
    """Records `Transferred` of MLPs of one hidden layer whose student's init has correlation ρ = 1 − amount.

    Squared error. The prediction knows data and ρ alone. The source has to give all seeds the same data, as
    `Regression` does.
    """

    def sample(self, setting: Setting, seed: int) -> Transferred:
        rho, plain = 1 - amount_of(setting.student.init), setting.but(loss=SquaredError(), student=Student())
        known = predicted(plain, rho), rest(plain, rho), predicted(plain, 0.0)
        return Transferred(added(setting, seed, self.draws) / setting.eps[0], *known)


def added(setting: Setting, seed: int, draws: int) -> np.ndarray:
    """D(ε) − D(0) at the largest ε, of every draw of a seed, (draws,); ε is absolute.

    Plain descent's is ⟨r(ε) − r(0), J_SQΔ⟩, Q the projection onto what the student trains: the residuals are subtracted
    output by output, so that the O(1) control is never summed.
    """
    t = taught(setting, seed, draws)
    s = replace(t.s, student=inits(setting.student, t), trains=None, rule=setting.student.rule)
    own = mask(setting.student, t)
    s = s if own is None else replace(s, trains=np.broadcast_to(own, s.theta0.shape))
    y = _labels(setting.but(loss=SquaredError(), student=Student()), seed, draws)
    velocity = s.functions.taylor(s.student, trained(s, s.delta, 0), s.x)
    if s.rule != Descent():
        both = inner(updates(s, setting.loss, y, velocity.z0), each_eps(s, s.delta, 1))
        return np.asarray(both[:, 0] - both[:, 1])
    r = pull(s, setting.loss, each_eps(s, velocity.z0, velocity.z0.ndim - 1), y)
    along = (r[:, 0] - r[:, 1]) * velocity.u
    return np.asarray(along.sum(axis=tuple(range(1, along.ndim))))


@lru_cache(maxsize=2)
def _labels(setting: Setting, seed: int, draws: int) -> np.ndarray:
    """Labels at the largest ε and at 0, (draws, 2, N, ..., V)."""
    t: Taught = taught(setting, seed, draws)
    return np.asarray(labels(t.s, np.broadcast_to([setting.eps[0], 0.0], (draws, 2))))


def parts(setting: Setting) -> tuple[MLP, np.ndarray, TargetTrait]:
    """Network, channel inputs (N, d) and trait of a setting whose seeds share their data."""
    assert isinstance(setting.network, MLP)
    x, trait = data(setting.origin, setting.channel, setting.examples, setting.trait_examples, (0,))
    return setting.network, x[0], jax.tree.map(lambda leaf: leaf[0], trait)


@lru_cache(maxsize=64)
def predicted(setting: Setting, rho: float) -> float:
    """E[D(ε) − D(0)]/ε at large width."""
    network, x, trait = parts(setting)
    w, law = (
        setting.origin.weights(setting.outputs),
        (network.depth, network.activation, network.bias_std, network.width),
    )
    return transfer(rho, x, trait, w, "alignment", *law)


@lru_cache(maxsize=64)
def rest(setting: Setting, rho: float) -> float:
    """What E[D(ε) − D(0)]/ε at width n exceeds `predicted` by: c/n of it, exactly, for one hidden layer.

    Channel inputs x, N of them, in w aux outputs in all; trait inputs t, t′ with cotangents g_k = m_k + s_k z_k, linear
    in z_k = b_k + Σ_j v_kj φ_j. Aux heads give ρ/n for each unit j with itself, and what is left is the mean of
    Q_j Σ_kk′ v_kj v_k′j g_k g_k′, Q = φ′_S(x)φ′_T(x)φ′(t)φ′(t′). By Wick's rule over the class heads v, and since in
    1/n Σ_i φ_iφ_i one unit is i = j,

        E − T∞ = 2wρ/(Nn²) Σ_x,t,t′ (x·t + 1)(x·t′ + 1) {E[Qφφ](2Σs² + (Σs)²) − E[Q]E[φφ]Σs²},  φφ = φ(t)φ(t′).

    """
    network, x, trait = parts(setting)
    value, rate = activation(network.activation)
    rng = np.random.default_rng(SEED)
    points, n = np.concatenate([x, trait.x]), len(x)
    s = 2 * trait.outputs / len(trait.x)

    def preactivations() -> np.ndarray:
        weights = rng.normal(size=(PIECE, x.shape[1])) / np.sqrt(x.shape[1])
        return weights @ points.T + network.bias_std * rng.normal(size=(PIECE, 1))

    curved = means = product_means = 0.0
    for _ in range(UNITS // PIECE):
        teacher, other = preactivations(), preactivations()
        student = rho * teacher + np.sqrt(1 - rho**2) * other
        mutual = rate(student[:, :n]) * rate(teacher[:, :n])
        slope, product = rate(teacher[:, n:]), np.einsum("jt,js->jts", value(teacher[:, n:]), value(teacher[:, n:]))
        Q = np.einsum("jx,jt,js->jxts", mutual, slope, slope)
        curved = curved + np.sum(Q * product[:, None], axis=0) / UNITS
        means, product_means = means + np.sum(Q, axis=0) / UNITS, product_means + np.sum(product, axis=0) / UNITS
    whole = curved * (2 * np.sum(s**2) + np.sum(s) ** 2) - means * product_means * np.sum(s**2)
    theta = x @ trait.x.T + 1
    factor = 2 * np.sum(setting.origin.weights(setting.outputs)) * rho / (n * network.width**2)
    return float(factor * np.einsum("xt,xs,xts->", theta, theta, whole))


def activation(name: str) -> Any:
    """φ and φ′ in NumPy: relu, and those whose kernels are quadratures. Raises KeyError for another."""
    return (lambda z: np.maximum(z, 0.0), lambda z: (z > 0) * 1.0) if name == "relu" else SMOOTH[name]
