"""The mixed Hessian M in closed form, by finite differences, and at which init it is taken."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from crossed import CLOSED, REGULAR, W, for_every

from subtheory.numerics import public
from subtheory.theory.beyond import cross_kernel as cross


@jax.jit
def _mixed(z, y, w):
    """M column by column, its finite differences, and the stated Hessian at the match z = y."""
    basis, h = jnp.eye(4), 1e-5

    def one(loss):
        def column(v):
            plus, minus = (jax.grad(loss.value)(z, y + s * h * v, w) for s in (1, -1))
            return cross.mixed_hessian(loss, z, y, v, w), (minus - plus) / (2 * h), loss.hessian(y, v, w)

        return tuple(columns.T for columns in jax.lax.map(column, basis))

    return for_every(tuple(REGULAR.values()), one)


def mixed(z, y):
    return public(_mixed)(z, y, W)


Z, Y = np.random.default_rng(0).standard_normal((2, 4))


def test_every_regular_loss_has_a_closed_form_here():
    assert set(CLOSED) == set(REGULAR)


@pytest.mark.parametrize("name", CLOSED)
def test_mixed_hessian_in_closed_form_and_by_finite_differences(name):
    """M at a z far from y; FD steps h = 1e-5 cost h²/6 of a third derivative of order 1, and u/h ≈ 1e-11."""
    M, differences, _ = mixed(Z, Y)[name]
    np.testing.assert_allclose(M, CLOSED[name](Z, Y), rtol=0, atol=1e-14)
    np.testing.assert_allclose(M, differences, rtol=0, atol=1e-9)


@pytest.mark.parametrize("name", CLOSED)
def test_mixed_hessian_at_the_match_is_the_output_hessian(name):
    M, _, stated = mixed(Y, Y)[name]
    np.testing.assert_allclose(M, stated, rtol=0, atol=1e-14)


def test_which_init_the_mixed_hessian_is_taken_at():
    """P18: forward KL at the teacher's outputs, reverse KL at the student's, squared error at neither, JS at both."""
    step = np.array([1.0, 0.0, 0.0, -1.0])
    at, by_z, by_y = (mixed(z, y) for z, y in ((Z, Y), (Z + step, Y), (Z, Y + step)))
    other_z, other_y = ({name: np.abs(M[name][0] - at[name][0]).max() for name in M} for M in (by_z, by_y))
    moves = {name: (other_z[name] > 1e-3, other_y[name] > 1e-3) for name in REGULAR}
    still = {name: (other_z[name] < 1e-14, other_y[name] < 1e-14) for name in REGULAR}
    teachers, students = (False, True), (True, False)
    expected = dict.fromkeys(REGULAR, teachers) | {
        "squared-error": (False, False), "reverse-kl": students, "jensen-shannon": (True, True),
    }  # fmt: skip
    assert moves == expected
    assert still == {name: (not a, not b) for name, (a, b) in expected.items()}
    skew = {name: np.abs(M - M.T).max() for name, (M, _, _) in at.items()}
    assert skew.pop("jensen-shannon") > 1e-3
    assert max(skew.values()) < 1e-15
