"""The sign law of two inits: it judges exactly, notices planted errors, and says when it cannot tell."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binom, binomtest, norm

import subtheory as st
from subtheory.claim import Verdict
from subtheory.claims import CLAIMS, mismatch
from subtheory.claims.assumptions import UNFILTERED
from subtheory.claims.mismatch import DRAWS, LEVEL, READS, RELATIVE, SIGMAS
from subtheory.errors import InputError
from subtheory.init import PATHS
from subtheory.instruments import sign_law as measured
from subtheory.instruments.sign_law import SignLaw, alignments, directions, harmless, law, regime
from subtheory.kernels.source import Given
from subtheory.numerics import public
from subtheory.setting import teachers
from subtheory.setting.setting import Setting
from subtheory.setting.student import Along, Redrawn, Student
from subtheory.statistics import surprise
from subtheory.theory.beyond import sign_law
from subtheory.theory.distillation import outputs
from subtheory.theory.losses import L1, CrossEntropy, SquaredError
from subtheory.theory.rule import Signs
from subtheory.theory.trains import Half
from subtheory.theory.trait import LabelledTrait

LAW, RADIUS = CLAIMS["mismatch-sign-law"], CLAIMS["critical-radius-is-proportional-to-eps"]

EDGE = norm.isf(LEVEL / 2)
"""The largest surprise that a law survives."""
R = np.array(RELATIVE)

probability = public(sign_law.sign_probability)
fitted_radius, log_slope = public(sign_law.fitted_radius), public(sign_law.log_slope)


@pytest.fixture(scope="module")
def setting():
    """All outputs of the small network."""
    return mismatch.settings()[0]


@pytest.fixture(scope="module")
def found(setting):
    return READS.records(setting, range(2), (setting.loss,))[setting.loss.name]


@pytest.fixture(scope="module")
def known(setting):
    return law(setting.but(student=Student()), 0, RELATIVE)


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
    r = wanted * R
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
    radius, error = fitted_radius(np.broadcast_to(R, counts.shape), counts, DRAWS, 100)
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
        np.testing.assert_allclose(f.predicted, norm.cdf(1 / R), atol=1 / f.P)
        assert f.shift.max() < 1e-2 and np.all(np.diff(f.critical / f.eps) < 1e-12 * f.critical[0] / f.eps[0])


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_a_law_with_a_wrong_constant_fails(found, factor):
    f = found[0]
    p = probability(factor, R * np.sqrt(f.P), 1.0, 1.0, f.P)
    wrong = of_law(f, np.random.default_rng(3).binomial(DRAWS, p, f.counts.shape))
    assert LAW.check(wrong).verdict is RADIUS.check(wrong).verdict is Verdict.FAILS
    assert RADIUS.check(wrong).measured == pytest.approx(1, abs=0.1), "the slope alone would pass"


def test_a_radius_of_another_power_fails(found):
    """r* ∝ √ε: the counts belong to radii that grow more slowly."""
    f = found[0]
    root = f.critical[0] * np.sqrt(f.eps / f.eps[0])
    evidence = RADIUS.check(replace(f, critical=root))
    assert evidence.verdict is Verdict.FAILS and evidence.measured == pytest.approx(0.5, abs=0.1)


def test_null_space_noise_is_harmless(setting, known):
    """δ in null(G) at the same radii: JΔ does not see it, D > 0 for every student, and no radius is critical."""
    hidden = mismatch.ISOTROPIC.breaks(setting)
    f = READS.sample(hidden, 0)
    assert np.all(f.counts == DRAWS)
    for claim in LAW, RADIUS:
        assert claim.check(f).verdict is Verdict.FAILS
    d = setting.but(student=Student()).distillation(0)
    seen = public(jax.jit(lambda d, v: jax.jvp(lambda p: outputs(d.network, p, d.x), (d.theta0,), (v,))[1]))
    drawn = directions(hidden, 0, 1200)
    moved = seen(d, known.s.functions.layout.unflatten(drawn[0]))
    # A softmax does not see what shifts all logits alike.
    np.testing.assert_allclose(moved, np.broadcast_to(moved.mean(-1, keepdims=True), moved.shape), atol=1e-10)
    D = alignments(known.s, setting.loss, known.students(drawn.reshape(3, 4, 100, -1)))
    np.testing.assert_allclose(D, np.broadcast_to((known.s.eps * known.q)[:, None, None], D.shape), rtol=0.02)


def test_controls_are_drawn_and_fail(setting, found):
    """A filter is shown the same students; a redrawn one is off by more than δ."""
    for broken in UNFILTERED.breaks(setting), setting.but(init=Redrawn()):
        f = READS.sample(broken, 0)
        np.testing.assert_array_equal(f.critical, found[0].critical)
        np.testing.assert_array_equal(f.shift, found[0].shift)
        assert LAW.check(f).verdict is RADIUS.check(f).verdict is Verdict.FAILS


def test_students_take_their_real_steps(setting, known):
    """⟨r, JΔ⟩ is the inner product of the student's step with Δ; δ has its radius."""
    drawn = directions(setting, 0, 12).reshape(3, 4, 1, known.P)
    off = measured.mismatch(drawn, known.radius, known.along)
    np.testing.assert_allclose(np.linalg.norm(off, axis=-1)[..., 0], known.radius, rtol=1e-12)
    d, params = setting.but(student=Student()).distillation(0), known.s.functions.layout.unflatten
    for view in (setting.view, UNFILTERED.breaks(setting).view):
        D = alignments(replace(known.s, view=view), setting.loss, known.students(drawn))[..., 0]
        for k, j in (0, 0), (1, 3), (2, 2):
            student = params(known.s.theta0 + off[k, j, 0])
            wanted = st.alignment(replace(d, student=student, view=view))[k]
            np.testing.assert_allclose(D[k, j], wanted, rtol=1e-9, atol=1e-15)


def test_the_law_is_the_theorys(setting, known):
    """q, ‖GΔ‖, r*, the probabilities of either sign, and the bound on what is neglected, which other draws give."""
    d = setting.but(student=Student()).distillation(0)
    d = replace(d, loss=setting.loss)
    q, size, P, along = public(sign_law.first_order)(d)
    np.testing.assert_allclose([known.q, known.size, known.P], [q, size, P], rtol=1e-10)
    np.testing.assert_allclose(known.along, known.s.functions.layout.flatten(along), atol=1e-12)
    np.testing.assert_allclose(known.critical, public(sign_law.critical_radius)(d.eps, q, size, P), rtol=1e-10)
    c = np.array([[0.0, 0.01, 0.2], [0.9, 1.0, 3.0]])
    np.testing.assert_allclose(measured.probability(c, P), probability(c, 1.0, 1.0, 1.0, P), atol=1e-14)
    np.testing.assert_allclose(measured.probability(-c, P), 1 - measured.probability(c, P), atol=1e-14)
    wanted = public(sign_law.regime)(d, known.radius, jax.random.key(3))
    # Means of 100 positive numbers that vary by no more than themselves.
    found = regime(known, setting.loss, 5) / wanted
    np.testing.assert_allclose(found[:2], 1, atol=5 * np.sqrt(2 / 100))
    assert np.all(found[2] > 1), "at the smallest ε the rounding of D is more than what is neglected"


def test_components_of_a_mismatch_are_those_asked_for(setting, known):
    rng = np.random.default_rng(0)
    drawn, t = rng.standard_normal((3, 4, 5, known.P)), rng.uniform(0, 1, (3, 4))
    off = measured.mismatch(drawn, known.radius, known.along, t)
    np.testing.assert_allclose(off @ known.along, (known.radius * t)[..., None] * np.ones(5), rtol=1e-10)
    np.testing.assert_allclose(np.linalg.norm(off, axis=-1), known.radius[..., None] * np.ones(5), rtol=1e-12)
    D = harmless(known, setting.loss, 6, 50)
    np.testing.assert_allclose(D, np.broadcast_to((known.s.eps * known.q)[:, None, None], D.shape), rtol=0.05)


@dataclass(frozen=True)
class Wide:
    """f(x) = xᵀθ of 20 entries: a network of one's own, linear in θ."""

    name = "wide"

    def init(self, key):
        return {"theta": jax.random.normal(key, (20, 2), jnp.float64)}

    def apply(self, params, x):
        return x @ params["theta"]


@pytest.fixture(scope="module")
def own():
    rng = np.random.default_rng(0)
    trait = LabelledTrait(rng.standard_normal((6, 20)), np.arange(6) % 2, np.ones(2))
    source = Given({"theta": rng.standard_normal((20, 2))}, rng.standard_normal((4, 20)), trait, 2)
    (setting,) = mismatch.missed(Setting(Wide(), source=source))
    return setting


def test_a_network_of_ones_own_obeys(own):
    """In squared error a linear network neglects nothing, and the instrument asks for no task."""
    for seed in range(2):
        f = READS.sample(own, seed)
        np.testing.assert_allclose(f.shift, 0, atol=1e-6)
        assert LAW.check(f).verdict is RADIUS.check(f).verdict is Verdict.HOLDS and f.P == 40
    assert LAW.check(READS.sample(own.but(init=Redrawn()), 0)).verdict is Verdict.FAILS
    assert LAW.check(READS.sample(mismatch.ISOTROPIC.breaks(own), 0)).verdict is Verdict.FAILS


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("loss", {"loss": L1()}),
        ("rule", {"rule": Signs()}),
        ("trains", {"trains": Half()}),
        ("init", {"init": Along(PATHS["linear"], 0.5)}),
        ("teacher", {"teacher": teachers.Given()}),
    ],
)
def test_what_the_law_does_not_speak_of_is_named(own, field, changes):
    with pytest.raises(InputError) as caught:
        SignLaw(10, RELATIVE).sample(own.but(**changes), 0)
    assert caught.value.field == field


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


def test_losses_are_measured_one_by_one():
    """The setting's own loss does not count, whatever the instrument."""
    setting = mismatch.settings()[0].but(loss=SquaredError())
    found = SignLaw(10, RELATIVE).records(setting, (0,), (CrossEntropy(), SquaredError()))
    alone = SignLaw(10, RELATIVE).sample(setting.but(loss=CrossEntropy()), 0)
    assert set(found) == {"cross-entropy", "squared-error"}
    np.testing.assert_array_equal(found["cross-entropy"][0].critical, alone.critical)
    assert not np.array_equal(found["squared-error"][0].critical, alone.critical)
