"""Where a ladder of ε starts, and how far numbers are off: no true claim fails where the channel hardly sees Δ."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

import subtheory as st
from subtheory.claim import Evidence
from subtheory.claims import CLAIMS
from subtheory.kernels.stack import on_channel
from subtheory.numerics import COARSE, LADDER_RATIO
from subtheory.setting.preparation import stack, started
from subtheory.setting.smallness import SECOND, first_order_up_to
from subtheory.theory.losses import LOSSES, read
from subtheory.verification.judgement import confirmed
from subtheory.verification.plan import measured

RNG = np.random.default_rng(5)
X, LABELS = RNG.standard_normal((20, 4)), RNG.integers(0, 3, 20)
PARAMS = {"W": RNG.standard_normal((4, 5)), "b": np.zeros(5), "V": RNG.standard_normal((5, 3))}
NAMES = ("alignment-is-ggn-form", "cosine-limit", "distance-has-a-critical-step", "alignment-is-positive",
         "trait-loss-falls", "mismatch-sign-law")  # fmt: skip
FIRST = [replace(CLAIMS[name], controls=()) for name in NAMES]


def net(p, x):
    return jnp.sin(x @ p["W"] + p["b"]) @ p["V"]


CHANNELS = {
    "blank": np.zeros((16, 4)),
    "one row": X[:1],
    "nearly equal rows": X[:1] + 1e-6 * X[:8],
    "huge": 1e4 * X[:3],
    "rows of two sizes": X[:8] * np.where(np.arange(8) % 2, 1e4, 1e-4)[:, None],
}


@pytest.mark.parametrize("channel", CHANNELS.values(), ids=CHANNELS)
def test_no_true_claim_fails_on_a_channel_of_few_directions(channel):
    losses = ("squared-error", "kl", "bregman-logistic")
    found = st.verify(net, PARAMS, trait=(X, LABELS), channel=channel, loss=losses, claims=FIRST, seeds=2)
    assert not [claim.worst for claim in found.claims if claim.failed], found.summary()
    assert found["alignment-is-positive"].vacuous_fraction < 0.5, "most teachers are seen"


def test_a_channel_that_does_not_see_the_teacher_is_vacuous():
    weight = lambda p: (p["W"][0, 0] - 1.0) ** 2  # noqa: E731
    found = st.verify(net, PARAMS, trait=weight, channel=np.zeros((4, 4)), claims=FIRST, seeds=1)
    for name in ("trait-loss-falls", "mismatch-sign-law"):
        assert found[name].verdict is st.Verdict.VACUOUS and found[name].reason


SETTING = st.Setting(st.MLP(width=4, depth=1), teacher="adversarial")


def test_second_order_is_a_quarter_of_the_first_where_a_ladder_may_start():
    s = stack(SETTING, (0, 1))
    for loss in (st.SquaredError(), st.KL()):
        up_to = first_order_up_to(s, loss)
        taylor = on_channel(s).taylor
        dense = [
            np.sum(s.functions.pulls(s.theta0, part / s.x.shape[1], s.x) ** 2, axis=-1) ** 0.5
            for part in s.functions.terms(loss, taylor.z0, taylor.z0, s.outputs, taylor.u, taylor.v)[1:]
        ]
        assert np.all(up_to <= 2 * SECOND * dense[0] / dense[1] * (1 + 1e-9))
        small = [np.max(one.eps[:, 0] / np.minimum(up_to, s.eps[:, 0])) for one, _ in started(SETTING, (0, 1), [loss])]
        np.testing.assert_allclose(small, 1.0)


def test_a_ladder_of_ones_own_stays_as_it_is():
    own = SETTING.but(relative=False, eps=(30.0, 3.0, 0.3, 0.03))
    (both,) = started(own, (0,), [st.SquaredError(), st.KL()])
    np.testing.assert_array_equal(both[0].eps, [own.eps])


def test_a_failure_counts_if_it_is_there_on_a_finer_ladder_too():
    """ε at which f = sin(kθ) is not yet of first order refute nothing; a wrong constant fails on both."""
    setting, evidence = SETTING.but(teacher="random"), Evidence(2.0, 1.0, -1.0)
    true = CLAIMS["alignment-is-ggn-form"]
    assert confirmed(true, setting, 0, evidence).verdict is st.Verdict.HOLDS
    doubled = replace(true, check_measurement=lambda m: true.check_measurement(replace(m, leading=2 * m.leading)))
    assert confirmed(doubled, setting, 0, evidence).verdict is st.Verdict.FAILS
    stated = setting.but(relative=False)
    assert confirmed(true, stated, 0, evidence) is evidence, "ε of one's own are judged as they are"


def test_a_failure_that_rounding_hides_on_the_finest_ladder_is_looked_for_before():
    """Half of h″(0), seen at the largest ε alone: sixty-four times smaller ones say nothing of it."""
    true = CLAIMS["alignment-to-second-order"]
    halved = replace(
        true, check_measurement=lambda m: true.check_measurement(replace(m, second_order=m.second_order / 2))
    )
    setting = SETTING.but(loss=st.KL())
    (found,) = measured(((halved.reads, setting), (0,), (setting.loss,)))[setting.loss.name]
    evidence = halved.check_measurement(found)
    assert evidence.verdict is st.Verdict.FAILS
    finest = setting.but(eps=tuple(eps / LADDER_RATIO**COARSE for eps in setting.eps))
    (found,) = measured(((halved.reads, finest), (0,), (setting.loss,)))[setting.loss.name]
    assert halved.check_measurement(found).vacuous
    assert confirmed(halved, setting, 0, evidence).verdict is st.Verdict.FAILS


def beside(mask):
    return lambda p, x: jnp.concatenate([net(p, x), jnp.full((1,), mask)])


MASKS = {
    "a constant": (beside(-1e9), "cross-entropy"),
    "the least float32": (beside(float(np.finfo(np.float32).min)), "kl"),
    "added": (lambda p, x: net(p, x) + jnp.array([0.0, 0.0, -1e9]), "cross-entropy"),
    "by the input": (
        lambda p, x: jnp.where(jnp.arange(3) == 2, jnp.where(x[0] > 0, -1e9, 0.0), net(p, x)),
        "reverse-kl",
    ),
}


@pytest.mark.parametrize(("model", "loss"), MASKS.values(), ids=MASKS)
def test_a_masked_logit_hides_nothing(model, loss):
    trait = X, LABELS % 2
    found = st.verify(model, PARAMS, trait=trait, channel=X, loss=loss, claims=FIRST[:2] + FIRST[4:5], seeds=2)
    assert {claim.verdict for claim in found.claims} == {st.Verdict.HOLDS}, found.summary()


@pytest.mark.parametrize("name", ["cross-entropy", "kl", "reverse-kl", "jensen-shannon"])
def test_a_softmax_reads_what_has_a_probability(name):
    z, w = np.array([[0.3, -1e9, 1.0, 50.0]]), np.array([1.0, 1.0, 1.0, 0.0])
    np.testing.assert_array_equal(read(LOSSES[name], z, w), [[True, False, True, False]])


@pytest.mark.parametrize("name", ["squared-error", "quartic", "l1", "bregman-cosh"])
def test_a_loss_of_single_outputs_reads_what_is_distilled(name):
    z, w = np.array([[0.3, -0.5, 1.0, 50.0]]), np.array([1.0, 1.0, 1.0, 0.0])
    np.testing.assert_array_equal(read(LOSSES[name], z, w), [[True, True, True, False]])


def test_rounding_is_a_relative_change_of_some_parameters():
    """sin(1e6·w) is off by 1e6 roundoffs of its argument, however small it is itself."""
    apply = lambda p, x: jnp.sin(1e6 * x @ p["W"])  # noqa: E731
    given = {"trait": (X, LABELS), "channel": 1e-3 * X, "claims": FIRST[:2], "seeds": 2}
    found = st.verify(apply, {"W": PARAMS["W"][:, :3]}, **given)
    assert not any(claim.failed for claim in found.claims), found.summary()


SATURATED = 1e6 * X[:6]
HARD = {
    "a quartic of outputs that hardly move": ("quartic", np.ones((4, 4)), "quartic-loss-aligns-at-third-order"),
    "a sigmoid that is 1 to the last bit": ("bregman-logistic", SATURATED, "mismatch-sign-law"),
    "second orders that cancel": ("kl", SATURATED, "alignment-to-second-order"),
    "equal rows, equally off": ("squared-error", X[:1].repeat(64, 0), "cosine-limit"),
}


@pytest.mark.parametrize(("loss", "channel", "name"), HARD.values(), ids=HARD)
def test_rounding_is_known_where_a_loss_hardly_reads(loss, channel, name):
    given = {"trait": (X, LABELS), "channel": channel, "loss": loss, "claims": replace(CLAIMS[name], controls=())}
    for outputs in ("all", (0, 2)):
        found = st.verify(net, PARAMS, outputs=outputs, seeds=2, examples=64, **given)[name]
        assert not found.failed, found.worst


def test_the_largest_logit_is_read_where_it_has_all_the_probability():
    z = np.array([[1e6, 0.0, -1e9]])
    np.testing.assert_array_equal(read(LOSSES["cross-entropy"], z, np.ones(3)), [[True, False, False]])
