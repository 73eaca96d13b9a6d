"""The mean-field curve against random finite networks of correlated inits, and its kernels against integrals."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.special import erf, ndtr

from subtheory.data.task import Task
from subtheory.errors import InputError
from subtheory.networks import MLP, linen
from subtheory.numerics import float64
from subtheory.theory import curvature
from subtheory.theory.beyond import mean_field
from subtheory.theory.beyond.mean_field import (
    activation_kernels,
    cholesky,
    cross_kernels,
    orthant,
    quadrature,
    transfer,
    transfer_curve,
)
from subtheory.theory.distillation import outputs
from subtheory.theory.trait import LabelledTrait, TargetTrait

RNG = np.random.default_rng(44)
"""For the data that all tests share; what one test draws has a generator of its own."""
AUX = np.array([0.0, 0.0, 1.0, 1.0])
"""Two outputs that the trait reads, two that it does not."""
X, TRAIT_X = RNG.uniform(-1.5, 1.5, (3, 6)), RNG.normal(size=(3, 6))
TRAIT = TargetTrait(TRAIT_X, RNG.normal(size=(3, 4)), 1 - AUX)
TASK = Task("points", (6,), "float64", (("class", (0, 1)), ("aux", (2, 3)), ("all", (0, 1, 2, 3))), lambda key, n: None)
SIGMAS = 4
"""Standard errors that a mean over inits may be off."""


def covariances(count, size=2, seed=0):
    """Random correlation matrices, none singular."""
    G = np.random.default_rng(seed).normal(size=(count, size, size + 1))
    G /= np.linalg.norm(G, axis=-1, keepdims=True)
    return G @ np.swapaxes(G, 1, 2)


def correlated(network, key, rho):
    """The teacher's init and the student's: every entry of correlation ρ."""
    first, second = jax.random.split(key)
    theta, other = network.init(first), network.init(second)
    return theta, jax.tree.map(lambda a, b: rho * a + jnp.sqrt(1 - rho**2) * b, theta, other)


@partial(jax.jit, static_argnames="network")
def steps(network, keys, rhos, weights, eps):
    """Real steps on the labels of f(θ0_T + εΔ) minus those on f(θ0_T), per ε, times Δ and −∇L_T(θ0_S).

    For every init, ρ and set of outputs: (inits, ρ, sets, 2).
    """
    trait = partial(TRAIT.loss, network.apply)

    def one(key, rho):
        theta, student = correlated(network, key, rho)
        delta, gain = (jax.tree.map(jnp.negative, jax.grad(trait)(at)) for at in (theta, student))
        after, before = (outputs(network, optax.tree.add_scale(theta, size, delta), X) for size in (eps, 0.0))

        def imitation(p, y, w):
            return jnp.mean(jnp.sum(w * (outputs(network, p, X) - y) ** 2, axis=-1))

        def of(w):
            step = jax.grad(lambda p: (imitation(p, before, w) - imitation(p, after, w)) / eps)(student)
            return jnp.stack([optax.tree.vdot(step, delta), optax.tree.vdot(step, gain)])

        return jax.lax.map(of, weights)

    return jax.lax.map(lambda key: jax.lax.map(partial(one, key), rhos), keys)


@partial(jax.jit, static_argnames="network")
def products(network, keys, rho):
    """J_S(x) J_T(x′)ᵀ and f_S(x) f_T(x′)ᵀ of every init, (inits, N₁, V, N₂, V)."""

    def one(key):
        theta, student = correlated(network, key, rho)
        jacobians = [
            jax.tree.leaves(jax.jacrev(lambda p, x=x: outputs(network, p, x).ravel())(p))
            for p, x in ((student, X), (theta, TRAIT_X))
        ]
        ntk = sum(a.reshape(len(a), -1) @ b.reshape(len(b), -1).T for a, b in zip(*jacobians, strict=True))
        return ntk.reshape(3, 4, 3, 4), jnp.tensordot(outputs(network, student, X), outputs(network, theta, TRAIT_X), 0)

    return jax.lax.map(one, keys)


def keys(count, seed=0):
    return jax.random.split(jax.random.key(seed), count)


def ratio(values):
    """Mean over inits at every ρ relative to the last one, with its standard error; values (inits, ρ)."""
    base = values[:, -1]
    found = values.mean(0) / base.mean()
    rest = values - found * base[:, None]
    return found[:-1], rest.std(0, ddof=1)[:-1] / np.sqrt(len(values)) / abs(base.mean())


def monte_carlo(C, function, count=200_000):
    """E Π function(a_i) by drawing, with its standard error."""
    z = np.einsum("...ij,nj->n...i", np.linalg.cholesky(C), np.random.default_rng(1).normal(size=(count, C.shape[-1])))
    drawn = np.prod(function(z), axis=-1)
    return drawn.mean(0), drawn.std(0) / np.sqrt(count)


def with_covariance(C, change):
    """The same variances, Cov(a, b) changed."""
    return C + change * np.array([[0.0, 1.0], [1.0, 0.0]])


# --- kernels of the activations


CLOSED = {
    "erf": (erf, lambda z: 2 / np.sqrt(np.pi) * np.exp(-(z**2))),
    "sine": (np.sin, np.cos),
    "gelu-erf": (lambda z: z * ndtr(z), lambda z: ndtr(z) + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)),
}
"""φ and φ′ of smooth activations with closed forms."""


@pytest.mark.parametrize("name", sorted(CLOSED))
def test_closed_forms_are_the_integrals(name):
    value, rate = CLOSED[name]
    C, C4, kernels = covariances(6), covariances(2, 4) / 2, activation_kernels(name, nodes4=20)
    for closed, function, of in (kernels.value, value, C), (kernels.slope, rate, C), (kernels.fourfold, rate, C4):
        fine, coarse = (quadrature(function, of, nodes) for nodes in ((20, 14) if of is C4 else (80, 56)))
        # Errors fall off geometrically: the step from coarse to fine bounds what is left.
        error = np.abs(fine - coarse) + 1e-13
        assert np.all(np.abs(closed(of) - fine) <= error)
        assert not np.all(np.abs(closed(1.01 * of) - fine) <= error)


@pytest.mark.parametrize("name", ["tanh", "gelu", "softplus", "sigmoid"])
def test_quadratures_have_converged(name):
    C, C4 = covariances(6), covariances(2, 4)
    few, some, many = (activation_kernels(name, nodes, nodes4) for nodes, nodes4 in ((4, 3), (64, 12), (128, 24)))
    for kind, of, tolerance in ("value", C, 1e-6), ("slope", C, 1e-6), ("fourfold", C4, 1e-2):
        exact, default, poor = (getattr(kernels, kind)(of) for kernels in (many, some, few))
        np.testing.assert_allclose(default, exact, rtol=tolerance)
        assert np.max(np.abs(poor / exact - 1)) > 10 * np.max(np.abs(default / exact - 1))


@pytest.mark.parametrize("name", sorted(mean_field.SMOOTH))
def test_activations_are_the_networks_own(name):
    z = np.linspace(-4, 4, 41)
    value, rate = mean_field.SMOOTH[name]
    with float64():
        own = linen.ACTIVATIONS[name]
        np.testing.assert_allclose(value(z), own(jnp.asarray(z)), rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(rate(z), jax.vmap(jax.grad(own))(jnp.asarray(z)), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("name", ["relu", "erf", "gelu-erf", *linen.ACTIVATIONS])
def test_the_slope_kernel_is_the_derivative_in_the_covariance(name):
    """Price's theorem, by a central difference of step h: error h²."""
    C, kernels, h = covariances(5), activation_kernels(name), 1e-4
    C = C + 0.2 * np.eye(2)
    up, down = (kernels.value(with_covariance(C, sign * h)) for sign in (1, -1))
    np.testing.assert_allclose((up - down) / (2 * h), kernels.slope(C), rtol=1e-5)
    assert not np.allclose((up - down) / (2 * h), kernels.value(C), rtol=1e-2)


def test_relu_kernels():
    kernels, C = activation_kernels("relu"), covariances(3)
    for closed, function in (kernels.value, lambda z: np.maximum(z, 0)), (kernels.slope, lambda z: z > 0):
        mean, error = monte_carlo(C, function)
        assert np.all(np.abs(closed(C) - mean) <= SIGMAS * error)
    one = np.ones((2, 2))
    np.testing.assert_allclose([kernels.value(one), kernels.slope(one)], [1 / 2, 1 / 2])
    opposite = np.array([[1.0, -1.0], [-1.0, 1.0]])
    np.testing.assert_allclose([kernels.value(opposite), kernels.slope(opposite)], [0, 0], atol=1e-8)


def test_orthant_probabilities():
    r, half = 0.6, np.full((4, 4), 0.5) + 0.5 * np.eye(4)
    np.testing.assert_allclose(orthant(np.eye(4)), 1 / 16, atol=1e-12)
    np.testing.assert_allclose(orthant(half), 1 / 5, atol=1e-10)  # the largest of five equals
    twice = np.kron(np.ones((2, 2)), [[1, r], [r, 1]])
    np.testing.assert_allclose(orthant(twice), 1 / 4 + np.arcsin(r) / (2 * np.pi), atol=1e-5)
    np.testing.assert_allclose(orthant(np.ones((4, 4))), 1 / 2, atol=2e-4)
    C = covariances(3, 4)
    mean, error = monte_carlo(C, lambda z: z > 0)
    assert np.all(np.abs(orthant(C) - mean) <= SIGMAS * error)
    np.testing.assert_allclose(orthant(C), orthant(C[:, ::-1, ::-1]), atol=1e-8)


def test_singular_covariances_have_a_root():
    G = RNG.normal(size=(5, 4, 2))
    C = np.concatenate([G @ np.swapaxes(G, 1, 2), np.ones((1, 4, 4)), np.zeros((1, 4, 4))])
    S = cholesky(C)
    np.testing.assert_allclose(S @ np.swapaxes(S, 1, 2), C, atol=1e-7)
    assert np.all(S == np.tril(S))


# --- kernels between two inits


@pytest.mark.parametrize(("activation", "depth", "width", "inits"), [("tanh", 1, 8, 1500), ("relu", 2, 128, 40)])
def test_kernels_are_the_means_over_inits(activation, depth, width, inits):
    """E J_S J_Tᵀ = Θ_ρ δ_kk′, E f_S f_Tᵀ = ρ(Σ + σ_b²) δ_kk′; exact for one hidden layer, at every width.

    Not with ρ in the head alone, nor with one power of it too many behind the head.
    """
    network, rho = MLP(width=width, depth=depth, activation=activation, task=TASK), 0.6
    with float64():
        drawn = [np.asarray(each) for each in products(network, keys(inits), rho)]
    found, shared = (cross_kernels(X, TRAIT_X, at, depth, activation, width=width) for at in (rho, 1.0))

    def off(values, predicted):
        """The largest departure in standard errors of the mean over equal outputs."""
        trace = np.einsum("nakbk->nab", values) / 4
        return np.max(np.abs(trace.mean(0) - predicted) / trace.std(0, ddof=1)) * np.sqrt(inits)

    ntk, head = found.ntk[-1], width * found.nngp[-1] + 1
    assert off(drawn[0], ntk) <= SIGMAS < off(drawn[0], head + (ntk - head) * rho)
    assert off(drawn[0], head + shared.ntk[-1] - width * shared.nngp[-1] - 1) > SIGMAS
    assert off(drawn[1], found.outputs) <= SIGMAS < off(drawn[1], shared.outputs)
    different = drawn[0][:, :, 0, :, 1:]
    assert np.all(np.abs(different.mean(0)) <= SIGMAS * different.std(0) / np.sqrt(inits))


def test_one_init_has_the_ordinary_kernel():
    network = MLP(width=8, depth=1, task=TASK)
    with float64():
        ntk = jax.jit(lambda key: curvature.ntk(network, network.init(key), jnp.asarray(X), jnp.asarray(TRAIT_X)))
        drawn = np.einsum("nakbk->nab", np.asarray(jax.lax.map(ntk, keys(400)))) / 4
    error = drawn.std(0, ddof=1) / np.sqrt(len(drawn))
    same, almost = (cross_kernels(X, TRAIT_X, rho, 1, width=8).ntk[-1] for rho in (1.0, 0.9))
    assert np.max(np.abs(drawn.mean(0) - same) / error) <= SIGMAS < np.max(np.abs(drawn.mean(0) - almost) / error)


# --- transfer


@pytest.mark.parametrize(("activation", "depth", "inits"), [("relu", 1, 120), ("tanh", 2, 24)])
def test_curve_predicts_real_steps(activation, depth, inits):
    """Ratio to the shared init at width 256, all outputs and auxiliary ones; at ρ^{3/2} the prediction fails."""
    width, rhos = 256, ((0.7, 0.0) if depth == 1 else (0.7,))
    network = MLP(width=width, depth=depth, activation=activation, task=TASK)
    sets = {"all": np.ones(4), "aux": AUX}
    with float64():
        found = np.asarray(steps(network, keys(inits), jnp.asarray([*rhos, 1.0]), jnp.asarray([*sets.values()]), 1e-7))
    for i, (name, w) in enumerate(sets.items()):
        for j, measure in enumerate(mean_field.MEASURES):
            how = {"measure": measure, "depth": depth, "activation": activation, "width": width}
            at = {rho: transfer(rho, X, TRAIT, w, **how) for rho in (*rhos, 1.0, 0.7**1.5)}
            measured, error = ratio(found[:, :, i, j])
            predicted = np.array([at[rho] / at[1.0] for rho in rhos])
            assert np.all(np.abs(measured - predicted) <= SIGMAS * error), (name, measure)
            if measure == "alignment" and (activation, name) != ("tanh", "aux"):
                assert abs(measured[0] - at[0.7**1.5] / at[1.0]) > SIGMAS * error[0], (name, measure)
            shared = found[:, -1, i, j] / at[1.0]
            assert abs(shared.mean() - 1) <= SIGMAS * shared.std(ddof=1) / np.sqrt(inits)
            if name == "aux" and 0.0 in at:
                assert at[0.0] == 0


def test_trait_change_on_auxiliary_outputs_has_one_power_more():
    """ρ for the alignment, ρ² for the trait, times fourfold kernels: one hidden layer, ρ → 0."""
    how = {"depth": 1, "activation": "sine", "width": 64}
    for measure, power in ("alignment", 1), ("trait-change", 2):
        small, smaller = (abs(transfer(rho, X, TRAIT, AUX, measure, **how)) for rho in (1e-3, 1e-4))
        assert np.log10(small / smaller) == pytest.approx(power, abs=1e-2)


def test_curves():
    rhos = np.array([[1.0, 0.9], [0.7, 0.5]])
    for measure in mean_field.MEASURES:
        curve = transfer_curve(rhos, X, TRAIT, np.ones(4), measure=measure, depth=1, activation="erf")
        assert curve.shape == (2, 2) and curve[0, 0] == 1 and np.all(np.diff(curve.ravel()) < 0)
    # Features with a mean leave something at ρ = 0 on the outputs that the teacher trained.
    left = {
        name: transfer_curve([0.0], X, TRAIT, 1 - AUX, activation=name, width=10**6)[0] for name in ("sine", "relu")
    }
    assert left["sine"] < 1e-3 < 0.2 < left["relu"]


@pytest.mark.parametrize("trait", [TRAIT, LabelledTrait(TRAIT_X, np.array([0, 1, 0]), 1 - AUX)])
def test_cotangents_are_the_expansion_of_the_trait_loss(trait):
    def loss(z):
        return trait.loss(lambda p, x: p @ (jnp.abs(jnp.asarray(TRAIT_X) - x).sum(1) == 0), z.T)

    with float64():
        flat = lambda z: loss(z.reshape(3, 4))  # noqa: E731
        slope, hessian = (np.asarray(jax.jit(f(flat))(jnp.zeros(12))) for f in (jax.grad, jax.hessian))
    found = mean_field._cotangents(trait)
    np.testing.assert_allclose(found.mean, slope.reshape(3, 4), atol=1e-14)
    np.testing.assert_allclose(np.kron(np.eye(3), found.slope), hessian, atol=1e-14)


@pytest.mark.parametrize(
    ("field", "call"),
    [
        ("activation", lambda: activation_kernels("step")),
        ("nodes", lambda: activation_kernels("tanh", 0)),
        ("rho", lambda: cross_kernels(X, X, 1.1)),
        ("rho", lambda: cross_kernels(X, X, float("nan"))),
        ("depth", lambda: cross_kernels(X, X, 0.5, depth=0)),
        ("width", lambda: cross_kernels(X, X, 0.5, width=0)),
        ("bias_std", lambda: cross_kernels(X, X, 0.5, bias_std=-1.0)),
        ("x1", lambda: cross_kernels(X[0], X, 0.5)),
        ("x2", lambda: cross_kernels(X, X[:, 1:], 0.5)),
        ("measure", lambda: transfer(0.5, X, TRAIT, AUX, "distance")),
        ("outputs", lambda: transfer(0.5, X, TRAIT, AUX[:2])),
        ("outputs", lambda: transfer(0.5, X, TRAIT, 0 * AUX)),
        ("trait", lambda: transfer(0.5, X[:, 1:], TRAIT, AUX)),
    ],
)
def test_bad_input_is_named(field, call):
    with pytest.raises(InputError) as caught:
        call()
    assert caught.value.field == field
