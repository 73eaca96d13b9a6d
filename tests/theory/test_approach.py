"""Students of a linear network always approach their teacher; others recede in a share of draws."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from crossed import distillation, for_every

from subtheory.constructed.formula import Formula
from subtheory.numerics import float64, public
from subtheory.theory import alignment as theory
from subtheory.theory.beyond import cross_kernel as cross
from subtheory.theory.beyond.sign_law import noise
from subtheory.theory.distillation import at_rest
from subtheory.theory.losses import LOSSES, SquaredError
from subtheory.theory.trait import FunctionTrait


@public
@partial(jax.jit, static_argnames="losses")
def _approaches(d, students, losses):
    """Approach of every loss and student at the largest ε."""

    def one(loss):
        each = lambda student: cross.approach(replace(d, student=student, loss=loss, eps=d.eps[:1]))[0]  # noqa: E731
        return jax.lax.map(each, students)

    return for_every(losses, one)


def inits(d, count=64):
    """Standard normal parameters, leading axis = draws."""
    with float64():
        return jax.lax.map(lambda key: noise(key, d.theta0), jax.random.split(jax.random.key(9), count))


def test_a_linear_student_always_approaches():
    """P17 for every loss, regular or not, and 64 inits: never negative, though the raw D is of either sign."""
    d = distillation("linear")
    found = _approaches(d, inits(d), tuple(LOSSES.values()))
    assert set(found) == set(LOSSES)
    for name, approach in found.items():
        assert approach.min() > 0, name
    raw = public(jax.jit(jax.vmap(lambda student: theory.alignment(replace(d, student=student))[0])))(inits(d))
    assert raw.min() < 0 < raw.max()


def square():
    """f = θ², the student at 1, the teacher near −2: both are 'up' for the outputs, but on other sides of 0."""
    network = Formula("square", lambda theta, x: theta**2 * x)
    with float64():
        one, x = jnp.ones(1), jnp.ones((1, 1))
        d = at_rest(network, -2 * one, x, one, FunctionTrait(lambda theta: jnp.sum(theta**2)))
        return replace(d, student=one, delta=-one, eps=jnp.asarray([0.5, 0.25, 0.125]))


def test_a_student_that_is_not_linear_may_recede():
    """Exact: Δθ_S = −2(1 − y)·2 with y = (2 + ε)², times θ_T − θ0_S = −(3 + ε); and raw D = −Δθ_S."""

    @public
    @jax.jit
    def found(d):
        return (
            cross.approach(d),
            theory.alignment(d),
            cross.control_subtracted_alignment(d),
            cross.cross_coefficients(d),
        )

    d = square()
    eps = np.asarray(d.eps)
    approach, raw, subtracted, coefficients = found(d)
    update = 4 * ((2 + eps) ** 2 - 1)
    np.testing.assert_array_equal(approach, -update * (3 + eps))
    np.testing.assert_array_equal(raw, -update)
    # D(ε) − D(0) = −4((2 + ε)² − 4) = −16ε − 4ε²: kernel (J_S Δ) M (J_T Δ) = (−2)·2·4, h″ = −8.
    np.testing.assert_array_equal(subtracted, -16 * eps - 4 * eps**2)
    assert coefficients == (-16, 16, -8)


def test_nonlinear_networks_recede_in_a_share_of_draws():
    """Control, by the same function: some of 64 tanh perceptrons recede."""
    d = distillation("mlp")
    for name, approach in _approaches(d, inits(d), (SquaredError(),)).items():
        assert 0 < np.mean(approach < 0) < 1, name
