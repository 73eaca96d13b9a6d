"""Kernels: a network's values, Taylor models and pullbacks on rows of any number, by programs of one shape."""

from collections import Counter
from dataclasses import dataclass, replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shapes import ATTENTION, KINKED, SMOOTH

from subtheory.kernels import compiled as module
from subtheory.kernels.compiled import BLOCK, GROUP, POINTS, SMALL_BLOCK, SMALL_ROWS, Kernels
from subtheory.kernels.functions import Traced
from subtheory.networks import NETWORKS
from subtheory.numerics import float64
from subtheory.theory.layout import Layout
from subtheory.theory.linearize import first_kink
from subtheory.theory.losses import KL, LOSSES, CrossEntropy, SquaredError
from subtheory.traces import TRACES

MANY = BLOCK + 3
"""Examples that leave a block part empty."""

CASES = [pytest.param(network, id=name) for name, network in NETWORKS.items()]


@cache
def drawn(network, n=MANY):
    """Its kernels, two θ and two Δ (2, P), and n inputs."""
    with float64():
        params, other = (jax.jit(network.init)(jax.random.key(seed)) for seed in (0, 1))
        x = np.asarray(network.task.labelled(jax.random.key(2), n)[0])
        layout = Layout.of(params)
        theta = np.stack([layout.flatten(jax.tree.map(np.asarray, p)) for p in (params, other)])
    return Kernels.of(network, params, x[0]), theta, np.random.default_rng(3).standard_normal(theta.shape), x


def cotangents(f, theta, x):
    z = f.values(theta, x)
    return np.random.default_rng(4).standard_normal(z.shape)


# What a kernel is ---------------------------------------------------------------------------------


@pytest.mark.parametrize("network", CASES)
def test_kernels_are_the_definitions(network):
    """f_θ example by example; u and v as differences of it along the line; Jᵀr as the adjoint of J."""
    f, theta, delta, x = drawn(network)
    z = f.values(theta, x)
    with float64():
        params = jax.tree.map(jnp.asarray, f.layout.unflatten(theta[1]))
        single = np.asarray(network.apply(params, jnp.asarray(x[-1])))
    np.testing.assert_allclose(z[1, -1], single, rtol=1e-12, atol=1e-13)
    assert z.shape == (2, MANY, *single.shape) and z.dtype == np.float64

    found = f.taylor(theta, delta, x)
    np.testing.assert_allclose(found.z0, z, rtol=1e-12, atol=1e-13)
    h = 1e-4 if "relu" not in network.name else 1e-7  # a kink may be near
    t = h * np.arange(-2, 3)
    line = f.values(theta[:, None] + t[:, None] * delta[:, None], x)  # (2, 5, N, ..., V)
    first = (line[:, 0] - 8 * line[:, 1] + 8 * line[:, 3] - line[:, 4]) / (12 * h)
    np.testing.assert_allclose(found.u, first, rtol=0, atol=1e-7 * np.abs(first).max() + 1e-15 / h)
    if "relu" not in network.name:
        second = (-line[:, 0] + 16 * line[:, 1] - 30 * line[:, 2] + 16 * line[:, 3] - line[:, 4]) / (12 * h**2)
        np.testing.assert_allclose(found.v, second, rtol=0, atol=1e-5 * np.abs(second).max() + 1e-13 / h**2)

    r = cotangents(f, theta, x)
    pulled = f.pulls(theta, r, x)
    assert pulled.shape == theta.shape
    # ⟨r, JΔ⟩ = ⟨Jᵀr, Δ⟩, for two directions.
    for direction, u in ((delta, found.u), (delta[::-1], f.taylor(theta, delta[::-1], x).u)):
        size = np.sum(np.abs(r * u), axis=tuple(range(1, u.ndim)))
        one, other = (r * u).sum(axis=tuple(range(1, u.ndim))), (pulled * direction).sum(axis=-1)
        assert np.all(np.abs(one - other) <= 1e-12 * (size + np.sum(np.abs(pulled * direction), axis=-1)))


@pytest.mark.parametrize("network", CASES)
def test_traced_functions_are_the_kernels(network):
    """The same numbers from plain JAX functions, compiled as a whole."""
    f, theta, delta, x = drawn(network)
    g, r = Traced(network, f.layout, f.example), cotangents(f, theta, x)
    with float64():
        taylor, pulled, kink = jax.jit(lambda t, d, r, x: (g.taylor(t, d, x), g.pulls(t, r, x), g.kink(t, d, x)))(
            theta, delta, r, x
        )
    for one, other in zip(f.taylor(theta, delta, x), taylor, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(f.pulls(theta, r, x), pulled, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(f.kink(theta, delta, x), kink, rtol=1e-12)
    assert np.isfinite(kink).all() == ("relu" in network.name)


@pytest.mark.parametrize("network", [KINKED, SMOOTH, ATTENTION], ids=lambda n: n.name)
def test_dense_jacobians_say_the_same(network):
    """Entry by entry, from `jax.jacobian` of one example."""
    f, theta, delta, x = drawn(network, 3)
    with float64():
        jacobian = jax.jit(jax.jacfwd(lambda t, x: network.apply(f.layout.unflatten(t), x)))
        J = np.stack([np.asarray(jacobian(theta[0], one)) for one in x])
    r = cotangents(f, theta[0], x)
    np.testing.assert_allclose(f.taylor(theta[0], delta[0], x).u, J @ delta[0], rtol=1e-11, atol=1e-12)
    axes = tuple(range(r.ndim))
    np.testing.assert_allclose(f.pulls(theta[0], r, x), np.tensordot(r, J, (axes, axes)), rtol=1e-11, atol=1e-12)


# Rows and blocks ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Tiny:
    """tanh(Wx) V with positions: outputs (2, 3) an example of shape (2,); equal by value."""

    name: str = "tiny"

    def init(self, key):
        a, b = jax.random.split(key)
        return {"V": jax.random.normal(b, (4, 3), jnp.float64), "W": jax.random.normal(a, (2, 4), jnp.float64)}

    def apply(self, params, x):
        h = jnp.tanh(x @ params["W"])
        return jnp.stack([h, h**2]) @ params["V"]

    def preactivations(self, params, x):
        return (x @ params["W"],)


RNG = np.random.default_rng(7)
LAYOUT = Layout.of({"V": np.zeros((4, 3)), "W": np.zeros((2, 4))})
TINY = Kernels(Tiny(), LAYOUT, (2,))


def by_hand(theta, x):
    """Its outputs in NumPy, (..., N, 2, 3)."""
    params = LAYOUT.unflatten(theta)
    h = np.tanh(x @ params["W"])
    return np.stack([h, h**2], axis=-2) @ params["V"][..., None, :, :]


def rows(*lead):
    return RNG.standard_normal((*lead, LAYOUT.size))


@pytest.mark.parametrize("n", [1, SMALL_BLOCK - 1, SMALL_BLOCK, SMALL_BLOCK + 1, 3 * SMALL_BLOCK + 2])
def test_blocks_of_examples_are_padded_with_what_nothing_pulls_on(n):
    theta, delta, x = rows(2), rows(2), RNG.standard_normal((2, n, 2))
    z = TINY.values(theta, x)
    np.testing.assert_allclose(z, by_hand(theta, x), rtol=1e-13, atol=1e-14)
    r = RNG.standard_normal(z.shape)
    one_by_one = sum(TINY.pulls(theta, r[:, i : i + 1], x[:, i : i + 1]) for i in range(n))
    np.testing.assert_allclose(TINY.pulls(theta, r, x), one_by_one, rtol=1e-11, atol=1e-12)
    whole = TINY.taylor(theta, delta, x)
    for i in (0, n - 1):
        for a, b in zip(whole, TINY.taylor(theta, delta, x[:, i : i + 1]), strict=True):
            np.testing.assert_allclose(a[:, i : i + 1], b, rtol=1e-12, atol=1e-13)
    nearest = np.min([TINY.kink(theta, delta, x[:, i : i + 1]) for i in range(n)], axis=0)
    np.testing.assert_allclose(TINY.kink(theta, delta, x), nearest, rtol=1e-13)


@pytest.mark.parametrize("count", [1, SMALL_ROWS - 1, SMALL_ROWS, SMALL_ROWS + 1, 2 * SMALL_ROWS + 5])
def test_rows_of_any_number(count):
    theta, x = rows(count), RNG.standard_normal((3, 2))
    np.testing.assert_allclose(TINY.values(theta, x), by_hand(theta, x), rtol=1e-13, atol=1e-14)
    r = RNG.standard_normal((count, 3, 2, 3))
    pulled = TINY.pulls(theta, r, x)
    for i in {0, count // 2, count - 1}:
        np.testing.assert_array_equal(pulled[i], TINY.pulls(theta[i], r[i], x))


def test_leading_axes_broadcast_as_numpys():
    """θ (S, 1, P) beside Δ (K, P) and x (S, 1, N, 2); none at all; and one θ for many inputs."""
    S, K, n = 2, 3, 5
    theta, delta, x = rows(S, 1), rows(K), RNG.standard_normal((S, 1, n, 2))
    found, g = TINY.taylor(theta, delta, x), Traced(Tiny(), LAYOUT, (2,))
    with float64():
        traced = g.taylor(jnp.asarray(theta), jnp.asarray(delta), jnp.asarray(x))
    assert found.u.shape == (S, K, n, 2, 3)
    for a, b in zip(found, traced, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)
    for i, k in np.ndindex(S, K):
        alone = TINY.taylor(theta[i, 0], delta[k], x[i, 0])
        for a, b in zip(found, alone, strict=True):
            np.testing.assert_allclose(a[i, k], b, rtol=1e-13, atol=1e-14)
    r = RNG.standard_normal((K, 1, n, 2, 3))
    pulled = TINY.pulls(theta[:, 0], r, x[:, 0])
    with float64():
        np.testing.assert_allclose(
            pulled, g.pulls(*map(jnp.asarray, (theta[:, 0], r, x[:, 0]))), rtol=1e-11, atol=1e-12
        )
    assert pulled.shape == (K, S, LAYOUT.size)
    assert TINY.values(theta[0, 0], x[0, 0]).shape == (n, 2, 3)
    assert TINY.values(theta[0, 0], x).shape == (S, 1, n, 2, 3)


@pytest.mark.parametrize("kinked", [True, False])
def test_a_kink_has_the_axes_of_theta_delta_and_x(kinked):
    f = TINY if kinked else replace(TINY, network=Smooth())
    for lead in ((), (3,)):
        found = f.kink(rows(), rows(*lead), RNG.standard_normal((4, 2)))
        assert np.shape(found) == lead and np.all(np.isfinite(found)) == kinked


@dataclass(frozen=True)
class Smooth(Tiny):
    """Without pre-activations of kinks."""

    name: str = "smooth"
    preactivations = None


def test_kinks_are_where_the_first_preactivation_vanishes():
    """h(t) = x·(W + tW′) is a line: |h/h′|, the smallest over units and inputs; by signs on either side."""
    theta, delta, x = rows(4), rows(4), RNG.standard_normal((MANY, 2))
    found = TINY.kink(theta, delta, x)
    h, slope = (x @ LAYOUT.unflatten(v)["W"] for v in (theta, delta))
    np.testing.assert_allclose(found, np.min(np.abs(h / slope), axis=(1, 2)), rtol=1e-12)
    for t in (-found, found):  # to one of the two sides a sign turns just there
        before, after = (np.sign(h + (c * t)[:, None, None] * slope) for c in (0.999, 1.001))
        assert np.all((before != np.sign(h)).sum(axis=(1, 2)) == 0)
        turned = (after != np.sign(h)).sum(axis=(1, 2))
        assert np.all(turned <= 1)
    assert np.all(TINY.kink(theta, 0 * delta, x) == np.inf)
    with float64():
        network = NETWORKS["mlp-relu"]
        f, theta, delta, x = drawn(network)
        params = [f.layout.unflatten(jnp.asarray(v[0])) for v in (theta, delta)]
        np.testing.assert_allclose(
            f.kink(theta, delta, x)[0], jax.jit(first_kink, static_argnums=0)(network, *params, x)
        )


def test_large_networks_take_other_blocks_and_give_the_same_numbers(monkeypatch):
    theta, delta, x = rows(9), rows(9), RNG.standard_normal((70, 2))
    small = TINY.taylor(theta, delta, x), TINY.pulls(theta, by_hand(theta, x), x)
    monkeypatch.setattr(module, "SMALL", 0)
    monkeypatch.setattr(module, "LARGE", 1)
    assert TINY.block == module.LARGE_BLOCK and TINY.rows == module.LARGE_ROWS
    large = TINY.taylor(theta, delta, x), TINY.pulls(theta, by_hand(theta, x), x)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-11, atol=1e-12), small, large)


@pytest.mark.parametrize(
    ("small", "expected"),
    [(0, ("values", "taylor", "pulls", "grouped pulls", "kink")), (LAYOUT.size, ("everything", "kink"))],
)
def test_one_program_whatever_the_number_of_rows_and_examples(monkeypatch, small, expected):
    monkeypatch.setattr(module, "ALONE", small)
    name = f"counted-{small}"
    f = Kernels(Tiny(name), LAYOUT, (2,))
    before = Counter(TRACES)
    for lead in ((), (1,), (3,), (2, 5), (SMALL_ROWS + 1,)):
        for n in (1, 7, SMALL_BLOCK, SMALL_BLOCK + 4):
            theta, x = rows(*lead), RNG.standard_normal((n, 2))
            f.taylor(theta, theta, x), f.kink(theta, theta, x)
            z = f.values(theta, x)
            f.pulls(theta, z, x), f.pulls(rows(), RNG.standard_normal((GROUP + 1, *z.shape[-3:])), x)
    equal = Kernels(Tiny(name), Layout.of({"V": np.ones((4, 3)), "W": np.ones((2, 4))}), (2,))
    assert equal == f and hash(equal) == hash(f)
    equal.values(rows(2), RNG.standard_normal((2, 2)))
    assert Counter(TRACES) - before == {f"{kernel} {name}": 1 for kernel in expected}


@pytest.mark.parametrize(
    ("own", "theirs", "inputs"),
    [
        ((2, 3, 5), (2, 1, 1), (2, 1, 1)),
        ((2, 3, 5), (2, 3, 1), (1,)),
        ((2, 3, 5), (), ()),
        ((2, 3, 5), (4, 1, 1, 1), (3, 1)),
        ((GROUP,), (), (1,)),
        ((2, GROUP), (2, 1), (2, GROUP)),
        ((9,), (2, 1), ()),
    ],
)
@pytest.mark.parametrize("small", [0, LAYOUT.size])
def test_cotangents_at_one_theta_are_pulled_back_in_groups(monkeypatch, own, theirs, inputs, small):
    monkeypatch.setattr(module, "ALONE", small)
    theta, x = rows(*theirs), RNG.standard_normal((*inputs, MANY, 2))
    several = RNG.standard_normal((*own, MANY, 2, 3))
    lead = np.broadcast_shapes(own, theirs, inputs)
    at, seen = np.broadcast_to(theta, (*lead, theta.shape[-1])), np.broadcast_to(x, (*lead, MANY, 2))
    one_by_one = TINY.pulls(at, np.broadcast_to(several, (*lead, MANY, 2, 3)), seen)
    found = TINY.pulls(theta, several, x)
    assert found.shape == one_by_one.shape
    np.testing.assert_allclose(found, one_by_one, rtol=1e-12, atol=1e-13)


def test_kernels_run_in_double_precision_wherever_they_are_called(monkeypatch):
    assert not jax.config.jax_enable_x64
    z = TINY.values(rows().astype(np.float32).astype(float), np.float32(RNG.standard_normal((2, 2))).astype(float))
    assert z.dtype == np.float64 and isinstance(z, np.ndarray)
    assert jnp.ones(1).dtype == jnp.float32


# Functions of the parameters, and losses ----------------------------------------------------------


def sum_of_cubes(params):
    return jnp.sum(params["V"] ** 3) + jnp.log(jnp.sum(params["W"] ** 2))


@pytest.mark.parametrize("lead", [(), (3,), (2, 2), (SMALL_ROWS + 2,)])
def test_a_function_of_the_parameters_and_its_slope(lead):
    """At θ = 0, which pads the rows, its value is not finite: nothing of that shows."""
    theta = rows(*lead)
    value, slope = TINY.scalar(sum_of_cubes, theta)
    params = LAYOUT.unflatten(theta)
    square = (params["W"] ** 2).sum(axis=(-1, -2))
    np.testing.assert_allclose(value, (params["V"] ** 3).sum(axis=(-1, -2)) + np.log(square), rtol=1e-12, atol=1e-12)
    expected = {"V": 3 * params["V"] ** 2, "W": 2 * params["W"] / square[..., None, None]}
    np.testing.assert_allclose(slope, LAYOUT.flatten(expected), rtol=1e-12)
    if len(lead) == 1:
        with float64():
            traced = Traced(Tiny(), LAYOUT, (2,)).scalar(sum_of_cubes, jnp.asarray(theta))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14), traced, (value, slope))


@pytest.mark.parametrize("loss", LOSSES.values(), ids=list(LOSSES))
def test_terms_of_a_loss_by_its_derivatives(loss):
    """r, r′ and r″ along y + εu + ½ε²v, by differences of r; at v = 0 and for no u as well."""
    shape, w = (3, 2, 4), np.array([1.0, 0.5, 0.0, 2.0])
    z, y, u, v = (0.7 * RNG.standard_normal(shape) for _ in range(4))
    found = TINY.terms(loss, z, y, w, u, v)
    pull = lambda t: TINY.terms(loss, z, y + t * u + t**2 / 2 * v, w).r  # noqa: E731
    with float64():
        slope = jax.jit(jax.grad(lambda z: jnp.sum(loss.value(z, y, w))))(z)
    np.testing.assert_allclose(found.r, -np.asarray(slope), rtol=1e-13, atol=1e-15)
    h = 1e-3
    a, b, c, d = (pull(k * h) for k in (-2, -1, 1, 2))
    np.testing.assert_allclose(found.first, (a - 8 * b + 8 * c - d) / (12 * h), rtol=0, atol=1e-8)
    np.testing.assert_allclose(found.second, (-a + 16 * b - 30 * found.r + 16 * c - d) / (12 * h**2), rtol=0, atol=1e-6)
    still = TINY.terms(loss, z, y, w)
    np.testing.assert_array_equal(still.r, found.r)
    assert not still.first.any() and not still.second.any()
    with float64():
        traced = Traced(Tiny(), LAYOUT, (2,)).terms(loss, *map(jnp.asarray, (z, y, w, u, v)))
    for part, other in zip(found, traced, strict=True):
        np.testing.assert_allclose(part, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("points", [1, POINTS, POINTS + 1])
def test_terms_of_any_number_of_points(points):
    z, y, w = RNG.standard_normal((points, 1, 3)), RNG.standard_normal((2, 3)), np.ones(3)
    found = TINY.terms(SquaredError(), z, y, w)
    assert found.r.shape == (points, 2, 3)
    np.testing.assert_allclose(found.r, 2 * (y - z), rtol=1e-14)


def test_losses_are_compiled_once_for_a_width():
    """Whatever the network, the weights and the number of outputs; a loss that is equal is the same."""
    loss = KL(temperature=3.25)
    before = Counter(TRACES)
    for f in (TINY, Kernels(Smooth(), LAYOUT, (2,))):
        for w in (np.ones(3), np.array([0.0, 1.0, 1.0])):
            for n in (1, 50):
                f.terms(KL(temperature=3.25), RNG.standard_normal((n, 2, 3)), RNG.standard_normal((n, 1, 3)), w)
    assert Counter(TRACES) - before == {f"loss {loss.name}": 1}
    f.terms(CrossEntropy(), np.zeros((1, 4)), np.ones((1, 4)), np.ones(4))


def test_repeated_calls_give_the_same_bits():
    theta, x = rows(5), RNG.standard_normal((9, 2))
    r = by_hand(theta, x)
    for call in (lambda: TINY.values(theta, x), lambda: TINY.pulls(theta, r, x)):
        np.testing.assert_array_equal(call(), call())
    # A row does not depend on the rows beside it.
    np.testing.assert_array_equal(TINY.pulls(theta, r, x)[3], TINY.pulls(theta[3], r[3], x))
