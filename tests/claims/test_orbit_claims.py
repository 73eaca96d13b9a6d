"""Orbits, restricted students and heads: the numbers that the claims judge, worked out again by other means."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import subtheory as st
from subtheory.claim import Verdict
from subtheory.claims import heads, orbits, restriction
from subtheory.constructed import orbits as constructed
from subtheory.data.toys import toy
from subtheory.init import PATHS
from subtheory.instruments.ensemble import taught, within
from subtheory.instruments.first_order import FirstOrder
from subtheory.instruments.heads import ARMS, HEADS, Parts, TraitParts, Turned, TurnedHeads
from subtheory.instruments.twins import Pair, Twins
from subtheory.instruments.two_inits import TwoInits
from subtheory.numerics import float64
from subtheory.setting.preparation import path_keys, stack, start
from subtheory.setting.setting import Setting
from subtheory.setting.spread import STEP, layer_by_layer, layer_names
from subtheory.setting.student import Along
from subtheory.setting.teachers import GradientDescent
from subtheory.theory.distillation import student_update, trait_loss
from subtheory.theory.layout import Layout
from subtheory.theory.losses import CrossEntropy, SquaredError
from subtheory.theory.rule import Carried, Descent
from subtheory.theory.trains import All, Layers

SMALL = st.MLP(width=6, depth=1, activation="relu")
SEEDS = (0, 3)
PLAIN = Setting(SMALL, outputs="all", examples=6, trait_examples=8)
BASE = PLAIN.but(**STEP)


def measured(setting):
    return FirstOrder().records(setting, (0,), (setting.loss,))[setting.loss.name][0]


def twins(setting, losses=(SquaredError(),)):
    return Twins().records(setting, SEEDS, losses)[losses[0].name]


@pytest.fixture(scope="module")
def permuted():
    return BASE.but(init=Along(PATHS["permutation"]))


def test_a_step_beside_which_the_init_is_rounded_away_says_nothing_and_others_do(permuted):
    """Under an exponential loss a step can overflow: no number of what it leads to refutes or confirms a claim."""
    far = permuted.but(alpha=1e300)
    with np.errstate(all="ignore"):
        (lost, _), (known, _) = twins(far), twins(permuted)
    assert np.isinf(lost.rounding).all() and np.isfinite(known.rounding).all()
    some = replace(known, rounding=np.where(np.arange(len(known.off)) < 1, np.inf, known.rounding))
    broken = replace(some, trait_change=np.where(np.arange(len(known.off)) < 1, np.nan, known.trait_change))
    assert orbits.permuted_init_transmits_alike.check_measurement(lost).vacuous
    assert orbits.permuted_init_transmits_alike.check_measurement(broken).verdict is Verdict.HOLDS
    seen = replace(broken, rounding=known.rounding)  # not a number where one is known: that is not overlooked
    assert orbits.permuted_init_transmits_alike.check_measurement(seen).verdict is Verdict.UNDECIDED


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
    for seed, found in zip(SEEDS, twins(permuted), strict=True):
        d = permuted.distillation(seed)
        with float64():
            _, changes, cosines = jax.tree.map(np.asarray, by_definition(d))
        np.testing.assert_allclose(found.trait_change[:, 0], changes, rtol=1e-9)
        np.testing.assert_allclose(found.cosine[:, 0], cosines, rtol=1e-9)
        assert found.off.max() < 1e-12 and found.trait_change.shape == (2, 6)


def test_twins_of_several_losses_and_seeds_are_each_ones_own(permuted):
    both = Twins().records(permuted, SEEDS, (SquaredError(), CrossEntropy()))
    for loss in (SquaredError(), CrossEntropy()):
        (alone,) = Twins().records(permuted.but(loss=loss), SEEDS[1:], (loss,))[loss.name]
        for name in ("trait_change", "cosine"):
            np.testing.assert_allclose(getattr(both[loss.name][1], name), getattr(alone, name), rtol=1e-10)
    assert not np.allclose(both["cross-entropy"][0].trait_change, both["squared-error"][0].trait_change)


def test_the_image_is_the_symmetry_of_the_setting(permuted):
    """T drawn again takes θ0 to θ0_S itself, entry by entry."""
    s = stack(permuted, SEEDS)
    moved = permuted.student.init.path.image(start(permuted, SEEDS), 1.0, path_keys(SEEDS), s.theta0[:, None])[:, 0]
    np.testing.assert_array_equal(moved, s.student)
    assert not np.array_equal(s.theta0, s.student)
    np.testing.assert_allclose(
        s.functions.values(s.student, s.x), s.functions.values(s.theta0, s.x), rtol=1e-10, atol=1e-12
    )


def test_a_carried_metric_steps_as_the_shared_student():
    plain_setting = BASE.but(init=Along(PATHS["relu-rescaling"], 1.0))
    carried = plain_setting.but(rule=Carried())
    found = twins(carried)[0]
    np.testing.assert_allclose(found.trait_change[1], found.trait_change[0], rtol=1e-10)
    plain = twins(plain_setting)[0]
    np.testing.assert_array_equal(plain.trait_change[0], found.trait_change[0])
    assert np.all(np.abs(plain.trait_change[1] / plain.trait_change[0] - 1) > 1e-2) and plain.off.min() > 1e-2
    # The definition, with T entry by entry: θ0_S/θ0 of the same draw.
    d = plain_setting.distillation(0)
    with float64():
        shared, update = jax.tree.map(np.asarray, by_definition(d)[0])
    through = jax.tree.map(lambda g, a, b: g * (b / a) ** 2, update, d.theta0, d.student)
    back = jax.tree.map(lambda v, a, b: v * (b / a), shared, d.theta0, d.student)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12), through, back)
    # The metric of the setting is that T squared.
    metric = carried.distillation(0).metric
    jax.tree.map(lambda m, a, b: np.testing.assert_allclose(m, (b / a) ** 2, rtol=1e-12), metric, d.theta0, d.student)
    assert plain_setting.distillation(0).metric is None or plain_setting.student.rule == Descent()


def exact_twins(**changes):
    both = np.array([[-1.0, -0.1], [-1.0, -0.1]])
    given = {"trait_change": both, "cosine": both / 4 * [[1], [2]], "off": np.zeros(2), "rounding": np.full(2, 1e-12)}
    return Pair(**given | changes)


def test_same_to_rounding_means_what_it_says():
    check = orbits.permuted_init_transmits_alike.check_measurement
    assert check(exact_twins()).verdict is Verdict.HOLDS
    wrong = np.array([[-1.0, -0.1], [-1.0, -0.1 * (1 + 2e-10)]])
    assert check(exact_twins(trait_change=wrong)).verdict is Verdict.FAILS
    assert check(exact_twins(off=np.array([0.0, 2e-10]))).verdict is Verdict.FAILS
    assert check(exact_twins(trait_change=-np.array([[1.0, 0.1], [-1.0, -0.1]]))).verdict is Verdict.FAILS
    same = np.full((2, 2), 0.3)
    assert check(exact_twins(cosine=same)).verdict is Verdict.VACUOUS, "the raw cosine has to differ"
    assert check(exact_twins(invariant=False)).vacuous == "the trait loss is not a function of the outputs"
    assert orbits.carried_metric_undoes_rescaling.check_measurement(exact_twins(cosine=same)).verdict is Verdict.HOLDS
    assert check(exact_twins(rounding=np.ones(2))).verdict is Verdict.VACUOUS
    assert check(exact_twins(off=np.full(2, np.nan))).verdict is Verdict.UNDECIDED


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
    for settings, slope in ((constructed.doubled, 108), (constructed.undoubled, -648), (constructed.swapped, -648)):
        m = measured(settings()[0])
        np.testing.assert_allclose(m.trait_change[-1] / (m.alpha * m.eps[-1]), slope, rtol=2e-2)
        np.testing.assert_allclose(m.trait, 3, rtol=1e-14)


def test_what_a_norm_leaves_of_a_radial_teacher():
    """0 behind a LayerNorm, 2E‖f − mean‖² without, and fδ/(σ² + δ) squared with an offset."""
    theta0 = constructed.radial()[0].source.params
    x = np.asarray(constructed.radial()[0].source.x)
    h = x @ theta0["W"].T
    centred, variance = h - h.mean(1, keepdims=True), h.var(1, keepdims=True)
    m = measured(constructed.radial()[0])
    np.testing.assert_allclose(m.alignment, 0, atol=1e-28)
    plain = np.mean(np.sum((centred @ theta0["V"].T) ** 2, axis=1))
    np.testing.assert_allclose(measured(constructed.unnormalised()[0]).alignment, 2 * m.eps * plain, rtol=1e-12)
    along = (centred / np.sqrt(variance + 0.1) * 0.1 / (variance + 0.1)) @ theta0["V"].T
    np.testing.assert_allclose(
        measured(constructed.offset()[0]).leading, 2 * np.mean(np.sum(along**2, axis=1)), rtol=1e-12
    )
    assert np.all(np.abs(measured(constructed.elsewhere()[0]).alignment) > 1e-2)


def test_a_restricted_student_by_dense_blocks():
    """D/ε → ΔᵀQGQΔ, and with a teacher that moved everything ΔᵀQGΔ, by the dense G."""
    assert layer_names(PLAIN) == ("Dense_0", "head")
    for name in layer_names(PLAIN):
        for matched in (True, False):
            moves = Layers((name,)) if matched else All()
            setting = PLAIN.but(trains=Layers((name,)), teacher=GradientDescent(moves=moves))
            (found, _), s = (
                FirstOrder().records(setting, SEEDS, (SquaredError(),))["squared-error"],
                stack(setting, SEEDS),
            )
            with float64():
                G = np.asarray(dense(setting.distillation(0)))
            whole, part = s.delta[0], s.delta[0] * s.trains[0]
            assert 0 < np.count_nonzero(part) < part.size
            np.testing.assert_allclose(found.trained, part @ G @ part, rtol=1e-10)
            limit = (4 * found.alignment[-1] / found.eps[-1] - found.alignment[-2] / found.eps[-2]) / 3
            np.testing.assert_allclose(limit, part @ G @ (part if matched else whole), rtol=1e-5)
            np.testing.assert_allclose(found.leading, whole @ G @ whole, rtol=1e-10)


def test_every_layer_is_trained_alone_under_two_teachers():
    spread = list(layer_by_layer(PLAIN))
    assert {s.student.trains for s in spread} == {Layers((name,)) for name in layer_names(PLAIN)}
    assert all(s.teacher.moves == s.student.trains for s in spread) and len({s.teacher.name for s in spread}) == 2
    hidden = [
        s.student.trains for s in layer_by_layer(PLAIN.but(outputs="aux")) if s.teacher.name == "gradient-descent"
    ]
    assert hidden == [Layers(("Dense_0",))], "aux logits do not see the gradient of the class head"


def test_a_restriction_that_turns_away_fails():
    check = restriction.matched_restriction_aligns.check_measurement
    setting = PLAIN.but(trains=Layers(("head",)), teacher=GradientDescent(moves=Layers(("head",))))
    m = measured(setting)
    assert check(m).verdict is Verdict.HOLDS
    for wrong in (-m.alignment, 1.01 * m.alignment, m.alignment + 1e-6):
        assert check(replace(m, alignment=wrong)).verdict is Verdict.FAILS
    assert check(replace(m, alignment=0 * m.eps, trained=0.0)).verdict is Verdict.VACUOUS
    assert check(measured(setting.but(teacher=GradientDescent()))).verdict is Verdict.FAILS, "it moved elsewhere too"


def test_layers_add_up_and_notice_a_lost_one():
    setting = PLAIN.but(init=Along(PATHS["linear"], 0.5))
    c = TwoInits().records(setting, SEEDS, (SquaredError(),))["squared-error"][0]
    check = restriction.layers_add_up_to_the_alignment.check_measurement
    assert check(c).verdict is Verdict.HOLDS
    for name in c.by_layer:
        assert check(replace(c, by_layer=c.by_layer | {name: 1.02 * c.by_layer[name]})).verdict is Verdict.FAILS
        lost = {other: value for other, value in c.predicted_by_layer.items() if other != name}
        assert check(replace(c, predicted_by_layer=lost)).verdict is Verdict.FAILS


# Heads ---------------------------------------------------------------------------------------------

NET = st.MLP(width=5, depth=1, activation="tanh", task=toy((4,), 3, 4))
with float64():
    SHAPES = jax.eval_shape(NET.init, jax.random.key(0))
SPOKEN = Setting(NET, outputs="aux", examples=5, trait_examples=6).but(init=Along(HEADS))


@jax.jit
def by_dense_jacobians(theta, delta, students, x, trait, aux):
    """Trait part and alignment of students (A, P) of one teacher, squared error."""

    def jacobian(x):
        return jax.jacobian(lambda p: jax.vmap(lambda one: NET.apply(unraveled(p), one))(x))

    J, K, n = jacobian(x), jacobian(trait.x), trait.x.shape[0]

    def one(student):
        added = 2 * jnp.einsum("nvp,v,nvq,q->p", J(student), aux, J(theta), delta) / x.shape[0]
        slopes = K(student)
        mean = jnp.einsum("nvp,v->p", slopes, trait.outputs) / trait.outputs.sum() / n
        return (slopes[jnp.arange(n), trait.labels].mean(0) - mean) @ added, delta @ added

    return jax.lax.map(one, students)


def unraveled(theta):
    return Layout.of(SHAPES).unflatten(theta)


def test_head_draws_by_definition():
    """Trait part and alignment of one draw by dense Jacobians, and how every head is turned."""
    draws, seed, i = 8, 2, 3
    arms = [TraitParts(draws).records(SPOKEN.but(init=Along(path)), (seed,), (SquaredError(),)) for path in ARMS]
    arms = [found["squared-error"][0] for found in arms]
    turned = TurnedHeads(draws).records(SPOKEN, (seed,), (SquaredError(),))["squared-error"][0]
    t = taught(SPOKEN, seed, draws)
    one = jax.tree.map(lambda leaf: np.asarray(leaf)[i], (t.s.theta0, t.s.delta, t.s.x, t.s.trait))
    students = np.stack([path(t.start, 1.0, path_keys(t.seeds))[i] for path in ARMS])
    with float64():
        slope = jax.jit(jax.grad(lambda p: one[3].loss(NET.apply, unraveled(p))))(one[0])
        np.testing.assert_allclose(one[1], -np.asarray(slope), rtol=1e-10, atol=1e-13)
        parts, alignments = by_dense_jacobians(*one[:2], students, *one[2:], NET.task.weights("aux"))
    for arm, part, alignment in zip(arms, np.asarray(parts), np.asarray(alignments), strict=True):
        np.testing.assert_allclose(arm.part[i], part, rtol=1e-10)
        np.testing.assert_allclose(arm.alignment[i], alignment, rtol=1e-10)
        np.testing.assert_array_equal(arm.shared, arms[0].shared)
    np.testing.assert_allclose(arms[0].part, arms[0].shared, rtol=1e-12)
    assert np.all(turned.straight != 0)
    np.testing.assert_allclose(turned.turned, -turned.straight[:, None] * np.ones(2), rtol=1e-11)


def test_a_head_is_turned_by_its_own_entries():
    """The turned students of a draw by dense Jacobians: what feeds aux, or class, logits times −1."""
    draws, seed, i = 8, 1, 2
    found = TurnedHeads(draws).records(SPOKEN, (seed,), (SquaredError(),))["squared-error"][0]
    t = taught(SPOKEN, seed, draws)
    straight = ARMS[i % 4](t.start, 1.0, range(draws))[i]
    params = unraveled(straight)
    turned = [straight]
    for group in ("aux", "class"):
        columns = NET.task.weights(group)
        head = {name: leaf * np.where(columns > 0, -1.0, 1.0) for name, leaf in params["head"].items()}
        turned.append(t.s.functions.layout.flatten(params | {"head": head}))
    one = jax.tree.map(lambda leaf: np.asarray(leaf)[i], (t.s.theta0, t.s.delta, t.s.x, t.s.trait))
    with float64():
        parts, _ = by_dense_jacobians(*one[:2], np.stack(turned), *one[2:], NET.task.weights("aux"))
    np.testing.assert_allclose([found.straight[i], *found.turned[i]], np.asarray(parts), rtol=1e-10)


def test_draws_of_two_seeds_have_none_in_common():
    assert not set(within(0, 64)) & set(within(1, 64)) and len(set(within(5, 64))) == 64
    with pytest.raises(st.InputError, match=r"seeds: must lie in 0 ... 4294967295, got -1"):
        within(-1, 4)
    a, b = (TraitParts(8).records(SPOKEN, (seed,), (SquaredError(),))["squared-error"][0] for seed in (0, 1))
    assert not np.isin(a.part, b.part).any() and not np.isin(a.part, a.shared).any()


def test_heads_are_judged_by_their_interval():
    rng = np.random.default_rng(0)
    shared = 1 + rng.normal(size=1024)
    check = heads.heads_alone_transmit.check_measurement

    def arm(mean):
        return check(Parts(shared, mean + 0.5 * rng.normal(size=1024), shared)).verdict

    assert arm(0.5) is Verdict.HOLDS and arm(0.0) is Verdict.FAILS and arm(-0.5) is Verdict.FAILS
    assert arm(0.11) is Verdict.UNDECIDED
    check = heads.random_heads_cancel.check_measurement
    odd = Turned(shared, -np.stack([shared] * 2, axis=1))
    assert check(odd).verdict is Verdict.HOLDS
    for wrong in (-odd.turned, odd.turned * (1 + 1e-12), odd.turned * [1, 0.5]):
        assert check(replace(odd, turned=wrong)).verdict is Verdict.FAILS


@pytest.mark.parametrize(("units", "kept"), [("equal", False), ("different", False), ("function of the outputs", True)])
def test_a_trait_of_one_weight_is_not_turned_with_its_unit(units, kept):
    """L_T(Tθ) is not L_T(θ) then, even where equal units hide it at θ0; a trait of the outputs is the same."""
    rng = np.random.default_rng(3)
    params = {"W": rng.normal(size=(4, 5)), "V": rng.normal(size=(5, 3))}
    if units == "equal":
        params["W"][:] = params["W"][:, :1]
    x = rng.normal(size=(8, 4))
    apply = lambda p, one: jnp.tanh(one @ p["W"]) @ p["V"]  # noqa: E731
    trait = (lambda p: jnp.sum(apply(p, x) ** 2)) if kept else (lambda p: (p["W"][0, 0] - 2.0) ** 2)
    claim = replace(orbits.permuted_init_transmits_alike, controls=())
    (found,) = st.verify(apply, params, trait=trait, channel=x, claims=claim, seeds=2)
    assert not found.failed and (found.vacuous_fraction < 0.5) == kept, found.reason
