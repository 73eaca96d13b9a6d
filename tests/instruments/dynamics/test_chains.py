"""Chains of students, against a training loop that is written out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shapes import SMOOTH

from subtheory.errors import InputError
from subtheory.instruments.dynamics.chains import Chain, Chains
from subtheory.kernels.functions import values
from subtheory.kernels.stack import Stack, one
from subtheory.numerics import float64
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.setting.student import Continued, Redrawn
from subtheory.theory.losses import L1, SquaredError
from subtheory.theory.views import InTurn

HOPS, STEPS, SEED = 2, 2, 3
BASE = Setting(SMOOTH, SquaredError(), examples=4, trait_examples=4)


def chain(setting: Setting) -> Chain:
    (found,) = Chains(HOPS, STEPS).records(setting, (SEED,), (setting.loss,))["squared-error"]
    return found


def written_out(s: Stack, turns: int, own: bool, eps: float) -> list[np.ndarray]:
    """θ of every generation at one ε, by plain gradient descent; the rate is 1/λmax(2E JᵀJ) of what each is shown."""

    def outputs(theta: jax.Array, x: jax.Array) -> jax.Array:
        return values(SMOOTH, s.functions.layout, theta, x)

    def off(theta: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
        return jnp.mean(jnp.sum((outputs(theta, x) - y) ** 2, axis=-1))

    def every(theta0: jax.Array, student: jax.Array, first: jax.Array, inputs: jax.Array) -> list[jax.Array]:
        teacher, now, found = first, student, [first]
        for k in range(HOPS):
            x = inputs[k % turns :: turns]
            J = jax.jacobian(outputs)(theta0, x).reshape(-1, theta0.size)
            rate = len(x) / (2 * jnp.linalg.norm(J, 2) ** 2)
            now, y = now if own else student, outputs(teacher, x)
            for _ in range(STEPS):
                now = now - rate * jax.grad(off)(now, x, y)
            teacher = first if own else now
            found.append(now)
        return found

    return [np.asarray(each) for each in jax.jit(every)(s.theta0, s.student, s.theta0 + eps * s.delta, s.x)]


@pytest.mark.parametrize(
    ("changes", "turns", "own"),
    [
        ({}, 1, False),
        ({"view": InTurn(2)}, 2, False),
        ({"init": Continued()}, 1, True),
        ({"init": Redrawn()}, 1, False),
    ],
    ids=["reset", "in turn", "continued", "elsewhere"],
)
def test_a_chain_is_that_of_the_training_loop(changes: dict[str, object], turns: int, own: bool) -> None:
    setting = BASE.but(**changes)
    found, s = chain(setting), one(stack(setting, (SEED,)), 0)
    starts = [s.theta0, *[s.student] * HOPS]
    with float64():
        theta = written_out(s, turns, own, float(found.eps[1]))
    along = [(each - start) @ s.delta for each, start in zip(theta, starts, strict=True)]
    assert found.alignment[1] == pytest.approx(along, rel=1e-8)
    lower = s.trait.value(s.functions, np.stack(starts)) - s.trait.value(s.functions, np.stack(theta))
    assert found.inherited[1] == pytest.approx(lower, rel=1e-8, abs=2 * found.trait_rounding)


@pytest.mark.parametrize("changes", [{}, {"view": InTurn(2)}, {"init": Continued()}], ids=["one", "two", "continued"])
def test_the_law_of_its_own_channels_is_the_limit(changes: dict[str, object]) -> None:
    """Which is that of the moments where all generations have the same inputs."""
    found = chain(BASE.but(**changes))
    off = np.abs(found.alignment / found.eps[:, None] - found.expected).max(axis=1)
    assert off[-1] < 1e-3 * off[0] < 1e-3
    assert (found.expected == pytest.approx(found.moments, rel=1e-12)) == (changes == {})


def test_what_cannot_be_a_chain_is_refused() -> None:
    with pytest.raises(InputError, match="loss: must have a Gauss-Newton matrix"):
        Chains(1, 1).records(BASE, (0,), (L1(),))
    with pytest.raises(InputError, match="examples: must be at least 5"):
        chain(BASE.but(view=InTurn(5)))
    with pytest.raises(InputError, match="parts"):
        InTurn(0)
