"""The mean-field curve: what crosses between two inits of correlation ρ, predicted from kernels before any run.

Settings are constructed: MLPs of one hidden layer on fixed data, a regression for the trait and auxiliary outputs for
the channel, where the term in 1/width that mean-field theory leaves out is known exactly (`rest`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from threading import Lock

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.claim import Assumption, Control, Evidence, claim
from subtheory.claims.assumptions import SAME_PARAMETERS
from subtheory.data.toys import toy
from subtheory.init import PATHS, Path, Start
from subtheory.networks import MLP
from subtheory.networks.linen import ACTIVATIONS
from subtheory.numerics import float64, public
from subtheory.setting import Setting, at_rest
from subtheory.source import FromTask
from subtheory.theory.cross_kernel import control_subtracted_alignment
from subtheory.theory.distillation import trait_loss
from subtheory.theory.mean_field import transfer
from subtheory.theory.network import Params
from subtheory.theory.teachers import noise
from subtheory.theory.trait import TargetTrait

INITS = 512
"""Pairs of inits of one run."""

SIGMAS = 6.0
"""Standard errors that a mean may be off: 2·10⁻⁹ for each of 48 runs if it is normal. A mean of m numbers of skewness γ
is nearly so: the tail of its Student's t grows by about e^{γz³/(3√m)}, 600 times at γ = 2. 48 · 600 · 2·10⁻⁹ < 10⁻⁴."""

RHOS = (0.9, 0.6, 0.3)
"""Correlations of teacher's and student's init."""

EPS = 1e-6
"""Size of the teacher's update: what is added is linear in it to about as much, and rounded to 10⁻¹⁰ of itself."""

TARGETS = 2.0
"""Standard deviation of the trait's targets: above that of the outputs, so that the mean needs few inits."""

SEED = 44
"""Of inputs and targets, which all runs share; a run's own seed draws its inits."""

UNITS = 100_000
"""Hidden units over which the expectation in `rest` is taken: it is known to a hundredth of itself."""

DRAWING = Lock()
"""Networks are measured side by side."""

CORRELATED = Assumption(
    "correlated",
    "The two inits have the correlation ρ that the prediction is made for, entry by entry.",
    lambda setting: replace(setting, independent=True),
)


@dataclass(frozen=True)
class Regression(FromTask):
    """A task whose trait is to fit normal targets on the class outputs."""

    def trait(self, key: Array, n: int) -> TargetTrait:
        w = jnp.asarray(self.task.weights("class"))
        x, drawn = self.task.labelled(jax.random.fold_in(key, 3), n)[0], jax.random.fold_in(key, 7)
        return TargetTrait(x, TARGETS * jax.random.normal(drawn, (n, len(w)), jnp.float64), w)


@dataclass(frozen=True)
class Transferred:
    """What teachers added to their students, beside its prediction; all per ε."""

    added: np.ndarray
    """[D(ε) − D(0)]/ε of every pair of inits, (INITS,)."""
    predicted: float
    """Its mean by mean-field theory."""
    rest: float
    """What the mean at this width has beyond that."""
    unrelated: float
    """The prediction for ρ = 0."""


def settings() -> tuple[Setting, ...]:
    """A tanh and a ReLU layer at each ρ, on auxiliary outputs, which only the fluctuation of a kernel reaches."""
    task = toy((6,), 8, 16)
    return tuple(
        Setting(MLP(64, 1, activation, task=task), outputs="aux", eps=(EPS,), relative=False,
                path=PATHS["correlated"], amount=1 - rho, examples=2, trait_examples=2, source=Regression(task))
        for activation in ("tanh", "relu")
        for rho in RHOS
    )  # fmt: skip


def transferred(setting: Setting, seeds: Sequence[int]) -> list[Transferred]:
    """Real steps of students along the setting's path for every seed; the prediction knows data and ρ alone."""
    rho = 1 - setting.amount
    plain = replace(setting, independent=False, frozen=False)
    known = predicted(plain, rho), rest(plain, rho), predicted(plain, 0.0)
    return [Transferred(_steps(setting, seed), *known) for seed in seeds]


@lru_cache
def _data(source: Regression, examples: int, trait_examples: int) -> tuple[np.ndarray, TargetTrait]:
    with float64():
        key = jax.random.key(SEED)
        return jax.tree.map(np.asarray, (source.inputs(None, key, examples), source.trait(key, trait_examples)))


def _parts(setting: Setting) -> tuple[MLP, Regression, np.ndarray, TargetTrait]:
    assert isinstance(setting.network, MLP) and isinstance(setting.source, Regression)
    return setting.network, setting.source, *_data(setting.source, setting.examples, setting.trait_examples)


@lru_cache(maxsize=64)
def predicted(setting: Setting, rho: float) -> float:
    """E[D(ε) − D(0)]/ε at large width."""
    network, source, x, trait = _parts(setting)
    w, law = source.weights(setting.outputs), (network.depth, network.activation, network.bias_std, network.width)
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
    network, source, x, trait = _parts(setting)
    phi = ACTIVATIONS[network.activation]
    value = public(jax.jit(phi))
    rate = public(jax.jit(jax.vmap(jax.vmap(jax.grad(phi)))))
    rng = np.random.default_rng(SEED)
    points = np.concatenate([x, trait.x])

    def preactivations() -> np.ndarray:
        weights = rng.normal(size=(UNITS, x.shape[1])) / np.sqrt(x.shape[1])
        return weights @ points.T + network.bias_std * rng.normal(size=(UNITS, 1))

    teacher, other = preactivations(), preactivations()
    student = rho * teacher + np.sqrt(1 - rho**2) * other
    n = len(x)
    mutual = rate(student[:, :n]) * rate(teacher[:, :n])
    slope, product = rate(teacher[:, n:]), np.einsum("jt,js->jts", value(teacher[:, n:]), value(teacher[:, n:]))
    Q = np.einsum("jx,jt,js->jxts", mutual, slope, slope)
    theta = x @ trait.x.T + 1
    s = 2 * trait.outputs / len(trait.x)
    curved = np.mean(Q * product[:, None], axis=0) * (2 * np.sum(s**2) + np.sum(s) ** 2)
    whole = curved - np.mean(Q, axis=0) * np.mean(product, axis=0) * np.sum(s**2)
    factor = 2 * np.sum(source.weights(setting.outputs)) * rho / (n * network.width**2)
    return float(factor * np.einsum("xt,xs,xts->", theta, theta, whole))


def _steps(setting: Setting, seed: int) -> np.ndarray:
    """[D(ε) − D(0)]/ε of INITS pairs, (INITS,)."""
    network, source, x, trait = _parts(setting)
    assert setting.path is not None
    with float64():
        # The law of an init does not know the activation: the same pairs serve all, whatever runs at the same time.
        with DRAWING:
            theta0, other = _pairs(replace(network, activation="tanh"), source, seed)
        w = jnp.asarray(source.weights(setting.outputs))
        some = Start(theta0, other, jnp.asarray(x), w, trait, network)
        flags = (jnp.asarray(float(each)) for each in (setting.amount, setting.independent, setting.frozen))
        return np.asarray(_added(some, setting.path, *flags)) / EPS


@lru_cache(maxsize=8)
def _pairs(network: MLP, source: Regression, seed: int) -> tuple[Params, Params]:
    """INITS times θ0 and an independent init: 17 MB, kept for the settings that follow."""
    return _starts(jax.random.split(jax.random.key(seed), INITS), network, source)


@partial(jax.jit, static_argnames=("network", "source"))
def _starts(keys: Array, network: MLP, source: Regression) -> tuple[Params, Params]:
    return jax.lax.map(lambda key: source.start(network, key), keys)


@partial(jax.jit, static_argnames="path")
def _added(some: Start, path: Path, amount: Array, independent: Array, frozen: Array) -> Array:
    """D(ε) − D(0) for every pair of inits, (INITS,): one program for all ρ and controls."""
    key = jax.random.key(SEED)
    half = noise(key, jax.tree.map(lambda leaf: leaf[0], some.theta0))

    def one(pair: tuple[Params, Params]) -> Array:
        start = replace(some, theta0=pair[0], other=pair[1])
        blank = at_rest(start.network, start.theta0, start.x, start.outputs, start.trait)
        student = path(start, amount, key)
        d = replace(
            blank,
            student=jax.tree.map(lambda near, far: jnp.where(independent > 0, far, near), student, start.other),
            delta=jax.grad(lambda theta: -trait_loss(blank, theta))(start.theta0),
            eps=jnp.full((1,), EPS),
            trainable=jax.tree.map(lambda draw: jnp.where((frozen > 0) & (draw < 0), 0.0, 1.0), half),
        )
        return control_subtracted_alignment(d)[0]

    return jax.lax.map(one, (some.theta0, some.other), batch_size=64)


@claim(
    formula="E[D(ε) − D(0)]/ε = T∞(ρ)(1 + c/n), T∞ by the recursion of NNGP and NTK between inits of correlation ρ",
    source="kernels between two inits, and the fluctuation of a block between two outputs; prediction P44",
    controls=[Control(CORRELATED, fails=0.95), Control(SAME_PARAMETERS, fails=0.95)],
    settings=settings,
    measure=transferred,
    run_tier="statistical",
    proof="mean_field",
)
def mean_field_curve_predicts_transfer(t: Transferred) -> Evidence:
    """What a teacher adds to a student whose init has correlation ρ with its own is known before any run.

    The mean over inits is the prediction within its standard errors and the term in 1/width, which is known. Sign,
    size and dependence on ρ are judged at once: nothing is fitted.
    """
    measured, error = float(np.mean(t.added)), float(np.std(t.added, ddof=1)) / np.sqrt(len(t.added))
    tolerance = SIGMAS * error + abs(t.rest)
    ratio = measured / t.predicted
    if tolerance > abs(t.predicted - t.unrelated) / 2:
        return Evidence(ratio, 1.0, 0.0, undecided="too few inits to tell this ρ from 0")
    return Evidence(ratio, 1.0, float(1 - abs(measured - t.predicted) / tolerance))
