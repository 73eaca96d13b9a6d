"""The control-subtracted cross-kernel against dense Jacobians, closed forms, finite differences and its own orders."""

from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from reference import Dense, U

from subtheory.constructed.formula import Formula
from subtheory.data.toys import toy
from subtheory.networks import MLP, ConvNet, Linear, Transformer
from subtheory.numerics import float64, public
from subtheory.theory import alignment as theory
from subtheory.theory.beyond import cross_kernel as cross
from subtheory.theory.beyond.sign_law import noise
from subtheory.theory.curvature import ggn
from subtheory.theory.distillation import at_rest, student_update
from subtheory.theory.layout import Layout
from subtheory.theory.linearize import taylor_model
from subtheory.theory.losses import KL, LOSSES, CrossEntropy, JensenShannon, ReverseKL, SquaredError
from subtheory.theory.rule import Carried, Rule, Signs
from subtheory.theory.trait import FunctionTrait, LabelledTrait
from subtheory.theory.view import Shifted

REGULAR = {name: loss for name, loss in LOSSES.items() if loss.order == 1}
NETWORKS = {
    "linear": Linear(task=toy((3,), 2, 2)),
    "mlp": MLP(width=4, depth=2, task=toy((3,), 2, 2)),
    "convnet": ConvNet(channels=(2,), task=toy((4, 4), 2, 2)),
    "transformer": Transformer(width=4, heads=1, task=toy((3,), 2, 2, tokens=4)),
}
W = np.array([1.0, 2.0, 0.0, 0.5])
"""Output weights: one logit of four is not distilled."""
EPS = (*(2.0**-k for k in range(5, 12)), 0.0)
"""A ladder of ratio 2, and the untrained teacher for the dense reference."""


LOSSES_OF = {
    "mlp": tuple(REGULAR.values()),
    "convnet": tuple(REGULAR[name] for name in ("squared-error", "kl", "reverse-kl")),
    "transformer": (REGULAR["jensen-shannon"],),
}
"""Compiling grows with losses times network: the small perceptron has all that are regular."""


def drawn(rng, network):
    """Parameters N(0, 1/fan_in), biases and scales N(0, 1/4)."""
    with float64():
        shapes = jax.eval_shape(network.init, jax.random.key(0))
    draw = lambda leaf: rng.standard_normal(leaf.shape) / np.sqrt(leaf.shape[0] if leaf.ndim > 1 else 4)  # noqa: E731
    return jax.tree.map(draw, shapes)


@cache
def distillation(name, seed=0, shared=False, examples=3):
    """An independent (or shared) student of a teacher that moves at random, on three weighted inputs."""
    network, rng = NETWORKS[name], np.random.default_rng(seed)
    theta0, other, delta = (drawn(rng, network) for _ in range(3))
    shape = network.task.shape
    inputs = lambda n: rng.integers(0, 4, (n, *shape)) if name == "transformer" else rng.standard_normal((n, *shape))  # noqa: E731
    x, seen, labels = inputs(examples), inputs(5), rng.integers(0, 2, 5)
    with float64():
        d = at_rest(network, theta0, x, jnp.asarray(W), LabelledTrait(seen, labels, np.array([1.0, 1.0, 0.0, 0.0])))
    weights = np.arange(1.0, examples + 1) / np.sum(np.arange(1.0, examples + 1))
    return replace(d, student=theta0 if shared else other, delta=delta, weights=weights, eps=np.array(EPS))


@dataclass(frozen=True)
class Chosen:
    """One of several losses by a traced number, so that one compiled program serves them all."""

    index: Any
    losses: tuple
    name: str = "chosen"
    order: int = 1

    def value(self, z, y, w):
        return jax.lax.switch(self.index, [loss.value for loss in self.losses], z, y, w)

    def hessian(self, y, v, w):
        return jax.lax.switch(self.index, [loss.hessian for loss in self.losses], y, v, w)

    def leading(self, y, u, w):
        return jax.lax.switch(self.index, [loss.leading for loss in self.losses], y, u, w)


def for_every(losses, function):
    """function(loss) of every loss, by name, in one program."""
    found = jax.lax.map(lambda index: function(Chosen(index, losses)), jnp.arange(len(losses)))
    return {loss.name: jax.tree.map(lambda leaf, i=i: leaf[i], found) for i, loss in enumerate(losses)}


@partial(jax.jit, static_argnames=("losses", "steps"))
def _everything(d, losses, steps):
    def one(loss):
        e = replace(d, loss=loss)
        found = cross.cross_coefficients(e)._asdict() | {"D": cross.control_subtracted_alignment(e)}
        if steps:
            found |= {"raw": theory.alignment(e), "update": ravel_pytree(cross.cross_update(e))[0]}
        return found

    return for_every(losses, one)


@cache
def everything(name, seed=0, shared=False):
    """Every number of every loss, one program a network; of the transformer, slow to compile, the law alone."""
    found = public(_everything)(distillation(name, seed, shared), LOSSES_OF[name], name != "transformer")
    for f in found.values():
        f["law"] = np.array(EPS) * f["kernel"]
        f["law2"] = f["law"] + np.array(EPS) ** 2 / 2 * f["second"]
    return found


# The mixed Hessian M(z, y)


def softmax(z):
    p = np.where(W > 0, np.exp(z - z.max()), 0.0)
    return p / p.sum()


def covariance(p):
    return np.diag(p) - np.outer(p, p)


def jensen_shannon(z, y):
    """∂_z l = ½ Q log(q/m) with Q = cov(q), so M = ½ Q diag(1/m) ½ P."""
    q, p = softmax(z), softmax(y)
    inverse = np.divide(2.0, p + q, out=np.zeros(4), where=p + q > 0)
    return covariance(q) @ np.diag(inverse) @ covariance(p) / 4


def top_k(z, y):
    """The three logits with w > 0 are the three largest ones."""
    return covariance(softmax(y))


CLOSED = {
    "squared-error": lambda z, y: np.diag(2 * W),
    "cross-entropy": lambda z, y: covariance(softmax(y)),
    "kl": lambda z, y: covariance(softmax(y / 2)) / 4,
    "reverse-kl": lambda z, y: covariance(softmax(z)),
    "jensen-shannon": jensen_shannon,
    "bregman-logistic": lambda z, y: np.diag(W / (2 + 2 * np.cosh(y))),
    "bregman-cosh": lambda z, y: np.diag(W * np.cosh(y)),
    "top-k": top_k,
}


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


# Dense Jacobians


@partial(jax.jit, static_argnames="losses")
def _dense_losses(z, y, y0, u_S, u, w, losses):
    """Row by row and dense: ∂_z l at (z, y) and at (z, y0), M at (z, y0), and −∂²_y(∂_z l · u_S)[u, u] there."""

    def one(loss):
        def row(z, y, y0, u_S, u):
            slope = lambda y: jax.grad(lambda z: loss.value(z, y, w))(z)  # noqa: E731
            third = jax.jacfwd(jax.jacfwd(lambda t: slope(y0 + t * u) @ u_S))(0.0)
            return slope(y), slope(y0), -jax.jacfwd(slope)(y0), -third

        return jax.vmap(row)(z, y, y0, u_S, u)

    return for_every(losses, one)


class DenseCross(Dense):
    """The reference with the pair (f_S, f_T): every E over examples and positions is a double loop."""

    @cache  # noqa: B019
    def cross(self):
        """For every loss: kernel, scale, E J_Sᵀ M J_TΔ, h″(0), Δθ_S at the largest ε, and at 0."""
        arrays = (self.zS, self.y[EPS[0]], self.z0, self.uS, self.u)
        losses = LOSSES_OF[next(name for name, network in NETWORKS.items() if network == self.d.network)]
        found = public(_dense_losses)(*(a.reshape(-1, a.shape[-1]) for a in arrays), self.w, losses=losses)
        return {loss.name: self.summed(*found[loss.name]) for loss in losses}

    def summed(self, slope, untrained, M, third):
        kernel = scale = second = 0.0
        update, step, control = np.zeros((3, self.delta.size))
        for k, i in enumerate(self.grid):
            p, u_S, pulled = self.share[i], self.uS[i], M[k] @ self.u[i]
            kernel += p * u_S @ pulled
            scale += p * np.linalg.norm(u_S) * np.linalg.norm(pulled)
            second += p * (u_S @ M[k] @ self.v[i] + third[k])
            update += p * self.JS[i].T @ pulled
            step -= p * self.JS[i].T @ slope[k]
            control -= p * self.JS[i].T @ untrained[k]
        return kernel, scale, update, second, step, control


@cache
def dense(name, shared=False):
    return DenseCross(replace(distillation(name, shared=shared), eps=np.array([EPS[0], 0.0])))


@pytest.mark.parametrize("name", ("mlp", "convnet", "transformer"))
def test_agrees_with_dense_jacobians(name):
    """Kernel, scale, update, h″(0), D(ε) − D(0) and D, of every loss, at the largest ε and at 0.

    All are sums of at most a few hundred terms whose sizes the norms bound: 1e-12 of those is 10⁴ u.
    """
    reference = dense(name)
    delta, size = reference.delta, np.linalg.norm(reference.delta)
    for loss, (kernel, scale, update, second, step, control) in reference.cross().items():
        found = everything(name)[loss]
        assert scale > 0 and np.isclose(found["scale"], scale, rtol=1e-12, atol=0)
        assert abs(found["kernel"] - kernel) < 1e-12 * scale
        assert abs(found["second"] - second) < 1e-11 * (abs(second) + scale)
        lost = 1e-12 * (np.linalg.norm(step) + np.linalg.norm(control)) * size
        assert abs(found["D"][0] - (step - control) @ delta) < lost < 1e-6 * abs(found["D"][0])
        assert found["D"][-1] == 0.0
        if "raw" in found:
            assert abs(found["raw"][0] - step @ delta) < lost
            assert np.abs(found["update"] - update).max() < 1e-12 * np.linalg.norm(update)


def test_single_functions():
    """One number a call: the coefficients above, and the approach by dense Jacobians."""
    d, loss, r = distillation("mlp"), JensenShannon(), dense("mlp")
    f = everything("mlp")[loss.name]

    @public
    @jax.jit
    def single(d):
        predict = cross.predicted_control_subtracted_alignment
        coefficients = cross.cross_kernel(d), cross.cross_scale(d), cross.cross_second_order(d)
        return coefficients, predict(d), predict(d, order=2), cross.approach(d)

    coefficients, first, second, approach = single(replace(d, loss=loss))
    np.testing.assert_allclose(coefficients, (f["kernel"], f["scale"], f["second"]), rtol=1e-12)
    np.testing.assert_allclose(first, f["law"], rtol=1e-12)
    np.testing.assert_allclose(second, f["law2"], rtol=1e-12)
    *_, step, control = r.cross()[loss.name]
    for k, eps, taken in ((0, EPS[0], step), (-1, 0.0, control)):
        between = np.asarray(r.theta) + eps * r.delta - r.student
        assert abs(approach[k] - taken @ between) < 1e-12 * np.linalg.norm(taken) * np.linalg.norm(between)


# Orders


def slopes(error, eps=EPS[:-1]):
    """log2 of how much the error falls from rung to rung of the ladder of ratio 2."""
    return np.log2(np.abs(error[:-1]) / np.abs(error[1:]))


def leading(f):
    """lim (D(ε) − D(0))/ε from the last two rungs, 2D(ε/2)/(ε/2) − D(ε)/ε: off by O(ε²), ε² = 2⁻²²."""
    return 2 * f["D"][-2] / EPS[-2] - f["D"][-3] / EPS[-3]


@pytest.mark.parametrize("name", ("mlp", "convnet", "transformer"))
def test_the_law_holds_to_its_order(name):
    """The error of εc is ½ε²h″ and falls by 4, that of εc + ½ε²h″ by 8 a rung; c is right to 1e-5, h″ to 1e-2.

    At ε = 2⁻¹¹ the next order adds O(ε) to each ratio: 0.02 in the slope allows it forty times the leading one.
    """
    eps = np.array(EPS[:-1])
    for loss in LOSSES_OF[name]:
        f = everything(name)[loss.name]
        first, second = (f["D"] - f["law"])[:-1], (f["D"] - f["law2"])[:-1]
        assert abs(slopes(first)[-1] - 2) < 0.02, (loss.name, slopes(first))
        assert abs(slopes(second)[-1] - 3) < 0.02, (loss.name, slopes(second))
        assert abs(leading(f) - f["kernel"]) < 1e-5 * f["scale"]
        assert abs(first[-1] / (eps[-1] ** 2 / 2) - f["second"]) < 1e-2 * abs(f["second"])
        linear = np.abs(first) / (eps * f["scale"])
        assert linear[-1] < 1e-2


def test_another_mixed_hessian_breaks_the_law():
    """Controls: M at the other init, forward and reverse KL swapped, M of Jensen-Shannon transposed."""
    name = "mlp"
    r = dense(name)
    u_S = r.uS.reshape(-1, 4)
    share = r.share.ravel()

    def error(loss, wrong):
        f = everything(name)[loss.name]
        kernel = sum(p * a @ wrong(z, y) @ b for p, a, z, y, b in zip(
            share, u_S, r.zS.reshape(-1, 4), r.z0.reshape(-1, 4), r.u.reshape(-1, 4), strict=True))  # fmt: skip
        return tuple(abs(leading(f) - k) / f["scale"] for k in (f["kernel"], kernel))

    forward, reverse = CLOSED["cross-entropy"], CLOSED["reverse-kl"]
    other = lambda M: lambda z, y: M(y, z)  # noqa: E731
    broken = {
        "forward at the student's init": error(CrossEntropy(), other(forward)),
        "kl at the student's init": error(KL(), other(CLOSED["kl"])),
        "reverse at the teacher's init": error(ReverseKL(), other(reverse)),
        "forward for reverse": error(ReverseKL(), forward),
        "reverse for forward": error(CrossEntropy(), reverse),
        "Jensen-Shannon transposed": error(JensenShannon(), lambda z, y: jensen_shannon(z, y).T),
        "no loss at all": error(CrossEntropy(), lambda z, y: np.eye(4)),
    }
    for what, (right, wrong) in broken.items():
        assert right < 1e-5 < 1e-4 < wrong, (what, right, wrong)
    # Squared error has one M: taking it at the other init changes nothing, and must not break.
    right, same = error(SquaredError(), other(CLOSED["squared-error"]))
    assert abs(right - same) < 1e-12


@pytest.mark.parametrize("name", ("mlp", "convnet"))
def test_without_the_control_the_law_breaks(name):
    """The raw D of an independent student tends to D(0) ≠ 0, so D/ε diverges: P18 is about the difference."""
    for f in everything(name).values():
        error = np.abs(f["raw"] - f["law"])[:-1] / (np.array(EPS[:-1]) * f["scale"])
        assert error[-1] > 1.8 * error[-2] > 0.1
        assert np.isclose(f["raw"][-2], f["raw"][-1] + f["D"][-2], rtol=0, atol=1e-13)


@partial(jax.jit, static_argnames="losses")
def _theorem(d, losses):
    """q, GΔ and h″(0) of the theorem at a shared init, and the approach."""

    def one(loss):
        e = replace(d, loss=loss)
        g = ravel_pytree(ggn(e)(e.delta))[0]
        return theory.quadratic_form(e), g, theory.second_order(e, loss, taylor_model(e)), cross.approach(e)

    return for_every(losses, one)


def test_a_shared_init_gives_back_the_theorem():
    """Kernel = q, update = GΔ, h″ as before, D(0) = 0, so that raw and control-subtracted D agree; approach = εD."""
    stated = public(_theorem)(distillation("mlp", shared=True), (SquaredError(), ReverseKL(), JensenShannon()))
    for name, (q, g, second, approach) in stated.items():
        f = everything("mlp", shared=True)[name]
        assert 0 < q <= f["scale"] * (1 + 1e-12) and np.isclose(f["kernel"], q, rtol=1e-12)
        np.testing.assert_allclose(f["update"], g, rtol=0, atol=1e-13 * np.abs(g).max())
        assert np.isclose(f["second"], second, rtol=1e-10)
        np.testing.assert_allclose(f["raw"], f["D"], rtol=0, atol=1e-14)
        np.testing.assert_allclose(approach, np.array(EPS) * f["raw"], rtol=0, atol=1e-14)


def test_subtracting_residuals_loses_less_than_subtracting_alignments():
    """At ε = 2⁻⁴⁰ both are rounded by u of their terms, and the law still holds to what rounding leaves."""
    d = replace(distillation("mlp"), eps=np.array([2.0**-40]), loss=SquaredError())
    D = public(jax.jit(cross.control_subtracted_alignment))(d)[0]
    kernel = everything("mlp")["squared-error"]["kernel"]
    assert abs(D / 2.0**-40 - kernel) < 100 * U / 2.0**-40 * abs(everything("mlp")["squared-error"]["scale"])


# The trait


@public
@jax.jit
def _trait(d, alphas):
    """Measured, the law, the law with ∇L_T after the control's step, and the raw change, for every α and ε."""

    def each(alpha):
        return (
            cross.control_subtracted_trait_change(d, alpha),
            cross.predicted_control_subtracted_trait_change(d, alpha),
            cross.predicted_control_subtracted_trait_change(d, alpha, after_control=True),
            theory.trait_change(d, alpha),
        )

    return jax.lax.map(each, alphas)


def test_the_trait_law():
    """At a fixed α the error is O(αε²) with ∇L_T where the control arrived; with α = ε it is O(ε³) of ε² without too.

    Control: ∇L_T before the control's step, at a fixed α, leaves a relative error that does not fall with ε.
    """
    name, loss = "mlp", JensenShannon()
    d = replace(distillation(name), loss=loss)
    eps = np.array(EPS[:-1])
    measured, law, after, raw = (found[:, :-1] for found in _trait(d, np.append(eps, 1.0)))
    assert abs(slopes(measured[-1] - after[-1])[-1] - 2) < 0.05
    assert np.all(np.abs(law[-1] / measured[-1] - 1)[-3:] > 1e-2)
    joint, expected = np.diagonal(measured), np.diagonal(law)
    assert abs(slopes(joint)[-1] - 2) < 0.05 and abs(slopes(joint - expected)[-1] - 3) < 0.1
    r = dense(name)
    *_, step, still = r.cross()[loss.name]
    with_teacher, control = (r.trait(r.student + s) - r.trait(r.student) for s in (step, still))
    assert np.isclose(raw[-1, 0], with_teacher, rtol=1e-11)
    assert np.isclose(measured[-1, 0], with_teacher - control, rtol=0, atol=1e-14)
    assert abs(control) > abs(with_teacher - control), "the control alone moves the trait more"


# P17


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


# P35


@public
@jax.jit
def by_layer(d):
    """Measured, control-subtracted and predicted, with the whole D."""
    added = cross.alignment_by_layer(d, control_subtracted=True)
    whole = theory.alignment(d), cross.control_subtracted_alignment(d)
    return cross.alignment_by_layer(d), added, cross.predicted_alignment_by_layer(d), whole


@pytest.mark.parametrize("shared", (True, False), ids=("shared", "independent"))
def test_layers_sum_to_the_whole(shared):
    """Σ_ℓ D_ℓ = D, measured and predicted; each layer against the slice of the dense GΔ; the error of order ε²."""
    d = replace(distillation("mlp", shared=shared), loss=KL())
    raw, added, predicted, (D, subtracted) = by_layer(d)
    assert set(raw) == set(d.theta0) == set(predicted)
    np.testing.assert_allclose(sum(raw.values()), D, rtol=0, atol=1e-13)
    np.testing.assert_allclose(sum(added.values()), subtracted, rtol=0, atol=1e-13)
    kernel, scale, update, *_ = dense("mlp", shared).cross()["kl"]
    np.testing.assert_allclose(sum(predicted.values()), np.array(EPS) * kernel, rtol=0, atol=1e-13)
    with float64():
        slices = ravel_pytree(d.theta0)[1](jnp.asarray(update))
        expected = {l: float(optax.tree.vdot(d.delta[l], slices[l])) for l in slices}  # noqa: E741
    for layer, values in predicted.items():
        np.testing.assert_allclose(values, np.array(EPS) * expected[layer], rtol=0, atol=1e-13 * scale)
        assert abs(slopes((added[layer] - values)[:-1])[-1] - 2) < 0.1
        if shared:
            np.testing.assert_allclose(raw[layer], added[layer], rtol=0, atol=1e-14)
    assert abs(expected[layer]) > 1e-6


def test_one_layer_may_be_negative_but_not_of_a_teacher_restricted_to_it():
    """P35: over 32 random teachers some Δ_ℓᵀ(GΔ)_ℓ < 0; with Δ = Δ_ℓ every one is Δ_ℓᵀG_ℓℓΔ_ℓ ≥ 0."""
    d = replace(distillation("mlp", shared=True), loss=SquaredError(), eps=np.ones(1))

    @public
    @jax.jit
    def forms(keys):
        def one(key):
            delta = noise(key, d.theta0)
            everywhere = cross.predicted_alignment_by_layer(replace(d, delta=delta))
            alone = {}
            for layer in delta:
                only = optax.tree.zeros_like(delta) | {layer: delta[layer]}
                alone[layer] = cross.predicted_alignment_by_layer(replace(d, delta=only))[layer]
            return everywhere, alone

        return jax.lax.map(one, keys)

    everywhere, alone = forms(jax.random.split(jax.random.key(5), 32))
    assert min(values.min() for values in everywhere.values()) < 0
    assert min(values.min() for values in alone.values()) > 0
    assert np.all(sum(values[:, 0] for values in everywhere.values()) > 0)


def test_top_level_subtrees_of_any_pytree():
    assert cross.subtrees({"a": 1, "b": {"c": 2}}) == {"a": 1, "b": {"c": 2}}
    assert cross.subtrees([3, (4, 5)]) == {"0": 3, "1": (4, 5)}
    leaf = np.ones(2)
    assert cross.subtrees(leaf) == {"": leaf}


# Restricted students and filtered teachers


def test_frozen_parameters_and_filtered_outputs():
    """A mask m puts m ∘ Δ for Δ in J_S Δ, a filter moves the labels: the law and its order stay."""
    d = distillation("mlp")
    mask = jax.tree.map(np.ones_like, d.theta0) | {"head": jax.tree.map(np.zeros_like, d.theta0["head"])}
    e = replace(d, trainable=mask, view=Shifted((0.0, -2.0, 0.0, 1.0)))
    f = public(_everything)(e, LOSSES_OF["mlp"], True)["kl"]
    first = (f["D"] - np.array(EPS) * f["kernel"])[:-1]
    assert abs(slopes(first)[-1] - 2) < 0.02
    np.testing.assert_allclose(f["D"], f["raw"] - f["raw"][-1], rtol=0, atol=1e-13)
    assert abs(f["kernel"] - everything("mlp")["kl"]["kernel"]) > 1e-2 * f["scale"]
    with float64():
        assert not np.any(np.asarray(ravel_pytree(d.theta0)[1](jnp.asarray(f["update"]))["head"]["kernel"]))


# Other rules


@public
@jax.jit
def _updates(d, eps):
    """Δθ_S(ε) and Δθ_S(0), what is added, and its limit, as vectors."""
    steps = student_update(d, eps), student_update(d, 0.0)
    found = *steps, cross.control_subtracted_update(d, eps), cross.cross_update(d)
    return tuple(ravel_pytree(update)[0] for update in found)


def vector(params):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])


def test_a_metric_that_is_carried_along():
    """Δθ_S = m ∘ D ∘ (−∇L_S): D joins the mask wherever it stands, and the law and its order stay."""
    d = distillation("mlp")
    rng = np.random.default_rng(4)
    metric = jax.tree.map(lambda leaf: rng.uniform(0.5, 2, leaf.shape), d.theta0)
    mask = jax.tree.map(lambda leaf: rng.integers(2, size=leaf.shape) * 1.0, d.theta0)
    plain = replace(d, loss=KL())
    carried = replace(plain, metric=metric, trainable=mask, rule=Carried())
    factor = vector(metric) * vector(mask)
    for one, all_of_it in zip(_updates(carried, EPS[0]), _updates(plain, EPS[0]), strict=True):
        np.testing.assert_allclose(one, factor * all_of_it, rtol=1e-12, atol=1e-15)
    f = public(_everything)(carried, LOSSES_OF["mlp"], True)["kl"]
    assert np.isclose(f["kernel"], f["update"] @ vector(d.delta), rtol=1e-11)
    assert abs(slopes((f["D"] - np.array(EPS) * f["kernel"])[:-1])[-1] - 2) < 0.02
    # Without the record the metric is not carried, and a student without a metric carries nothing.
    for same in (replace(plain, metric=metric), replace(plain, rule=Carried())):
        np.testing.assert_array_equal(_updates(same, EPS[0])[0], _updates(plain, EPS[0])[0])


def test_signs_are_subtracted_step_by_step():
    """Δθ_S(ε) − Δθ_S(0) = sign g(ε) − sign g(0), neither the sign of a difference nor a difference's residual."""
    plain = replace(distillation("mlp"), loss=KL())
    on, off, added, taken = _updates(replace(plain, rule=Signs()), 1.0)
    full, untrained, difference, limit = _updates(plain, 1.0)
    np.testing.assert_array_equal(on, np.sign(full))
    np.testing.assert_array_equal(off, np.sign(untrained))
    np.testing.assert_array_equal(added, on - off)
    assert added.any() and np.any(added != np.sign(difference))
    np.testing.assert_array_equal(taken, limit)  # the law is that of the plain student


@dataclass(frozen=True)
class TwoSteps(Rule):
    """Two steps of gradient descent, of size 0.1."""

    name = "two-steps"

    def update(self, descend, theta, metric=None):
        first = descend(theta)
        return first + descend(theta + 0.1 * first)


def test_a_rule_of_several_steps_sees_the_gradient_where_it_is():
    d = replace(distillation("mlp"), loss=KL())
    first = _updates(d, EPS[0])[0]
    moved = jax.tree.map(np.add, d.student, Layout.of(d.student).unflatten(0.1 * first))
    second = _updates(replace(d, student=moved), EPS[0])[0]
    two = _updates(replace(d, rule=TwoSteps()), EPS[0])
    np.testing.assert_allclose(two[0], first + second, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(two[2], two[0] - two[1])
