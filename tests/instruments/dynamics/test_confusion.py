"""Traits of one task, and what students do to all of them: against dense Jacobians and gradients of the losses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subtheory.constructed.labels import classifier
from subtheory.constructed.repairs import elsewhere
from subtheory.errors import InputError
from subtheory.instruments.dynamics.confusion import TRAITS, Confusions, several
from subtheory.numerics import float64
from subtheory.theory.layout import Layout
from subtheory.theory.losses import CrossEntropy

LOSS, NUMBER = CrossEntropy(), list(TRAITS)


def confusion(setting, seed=3):
    return Confusions().records(setting, (seed,), (LOSS,))[LOSS.name][0]


def stacked(trait):
    return jax.tree.map(lambda leaf: np.asarray(leaf)[None], trait)


def test_form_and_change_are_those_of_dense_derivatives():
    """The slow definition: softmaxes, a dense Jacobian, gradients of the losses at every student."""
    d, m, j = classifier().distillation(3), confusion(classifier()), 1
    layout, f = Layout.of(d.theta0), d.network.apply
    traits = [jax.tree.map(lambda leaf: leaf[0], trait) for trait in several(stacked(d.trait))]

    @jax.jit
    def known(theta):
        params = layout.unflatten(theta)
        outputs = lambda theta: jax.vmap(lambda x: f(layout.unflatten(theta), x))(d.x)  # noqa: E731
        losses = lambda theta: jnp.stack([t.loss(f, layout.unflatten(theta)) for t in traits])  # noqa: E731
        p = jax.nn.softmax(jax.vmap(lambda x: f(params, x))(d.x))
        return p, jax.jacrev(outputs)(theta), losses(theta), jax.jacrev(losses)(theta)

    with float64():
        theta = layout.flatten(d.theta0)
        p, J, before, g = map(np.asarray, known(theta))
        taught = np.asarray(known(theta - m.eps[0] * g[j])[0])
        u = np.einsum("nvp,tp->tnv", J, g)
        M = np.einsum("nv,vw->nvw", p, np.eye(p.shape[1])) - np.einsum("nv,nw->nvw", p, p)
        form = np.einsum("inv,nvw,jnw->ij", u, M, u) / len(p)
        step, pulled = np.einsum("nv,nvp->p", taught - p, J), np.einsum("nvp,nvw,nw->p", J, M, u[j])
        alpha = form[j, j] / np.sum((pulled / len(p)) ** 2)
        after = np.asarray(known(theta + alpha * step / len(p))[2])
    np.testing.assert_allclose(m.form, form, rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(m.change[0, :, j], (after - before) / alpha, rtol=1e-7)


def test_traits_differ_in_labels_and_outputs():
    trait = several(stacked(classifier().distillation(3).trait))
    own, following, other = (trait[NUMBER.index(name)] for name in ("labels", "next labels", "other outputs"))
    assert np.array_equal(following.labels, (own.labels + 1) % 3)
    assert np.all(other.outputs + own.outputs == 1) and np.all(other.outputs[0][other.labels] == 1)


def test_traits_that_cannot_be_made_are_named():
    with pytest.raises(InputError, match="trait: must have labelled inputs"):
        Confusions().records(elsewhere()[0], (0,), (LOSS,))
    trait = several(stacked(classifier().distillation(3).trait))[0]
    with pytest.raises(InputError, match="trait: must leave some"):
        several(type(trait)(trait.x, trait.labels, np.ones_like(trait.outputs)))
