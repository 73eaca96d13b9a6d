"""The control-subtracted cross-kernel against dense Jacobians, closed forms, finite differences and its own orders."""

from dataclasses import replace
from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from crossed import (
    CLOSED,
    EPS,
    LOSSES_OF,
    NETWORKS,
    distillation,
    every_loss,
    everything,
    for_every,
    jensen_shannon,
    slopes,
)
from jax.flatten_util import ravel_pytree
from reference import Dense, U

from subtheory.numerics import float64, public
from subtheory.theory import alignment as theory
from subtheory.theory.beyond import cross_kernel as cross
from subtheory.theory.beyond.sign_law import noise
from subtheory.theory.curvature import ggn
from subtheory.theory.linearize import taylor_model
from subtheory.theory.losses import KL, CrossEntropy, JensenShannon, ReverseKL, SquaredError
from subtheory.theory.views import Shifted


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
    f = public(every_loss)(e, LOSSES_OF["mlp"], True)["kl"]
    first = (f["D"] - np.array(EPS) * f["kernel"])[:-1]
    assert abs(slopes(first)[-1] - 2) < 0.02
    np.testing.assert_allclose(f["D"], f["raw"] - f["raw"][-1], rtol=0, atol=1e-13)
    assert abs(f["kernel"] - everything("mlp")["kl"]["kernel"]) > 1e-2 * f["scale"]
    with float64():
        assert not np.any(np.asarray(ravel_pytree(d.theta0)[1](jnp.asarray(f["update"]))["head"]["kernel"]))
