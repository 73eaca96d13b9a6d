"""The statistical claims of two inits: they judge exactly, notice planted errors, and say when they cannot tell."""

from dataclasses import replace
from functools import partial

import jax
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binom, binomtest, norm

import subtheory as st
from subtheory.claim import Verdict
from subtheory.claims import CLAIMS, mean_field, mismatch
from subtheory.claims.mismatch import DRAWS, LEVEL, RELATIVE, SIGMAS, frequencies, surprise
from subtheory.init import PATHS
from subtheory.numerics import float64, public
from subtheory.setting import at_rest, to_numpy_leaves
from subtheory.theory import sign_law
from subtheory.theory.distillation import outputs, trait_loss

LAW, RADIUS = CLAIMS["mismatch-sign-law"], CLAIMS["critical-radius-is-proportional-to-eps"]
CURVE = CLAIMS["mean-field-curve-predicts-transfer"]
EDGE = norm.isf(LEVEL / 2)
"""The largest surprise that a law survives."""

probability, sign_draws = public(sign_law.sign_probability), public(sign_law.sign_draws)
fitted_radius, log_slope = public(sign_law.fitted_radius), public(sign_law.log_slope)


@pytest.fixture(scope="module")
def setting():
    """All outputs of the small network."""
    return mismatch.settings()[0]


@pytest.fixture(scope="module")
def found(setting):
    return frequencies(setting, range(2))


def of_law(f, counts, draws=DRAWS):
    """The same cells with other counts."""
    return replace(f, counts=np.broadcast_to(counts, f.counts.shape), draws=draws)


# What is exact


def test_surprise_is_the_exact_interval():
    """Clopper and Pearson's interval of confidence 1 − LEVEL covers p as long as the surprise is below its end."""
    draws, p = 400, 0.8413
    for k in range(0, draws + 1, 5):
        share = binomtest(k, draws).proportion_ci(1 - LEVEL, "exact")
        z = surprise(np.array([k]), draws, np.array([p]))[0]
        assert (share.low <= p <= share.high) == (z <= EDGE)
    assert np.isfinite(surprise(np.array([0, 10**6]), 10**6, np.array([0.9, 0.1]))).all()


def test_chance_of_a_false_alarm_is_what_is_stated():
    """Of every count of a cell and of a sum, by enumeration; then as many tests as a verification makes."""
    runs = len(mismatch.settings()) * 8
    total = 0.0
    for draws, times in (DRAWS, 12), (3 * DRAWS, 4):
        # The law itself may be off by a fifth of a standard error.
        for p in (0.977, 0.894, 0.788, 0.691):
            true = p + sign_law.SHARE * np.sqrt(p * (1 - p) / draws) * np.array([-1, 1])
            k = np.arange(draws + 1)
            alarms = surprise(k, draws, p) > EDGE
            total += times / 4 * max(np.sum(binom.pmf(k[alarms], draws, each)) for each in true)
    assert runs * total < 1e-4 / 5, runs * total


def test_radius_is_the_most_likely_one():
    rng, P, wanted = np.random.default_rng(0), 50, 0.03
    r = wanted * RELATIVE
    counts = rng.binomial(DRAWS, probability(wanted, r * np.sqrt(P), 1.0, 1.0, P))

    def unlikelihood(log_radius):
        p = probability(np.exp(log_radius), r * np.sqrt(P), 1.0, 1.0, P)
        return -np.sum(binom.logpmf(counts, DRAWS, p))

    radius, error = fitted_radius(r, counts, DRAWS, P)
    best = minimize_scalar(unlikelihood, bounds=np.log(wanted) + np.array([-1, 1]), options={"xatol": 1e-9})
    assert np.log(radius) == pytest.approx(best.x, abs=1e-6)
    # Fisher's information is the mean curvature; the curvature itself scatters about it.
    h = 1e-3
    curvature = (unlikelihood(best.x + h) - 2 * best.fun + unlikelihood(best.x - h)) / h**2
    assert error == pytest.approx(curvature**-0.5, rel=0.1)


def test_counts_without_a_radius_have_none():
    counts = np.array([[DRAWS] * 4, [0] * 4, [DRAWS // 3] * 4, [390, 350, 310, 270]])
    radius, error = fitted_radius(np.broadcast_to(RELATIVE, counts.shape), counts, DRAWS, 100)
    np.testing.assert_array_equal(np.isnan(radius), [True, True, True, False])
    np.testing.assert_array_equal(np.isnan(error), np.isnan(radius))


def test_slope_is_the_weighted_least_squares():
    rng = np.random.default_rng(1)
    x, error = np.geomspace(1e-6, 1e-3, 5), rng.uniform(0.01, 0.05, 5)
    y = 3 * x * np.exp(error * rng.normal(size=5))
    coefficients, covariance = np.polyfit(np.log(x), np.log(y), 1, w=1 / error, cov="unscaled")
    slope, off = log_slope(x, y, error)
    assert (slope, off) == pytest.approx((coefficients[0], covariance[0, 0] ** 0.5), rel=1e-10)


# The sign law


def test_both_hold_and_have_seen_something(found):
    for f in found:
        assert 0 < f.counts.min() and f.counts.max() <= DRAWS and f.counts.shape == (3, 4)
        assert LAW.check(f).verdict is RADIUS.check(f).verdict is Verdict.HOLDS
    assert not np.array_equal(found[0].counts, found[1].counts), "a seed draws anew"


def test_prediction_is_that_of_the_theory(found):
    """Φ(r*/r), up to 1/P; the same for every ε, so that their counts may be added."""
    for f in found:
        np.testing.assert_allclose(f.predicted, norm.cdf(1 / RELATIVE), atol=1 / f.P)
        assert f.shift.max() < 1e-2 and np.all(np.diff(f.critical / f.eps) < 1e-12 * f.critical[0] / f.eps[0])


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_law_with_a_wrong_constant_fails(found, factor):
    f = found[0]
    p = probability(factor, RELATIVE * np.sqrt(f.P), 1.0, 1.0, f.P)
    wrong = of_law(f, np.random.default_rng(3).binomial(DRAWS, p, f.counts.shape))
    assert LAW.check(wrong).verdict is RADIUS.check(wrong).verdict is Verdict.FAILS
    assert RADIUS.check(wrong).measured == pytest.approx(1, abs=0.1), "the slope alone would pass"


def test_a_radius_of_another_power_fails(found):
    """r* ∝ √ε: the counts belong to radii that grow more slowly."""
    f = found[0]
    root = f.critical[0] * np.sqrt(f.eps / f.eps[0])
    evidence = RADIUS.check(replace(f, critical=root))
    assert evidence.verdict is Verdict.FAILS and evidence.measured == pytest.approx(0.5, abs=0.1)


def test_null_space_noise_is_harmless(setting):
    """δ in null(G) at the same radii: JΔ does not see it, D > 0 for every student, and no radius is critical."""
    hidden = replace(setting, path=PATHS["null-noise"])
    (f,) = frequencies(hidden, (0,))
    assert np.all(f.counts == DRAWS)
    for claim in LAW, RADIUS:
        assert claim.check(f).verdict is Verdict.FAILS
    known = mismatch._known(replace(setting, path=None), 0)
    directions = public(partial(mismatch._directions, hidden.path, known.start))
    seen = public(jax.jit(lambda d, v: jax.jvp(lambda p: outputs(d.network, p, d.x), (d.theta0,), (v,))[1]))
    delta = directions(jax.random.split(jax.random.key(5), (1, 1)))
    moved = seen(known.d, jax.tree.map(lambda leaf: leaf[0, 0], delta))
    # A softmax does not see what shifts all logits alike.
    np.testing.assert_allclose(moved, np.broadcast_to(moved.mean(-1, keepdims=True), moved.shape), atol=1e-10)
    D = sign_draws(known.d, known.radius, jax.random.key(6), 100, directions=directions)
    q = float(public(sign_law.first_order)(known.d).q)
    np.testing.assert_allclose(D, np.broadcast_to((np.asarray(known.d.eps) * q)[:, None, None], D.shape), rtol=0.02)


def test_outside_its_regime_the_law_is_not_judged(found):
    far = replace(found[0], shift=np.full((3, 4), 0.3))
    for claim in LAW, RADIUS:
        evidence = claim.check(far)
        assert evidence.verdict is Verdict.VACUOUS and "neglects" in evidence.vacuous
    one = replace(found[0], shift=np.where(np.arange(3)[:, None] == 0, 0.3, found[0].shift))
    wrong = replace(one, counts=np.where(np.arange(3)[:, None] == 0, 0, one.counts))
    assert LAW.check(wrong).verdict is Verdict.HOLDS, "a size outside counts for nothing"


def test_few_draws_are_undecided(found):
    f = of_law(found[0], np.array([3, 3, 2, 2]), 3)
    assert RADIUS.check(f).verdict is Verdict.UNDECIDED and "0.5" in RADIUS.check(f).undecided


def test_margins_of_true_laws_are_normal(found):
    """Slope and constant over 200 drawn runs: their z-values have unit spread and no tail."""
    rng, f = np.random.default_rng(2), found[0]
    z = [SIGMAS * (1 - RADIUS.check(of_law(f, rng.binomial(DRAWS, f.predicted, f.counts.shape))).margin)
         for _ in range(200)]  # fmt: skip
    # The larger of two |z|: mean 1.13, standard deviation 0.57.
    assert abs(np.mean(z) - 1.13) < 5 * 0.57 / np.sqrt(200) and max(z) < 4.5


# The mean-field curve


@pytest.fixture(scope="module")
def transferred():
    return mean_field.transferred(mean_field.settings()[1], (0,))[0]


def test_curve_holds_and_other_predictions_fail(transferred):
    """Not at another ρ, nor with another sign, nor, over a few runs, with the kernels of another activation."""
    assert CURVE.check(transferred).verdict is Verdict.HOLDS
    settings = mean_field.settings()
    assert [1 - s.amount for s in settings] == pytest.approx([*mean_field.RHOS] * 2)
    kinked, near = (mean_field.predicted(settings[i], 1 - settings[i].amount) for i in (4, 0))
    for wrong in near, -transferred.predicted:
        assert CURVE.check(replace(transferred, predicted=wrong)).verdict is Verdict.FAILS
    several = [transferred, *mean_field.transferred(settings[1], range(1, 8))]
    pooled = replace(transferred, added=np.concatenate([t.added for t in several]))
    assert CURVE.check(pooled).verdict is Verdict.HOLDS
    assert CURVE.check(replace(pooled, predicted=kinked)).verdict is Verdict.FAILS


def test_unrelated_inits_transfer_nothing(transferred):
    assert transferred.unrelated == 0
    (apart,) = mean_field.transferred(replace(mean_field.settings()[1], independent=True), (0,))
    assert CURVE.check(apart).verdict is Verdict.FAILS and abs(CURVE.check(apart).measured) < 0.4
    assert apart.predicted == transferred.predicted


def test_few_inits_are_undecided(transferred):
    assert CURVE.check(replace(transferred, added=transferred.added[:20])).verdict is Verdict.UNDECIDED


@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_rest_is_exact_for_one_hidden_layer(monkeypatch, activation):
    """At width 3, where mean-field theory is off, for ReLU by a half: with the rest added it is not."""
    monkeypatch.setattr(mean_field, "INITS", 20_000)
    first = mean_field.settings()[0]
    setting = replace(first, network=replace(first.network, width=3, activation=activation))
    (t,) = mean_field.transferred(setting, (1,))
    mean, error = np.mean(t.added), np.std(t.added) / np.sqrt(len(t.added))
    assert abs(mean - t.predicted - t.rest) < 4 * error + 0.01 * abs(t.rest)
    assert abs(mean - t.predicted) > 4 * error


def test_what_is_added_is_a_real_step(transferred):
    """D(ε) − D(0) by the public alignment, for one pair of inits; differences of D lose digits."""
    setting = mean_field.settings()[1]
    network, source, x, trait = mean_field._parts(setting)
    pairs = mean_field._pairs(network, source, 0)
    theta0, other = (jax.tree.map(lambda leaf: np.asarray(leaf[7]), each) for each in pairs)
    with float64():
        blank = to_numpy_leaves(at_rest(network, theta0, x, source.weights("aux"), trait))
        delta = jax.grad(lambda theta: -trait_loss(blank, theta))(theta0)
    rho = 1 - setting.amount
    student = jax.tree.map(lambda a, b: rho * a + np.sqrt(1 - rho**2) * b, theta0, other)
    found = st.alignment(replace(blank, student=student, delta=to_numpy_leaves(delta), eps=np.array([1e-4, 0.0])))
    assert (found[0] - found[1]) / 1e-4 == pytest.approx(transferred.added[7], rel=1e-2)
