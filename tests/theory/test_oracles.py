"""The matrix-free theory against dense matrices (`reference.py`), and against fifty digits."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree
from reference import Dense, Number, number
from shapes import ATTENTION, CONV, LINEAR, SMOOTH

from subtheory.constructed.formula import Formula
from subtheory.data import CHANNELS
from subtheory.instruments.first_order import FirstOrder
from subtheory.networks import MLP
from subtheory.numerics import float64, to_numpy_leaves
from subtheory.setting.setting import Setting
from subtheory.setting.student import Redrawn, Shared, Student
from subtheory.theory import alignment as theory
from subtheory.theory import curvature
from subtheory.theory.distillation import at_rest
from subtheory.theory.losses import LOSSES, CrossEntropy, SquaredError
from subtheory.theory.trait import FunctionTrait

SHARE = {
    "linear": (LINEAR, "random", "random"),
    "tanh": (SMOOTH, "gradient-descent", "random"),
    "relu": (MLP(width=4, depth=2, activation="relu"), "gradient-descent", "adversarial"),
    "convnet": (CONV, "gradient-descent", "random"),
    "transformer": (ATTENTION, "random", "random"),
}
"""A network for each corner (linear in θ, smooth, kinked, shared weights, positions), with its teachers."""


def random_settings(name):
    """Four settings: both teachers, with channel, outputs, ε and seed drawn at random."""
    network, *teachers = SHARE[name]
    rng = np.random.default_rng(sum(map(ord, name)))
    laws = [c for c in CHANNELS.values() if c.reals == (network.task.dtype == "float64")]
    for i in range(4):
        yield (
            Setting(
                network,
                channel=laws[rng.integers(len(laws))],
                outputs=("all", "aux", "class")[rng.integers(3)],
                teacher=teachers[i % 2],
                eps=(0.02, 0.003, 1e-4),
                alpha=float(rng.uniform(0.5, 2)),
                examples=2,
                trait_examples=4,
                student=Student(init=Redrawn() if i == 3 else Shared()),
            ),
            int(rng.integers(2**31)),
        )


@pytest.mark.parametrize("name", SHARE)
def test_measurements_agree_with_dense_matrices(name):
    """D(ε), q, h″, ‖GΔ‖, ‖Δθ_S‖ and ΔL_T of every loss on four random settings of every network."""
    # Every loss is compiled: the transformer, slow to compile, takes every fourth.
    losses = tuple(LOSSES.values())[:: 4 if name == "transformer" else 1]
    compared = 0
    for k, (setting, seed) in enumerate(random_settings(name)):
        found = FirstOrder().records(setting, (seed,), losses)
        known = {}
        for loss in losses if k < 2 else losses[k - 2 :: 3]:
            (m,) = found[loss.name]
            expected = {}
            d = setting.but(loss=loss).distillation(seed)
            if tuple(d.eps) not in known:  # most losses share the sizes of ε
                known[tuple(d.eps)] = Dense(d)
            dense = known[tuple(d.eps)]
            for j, eps in enumerate(map(float, m.eps)):
                update = dense.update(loss, eps)
                aligned = dense.alignment(loss, eps)
                expected |= {
                    ("D", j): (m.alignment[j], aligned),
                    ("by jvp", j): (m.alignment_by_jvp[j], aligned),
                    ("norm", j): (m.update_norm[j], number(np.linalg.norm(update.step), update.norm_size)),
                    ("trait", j): (m.trait_change[j], dense.trait_change(loss, m.alpha, eps)),
                }
            if loss.order == 1:
                expected["q"] = (m.leading, dense.quadratic_form(loss))
                expected["|G delta|"] = (m.ggn_norm, number(np.linalg.norm(dense.ggn_delta(loss)), m.ggn_norm))
                expected["h"] = (m.second_order, dense.second_order(loss))
            for what, (measured, reference) in expected.items():
                if np.abs(reference.value) < 1e-13:  # exactly nothing, but for rounding: no relative error
                    assert abs(measured) < 1e-12, (setting, loss.name, what)
                    continue
                assert reference.agrees(measured), (setting, loss.name, what, measured, reference)
                compared += reference.condition < 1e10
    assert compared > 25 * len(losses), "too few comparisons that could fail"


@pytest.mark.parametrize(("name", "loss"), [("tanh", "kl"), ("relu", "squared-error"), ("convnet", "top-k")])
def test_public_functions_agree_with_dense_matrices(name, loss):
    """The functions that take one distillation, and products with G and the NTK, entry by entry."""
    setting, seed = next(random_settings(name))
    d = replace(setting, loss=LOSSES[loss]).distillation(seed)
    other = replace(d, x=d.x[::-1].copy())  # the NTK between two sets of inputs
    dense, second = Dense(d), Dense(other)

    def every(d, x2, v, r):
        return {
            "D": theory.alignment(d),
            "by jvp": theory.alignment_by_jvp(d),
            "q": theory.quadratic_form(d),
            "first": theory.predicted_alignment(d),
            "second": theory.predicted_alignment(d, order=2),
            "cosine": theory.cosine(d),
            "cosine limit": theory.cosine_limit(d),
            "critical": theory.critical_step(d),
            "distance": theory.distance_change(d, 3.0),
            "trait": theory.trait_change(d, 0.1),
            "trait law": theory.predicted_trait_change(d, 0.1),
            "G v": ravel_pytree(curvature.ggn(d)(v))[0],
            "K": curvature.ntk(d.network, d.theta0, d.x, x2),
            "K r": curvature.ntk_product(d.network, d.theta0, d.x, x2)(r),
        }

    with float64():
        rng = np.random.default_rng(0)
        flat = rng.standard_normal(dense.delta.size)
        r = rng.standard_normal(second.z0.shape)
        shape = (2, *jax.eval_shape(d.network.apply, d.theta0, d.x[0]).shape)
        found = jax.jit(every)(d, other.x, dense.unravel(jnp.asarray(flat)), r.reshape(shape))
        found = {what: np.asarray(value) for what, value in found.items()}
        trait = lambda theta: d.trait.loss(d.network.apply, dense.unravel(theta))  # noqa: E731
        slope = np.asarray(jax.jit(jax.grad(trait))(dense.theta))

    loss = LOSSES[loss]
    G = dense.ggn(loss)
    q, g_delta, eps = dense.quadratic_form(loss), G @ dense.delta, np.asarray(d.eps)
    assert q.value == pytest.approx(dense.delta @ g_delta, rel=1e-12)  # E uᵀMu = ΔᵀGΔ
    np.testing.assert_allclose(found["G v"], G @ flat, rtol=0, atol=1e-13 * np.abs(G).sum(1).max() * 4)
    for k, e in enumerate(map(float, eps)):
        update, size, _ = dense.update(loss, e)
        D = dense.alignment(loss, e)
        norm, length = np.linalg.norm(update), np.linalg.norm(dense.delta)
        assert D.agrees(found["D"][k]) and D.agrees(found["by jvp"][k])
        assert Number(D.value / norm / length, 2 * D.condition + size / norm / length).agrees(found["cosine"][k])
        assert number(9 * norm**2 - 6 * e * D.value, 9 * norm * size / length + 6 * e * size).agrees(
            found["distance"][k]
        )
        assert dense.trait_change(loss, 0.1, e).agrees(found["trait"][k])
    h2 = dense.second_order(loss)
    np.testing.assert_allclose(found["q"], q.value, rtol=1e-12)
    np.testing.assert_allclose(found["first"], eps * q.value, rtol=1e-12)
    np.testing.assert_allclose(found["second"], eps * q.value + eps**2 / 2 * h2.value, rtol=1e-11)
    size = np.linalg.norm(g_delta)
    np.testing.assert_allclose(found["cosine limit"], q.value / size / np.linalg.norm(dense.delta), rtol=1e-11)
    np.testing.assert_allclose(found["critical"], 2 * q.value / size**2, rtol=1e-11)
    law = 0.1 * eps * (slope @ g_delta)
    np.testing.assert_allclose(found["trait law"], law, rtol=1e-10, atol=1e-14 * np.abs(slope) @ np.abs(g_delta))
    K = dense.ntk(second)
    np.testing.assert_allclose(found["K"].ravel(), K.ravel(), rtol=0, atol=1e-12 * np.abs(K).max())
    Kr = np.tensordot(K, r, axes=3)
    np.testing.assert_allclose(found["K r"].ravel(), Kr.ravel(), rtol=0, atol=1e-12 * np.abs(K).max())


# Fifty digits --------------------------------------------------------------------------------------


def _tanh_net(theta, x):
    """2-3-2, parameters in one vector: W (3, 2), b (3,), V (2, 3), c (2,)."""
    h = jnp.tanh(theta[:6].reshape(3, 2) @ x + theta[6:9])
    return theta[9:15].reshape(2, 3) @ h + theta[15:]


def _trait(theta):
    return jnp.sum((_tanh_net(theta, jnp.asarray([0.3, -1.2])) - jnp.asarray([1.0, -0.5])) ** 2) + theta[0] ** 4


class Exact:
    """The same in mpmath: every derivative is one of an explicit function of θ, none of a formula of ours."""

    def __init__(self, theta0, delta, x):
        self.theta0, self.delta = [mp.mpf(float(t)) for t in theta0], [mp.mpf(float(t)) for t in delta]
        self.x = [[mp.mpf(float(a)) for a in row] for row in x]

    @staticmethod
    def f(t, x):
        h = [mp.tanh(t[2 * j] * x[0] + t[2 * j + 1] * x[1] + t[6 + j]) for j in range(3)]
        return [sum(t[9 + 3 * i + j] * h[j] for j in range(3)) + t[15 + i] for i in range(2)]

    @staticmethod
    def squared_error(z, y):
        return sum((a - b) ** 2 for a, b in zip(z, y, strict=True))

    @staticmethod
    def cross_entropy(z, y):
        total, label = mp.log(sum(map(mp.exp, z))), sum(map(mp.exp, y))
        return -sum(mp.exp(b) / label * (a - total) for a, b in zip(z, y, strict=True))

    def trait(self, t):
        z = self.f(t, [mp.mpf(0.3), mp.mpf(-1.2)])
        return (z[0] - 1) ** 2 + (z[1] + mp.mpf(0.5)) ** 2 + t[0] ** 4

    def along(self, s):
        return [a + s * b for a, b in zip(self.theta0, self.delta, strict=True)]

    def imitation(self, loss, theta, eps):
        """L_S(θ) with labels of the teacher at θ0 + εΔ."""
        teacher = self.along(eps)
        return sum(loss(self.f(theta, x), self.f(teacher, x)) for x in self.x) / len(self.x)

    def alignment(self, loss, eps):
        """D(ε) = −∂_s L_S(θ0 + sΔ) at s = 0."""
        return -mp.diff(lambda s: self.imitation(loss, self.along(s), eps), 0)

    def quadratic_form(self, loss):
        """q: the Hessian of the self-distillation loss along Δ."""
        return mp.diff(lambda s: self.imitation(loss, self.along(s), 0), 0, 2)

    def second_order(self, loss):
        """h″(0) = −∂_s ∂_ε² L_S at 0."""
        return -mp.diff(lambda s, e: self.imitation(loss, self.along(s), e), (0, 0), (1, 2))

    def trait_change(self, loss, alpha, eps):
        def partial(k):
            moved = lambda s: [t + (s if i == k else 0) for i, t in enumerate(self.theta0)]  # noqa: E731
            return mp.diff(lambda s: self.imitation(loss, moved(s), eps), 0)

        new = [t - alpha * partial(k) for k, t in enumerate(self.theta0)]
        return self.trait(new) - self.trait(self.theta0)


@pytest.mark.parametrize("loss", (SquaredError(), CrossEntropy()), ids=lambda loss: loss.name)
def test_fifty_digits(loss):
    """Float64 against 50 digits on a 2-3-2 tanh network: the relative error stays at rounding size."""
    rng = np.random.default_rng(7)
    theta0, delta, x = rng.standard_normal(17), rng.standard_normal(17), rng.standard_normal((3, 2))
    eps = (0.1, 1e-2, 1e-4, 1e-6)
    with float64():
        blank = at_rest(Formula("tanh-2-3-2", _tanh_net), theta0, x, np.ones(2), FunctionTrait(_trait))
        d = to_numpy_leaves(replace(blank, delta=delta, eps=np.array(eps), loss=loss))
    m, dense = FirstOrder().of(d), Dense(d)
    with mp.workdps(50):
        exact = Exact(theta0, delta, x)
        value = getattr(exact, loss.name.replace("-", "_"))
        assert m.leading == pytest.approx(float(exact.quadratic_form(value)), rel=1e-13)
        assert m.second_order == pytest.approx(float(exact.second_order(value)), rel=1e-12)
        for k, e in enumerate(map(mp.mpf, eps)):
            D = Number(float(exact.alignment(value, e)), dense.alignment(loss, eps[k]).condition)
            assert D.agrees(m.alignment[k]) and D.agrees(m.alignment_by_jvp[k])
            change = exact.trait_change(value, mp.mpf(m.alpha), e)
            reference = Number(float(change), dense.trait_change(loss, m.alpha, eps[k]).condition)
            assert reference.agrees(m.trait_change[k])
            # The limit itself, where it is sharp: D = εq + ½ε²h″ + O(ε³).
            if eps[k] <= 1e-4:
                second = float(e * m.leading + e**2 / 2 * m.second_order)
                assert second == pytest.approx(D.value, rel=100 * eps[k] ** 2 + 1e-12)
