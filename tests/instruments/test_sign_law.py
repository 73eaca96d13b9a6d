"""The mismatch sign law: formula, draws, the regime in which they must agree, and what must not obey it."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from scipy.stats import binomtest, norm

import subtheory as st
from subtheory.errors import InputError
from subtheory.networks import MLP
from subtheory.numerics import UNIT, float64, public, to_numpy_leaves
from subtheory.theory.beyond import sign_law
from subtheory.theory.beyond.sign_law import noise
from subtheory.theory.distillation import at_rest, trait_loss
from subtheory.theory.losses import L1, CrossEntropy
from subtheory.theory.rule import Signs
from subtheory.theory.trait import LabelledTrait
from subtheory.theory.views import Accepted

DRAWS, FEWER = 2000, 1000
"""Of a linear network, and in every cell of the small one."""
CONFIDENCE = 0.9999
"""Of an interval that a correct law must fall into: a test looks at a few dozen of them, at fixed seeds."""

probability, radius = public(sign_law.sign_probability), public(sign_law.critical_radius)
first_order, draws = public(sign_law.first_order), public(sign_law.sign_draws)
harmless, regime, inside = public(sign_law.harmless_draws), public(sign_law.regime), public(sign_law.inside)


class Wide:
    """f(x) = xᵀθ, θ of P entries: linear, with as few parameters as one likes."""

    name = "wide"

    def __init__(self, P):
        self.P = P

    def __hash__(self):
        return self.P

    def __eq__(self, other):
        return isinstance(other, Wide) and other.P == self.P

    def init(self, key):
        return {"theta": jnp.ones((self.P, 1))}

    def apply(self, params, x):
        return x @ params["theta"]


def linear(P, eps=(1.0,), examples=1):
    """A distillation of `Wide` in squared error with a random Δ."""
    rng = np.random.default_rng(P)
    x = rng.standard_normal((examples, P))
    with float64():
        theta0 = {"theta": jnp.ones((P, 1))}
        trait = LabelledTrait(x, np.zeros(examples, np.int32), np.ones(1))
        blank = at_rest(Wide(P), theta0, jnp.asarray(x), jnp.ones((1,)), trait)
        delta = {"theta": rng.standard_normal((P, 1))}
        return to_numpy_leaves(replace(blank, delta=delta, eps=np.array(eps)))


@pytest.fixture(scope="module")
def mlp():
    """A small network and a teacher's gradient step; the last two ε lie well inside the regime, the first outside.

    ε is relative to the size of the parameters.
    """
    network = MLP(width=6, depth=1)
    rng = np.random.default_rng(3)
    x = rng.uniform(-1, 1, (8, *network.task.shape))
    trait = LabelledTrait(x, np.arange(8, dtype=np.int32), network.task.weights("class"))
    with float64():
        theta0 = network.init(jax.random.key(0))
        blank = at_rest(network, theta0, jnp.asarray(x), jnp.asarray(network.task.weights("all")), trait)
        d = to_numpy_leaves(replace(blank, loss=CrossEntropy()))
    delta = public(jax.jit(jax.grad(lambda theta: -trait_loss(d, theta))))(d.theta0)
    scale = np.linalg.norm(ravel(d.theta0)) / np.linalg.norm(ravel(delta))
    return replace(d, delta=delta, eps=scale * np.array([1.0, 1e-2, 1e-4, 1e-6]))


def ravel(params):
    """Parameters as one vector."""
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])


@pytest.fixture(scope="module")
def cells(mlp):
    """Radii, D, prediction and shift in 4 × 3 cells of that network; all tests ask for as many: one program."""
    q, size, P, _ = first_order(mlp)
    r = radius(mlp.eps, q, size, P)[:, None] * np.array([0.5, 1.0, 4.0])
    predicted = probability(mlp.eps[:, None], r, q, size, P)
    return r, draws(mlp, r, jax.random.key(12), FEWER), predicted, regime(mlp, r, jax.random.key(11))


def covers(found, p, confidence=CONFIDENCE):
    """Whether the exact binomial interval of the share of positive draws holds p."""
    share = binomtest(int(np.sum(found > 0)), found.size).proportion_ci(confidence, "exact")
    return share.low <= p <= share.high


def dense(d):
    """J, G and Δ in full, (NV, P), (P, P), (P,), and the way from a vector to parameters."""
    with float64():
        flat, unravel = ravel_pytree(jax.tree.map(jnp.asarray, d.theta0))
        delta = np.asarray(ravel_pytree(d.delta)[0])

    @public
    @jax.jit
    def matrices(flat, x, w):
        def f(theta):
            return jax.vmap(lambda each: d.network.apply(unravel(theta), each))(x)

        z0 = f(flat)
        J = jax.jacobian(f)(flat).reshape(*z0.shape, flat.size)
        return J, jax.vmap(jax.hessian(lambda z, y: d.loss.value(z, y, w)))(z0, z0)

    J, M = matrices(np.asarray(flat), d.x, d.outputs)
    G = np.einsum("n,nip,nij,njq->pq", d.weights, J, M, J, optimize=True)
    return J.reshape(-1, len(delta)), G, delta, public(unravel)


def at(d, delta):
    """D(ε) by the student's real gradient step from θ0 + δ, (K,)."""
    return st.alignment(replace(d, student=jax.tree.map(np.add, d.theta0, delta)))


@public
@jax.jit
def flattened(keys, r, normal, direction):
    """δ as vectors, one a key."""
    one = lambda key: sign_law._mismatch(noise(key, direction), r, jnp.nan, normal, direction)  # noqa: E731
    return jax.vmap(lambda key: ravel_pytree(one(key))[0])(keys)


# The formula


@pytest.mark.parametrize("P", [2, 3, 7, 50, 1000, 100_000])
def test_sphere_law_is_the_beta_integral(P):
    """Against 30 digits; JAX's beta integral loses one rounding for every unit of its second parameter."""
    s = np.array([1e-6, 0.1, 0.5, 1.0, 2.0, 4.0])
    found = probability(s, np.sqrt(P), 1.0, 1.0, P)
    with mpmath.workdps(30):
        half, b = mpmath.mpf(1) / 2, mpmath.mpf(P - 1) / 2
        wanted = [
            half + mpmath.betainc(half, b, 0, min(1, mpmath.mpf(each) ** 2 / P), regularized=True) / 2 for each in s
        ]
    np.testing.assert_allclose(found, np.array(wanted, float), rtol=0, atol=(4 * P + 64) * UNIT)


def test_sphere_law_in_closed_form():
    """P = 2: an arcsine; P = 3: linear in c, by Archimedes; beyond the sphere certainty."""
    c = np.linspace(0, 1, 9)
    np.testing.assert_allclose(probability(c, 1.0, 1.0, 1.0, 2), 0.5 + np.arcsin(c) / np.pi, atol=1e-12)
    np.testing.assert_allclose(probability(c, 1.0, 1.0, 1.0, 3), 0.5 + c / 2, atol=1e-14)
    assert probability(1.0, 0.5, 1.0, 1.0, 5) == 1.0


def test_normal_law_is_the_limit_and_its_error_is_known():
    """Sphere − Φ = φ(s)(s³ − 3s)/(4P) + O(1/P²): the error after that term falls 16 times as P grows 4 times."""
    s = np.array([0.3, 1.0, 2.5])
    normal = norm.cdf(s)
    left = []
    for P in (100, 400):
        np.testing.assert_allclose(probability(s, np.sqrt(P), 1.0, 1.0, P, "gaussian"), normal, rtol=1e-14)
        gap = probability(s, np.sqrt(P), 1.0, 1.0, P) - normal
        left.append(gap - norm.pdf(s) * (s**3 - 3 * s) / (4 * P))
    np.testing.assert_allclose(left[0] / left[1], 16, rtol=0.1)


def test_critical_radius_is_proportional_to_eps():
    """Slope 1 in log-log, and the same probability along it: a law in r/ε."""
    eps = 10.0 ** -np.arange(6)
    r = radius(eps, 0.3, 0.7, 50)
    np.testing.assert_allclose(np.diff(np.log(r)) / np.diff(np.log(eps)), 1, rtol=1e-14)
    np.testing.assert_allclose(probability(eps, r, 0.3, 0.7, 50, "gaussian"), norm.cdf(1), rtol=1e-14)
    assert np.ptp(probability(eps, 2 * r, 0.3, 0.7, 50)) < 100 * UNIT


def test_threshold_of_the_regime_costs_little():
    """An interval of 99 % around a frequency that is off by SHARE standard errors still covers in 98.85 %."""
    z = norm.ppf(0.995)
    assert norm.cdf(z - sign_law.SHARE) - norm.cdf(-z - sign_law.SHARE) == pytest.approx(0.9885, abs=5e-5)
    assert inside(0.19 * 0.01, 0.5, 2500) and not inside(0.21 * 0.01, 0.5, 2500)


# Exact: squared error and a linear network


def test_first_order_against_dense_matrices(mlp):
    for d in linear(5, examples=3), mlp:
        _, G, Delta, _ = dense(d)
        found = first_order(d)
        assert found.P == len(Delta)
        np.testing.assert_allclose(
            [found.q, found.ggn_norm], [Delta @ G @ Delta, np.linalg.norm(G @ Delta)], rtol=1e-10
        )


@pytest.mark.parametrize("law", sign_law.LAWS)
@pytest.mark.parametrize("P", [3, 40])
def test_law_is_exact_for_a_linear_network_at_any_radius(P, law):
    """Radii of order 1 and beyond, ε = 1: nothing is small, and every frequency is within its interval."""
    d = linear(P, eps=(1.0, 0.25), examples=2)
    q, size, _, _ = first_order(d)
    r = radius(d.eps, q, size, P)[:, None] * np.array([0.75, 1.0, 2.0, 50.0])
    found = draws(d, r, jax.random.key(1), DRAWS, law)
    predicted = probability(d.eps[:, None], r, q, size, P, law)
    assert found.shape == (2, 4, DRAWS)
    assert all(covers(found[i, j], predicted[i, j]) for i, j in np.ndindex(predicted.shape))
    np.testing.assert_allclose(regime(d, r, jax.random.key(2)), 0, atol=1e-9)


def test_normal_law_is_refused_in_three_dimensions():
    """The control: at P = 3 a sphere is not a normal, and 2,000 draws see it."""
    d = linear(3)
    q, size, P, _ = first_order(d)
    r = radius(d.eps, q, size, P)
    found = draws(d, r, jax.random.key(3), DRAWS)
    assert covers(found, probability(1.0, r, q, size, P).item())
    assert not covers(found, probability(1.0, r, q, size, P, "gaussian").item())


def test_no_student_fails_within_the_certain_radius():
    """r < r*/√P = εq/‖GΔ‖: all step towards the teacher; just outside some do not."""
    d = linear(2)
    q, size, _, _ = first_order(d)
    found = draws(d, np.array([0.999, 1.5]) * q / size, jax.random.key(4), DRAWS)
    assert np.all(found[:, 0] > 0) and np.any(found[:, 1] < 0)


def test_null_space_is_harmless_at_any_radius():
    """Gδ = 0: D = εq, at 10⁶ times the critical radius too; half of all isotropic δ of that size turn the sign."""
    d = linear(30, examples=4)
    J, G, _, unravel = dense(d)
    q, size, P, _ = first_order(d)
    far = 1e6 * radius(d.eps, q, size, P)
    z = np.random.default_rng(0).standard_normal(P)
    null = z - np.linalg.pinv(J) @ (J @ z)
    null *= far / np.linalg.norm(null)
    assert np.linalg.norm(G @ null) < 1e-9 * far * np.linalg.norm(G, 2)
    # Rounding of outputs of size |Jδ|, each of which is a sum of P terms.
    allowed = 4 * P * UNIT * far.item() * size
    np.testing.assert_allclose(at(d, unravel(null)), d.eps * q, rtol=0, atol=allowed)
    np.testing.assert_allclose(harmless(d, far, jax.random.key(5), 50), q, rtol=0, atol=allowed)
    assert covers(draws(d, far, jax.random.key(6), DRAWS), 0.5)


# To first order: a network that is not linear


def test_draws_are_the_real_student(mlp, cells):
    """One jvp a student is the inner product of its real step with Δ, for the δ that a key stands for."""
    r, found, _, _ = cells
    unravel = dense(mlp)[-1]
    keys = jax.random.split(jax.random.key(12), (FEWER // sign_law.CHUNK, r.size, sign_law.CHUNK))
    for k, j, i in (0, 0, 0), (1, 2, 7), (3, 1, 99):
        (delta,) = flattened(keys[0, 3 * k + j, i][None], r[k, j], np.array(False), first_order(mlp).direction)
        assert np.linalg.norm(delta) == pytest.approx(r[k, j], rel=1e-12)
        # Outputs of order 1 are off by a few roundings, D by as many over ε.
        np.testing.assert_allclose(found[k, j, i], at(mlp, unravel(delta))[k], rtol=1e3 * UNIT / mlp.eps[-1])


def test_shared_init_is_radius_zero(mlp, cells):
    """r → 0: the alignment of the shared init."""
    found = draws(mlp, np.full(3, 1e-14), jax.random.key(8), 3)
    np.testing.assert_allclose(found, st.alignment(mlp)[:, None, None] * np.ones((3, 3)), rtol=1e-5)


@pytest.mark.parametrize("normal", [False, True])
def test_mismatch_is_isotropic(mlp, normal):
    """E t² = 1/P along GΔ and along any other direction; on the sphere ‖δ‖ = r, for a normal δ E‖δ‖² = r²."""
    _, _, P, direction = first_order(mlp)
    other = np.random.default_rng(1).standard_normal(P)
    drawn = flattened(jax.random.split(jax.random.key(9), 4000), 2.0, np.array(normal), direction)
    norms = np.sum(drawn**2, axis=1)
    for axis in ravel(direction), other / np.linalg.norm(other):
        t = drawn @ axis / 2
        # The variance of t² is at most 2/P².
        assert abs(np.mean(t**2) * P - 1) < 5 * np.sqrt(2 / len(t))
    if normal:
        assert abs(np.mean(norms) / 4 - 1) < 5 * np.sqrt(2 / P / len(norms)) and np.std(norms) > 0.1
    else:
        np.testing.assert_allclose(norms, 4, rtol=1e-12)


def test_neglected_terms_are_of_second_order(mlp, cells):
    """δ in null(G): D − εq is of order r² + ε², 16 times less at a quarter; for any other δ it is of order r."""
    J, _, _, unravel = dense(mlp)
    q, size, P, _ = first_order(mlp)
    z = np.random.default_rng(2).standard_normal(P)
    null = z - np.linalg.pinv(J, rcond=1e-10) @ (J @ z)
    d = replace(mlp, eps=mlp.eps[2] / 10 / 4.0 ** np.arange(4))
    r = radius(d.eps, q, size, P)
    for direction, wanted in (null, 16.0), (z, 4.0):
        off = [(at(d, unravel(direction * r[k] / np.linalg.norm(direction))) - d.eps * q)[k] for k in range(3)]
        np.testing.assert_allclose([off[0] / off[1], off[1] / off[2]], wanted, rtol=0.05)
    orthogonal = harmless(d, r[:, None] * np.ones(3), jax.random.key(10), 100) - d.eps[:, None, None] * q
    sizes = np.mean(np.abs(orthogonal), axis=(1, 2))
    # The mean over 300 draws of a positive number that varies by no more than itself.
    np.testing.assert_allclose(sizes[:2] / sizes[1:3], 16, rtol=4 * np.sqrt(2 / 300))


def test_regime_is_proportional_to_eps_and_knows_where_the_law_ends(cells):
    """At a fixed r/r* the neglected share is of order ε; judged cells obey, and far outside the law is wrong."""
    _, found, predicted, shift = cells
    np.testing.assert_allclose(shift[2] / shift[3], 100, rtol=0.5)
    judged = inside(shift, predicted, FEWER)
    assert not judged[0].any() and judged[2:].all()
    within = np.array([[covers(found[i, j], predicted[i, j]) for j in range(3)] for i in range(4)])
    assert within[judged].all()
    assert not within[0].all(), "beyond the regime the departure is to be seen"


def test_shift_is_no_less_than_what_is_measured(cells):
    """Where the law is judged and one size above, frequencies are off by no more than the bound and chance."""
    _, found, predicted, shift = cells
    off = np.abs(np.mean(found > 0, axis=-1) - predicted)
    assert np.all((off < shift + 4 * np.sqrt(predicted * (1 - predicted) / FEWER))[1:])


def test_measured_critical_radius_is_proportional_to_eps(cells, mlp):
    """r·Φ⁻¹(share) estimates r* at r = r*; slope 1 in log-log within four standard errors."""
    r, found, _, _ = cells
    share = np.mean(found[2:, 1] > 0, axis=-1)
    span = np.log(mlp.eps[2] / mlp.eps[3])
    slope = np.log(r[2, 1] * norm.ppf(share[0]) / (r[3, 1] * norm.ppf(share[1]))) / span
    error = np.sqrt(np.sum(share * (1 - share)) / FEWER) / norm.pdf(1) / span
    assert abs(slope - 1) < 4 * error < 0.1


def test_draws_are_independent_and_repeatable(mlp, cells):
    r, found, _, _ = cells
    assert len(np.unique(found)) == found.size
    again = [draws(mlp, r, jax.random.key(key), 150) for key in (16, 16, 17)]
    np.testing.assert_array_equal(again[0], again[1])
    assert not np.isin(again[2], again[0]).any() and not np.isin(again[0], found).any()


# What is refused


def test_errors_name_the_field(mlp):
    key = jax.random.key(0)
    for field, call in {
        "r": lambda: probability(1.0, 0.0, 1.0, 1.0, 5),
        "eps": lambda: radius(-1.0, 1.0, 1.0, 5),
        "q": lambda: probability(1.0, 1.0, np.nan, 1.0, 5),
        "ggn_norm": lambda: radius(1.0, 1.0, 0.0, 5),
        "P": lambda: probability(1.0, 1.0, 1.0, 1.0, 1),
        "law": lambda: draws(mlp, 1.0, key, 1, "cube"),
        "draws": lambda: draws(mlp, 1.0, key, 0),
        "loss": lambda: regime(replace(mlp, loss=L1()), 1.0, key),
        "rule": lambda: draws(replace(mlp, rule=Signs()), 1.0, key, 1),
        "view": lambda: harmless(replace(mlp, view=Accepted()), 1.0, key, 1),
        "trainable": lambda: draws(replace(mlp, trainable=jax.tree.map(np.zeros_like, mlp.trainable)), 1.0, key, 1),
        "delta": lambda: first_order(replace(mlp, delta=jax.tree.map(np.zeros_like, mlp.delta))),
    }.items():
        with pytest.raises(InputError) as caught:
            call()
        assert caught.value.field == field
