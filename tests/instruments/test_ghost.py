"""The ghost operator against dense Jacobians, and where its sign is lost."""

import jax
import numpy as np
import pytest

from subtheory.claims.labels.inputs import settings
from subtheory.constructed.inputs import ElsewhereTrained
from subtheory.constructed.repairs import elsewhere
from subtheory.errors import InputError
from subtheory.instruments.inputs.ghost import Ghosts
from subtheory.numerics import float64
from subtheory.theory.layout import Layout
from subtheory.theory.losses import CrossEntropy

LOSS = CrossEntropy()


def ghosts(setting, seeds):
    return Ghosts().records(setting, seeds, (LOSS,))[LOSS.name]


def test_operator_and_residuals_are_those_of_dense_jacobians():
    setting = settings()[0]
    d, (g,) = setting.distillation(3), ghosts(setting, (3,))
    layout = Layout.of(d.theta0)
    trait, distilled = d.trait, np.flatnonzero(d.outputs)
    read = np.flatnonzero(trait.outputs)
    with float64():
        theta = layout.flatten(d.theta0)
        f = lambda theta, x: setting.network.apply(layout.unflatten(theta), x)  # noqa: E731
        jacobian, outputs = jax.vmap(jax.jacrev(f), (None, 0)), jax.vmap(f, (None, 0))
        J_c = np.asarray(jacobian(theta, trait.x))[:, read].reshape(-1, layout.size)
        J_g = np.asarray(jacobian(theta, d.x))[:, distilled]
        p = np.asarray(jax.nn.softmax(outputs(theta, d.x)[:, distilled]))
        q = np.asarray(jax.nn.softmax(outputs(theta, trait.x)[:, read]))
    M = [np.diag(row) - np.outer(row, row) for row in p]
    A = np.einsum("cp,nvp->cnv", J_c, J_g)
    np.testing.assert_allclose(g.operator, np.einsum("cnv,nvw,dnw->cd", A, M, A) / len(M), atol=1e-12)
    e = ((read == np.asarray(trait.labels)[:, None]) - q).ravel() / len(q)
    np.testing.assert_allclose(g.residuals, e, atol=1e-12)
    np.testing.assert_allclose(J_c.T @ e, layout.flatten(d.delta), atol=1e-12)
    assert g.rank == 8 < len(e) and np.linalg.matrix_rank(g.operator) <= g.rank


def test_along_the_residuals_the_change_is_positive_on_training_inputs_and_of_either_sign_elsewhere():
    setting, seeds = settings()[0], tuple(range(24))
    along = [
        [g.change[-1] @ g.residuals for g in ghosts(one, seeds)]
        for one in (setting, setting.but(teacher=ElsewhereTrained()))
    ]
    assert np.all(np.array(along[0]) > 0)
    assert 0 < np.sum(np.array(along[1]) < 0) < len(seeds)


def test_a_trait_without_labelled_inputs_is_named():
    with pytest.raises(InputError, match="trait: must have labelled inputs"):
        ghosts(elsewhere()[0].but(loss=LOSS), (0,))
