"""Rows drawn from a teacher: recorded sums and scores against public functions and the definitions."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shapes import ATTENTION, SMOOTH

import subtheory as st
from subtheory.claims import CLAIMS
from subtheory.instruments.rows import RowKernel, RowSums, drawn
from subtheory.kernels.stack import one, teacher_logits
from subtheory.numerics import float64
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.setting.teachers import GradientDescent
from subtheory.theory.losses import CrossEntropy, softmax
from subtheory.theory.trains import Half, OtherHalf
from subtheory.theory.views import Permuted, Untaught

LOSS = CrossEntropy()


def setting(network, **parts):
    return Setting(network, LOSS, examples=4, trait_examples=5, **parts)


def read(instrument, of, seed=1):
    return instrument.records(of, (seed,), (LOSS,))[LOSS.name][0]


@pytest.mark.parametrize("network", [SMOOTH, ATTENTION], ids=lambda n: n.name)
def test_sums_are_steps_on_the_same_rows(network):
    """Δθ_S by autodiff of the mean log-probability of the rows, and of its mean over all labels."""
    of = setting(network)
    m, s = read(RowSums(), of), one(stack(of, (1,)), 0)
    law = softmax(teacher_logits(s, np.append(s.eps, 0.0)), s.outputs)
    label, layout = drawn(law, 0), s.functions.layout
    with float64():

        def log_p(theta, labels):
            z = jax.vmap(lambda x: network.apply(layout.unflatten(theta), x))(s.x)
            return jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(z, axis=-1), labels[..., None], axis=-1))

        def mean(theta, law):
            z = jax.vmap(lambda x: network.apply(layout.unflatten(theta), x))(s.x)
            return jnp.mean(jnp.sum(law * jax.nn.log_softmax(z, axis=-1), axis=-1))

        start = jnp.asarray(s.theta0)
        slope, mean_slope = (jax.jit(lambda at, y, f=f: jax.grad(f)(at, y) @ s.delta) for f in (log_p, mean))
        hard, soft = ([float(f(start, y)) for y in each] for f, each in ((slope, label), (mean_slope, law)))
    np.testing.assert_allclose(m.measured, hard, atol=1e-12)
    np.testing.assert_allclose(m.expected, np.array(soft[:-1]) - soft[-1], atol=1e-14)
    d = of.distillation(1)
    assert m.form == pytest.approx(st.quadratic_form(d), rel=1e-12)
    assert m.curvature == pytest.approx(st.second_order(d), rel=1e-9)
    assert np.all(np.abs(m.forecast - m.measured) <= m.rounding) and np.all(m.rounding < 1e-10)
    assert np.ptp(m.forecast[1:-1]) > 1e-3, "the rows of every ε are drawn on their own"


def test_labels_are_drawn_by_their_law_and_alike_for_every_seed():
    p = np.broadcast_to([0.0, 0.2, 0.5, 0.3], (2, 4000, 4))
    label = drawn(p, 1)
    np.testing.assert_array_equal(label[0], label[1])
    share = np.bincount(label[0], minlength=4) / 4000
    assert share[0] == 0 and np.all(np.abs(share - p[0, 0]) < 5 * np.sqrt(0.25 / 4000))


@pytest.mark.parametrize("network", [SMOOTH, ATTENTION], ids=lambda n: n.name)
def test_scores_of_a_student_are_the_kernel_of_rows_times_residuals(network):
    """Θ as a dense matrix, and the real student's log-probabilities."""
    of = setting(network)
    m, s = read(RowKernel(), of), one(stack(of, (1,)), 0)
    y = teacher_logits(s, s.eps[:1])
    label, layout = drawn(softmax(y, s.outputs)[0], 0), s.functions.layout
    with float64():

        def logits(theta):
            return jax.vmap(lambda x: network.apply(layout.unflatten(theta), x))(s.x)

        def log_p(theta):
            own = jnp.take_along_axis(jax.nn.log_softmax(logits(theta), axis=-1), label[..., None], axis=-1)
            return own.reshape(len(s.x), -1).sum(axis=-1)

        start = jnp.asarray(s.theta0)
        g, J, z = (np.asarray(f(start)) for f in map(jax.jit, (jax.jacrev(log_p), jax.jacrev(logits), logits)))
        e = (softmax(y[0], s.outputs) - softmax(z, s.outputs)) / label.size
        move = e.ravel() @ J.reshape(e.size, -1)
        second = jax.jit(jax.jacfwd(jax.jacfwd(lambda t: log_p(start + t * move))))(0.0)
        said = jax.jit(log_p)
        after = [np.asarray(said(start + a * move) - said(start)) for a in m.rates]
        oracle = np.asarray(said(start + s.eps[0] * s.delta) - said(start))
    np.testing.assert_allclose(m.first, g @ (J.reshape(e.size, -1).T @ e.ravel()), rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(m.second, second, rtol=1e-8, atol=1e-15)
    np.testing.assert_allclose(m.scores, after, rtol=1e-9, atol=1e-13)
    np.testing.assert_allclose(m.oracle, oracle, rtol=1e-9, atol=1e-13)
    # Of the size that the teacher's ε has, in the outputs.
    moved = np.sqrt([np.mean((s.functions.taylor(s.theta0, v, s.x).u) ** 2) for v in (s.delta, move)])
    np.testing.assert_allclose(m.rates, s.eps * moved[0] / moved[1], rtol=1e-9)


@pytest.mark.parametrize("network", [SMOOTH, ATTENTION], ids=lambda n: n.name)
def test_what_breaks_the_claims_does_what_it_says(network):
    of = setting(network)
    turned = read(RowSums(), of.but(view=Permuted()))
    np.testing.assert_array_equal(turned.forecast, read(RowSums(), of).forecast)
    assert np.all(np.abs(turned.forecast - turned.measured) > 1e-3)
    across = of.but(teacher=replace(GradientDescent(), moves=Half()), trains=OtherHalf())
    m = read(RowSums(), across)
    assert not m.measured.any() and not m.expected.any() and np.abs(m.forecast).min() > 1e-4
    own = read(RowKernel(), of.but(view=Untaught()))
    assert np.all(np.abs(own.scores) <= own.rounding) and np.abs(own.first).max() > 1e-6


def test_views_of_rows_turn_labels_or_leave_the_teacher_out():
    logits = np.arange(24.0).reshape(2, 3, 4)
    np.testing.assert_array_equal(Permuted().labels(logits, np.ones(4))[:, [1, 2, 0]], logits)
    assert np.all(Untaught().beside(logits, np.ones(4), logits[:1]) == logits[:1])


def test_both_claims_speak_of_every_family_and_of_a_network_of_ones_own():
    for name in ("rows-add-up-to-the-alignment", "student-scores-follow-the-kernel"):
        claim = CLAIMS[name]
        assert len({type(s.network) for s in claim.settings()}) == 4
        assert claim.own([setting(SMOOTH)]) == claim.settings()
