"""Orbits, restricted students and heads: the numbers that the claims judge, worked out again by other means."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import subtheory as st
from subtheory.claim import Verdict
from subtheory.claims import heads, orbits, restriction, twins
from subtheory.claims.heads import ARMS, Heads
from subtheory.claims.restriction import Restricted, TrainOnly
from subtheory.claims.twins import Carried, Twins
from subtheory.crossing import crossings
from subtheory.init import PATHS
from subtheory.measurement import measurements
from subtheory.numerics import float64
from subtheory.setting import Setting, distillations
from subtheory.source import FromTask
from subtheory.theory.distillation import student_update, trait_loss

SMALL = st.MLP(width=6, depth=1, activation="relu")
SEEDS = (0, 3)


@dataclass(frozen=True)
class OneTeacher(FromTask):
    """Prepares the one teacher that is asked for."""

    deterministic = True


SIZES = {"examples": 6, "trait_examples": 8, "source": OneTeacher(SMALL.task)}
BASE = Setting(SMALL, outputs="all", **SIZES, **orbits.STEP)


def measured(setting):
    return measurements(setting, (0,), (setting.loss,))[setting.loss.name][0]


@pytest.fixture(scope="module")
def permuted():
    return replace(BASE, path=PATHS["permutation"])


@jax.jit
def dense(d):
    """The dense G of squared error at θ0, (P, P)."""
    flat, unravel = jax.flatten_util.ravel_pytree(d.theta0)
    J = jax.jacobian(lambda p: jax.vmap(lambda x: SMALL.apply(unravel(p), x))(d.x))(flat)
    return 2 * jnp.einsum("nvp,v,nvq->pq", J, d.outputs, J) / len(d.x)


@jax.jit
def by_definition(d):
    """The students at θ0 and at θ0_S by the gradient of the loss itself; α by the dense form of G."""
    delta = jax.flatten_util.ravel_pytree(d.delta)[0]
    g_delta = dense(d) @ delta
    updates, changes, cosines = [], [], []
    for init in (d.theta0, d.student):
        update = student_update(replace(d, student=init), d.eps[0])
        end = optax.tree.add_scale(init, delta @ g_delta / jnp.sum(g_delta**2), update)
        updates.append(update)
        changes.append(trait_loss(d, end) - trait_loss(d, init))
        cosines.append(optax.tree.vdot(update, d.delta) / (optax.tree.norm(update) * optax.tree.norm(d.delta)))
    return updates, jnp.stack(changes), jnp.stack(cosines)


def test_twins_are_two_students_of_one_teacher(permuted):
    for seed, found in zip(SEEDS, twins.twins(permuted, SEEDS), strict=True):
        d = permuted.distillation(seed)
        with float64():
            _, changes, cosines = jax.tree.map(np.asarray, by_definition(d))
        np.testing.assert_allclose(found.trait_change[:, 0], changes, rtol=1e-9)
        np.testing.assert_allclose(found.cosine[:, 0], cosines, rtol=1e-9)
        assert found.off.max() < 1e-12 and found.trait_change.shape == (2, 6)


def test_the_image_is_the_symmetry_of_the_setting(permuted):
    """T drawn again takes θ0 to θ0_S itself, entry by entry."""
    d, _ = distillations(permuted, SEEDS)
    with float64():
        moved = twins.image(d, permuted.path, permuted.amount, SEEDS, d.theta0)
    jax.tree.map(np.testing.assert_array_equal, moved, d.student)
    kernels = np.asarray(d.theta0["head"]["kernel"]), np.asarray(d.student["head"]["kernel"])
    assert not np.array_equal(*kernels)


def test_a_carried_metric_steps_as_the_shared_student(permuted):
    stretched = replace(BASE, path=Carried(PATHS["relu-rescaling"]), amount=1.0)
    found = twins.twins(stretched, SEEDS)[0]
    np.testing.assert_allclose(found.trait_change[1], found.trait_change[0], rtol=1e-10)
    plain = twins.twins(replace(stretched, path=PATHS["relu-rescaling"]), SEEDS)[0]
    np.testing.assert_array_equal(plain.trait_change[0], found.trait_change[0])
    assert np.all(np.abs(plain.trait_change[1] / plain.trait_change[0] - 1) > 1e-2) and plain.off.min() > 1e-2
    # The definition, with T entry by entry: θ0_S/θ0 of the same draw.
    d = replace(stretched, path=PATHS["relu-rescaling"]).distillation(0)
    with float64():
        shared, update = jax.tree.map(np.asarray, by_definition(d)[0])
    through = jax.tree.map(lambda g, a, b: g * (b / a) ** 2, update, d.theta0, d.student)
    back = jax.tree.map(lambda v, a, b: v * (b / a), shared, d.theta0, d.student)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12), through, back)


def exact_twins(**changes):
    both = np.array([[-1.0, -0.1], [-1.0, -0.1]])
    given = {"trait_change": both, "cosine": both / 4 * [[1], [2]], "off": np.zeros(2), "rounding": np.full(2, 1e-12)}
    return Twins(**given | changes)


def test_same_to_rounding_means_what_it_says():
    check = orbits.permuted_init_transmits_alike.check_measurement
    assert check(exact_twins()).verdict is Verdict.HOLDS
    wrong = np.array([[-1.0, -0.1], [-1.0, -0.1 * (1 + 2e-10)]])
    assert check(exact_twins(trait_change=wrong)).verdict is Verdict.FAILS
    assert check(exact_twins(off=np.array([0.0, 2e-10]))).verdict is Verdict.FAILS
    assert check(exact_twins(trait_change=-np.array([[1.0, 0.1], [-1.0, -0.1]]))).verdict is Verdict.FAILS
    same = np.full((2, 2), 0.3)
    assert check(exact_twins(cosine=same)).verdict is Verdict.FAILS, "the raw cosine has to differ"
    assert orbits.carried_metric_undoes_rescaling.check_measurement(exact_twins(cosine=same)).verdict is Verdict.HOLDS
    assert check(exact_twins(rounding=np.ones(2))).verdict is Verdict.VACUOUS
    assert check(exact_twins(off=np.full(2, np.nan))).verdict is Verdict.FAILS


def test_the_doubled_pair_by_hand():
    """∇L_T · v = −648ε from θ0 and 108ε from the doubled one, by gradients written out."""
    A, b, x, other = np.ones((2, 2)), np.array([1.0, 2.0]), np.array([2.0, -1.0]), np.array([-1.0, 2.0])

    def gradient(A, b, x):
        return np.concatenate([np.outer(b, x).ravel(), A @ x])  # every unit is active

    velocity = -gradient(A, b, x) @ gradient(A, b, other)
    assert velocity == 18
    for stretch, slope in ((1, -648), (2, 108)):
        here = gradient(stretch * A, b / stretch, x), gradient(stretch * A, b / stretch, other)
        assert here[1] @ (2 * velocity * here[0]) == slope
    for settings, slope in ((orbits.doubled, 108), (orbits.undoubled, -648), (orbits.swapped, -648)):
        m = measured(settings()[0])
        np.testing.assert_allclose(m.trait_change[-1] / (m.alpha * m.eps[-1]), slope, rtol=2e-2)
        np.testing.assert_allclose(m.trait, 3, rtol=1e-14)


def test_what_a_norm_leaves_of_a_radial_teacher():
    """0 behind a LayerNorm, 2E‖f − mean‖² without, and fδ/(σ² + δ) squared with an offset."""
    theta0 = orbits.radial()[0].source.params
    x = np.asarray(orbits.radial()[0].source.x)
    h = x @ theta0["W"].T
    centred, variance = h - h.mean(1, keepdims=True), h.var(1, keepdims=True)
    m = measured(orbits.radial()[0])
    np.testing.assert_allclose(m.alignment, 0, atol=1e-28)
    plain = np.mean(np.sum((centred @ theta0["V"].T) ** 2, axis=1))
    np.testing.assert_allclose(measured(orbits.unnormalised()[0]).alignment, 2 * m.eps * plain, rtol=1e-12)
    along = (centred / np.sqrt(variance + 0.1) * 0.1 / (variance + 0.1)) @ theta0["V"].T
    np.testing.assert_allclose(measured(orbits.offset()[0]).leading, 2 * np.mean(np.sum(along**2, axis=1)), rtol=1e-12)
    assert np.all(np.abs(measured(orbits.elsewhere()[0]).alignment) > 1e-2)


def test_a_restricted_student_by_dense_blocks():
    """D/ε → ΔᵀQGQΔ, and with a teacher that moved everything ΔᵀQGΔ, by the dense G."""
    base = Setting(SMALL, outputs="all", **SIZES)
    for name in restriction.parts(SMALL):
        for matched in (True, False):
            setting = replace(base, path=TrainOnly((name,), matched), amount=0.0)
            found, d = restriction.restricted(setting, SEEDS)[0], setting.distillation(0)
            with float64():
                G = np.asarray(dense(d))
                whole, part = (
                    np.asarray(jax.flatten_util.ravel_pytree(one)[0])
                    for one in (d.delta, setting.path.project(d.delta))
                )
            assert 0 < np.count_nonzero(part) < part.size
            np.testing.assert_allclose(found.form, part @ G @ part, rtol=1e-10)
            limit = (4 * found.alignment[-1] / found.eps[-1] - found.alignment[-2] / found.eps[-2]) / 3
            np.testing.assert_allclose(limit, part @ G @ (part if matched else whole), rtol=1e-5)


def test_a_restriction_that_turns_away_fails():
    eps = np.array(st.ladder(1e-2))
    check = restriction.matched_restriction_aligns.check_measurement
    good = Restricted(eps, 2 * eps + eps**2, 2.0, np.full(6, 1e-15))
    assert check(good).verdict is Verdict.HOLDS
    for wrong in (-good.alignment, 1.01 * good.alignment, good.alignment + 1e-6):
        assert check(replace(good, alignment=wrong)).verdict is Verdict.FAILS
    assert check(replace(good, alignment=0 * eps, form=0.0)).verdict is Verdict.VACUOUS


def test_layers_add_up_and_notice_a_lost_one():
    setting = Setting(SMALL, outputs="all", path=PATHS["linear"], amount=0.5, **SIZES)
    c = crossings(setting, SEEDS)["squared-error"][0]
    check = restriction.layers_add_up_to_the_alignment.check_measurement
    assert check(c).verdict is Verdict.HOLDS
    for name in c.by_layer:
        assert check(replace(c, by_layer=c.by_layer | {name: 1.02 * c.by_layer[name]})).verdict is Verdict.FAILS
        lost = {other: value for other, value in c.predicted_by_layer.items() if other != name}
        assert check(replace(c, predicted_by_layer=lost)).verdict is Verdict.FAILS


@jax.jit
def by_dense_jacobians(key):
    """Trait part and alignment of every arm in one draw."""
    start = heads.begin(SMALL, key, outputs="aux", examples=5, trait_examples=6)
    flat, unravel = jax.flatten_util.ravel_pytree(start.theta0)
    aux, trait = start.outputs, start.trait
    J, K = (
        jax.jacobian(lambda p, x=x: jax.vmap(lambda one: SMALL.apply(unravel(p), one))(x)) for x in (start.x, trait.x)
    )
    delta = -jax.grad(lambda p: trait.loss(SMALL.apply, unravel(p)))(flat)
    inits = jnp.stack([jax.flatten_util.ravel_pytree(path(start, 1.0, key))[0] for path in ARMS])

    def one(theta):
        added = 2 * jnp.einsum("nvp,v,nvq,q->p", J(theta), aux, J(flat), delta) / 5
        slopes = K(theta)
        own = slopes[jnp.arange(6), trait.labels].mean(0) - jnp.einsum("nvp,v->p", slopes, trait.outputs) / 60
        return own @ added, delta @ added

    return jax.lax.map(one, inits)


def test_head_draws_by_definition():
    """Trait part and alignment of one draw by dense Jacobians, and how every head is turned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(heads, "DRAWS", 8)
        found = heads._found.__wrapped__(SMALL, "aux", (5, 6), 0)  # not cached: a few draws only
    with float64():
        parts, alignments = jax.tree.map(np.asarray, by_dense_jacobians(jax.random.split(jax.random.key(0), 8)[3]))
    np.testing.assert_allclose(found["part"][3], parts, rtol=1e-10)
    np.testing.assert_allclose(found["alignment"][3], alignments, rtol=1e-10)
    np.testing.assert_allclose(found["turned"], -found["straight"][:, None] * np.ones(2), rtol=1e-12)
    np.testing.assert_array_equal(found["straight"], found["part"][np.arange(8), np.arange(8) % 4])


def test_heads_are_judged_by_their_interval():
    rng = np.random.default_rng(0)
    shared, turned = 1 + rng.normal(size=1024), np.zeros((1024, 2))
    check = heads.heads_alone_transmit.check_measurement

    def arm(mean):
        return check(Heads(shared, mean + 0.5 * rng.normal(size=1024), shared, shared, turned)).verdict

    assert arm(0.5) is Verdict.HOLDS and arm(0.0) is Verdict.FAILS and arm(-0.5) is Verdict.FAILS
    assert arm(0.11) is Verdict.UNDECIDED
    check = heads.random_heads_cancel.check_measurement
    odd = Heads(shared, shared, shared, shared, -np.stack([shared] * 2, axis=1))
    assert check(odd).verdict is Verdict.HOLDS
    for wrong in (-odd.turned, odd.turned * (1 + 1e-12), odd.turned * [1, 0.5]):
        assert check(replace(odd, turned=wrong)).verdict is Verdict.FAILS
