"""Students of drawn labels: counts against single draws, real steps, exact laws and dense second derivatives."""

from itertools import product

import jax
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from reference import Dense
from shapes import ATTENTION, SMOOTH

from subtheory.claims.labels.sampling import EPS
from subtheory.constructed.labels import classifier, texts
from subtheory.errors import InputError
from subtheory.instruments.sampled import Grouped, Sampled, Taxed
from subtheory.instruments.sampled.students import drawn, labelling, student_of
from subtheory.instruments.sampled.taxes import _curvature, _law
from subtheory.networks import Linear
from subtheory.numerics import float64
from subtheory.setting.setting import Setting
from subtheory.setting.student import Elsewhere, Redrawn
from subtheory.statistics import surprise
from subtheory.theory.losses import KL, CrossEntropy, SquaredError
from subtheory.theory.rule import Signs
from subtheory.theory.trains import Half
from subtheory.theory.views import Drawn, Full, Within

LOSS = CrossEntropy()
EDGE = 5.0
"""Standard deviations of a test that is right: off once in 10⁶ runs."""
TINY = Setting(SMOOTH, LOSS, outputs="class", examples=2, trait_examples=4, eps=(0.3,))


def dense_scores(setting, seed):
    """Δ · ∇(−log p_i) of every label by the slow definition, (M, V), and the law of the teacher's labels."""
    d = setting.distillation(seed)
    slow, w = Dense(d), np.asarray(d.outputs) > 0
    z, u, y = slow.zS[:, 0], slow.uS[:, 0], np.asarray(slow.y[float(d.eps[0])])[:, 0]
    softmax = lambda a: np.exp(a) * w / (np.exp(a) * w).sum(axis=-1, keepdims=True)  # noqa: E731
    return (u - (softmax(z) * u).sum(axis=-1, keepdims=True))[:, w], softmax(y)[:, w]


def test_shares_are_those_of_all_pairs_of_labels():
    """Two labels a student, at an ε that is not small: no law, all pairs listed by the slow definition."""
    draws = 4000
    for setting in (TINY, TINY.but(init=Redrawn())):
        s, r = dense_scores(setting, 1)
        one = [(r[m, i] / len(r), s[m, i]) for m, i in np.ndindex(r.shape)]
        pairs = [(p * q, a + b) for (p, a), (q, b) in product(one, one)]
        towards, mean = (sum(p * f(x) for p, x in pairs) for f in (lambda x: x > 0, lambda x: x / 2))
        cells = Sampled(draws).sample(setting.but(view=Drawn(2)), 1)
        assert cells.labels.tolist() == [[2]]
        assert surprise(cells.own.counts, draws, np.array([[towards]])).max() < EDGE
        spread = np.sqrt(cells.own.variance[0, 0] / draws)
        assert abs(cells.own.mean[0, 0] - mean) < EDGE * spread


@pytest.mark.parametrize(
    ("network", "parts"),
    [(SMOOTH, {}), (SMOOTH, {"init": Redrawn(), "rule": Signs()}), (ATTENTION, {"trains": Half()})],
    ids=["plain", "signs", "positions"],
)
def test_algebra_on_counts_is_the_real_step(network, parts):
    """By the loss's own gradient and one pullback a student, positions of sequences and masks included."""
    setting = Setting(network, LOSS, examples=2, trait_examples=4, eps=EPS).but(**parts)
    cells = Sampled(4, (1.0,)).sample(setting, 0)
    assert len(cells.real) == 3 and np.all(np.abs(cells.real - cells.by_counts) <= cells.rounding)
    assert cells.rounding < 1e-3 * np.abs(cells.real).max()


def test_a_student_at_a_temperature_takes_the_step_of_its_loss():
    """KL at temperature τ to counts, by the loss's own gradient."""
    student = student_of(TINY, 2)
    m = labelling(TINY, 2)
    (counts,) = drawn(np.random.default_rng(0), 50, 3, m.weights, m.p0)
    tau = 0.5
    with float64():
        z, w = student.z, student.s.outputs
        rows = counts.sum(-1, keepdims=True)
        labels = tau * np.where(counts > 0, np.log(np.maximum(counts, 1) / rows), -1e9)
        slope = jax.grad(lambda z, y: KL(tau).value(z, y, w).sum())
        r = np.stack([-np.asarray(slope(z, y)) for y in labels]) * rows / 50
    np.testing.assert_allclose(student.residual(counts, tau), r, atol=1e-12)
    np.testing.assert_allclose(student.alignments(r), (counts * student.scores(tau)).sum((1, 2)) / 50, atol=1e-12)


def test_labels_of_both_legs_are_on_the_same_inputs():
    one, other = drawn(np.random.default_rng(0), 30, 5, np.array([0.2, 0.8]), *np.full((2, 2, 3), 1 / 3))
    np.testing.assert_array_equal(one.sum(-1), other.sum(-1))
    assert one.shape == (5, 2, 3) and np.all(one.sum((1, 2)) == 30) and not np.array_equal(one, other)


def test_numbers_of_labels_give_the_deflections_and_the_regime_ends_with_eps():
    setting = classifier().but(examples=2, eps=(1e-1, 4e-3, 4e-4))
    cells = Sampled(400, temperatures=(1.0, 2.0)).sample(setting, 0)
    np.testing.assert_allclose(2 * cells.labels * cells.divergence[:, None], [[0.09, 0.49, 1.44, 4.0]] * 6, rtol=1e-2)
    assert cells.temperature.tolist() == [1.0] * 3 + [2.0] * 3
    for steps in (cells.own, cells.added):
        assert not steps.inside[0, -1] and steps.inside[2::3].all()
        # All that is neglected is of order ε.
        np.testing.assert_allclose(steps.off[1] / steps.off[2], 10, rtol=0.1)
        np.testing.assert_allclose(steps.shift[1] / steps.shift[2], 10, rtol=0.1)


def test_where_nothing_is_seen_nothing_is_judged():
    setting = classifier().but(examples=2, outputs=(0,), eps=EPS)
    cells = Sampled(10).sample(setting, 0)
    assert not cells.own.inside.any() and not cells.added.inside.any()


def test_curvatures_are_those_of_a_dense_hessian():
    setting = TINY.but(eps=(1e-3,))
    known, student = labelling(setting, 1), student_of(setting, 1)
    d = setting.distillation(1)
    with float64():
        flat, unravel = ravel_pytree(jax.tree.map(jax.numpy.asarray, d.theta0))
        H = np.asarray(jax.hessian(lambda theta: d.trait.loss(d.network.apply, unravel(theta)))(flat))
    slow = Dense(d)
    J, w = slow.J[:, 0], np.asarray(d.outputs) > 0
    F = sum(
        each * np.einsum("ip,ij,jq->pq", j[w], np.diag(p[w]) - np.outer(p[w], p[w]), j[w])
        for each, j, p in zip(known.weights, J, known.p0, strict=True)
    )
    parts = _law(known, student).parts
    delta = slow.delta
    wanted = known.eps[0], delta @ F @ delta, delta @ F @ H @ F @ delta, np.trace(H @ F)
    np.testing.assert_allclose(parts, wanted, rtol=1e-7)
    v = np.random.default_rng(0).standard_normal((2, len(delta)))
    np.testing.assert_allclose(_curvature(student, v), np.einsum("np,pq,nq->n", v, H, v), rtol=1e-7)


def test_the_mean_change_is_the_plain_mean_with_less_noise():
    setting = TINY.but(eps=(1e-3,), view=Drawn(20))
    found = Taxed(3000, (1.0,)).sample(setting, 1)
    student, m = student_of(setting, 1), labelling(setting, 1)
    (counts,) = drawn(np.random.default_rng(5), 20, 3000, m.weights, m.r[0])
    moved = found.alpha * student.updates(student.residual(counts))
    s = student.s
    change = s.trait.value(s.functions, s.student + moved) - s.trait.value(s.functions, s.student[None])
    error = change.std() / np.sqrt(3000)
    assert abs(change.mean() - found.change[0]) < EDGE * error and found.error[0] < error / 10
    assert abs(found.change[0] - found.predicted[0]) < EDGE * found.error[0]
    assert Taxed(10).sample(setting.but(view=Full()), 1).error.tolist() == [0, 0, 0]


def test_a_matched_direction_has_one_mean_and_an_unmatched_one_has_not():
    setting = texts().but(eps=EPS, examples=2)
    found = Grouped(200, (1.0,)).sample(setting, 0)
    assert np.all(found.matched_shift < 1e-3)
    assert np.all(np.abs(found.matched - 100) < EDGE * np.sqrt(50))
    assert np.all(Grouped(200, (1.0,)).sample(setting.but(subtracted=False), 0).matched[..., 1] == 200)
    np.testing.assert_allclose(found.distance[0] / found.distance[1], 10, rtol=1e-2)
    np.testing.assert_allclose(found.distance * np.sqrt(found.rows[:, 0] / 2), 1, rtol=1e-2)


def test_drawn_labels_stay_within_what_a_view_shows():
    setting = TINY.but(view=Within((0, 1)))
    m = labelling(setting, 0)
    (counts,) = drawn(np.random.default_rng(0), 1000, 4, m.weights, m.r[0])
    assert np.all(counts[..., 2:] == 0)


@pytest.mark.parametrize(
    ("field", "changes"),
    [("loss", {"loss": SquaredError()}), ("student", {"init": Elsewhere(Linear(task=SMOOTH.task))})],
)
def test_what_is_not_drawn_is_named(field, changes):
    for instrument in (Sampled(3), Taxed(3), Grouped(3)):
        with pytest.raises(InputError) as caught:
            instrument.sample(TINY.but(**changes), 0)
        assert caught.value.field == field


def test_a_record_is_repeatable_and_another_seed_draws_anew():
    setting = classifier().but(examples=2, eps=EPS)
    one, same, other = (Sampled(50).sample(setting, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one.own.mean, same.own.mean)
    assert not np.array_equal(one.own.counts, other.own.counts)
