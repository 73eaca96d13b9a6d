"""Balls and their Taylor tables against 50-digit arithmetic."""

import mpmath as mp
import numpy as np
import precise
import pytest
from certified import contains
from flint import arb

from subtheory.certificate import functions
from subtheory.certificate.balls import lower, positive, upper
from subtheory.certificate.jets import Jet
from subtheory.certificate.networks import softmax


@pytest.mark.parametrize("bad", [arb("nan"), arb("inf"), arb(1) / arb(0, 1), arb(-1).sqrt()])
def test_what_is_not_finite_is_no_bound(bad):
    assert not positive(bad) and not positive(-bad)
    assert lower(bad) == -np.inf and upper(bad) == np.inf


@pytest.mark.parametrize("text", ["1e-300", "0.1", "-7.25", "3e200"])
def test_a_float_is_not_beyond_its_ball(text):
    ball = arb(text, arb(text).abs_upper() * arb("1e-20"))
    assert arb(lower(ball)) <= ball.lower() and arb(upper(ball)) >= ball.upper()


TABLES = functions.ACTIVATIONS | {"exp": functions.exp, "log": functions.log, "reciprocal": functions.reciprocal,
                                  "rsqrt": functions.rsqrt}  # fmt: skip
EXACT = {name: value for name, (value, _) in precise.ACTIVATIONS.items()} | {
    "exp": mp.exp, "log": mp.log, "reciprocal": lambda z: 1 / z, "rsqrt": lambda z: 1 / mp.sqrt(z),
    "gelu": lambda z: z * (1 + mp.tanh(mp.mpf(functions.GELU_SCALE) * (z + mp.mpf(functions.GELU_CUBIC) * z**3))) / 2,
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(TABLES))
def test_tables_are_the_taylor_coefficients(name):
    low = 0.3 if name in ("log", "reciprocal", "rsqrt") else -2.5
    for z in np.linspace(low, 2.5, 7):
        wide = TABLES[name](arb(float(z), 0.05), 3)
        thin = TABLES[name](arb(float(z)), 3)
        for k, exact in enumerate(mp.taylor(EXACT[name], mp.mpf(float(z)), 3)):
            assert contains(wide[k], exact)
            assert abs(mp.mpf(thin[k].mid().str(40, radius=False)) - exact) < mp.mpf(10) ** -20
            assert thin[k].rad() < 1e-30


def test_a_saturated_softmax_stays_finite():
    z = Jet([arb_row([[1e4, 100.0], [-1e4, 3.0]], 50.0), arb_row([[3.0, 1.0], [2.0, 1.0]], 1.0)])
    sigma = softmax(z)
    assert all(entry.is_finite() for c in sigma.c for entry in c.entries())
    assert lower(sigma.c[0][0, 0]) > 1 - 1e-9 and upper(sigma.c[0][1, 0]) < 1e-9


def arb_row(values, radius):
    from flint import arb_mat

    return arb_mat(2, 2, [arb(v, radius) for row in values for v in row])
