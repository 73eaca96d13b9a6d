"""Each imitation loss against its own derivatives: the Hessian at the match, the minimum, the null space."""

from functools import partial

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from subtheory.constructed.witnesses import Repulsion, Sextic
from subtheory.numerics import float64
from subtheory.theory.losses import (
    KL,
    L1,
    LOSSES,
    Bregman,
    CrossEntropy,
    HyperbolicCosine,
    JensenShannon,
    Logistic,
    Quartic,
    ReverseKL,
    SquaredError,
    TopK,
)

V = 5
SOFTMAX = (CrossEntropy(), KL(), KL(temperature=0.5), ReverseKL(), JensenShannon())
REGULAR = (SquaredError(), *SOFTMAX, Bregman(Logistic()), Bregman(HyperbolicCosine()))
FLAT = (L1(), Quartic())
MASK = np.array([1.0, 0.0, 1.0, 1.0, 0.0])
"""A fixed subset of the logits, what distilling auxiliary logits alone needs."""

# Gaps of at least 2⁻²⁰ between different logits: a top-k is not differentiable at a tie.
logits = arrays(np.float64, V, elements=st.integers(-3 * 2**20, 3 * 2**20).map(lambda n: n / 2**20), unique=True)
velocities = arrays(np.float64, V, elements=st.floats(-2, 2, width=16))
masks = arrays(np.float64, V, elements=st.sampled_from([0.0, 1.0])).filter(lambda w: w.sum() >= 2)
name = lambda loss: loss.name + (f"-{loss.temperature}" if isinstance(loss, KL) else "")  # noqa: E731


@partial(jax.jit, static_argnums=0)
def _derivatives(loss, z, y, w):
    f = lambda z, y: loss.value(z, y, w)  # noqa: E731
    gradient, hessian = jax.grad(f), jax.jacfwd(jax.grad(f), argnums=(0, 1))
    return f(z, y), f(y, y), gradient(z, y), *hessian(z, y)


def derivatives(loss, z, y, w):
    """l(z, y), l(y, y), ∂l/∂z, ∂²l/∂z² and ∂²l/∂y∂z, dense, by autodiff of the value alone."""
    with float64():
        return tuple(map(np.asarray, _derivatives(loss, z, y, w)))


@partial(jax.jit, static_argnums=0)
def _stated(loss, y, v, w):
    return loss.hessian(y, v, w), loss.leading(y, v, w)


def stated(loss, y, v, w):
    """M v in the closed form of the loss."""
    with float64():
        return np.asarray(_stated(loss, y, v, w)[0])


def leading(loss, y, u, w):
    """The stated leading coefficient."""
    with float64():
        return float(_stated(loss, y, u, w)[1])


def test_every_built_in_loss_is_tested_here():
    assert {loss.name for loss in (*REGULAR, *FLAT, TopK())} == set(LOSSES)
    assert all(loss == LOSSES[loss.name] for loss in (*REGULAR, *FLAT, TopK()) if loss != KL(temperature=0.5))


@pytest.mark.parametrize("loss", (*REGULAR, TopK()), ids=name)
@settings(max_examples=12)
@given(y=logits, v=velocities, w=masks)
def test_hessian_is_the_second_derivative_at_an_interior_minimum(loss, y, v, w):
    """M v = ∂²l/∂z² v = −∂²l/∂y∂z v at the match, where the gradient is exactly stationary."""
    _, _, gradient, hessian, mixed = derivatives(loss, y, y, w)
    scale = 1e-12 * (1 + np.abs(hessian).max()) * (1 + np.abs(v).max())
    np.testing.assert_allclose(gradient, 0, atol=1e-14)
    np.testing.assert_allclose(stated(loss, y, v, w), hessian @ v, rtol=0, atol=scale)
    np.testing.assert_allclose(hessian, -mixed, rtol=0, atol=scale)
    assert v @ stated(loss, y, v, w) >= -scale * (1 + np.abs(v).max())  # PSD


@pytest.mark.parametrize("loss", (*REGULAR, *FLAT, TopK()), ids=name)
@settings(max_examples=25)
@given(z=logits, y=logits, w=masks)
def test_the_match_is_the_minimum(loss, z, y, w):
    """l(z, y) ≥ l(y, y), which is zero but for the cross-entropies: there it is the teacher's entropy."""
    there, match = derivatives(loss, z, y, w)[:2]
    assert there >= match - 1e-12 * (1 + abs(match))
    if isinstance(loss, CrossEntropy | TopK):
        kept = w > 0
        if isinstance(loss, TopK):
            kept &= y >= np.sort(y[kept])[-min(loss.k, kept.sum())]
        p = np.exp(y[kept] - y[kept].max())
        p /= p.sum()
        assert match == pytest.approx(-np.sum(p * np.log(p)), rel=1e-12)
    else:
        assert match == pytest.approx(0, abs=1e-14)


@pytest.mark.parametrize("loss", (*REGULAR, *FLAT), ids=name)
@settings(max_examples=12)
@given(z=logits, y=logits)
def test_null_space_clause(loss, z, y):
    """Mc = 0 at the match implies c · ∂l/∂z = 0 at every y: the constant for a softmax, e_i where w_i = 0."""
    assert loss.null_clause
    gradient = derivatives(loss, z, y, MASK)[2]
    scale = 1e-13 * (1 + np.abs(gradient).max())
    np.testing.assert_allclose(gradient[MASK == 0], 0, atol=0)
    np.testing.assert_allclose(stated(loss, y, 1 - MASK, MASK), 0, atol=0)
    if loss in SOFTMAX:
        np.testing.assert_allclose(stated(loss, y, np.ones(V), MASK), 0, atol=1e-15)
        assert abs(gradient.sum()) <= scale
    if loss in REGULAR:  # and the null space is no larger: rank = distilled outputs, less one for a softmax
        M = np.stack([stated(loss, y, e, MASK) for e in np.eye(V)])
        assert np.linalg.matrix_rank(M, tol=1e-9) == MASK.sum() - (loss in SOFTMAX)


def test_null_space_clause_fails_where_the_loss_says_so():
    """A witness each: c with Mc = 0 at θ0's outputs and c · ∂l/∂z ≠ 0 for other teacher outputs."""
    cases = (
        (TopK(k=2), [3.0, 2.0, 1.0], [1.0, 2.0, 3.0], [0.0, 0.0, 1.0]),
        (Bregman(Sextic()), [0.0, 0.0], [0.1, 0.1], [1.0, 0.0]),
    )
    for loss, z, y, c in cases:
        z, y, c = map(np.array, (z, y, c))
        assert not loss.null_clause
        np.testing.assert_allclose(stated(loss, z, c, np.ones_like(z)), 0, atol=1e-15)
        gradient = derivatives(loss, z, y, np.ones_like(z))[2]
        assert abs(gradient @ c) > 1e-3
        np.testing.assert_allclose(
            stated(loss, y, c, np.ones_like(z)), derivatives(loss, y, y, np.ones_like(z))[3] @ c, atol=1e-13
        )
    assert not np.allclose(stated(TopK(k=2), np.array([3.0, 2, 1]), np.eye(3)[0], np.ones(3)),
                           stated(TopK(k=2), np.array([3.0, 1, 2]), np.eye(3)[0], np.ones(3)))  # fmt: skip


@pytest.mark.parametrize("loss", (*REGULAR, *FLAT, TopK()), ids=name)
@settings(max_examples=12)
@given(y=logits, u=velocities, w=masks)
def test_leading_is_the_limit_of_the_alignment(loss, y, u, w):
    """−∂_z l(y, y + εu) · u / ε^order → leading, with an error of order ε."""
    c = leading(loss, y, u, w)
    # Small enough for a first difference, large enough for float64: rounding is of order 1e-16/ε.
    eps = 2.0**-22
    ratio = -derivatives(loss, y, y + eps * u, w)[2] @ u / eps**loss.order
    tie = isinstance(loss, TopK) and np.min(np.diff(np.sort(y))) <= 8 * eps  # the subset may change
    if not tie:
        assert ratio == pytest.approx(c, rel=1e-3, abs=2e-4 * (u @ u) + 1e-8)


def test_explicit_numbers():
    """Σw(z − y)² and not ½ of it; (diag p − ppᵀ)/T²; the orders of the flat minimum and of the corner."""
    z, y, w, u = (np.array(a) for a in ([3.0, 1.0], [1.0, 2.0], [1.0, 2.0], [1.0, -1.0]))
    value = lambda loss: float(derivatives(loss, z, y, w)[0])  # noqa: E731
    assert value(SquaredError()) == 4 + 2
    np.testing.assert_array_equal(stated(SquaredError(), y, u, w), [2.0, -4.0])
    assert value(L1()) == 2 + 2 and value(Quartic()) == 16 + 2
    assert (L1().order, Quartic().order) == (0, 3)
    assert not stated(L1(), y, u, w).any() and not stated(Quartic(), y, u, w).any()
    even = np.zeros(2)
    np.testing.assert_allclose(stated(KL(temperature=2.0), even, u, np.ones(2)), u / 2 / 4, rtol=1e-15)
    np.testing.assert_allclose(stated(JensenShannon(), even, u, np.ones(2)), u / 2 / 4, rtol=1e-15)
    np.testing.assert_allclose(stated(Bregman(Logistic()), even, u, w), [1 / 4, -2 / 4], rtol=1e-15)
    np.testing.assert_allclose(stated(Bregman(HyperbolicCosine()), even, u, w), [1.0, -2.0], rtol=1e-15)


@settings(max_examples=12)
@given(z=logits, y=logits)
def test_temperature_only_rescales_the_logits(z, y):
    """KL_T(z, y) = KL_1(z/T, y/T), and cross-entropy = KL_1 + entropy."""
    w, one = np.ones(V), KL(temperature=1.0)
    cooled, plain = (derivatives(*args, w)[0] for args in ((KL(temperature=3.0), z, y), (one, z / 3, y / 3)))
    cross, entropy = derivatives(CrossEntropy(), z, y, w)[:2]
    assert cooled == pytest.approx(plain, rel=1e-12, abs=1e-15)
    assert derivatives(one, z, y, w)[0] == pytest.approx(cross - entropy, rel=1e-9, abs=1e-14)


@pytest.mark.parametrize("potential", (Logistic(), HyperbolicCosine(), Sextic()), ids=lambda p: p.name)
@settings(max_examples=12)
@given(y=arrays(np.float64, 2, elements=st.floats(-1, 1, width=32)), v=arrays(np.float64, 2, elements=st.floats(-1, 1)))
def test_potentials_state_their_hessian_and_are_convex(potential, y, v):
    """∇²φ(y) v, through the Bregman loss of φ, whose ∂²l/∂z² it is; sextic: at |z0| ≤ 1."""
    loss = Bregman(potential)
    said, hessian = stated(loss, y, v, np.ones(2)), derivatives(loss, y, y, np.ones(2))[3]
    np.testing.assert_allclose(said, hessian @ v, rtol=0, atol=1e-13)
    assert np.linalg.eigvalsh(hessian).min() >= -1e-14


def test_the_repulsion_witness_is_a_maximum():
    """The control of the interior minimum turns the sign of M and nothing else."""
    y, v = np.array([1.0, 2.0]), np.array([1.0, -1.0])
    np.testing.assert_array_equal(stated(Repulsion(), y, v, np.ones(2)), -2 * v)
    np.testing.assert_array_equal(derivatives(Repulsion(), y, y, np.ones(2))[3], -2 * np.eye(2))


def test_a_tie_at_the_cut_of_a_top_k_has_no_second_derivative():
    loss, one = TopK(k=2), np.ones(3)
    assert np.isnan(stated(loss, np.array([3.0, 1.0, 1.0]), one, np.ones(3))).all()
    for y, w in (([3.0, 3.0, 1.0], [1.0, 1, 1]), ([3.0, 1.0, 1.0], [1.0, 1, 0]), ([1.0, 1.0, 1.0], [1.0, 0, 0])):
        assert np.isfinite(stated(loss, np.array(y), one, np.array(w))).all()
    assert np.isfinite(stated(TopK(k=3), np.ones(3), one, np.ones(3))).all()
