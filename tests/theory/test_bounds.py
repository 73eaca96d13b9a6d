"""Explicit bounds: no negative D below a threshold, equality where the bound is exact, and what is refused."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bounded import (
    OUTPUTS,
    PARABOLA,
    RELU,
    SMOOTH,
    THREE,
    distil,
    drawn,
    labelled,
    measured,
    product,
    random,
    signs,
    updated,
)

import subtheory as st
from subtheory.constructed.formula import Formula
from subtheory.constructed.witnesses import Repulsion
from subtheory.numerics import float64
from subtheory.theory import alignment as theory
from subtheory.theory.beyond import bounds, piecewise
from subtheory.theory.rule import Carried, Signs
from subtheory.theory.views import Shifted, View

losses = pytest.mark.parametrize("loss", THREE, ids=lambda loss: loss.name)


# Thresholds ----------------------------------------------------------------------------------------


@losses
def test_nothing_negative_below_the_threshold(loss):
    """Twenty random tanh networks; the lower bound stays below D on the way, and beyond the threshold too."""
    meets = []
    for seed in range(20):
        d = random(SMOOTH, seed, loss=loss)
        found = st.alignment_threshold(d, 5.0, points=64)
        assert 0 < found.eps <= 5.0
        assert found.q == pytest.approx(st.quadratic_form(d), rel=1e-12)
        assert found.eps * found.curvature <= 2 * found.q * (1 + 1e-12)
        grid = np.linspace(0, 1.5 * found.eps, 201)[1:]
        D = measured(d, grid)
        assert np.all(D[grid < found.eps] > 0)
        below = st.alignment_lower_bound(replace(d, eps=grid[::20]), points=16)
        assert np.all(below <= D[::20] + 1e-9 * np.abs(D[::20]))
        np.testing.assert_array_equal(below > 0, grid[::20] < found.eps)
        meets.append(found.eps < 5.0)
    assert np.mean(meets) > 0.5, "thresholds that the search never reached say little"


def test_the_lower_bound_knows_the_curvature_up_to_its_own_size():
    """εq − ½ε²N(ε), N(ε) over [0, ε]: one end less of the grid would be another number."""
    d = replace(random(SMOOTH, 3, loss=THREE[0]), eps=np.array([0.2, 0.1]))
    with float64():
        q, N = map(np.asarray, bounds.curvature_bound(d, np.linspace(0, 0.2, 9)))
    assert N[-1] > N[-2] and N[4] > N[3], "these sizes tell it"
    np.testing.assert_allclose(
        st.alignment_lower_bound(d, points=4), [0.2 * q - 0.02 * N[-1], 0.1 * q - 0.005 * N[4]], rtol=1e-12
    )


@losses
def test_the_bound_on_h_is_one(loss):
    """|h″_x| ≤ the bound, for every single x, with h″ by differentiating D itself twice."""
    closest = 0.0

    def h(d, t):
        return theory.alignment_by_jvp(replace(d, eps=t[None]))[0]

    h2 = jax.jit(jax.vmap(jax.grad(jax.grad(h, argnums=1), argnums=1), (None, 0)))
    for seed in range(10):
        d = random(SMOOTH, seed, n=1, loss=loss)
        with float64():
            times = np.linspace(0, 2, 33)
            exact = np.abs(np.asarray(h2(d, times)))
            _, N = (np.asarray(part) for part in bounds.curvature_bound(d, times))
        assert np.all(exact <= N * (1 + 1e-12))
        closest = max(closest, exact[0] / N[0])
    assert closest > 0.5, "a bound this loose would hide a factor of two"


def _two_logits(theta, x):
    return jnp.stack([theta[0], 0.0 * theta[0]])


def test_temperature_enters_with_its_powers():
    """Logits (t, 0): D = (σ(t/T) − ½)/T, so |h″| ≤ √3/18 T⁻³, reached where σ = ½ ± √3/6; the range form has ¼T⁻³."""
    for T in (0.5, 1.0, 5.0):
        d = distil(Formula("two-logits", _two_logits), np.zeros(1), np.ones(1), [[0.0]], np.ones(2), st.KL(T))
        t, step = T * np.log(2 + np.sqrt(3)), 1e-3 * T
        D = st.alignment(replace(d, eps=t + step * np.array([-1.0, 0.0, 1.0])))
        assert abs(D @ [1, -2, 1]) / step**2 * T**3 == pytest.approx(np.sqrt(3) / 18, rel=1e-5)
        found = st.alignment_threshold(d, 100.0 * T)
        assert found.curvature * T**3 == pytest.approx(1 / 4, rel=1e-12)
        assert found.q * T**2 == pytest.approx(1 / 4, rel=1e-12) and found.eps == pytest.approx(2 * T, rel=1e-12)


def _sine(theta, x):
    return jnp.sin(x * theta)


def exact_cases():
    """(found, expected) where φ″ is constant, and for sin(kθ)."""
    # dB dA x = −2 Ju for every x: the bound is the root itself.
    yield st.alignment_threshold(product(2 * np.eye(2), -np.eye(2)), 3.0).eps, 0.5
    d = product(*np.random.default_rng(3).standard_normal((2, 2, 2)))
    u, v = d.x @ (d.delta["A"] + d.delta["B"]).T, d.x @ (d.delta["B"] @ d.delta["A"]).T
    expected = np.sum(u**2) / np.sum(np.linalg.norm(u, axis=1) * np.linalg.norm(v, axis=1))
    yield st.alignment_threshold(d, 100.0).eps, expected
    # One output turns back while it has hardly moved, so that a softmax is all but linear: D ends at 2k too.
    for loss in THREE:
        d = distil(PARABOLA, np.zeros(1), np.ones(1), [[1e-3, -1.0]], np.ones(2), loss)
        yield st.alignment_threshold(d, 1.0).eps, 2e-3
    # sup |sin| = 1 from a quarter of the period on.
    d = distil(Formula("sine", _sine), np.zeros(1), np.ones(1), [[7.0]], np.ones(1))
    yield st.alignment_threshold(d, 10.0).eps, 2 / 7


def test_thresholds_where_they_are_exact():
    for found, expected in exact_cases():
        assert found == pytest.approx(expected, rel=1e-3)
    for loss in THREE:  # the same root in D itself
        d = distil(PARABOLA, np.zeros(1), np.ones(1), [[1e-3, -1.0]], np.ones(2), loss, eps=[1.999e-3, 2.001e-3])
        below, above = st.alignment(d)
        assert below > 0 > above


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_factor_of_two_is_noticed(monkeypatch, factor):
    """Planted: N half of what it is (unsound), or the ½ of Taylor's formula dropped (twice as strict)."""
    sound = bounds._second
    monkeypatch.setattr(bounds, "_second", lambda *args: factor * sound(*args))
    bounds.curvature_bound.clear_cache()
    try:
        off = [abs(found / expected - 1) > 0.1 for found, expected in exact_cases()]
    finally:
        bounds.curvature_bound.clear_cache()
    assert all(off[:5])  # the sine moves less


def test_control_negative_just_above_the_root():
    """f = sin(kθ): the threshold lies below π/k, and D < 0 right behind it: no threshold can be uniform in k."""
    for k in (1.0, 7.0, 1152.0):
        d = distil(Formula("sine", _sine), np.zeros(1), np.ones(1), [[k]], np.ones(1))
        assert st.alignment_threshold(d, 100.0).eps < np.pi / k
        below, above = st.alignment(replace(d, eps=np.array([0.999, 1.001]) * np.pi / k))
        assert below > 0 > above


def _shifted(theta, x):
    """The same logits, all moved together along a curve of θ."""
    return SMOOTH.apply(theta, x) + 10 * jnp.sin(jnp.sum(theta["head"]["kernel"]))


def test_range_form_ignores_a_constant_added_to_all_logits():
    plain = random(SMOOTH, 1)
    moved = replace(plain, network=Formula("shifted", _shifted))
    for loss in THREE[1:]:
        a, b = (st.alignment_threshold(replace(d, loss=loss), 5.0) for d in (plain, moved))
        np.testing.assert_allclose(a, b, rtol=1e-9)
    a, b = (st.alignment_threshold(d, 5.0) for d in (plain, moved))
    assert abs(b.eps / a.eps - 1) > 0.1  # squared error sees it
    only = replace(plain, delta=jax.tree.map(np.zeros_like, plain.delta))
    only.delta["head"]["bias"] += 1.0
    assert st.alignment_threshold(replace(only, loss=THREE[1]), 5.0).eps == 0  # q = 0: nothing is promised
    assert st.alignment_threshold(only, 5.0).eps == 5.0  # φ is linear along Δ, and q > 0


def test_search_refines_where_the_threshold_is_small():
    """The grid shrinks to the threshold, wherever `upto` is; bounds that are not finite end the search."""
    d = random(SMOOTH, 2)
    near, far = st.alignment_threshold(d, 1.0, points=128), st.alignment_threshold(d, 1e6, points=128)
    assert near.eps == pytest.approx(far.eps, rel=0.05)
    times = np.linspace(0, 1, 5)
    for broken in (np.nan, np.inf):
        assert bounds._crossing(times, 1.0, np.array([1.0, 1.0, 1.0, broken, broken])) == (0.5, 1.0, 3)
        assert bounds._crossing(times, 1.0, np.full(5, broken))[0] == 0
        assert bounds._search(lambda t, bad=broken: (1.0, np.where(t > 0, bad, 1.0)), 1.0, 4)[0] < 1e-100


# The student's step --------------------------------------------------------------------------------


def _quadratic(beta):
    return lambda theta: jnp.sum(theta) + beta * jnp.sum((theta - 1.0) ** 2) / 2


def _line(theta, x):
    return jnp.sum(theta * x, keepdims=True)


LINE = Formula("line", _line)


def test_a_grid_is_doubled_as_often_as_was_asked_for():
    """While nothing crosses: five grids for four doublings, the last 16 times as long, and no threshold."""
    ends = []
    nothing = lambda times: (ends.append(times[-1]), (1.0, np.zeros_like(times)))[1]  # noqa: E731
    assert bounds._search(nothing, 1.0, 4, 4) == (np.inf, 0.0, 1.0) and ends == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert bounds._search(nothing, 3.0, 4) == (3.0, 0.0, 1.0) and ends[5:] == [3.0]


def test_step_is_exact_for_a_quadratic_trait():
    """L_T = Σθ + ½β|θ − θ0|²: L_T is back where it was at α*, and twice the β at the same gradient halves α*."""
    found = []
    for beta in (3.0, 6.0):
        trait = st.FunctionTrait(_quadratic(beta))
        d = distil(
            Formula("line", _line), np.ones(2), -np.ones(2), [[1.0, 2.0]], np.ones(1), trait=trait, eps=[1, 0.25]
        )
        alpha = st.trait_step(d)
        with float64():
            update = [np.asarray(updated(d, eps)) for eps in d.eps]
        np.testing.assert_allclose(alpha, [-2 * np.sum(u) / (beta * u @ u) for u in update], rtol=1e-10)
        changes = np.array([st.trait_change(d, a * alpha[1]) for a in (0.99, 1.0, 1.01)])[:, 1]
        assert changes[0] < 0 < changes[2] and changes[1] == pytest.approx(0, abs=1e-12)
        found.append(alpha)
    np.testing.assert_allclose(found[0], 2 * found[1], rtol=1e-10)
    # No upward curvature anywhere: no bound. L_T that does not fall at all: no step.
    assert np.all(np.isinf(st.trait_step(replace(d, trait=st.FunctionTrait(_quadratic(0.0))))))
    assert np.all(np.isinf(st.trait_step(replace(d, trait=st.FunctionTrait(_quadratic(-1.0))))))
    assert np.all(st.trait_step(replace(d, delta=np.ones(2))) == 0)
    assert np.all(st.trait_step(replace(d, delta=np.array([2.0, -1.0]))) == 0)  # invisible


@jax.jit
def _along(d, update, alphas):
    def at(alpha):
        return d.trait.loss(d.network.apply, jax.tree.map(lambda p, g: p + alpha * g, d.student, update))

    return jax.lax.map(at, alphas)


@pytest.mark.parametrize("network", [SMOOTH, RELU], ids=lambda network: network.name)
def test_trait_loss_falls_below_the_step(network):
    """Six random networks, two sizes of ε: L_T falls for every smaller step; before the first kink, if any."""
    for seed in range(6):
        d = labelled(network, seed, eps=(0.5, 1e-3))
        steps = st.trait_step(d, points=64)
        for eps, alpha in zip(d.eps, steps, strict=True):
            assert 0 < alpha < np.inf
            with float64():
                update = updated(d, eps)
                change = np.asarray(_along(d, update, alpha * np.arange(65) / 65))
                assert np.all(change[1:] < change[0])
                fall, _, unit, _ = bounds._trait_segment(d, eps, np.zeros(65))
            slope = measured(d, eps)[0]  # the theorem's teacher: −∇L_T·Δθ_S = D(ε)
            assert float(fall / unit) == pytest.approx(slope, rel=1e-9)
            if network is RELU:
                h = [signs(network, d.student, update, d.trait.x, t) for t in (0.0, 0.5 * alpha, 0.999999 * alpha)]
                assert np.array_equal(h[0], h[1]) and np.array_equal(h[0], h[2])


# What is refused -----------------------------------------------------------------------------------


def test_errors_name_the_field():
    d = random(SMOOTH, 0)
    relu = random(RELU, 0)
    for loss in (st.L1(), st.Quartic(), st.TopK(), st.ReverseKL(), Repulsion()):
        for function in (lambda d: st.alignment_threshold(d, 1.0), st.alignment_lower_bound):
            with pytest.raises(st.InputError, match="loss: must be squared-error, cross-entropy or kl"):
                function(replace(d, loss=loss))
    with pytest.raises(st.InputError, match="loss: must be squared-error, got kl"):
        st.alignment_pieces(replace(relu, loss=st.KL()), 1.0)
    for field, value in {
        "student": drawn(SMOOTH, np.random.default_rng(1)),
        "view": Shifted((1.0,) * OUTPUTS),
        "trainable": jax.tree.map(np.zeros_like, d.theta0),
        "rule": Signs(),
    }.items():
        with pytest.raises(st.InputError, match=f"^{field}: "):
            st.alignment_threshold(replace(d, **{field: value}), 1.0)
    for upto in (0.0, -1.0, np.nan, np.inf):
        for function in (st.alignment_threshold, st.kinks, st.alignment_roots):
            with pytest.raises(st.InputError, match="upto: must be a positive number"):
                function(d, upto)
    for rule in (Signs(), Carried()):
        with pytest.raises(st.InputError, match="rule: must be descent"):
            st.alignment_roots(replace(relu, rule=rule), 1.0)

    @dataclass(frozen=True)
    class Halved(View):
        name = "halved"

        def labels(self, logits, w):
            return logits / 2

    with pytest.raises(st.InputError, match="view: must be full, or add a constant to the logits, got halved"):
        st.alignment_roots(replace(relu, view=Halved()), 1.0)
    with pytest.raises(st.InputError, match="network: must be a polynomial of degree 1"):
        st.alignment_roots(d, 1.0)
    with pytest.raises(st.InputError, match="network: must be a polynomial of degree 1"):
        st.alignment_roots(relu, 1.0, degree=1)
    formula = product(np.eye(2), np.eye(2))
    with pytest.raises(st.InputError, match="degree: product reports no pre-activations"):
        st.alignment_pieces(formula, 1.0)
    with pytest.raises(st.InputError, match="degree: must be at least 1"):
        st.alignment_pieces(formula, 1.0, degree=0)
    with pytest.raises(st.InputError, match="network: must report"):
        st.kinks(formula, 1.0)
    with pytest.raises(st.InputError, match="upto: must keep the outputs finite"):
        st.kinks(relu, 1e200)
    assert st.kinks(d, 1.0).shape == (0,)

    class Curved:
        name = "curved"

        def preactivations(self, theta, x):
            return (jnp.sin(theta),)

        def apply(self, theta, x):
            return jax.nn.relu(jnp.sin(theta))

    curved = distil(Curved(), np.ones(1), np.ones(1), [[0.0]], np.ones(1))
    for function in (st.kinks, st.alignment_threshold):  # rather than a kink in the wrong place
        with pytest.raises(st.InputError, match="network: must be a polynomial of degree 2"):
            function(curved, 4.0)


def test_nothing_is_compiled_twice():
    """New arrays of the same shapes, and another `upto`, use the programs that are there."""
    st.alignment_threshold(random(SMOOTH, 0), 1.0)
    st.alignment_roots(random(RELU, 0), 1.0)
    programs = bounds.curvature_bound, piecewise._expand, piecewise._values, piecewise._start
    before = [program._cache_size() for program in programs]
    st.alignment_threshold(random(SMOOTH, 5), 3.0)
    st.alignment_roots(random(RELU, 5), 2.0)
    assert [program._cache_size() for program in programs] == before
