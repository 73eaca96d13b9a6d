"""Curves on balls: every box contains the 50-digit number, and planted errors are noticed."""

import os
from dataclasses import replace

import mpmath as mp
import numpy as np
import precise
import pytest
from certified import LOSSES, contains
from flint import arb, fmpq

import subtheory as st
from subtheory.certificate import curves, functions, jets, networks
from subtheory.certificate.balls import lower, rational, upper
from subtheory.certificate.cases import CASES, CertifiedCase
from subtheory.certificate.jets import Jet, Span
from subtheory.certificate.problem import problem
from subtheory.certificate.search import enclosure
from subtheory.data.toys import toy

MULTIPLIER = int(os.environ.get("SUBTHEORY_TEST_MULTIPLIER", "1"))


def tiny(activation, seed, rng):
    """A random one-hidden-layer network of a few units."""
    classes, aux = int(rng.integers(1, 3)), int(rng.integers(1, 3))
    network = st.MLP(int(rng.integers(1, 4)), 1, activation, task=toy((int(rng.integers(1, 3)),), classes, aux))
    return CertifiedCase(network, 1.0, 3, 3).distillation(seed, LOSSES[seed % 2])


def test_enclosures_shrink_like_the_square_of_the_width():
    curve = curves.alignment(problem(CASES["tanh-2-4-2"].distillation(1, LOSSES[0])))
    excess = []
    for width in (fmpq(1, 8), fmpq(1, 16), fmpq(1, 32)):
        span = Span.between(fmpq(1, 2) - width, fmpq(1, 2) + width)
        inside = [curve(Span(span.mid + k * width / 50), 0).c[0][0, 0] for k in range(-50, 51)]
        jet = curve(span, 2).c[0][0, 0]
        assert all(jet.contains(one) for one in inside)
        excess.append(min(map(lower, inside)) - lower(jet))
    assert excess[0] / excess[1] > 3 and excess[1] / excess[2] > 3


# Containment ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("activation", sorted(precise.ACTIVATIONS))
def test_boxes_contain_50_digit_numbers(activation):
    rng = np.random.default_rng(7)
    for seed in range(20 * MULTIPLIER):
        d = tiny(activation, seed, rng)
        exact = problem(d, alpha=0.5)
        kinds = [(curves.alignment(exact), lambda t, d=d: precise.alignment(d, t))]
        if seed % 4 == 0:
            kinds.append((curves.trait_change(exact), lambda t, d=d: precise.trait_change(d, t, 0.5)))
        for curve, oracle in kinds:
            a, width = rational(float(rng.uniform(0, 2))), rational(float(rng.choice([0.02, 0.2, 1.0])))
            box = curve(Span.between(a, a + width), 2)
            t = a + width * rational(float(rng.uniform()))
            number = oracle(mp.mpf(int(t.p)) / int(t.q))
            assert contains(box.c[0][0, 0], number)
            assert contains(curve(Span(t), 0).c[0][0, 0], number)
            if a > 0:
                assert contains(enclosure(curve, a, a + width), number)
            start = enclosure(curve, fmpq(0), t)
            assert contains(start, number / (mp.mpf(int(t.p)) / int(t.q)))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.name)
@pytest.mark.parametrize("name", CASES)
def test_balls_agree_with_jax(name, loss):
    d = replace(CASES[name].distillation(3, loss), eps=np.array([0.75, 0.25]))
    exact = problem(d)
    measured = st.alignment_by_jvp(d)
    for eps, value in zip(d.eps, measured, strict=True):
        ball = curves.alignment(exact)(Span(rational(float(eps))), 0).c[0][0, 0]
        assert float(ball.mid()) == pytest.approx(value, rel=1e-11, abs=1e-13)
    if name.startswith("tanh"):
        for eps, value in zip(d.eps, st.trait_change(d, 1.0), strict=True):
            ball = curves.trait_change(exact)(Span(rational(float(eps))), 0).c[0][0, 0]
            assert float(ball.mid()) == pytest.approx(value, rel=1e-10, abs=1e-13)
        assert upper(curves.teacher_error(exact)) < 1e-14


# Planted errors ------------------------------------------------------------------------------------


def sound():
    """No number outside its ball, on a few boxes of two tanh networks, and D where JAX has it."""
    for loss in LOSSES:
        d = replace(CASES["tanh-2-4-2"].distillation(5, loss), eps=np.array([0.5]))
        curve = curves.alignment(problem(d))
        (measured,) = st.alignment_by_jvp(d)
        if float(curve(Span(fmpq(1, 2)), 0).c[0][0, 0].mid()) != pytest.approx(measured, rel=1e-11):
            return False
        point = curve(Span(fmpq(1, 2)), 2)
        for k, exact in enumerate(mp.taylor(lambda t, d=d: precise.alignment(d, t), mp.mpf(1) / 2, 2)):
            if abs(mp.mpf(point.c[k][0, 0].mid().str(40, radius=False)) - exact) > mp.mpf(10) ** -20:
                return False
        for mid, radius in ((fmpq(1, 2), fmpq(1, 2)), (fmpq(1), fmpq(1, 10))):
            span = Span(mid, radius)
            box = curve(span, 2)
            for k in range(-4, 5):
                number = precise.alignment(d, mp.mpf(int((mid + k * radius / 4).p)) / int((mid + k * radius / 4).q))
                if not contains(box.c[0][0, 0], number):
                    return False
            inside = [curve(Span(mid + k * radius / 4), 2) for k in range(-4, 5)]
            if not all(box.c[k].contains(one.c[k]) for one in inside for k in (0, 1, 2)):
                return False
    return True


def _flipped(z, order):
    t, s = z.tanh(), z.sech() * z.sech()
    return [t, s, t * s, s * (2 - 3 * s) / 3][: order + 1]


def _no_cross_term(self, a):
    steps = [c * self.slope for c in a.c]
    return Jet([c * self.base + step * self.t for c, step in zip(a.c, steps, strict=True)])


ARITHMETIC = {
    "second derivative of tanh with the other sign": (functions.ACTIVATIONS, "tanh", _flipped),
    "half of the residual": (curves.Pupil, "residual", lambda self, span, order, of=curves.Pupil.residual:
                             of(self, span, order) * arb(0.5)),
    "Taylor's theorem without its remainder": (Span, "off", lambda self, k, of=Span.off:
                                               of(self, k) if k < 2 else arb(0)),
    "boxes of half their width": (Span, "ball", property(lambda self: arb(self.mid, arb(self.radius / 2)))),
    "the product rule without one term": (networks.Segment, "after", _no_cross_term),
    "the chain rule without z′²": (jets, "composed", lambda f, z, of=jets.composed:
                                   [*of(f, z)[:2], *(f[1] * c for c in z[2:])]),
    "exp without its derivative": (functions, "exp", lambda z, order: [z.exp()] * (order + 1)),
}  # fmt: skip


def test_the_arithmetic_is_sound_as_it_is():
    assert sound()


@pytest.mark.parametrize("name", ARITHMETIC)
def test_planted_errors_in_the_arithmetic_are_noticed(name, monkeypatch):
    owner, field, planted = ARITHMETIC[name]
    if isinstance(owner, dict):
        monkeypatch.setitem(owner, field, planted)
    else:
        monkeypatch.setattr(owner, field, planted)
        if field == "exp":
            monkeypatch.setattr(networks, "exp", planted)
    assert not sound()
