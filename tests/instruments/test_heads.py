"""Heads that fit: arms in turn, entries of a head, the margin, and that the claims hold where their controls fail."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import subtheory as st
from subtheory.claim import Verdict
from subtheory.claims import heads
from subtheory.data.toys import toy
from subtheory.errors import InputError
from subtheory.instruments.ensemble import taught
from subtheory.instruments.heads import ARMS, AUX, CLASS, HEADS, TraitParts, TurnedHeads
from subtheory.kernels.compiled import Kernels
from subtheory.kernels.functions import Traced
from subtheory.numerics import float64
from subtheory.setting.setting import Setting
from subtheory.setting.student import Along, Elsewhere
from subtheory.theory.layout import Layout
from subtheory.theory.losses import KL
from subtheory.theory.trait import Margin

SMALL = st.MLP(width=6, depth=1, activation="relu", task=toy((4,), 3, 2))
SETTING = Setting(SMALL, outputs="aux", examples=5, trait_examples=6)
DRAWS = 8


def test_turned_heads_turn_what_is_learned():
    """With the arms in turn; not if the class logits are distilled too."""
    found = TurnedHeads(DRAWS).sample(SETTING, 0)
    each = [TraitParts(DRAWS).sample(SETTING.but(init=Along(path)), 0).part for path in ARMS]
    np.testing.assert_allclose(found.straight, [each[i % 4][i] for i in range(DRAWS)], rtol=1e-12)
    np.testing.assert_allclose(found.turned, -found.straight[:, None] * np.ones(2), rtol=1e-12)
    seen = TurnedHeads(DRAWS).sample(SETTING.but(outputs="all"), 0)
    assert np.max(np.abs(seen.turned + seen.straight[:, None])) > 0.1 * np.max(np.abs(seen.straight))


def test_a_head_is_what_its_logits_read():
    """Rows of the last layer, weights and biases, and nothing else: 3 class logits, then 2 auxiliary ones."""
    start = taught(SETTING, 0, DRAWS).start
    for path, columns in (AUX, (3, 4)), (CLASS, (0, 1, 2)), (HEADS, range(5)):
        own = start.layout.unflatten(path.entries(start))
        assert not any(np.any(leaf) for leaf in jax.tree.leaves(own["Dense_0"]))
        wanted = np.isin(np.arange(5), columns)
        np.testing.assert_array_equal(own["head"]["bias"], wanted)
        np.testing.assert_array_equal(own["head"]["kernel"], np.broadcast_to(wanted, (6, 5)))


def test_draws_differ_and_repeat():
    setting = SETTING.but(init=Along(HEADS))
    first, again, other = (TraitParts(DRAWS).sample(setting, seed).part for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert len(np.unique([first, other])) == 2 * DRAWS
    with pytest.raises(InputError, match="student"):
        TraitParts(DRAWS).sample(SETTING.but(init=Elsewhere(st.MLP(width=5))), 0)


def test_another_loss_pulls_by_its_own_curvature():
    t = taught(SETTING, 0, DRAWS)
    by_kl = TraitParts(DRAWS).sample(SETTING.but(init=Along(HEADS), loss=KL()), 0)
    plain = TraitParts(DRAWS).sample(SETTING.but(init=Along(HEADS)), 0)
    assert t.s.outputs.sum() == 2 and not np.allclose(by_kl.part, plain.part, rtol=1e-2)


# The margin


@dataclass(frozen=True)
class Sequence:
    """f_t = tanh(Σ_{s ≤ t} x_s A) B at position t of x (T, 3)."""

    name = "sequence"
    task = toy((4, 3), 3, 2)

    def init(self, key):
        a, b = jax.random.split(key)
        return {"A": jax.random.normal(a, (3, 2), jnp.float64), "B": jax.random.normal(b, (2, 5), jnp.float64)}

    def apply(self, params, x):
        return jnp.tanh(jnp.cumsum(x, axis=0) @ params["A"]) @ params["B"]


@pytest.mark.parametrize("network", [SMALL, Sequence()], ids=lambda n: n.name)
def test_margin_by_autodiff(network):
    """Value and gradient for rows of θ beside data of their own, and of one θ without leading axes."""
    rng = np.random.default_rng(0)
    with float64():
        params = [jax.tree.map(np.asarray, network.init(jax.random.key(i))) for i in range(4)]
        example = np.asarray(network.task.labelled(jax.random.key(0), 10)[0]).reshape(2, 5, *network.task.shape)
    layout, classes = Layout.of(params[0]), network.task.weights("class")
    theta = np.stack([layout.flatten(p) for p in params]).reshape(2, 2, -1)
    labels = rng.choice(np.flatnonzero(classes), (2, 5)).astype(np.int32)
    both = Margin(example, labels, np.broadcast_to(classes, (2, len(classes))))
    functions = Kernels(network, layout, example.shape[2:])
    value, gradient = both.value(functions, theta), both.gradient(functions, theta)
    for i in range(2):
        trait = Margin(example[i], labels[i], classes)
        with float64():
            wanted = jax.jit(jax.value_and_grad(lambda p, trait=trait: trait.loss(network.apply, p)))
            for j in range(2):
                loss, slope = wanted(layout.unflatten(jnp.asarray(theta[i, j])))
                np.testing.assert_allclose(value[i, j], loss, rtol=1e-12, atol=1e-14)
                np.testing.assert_allclose(gradient[i, j], layout.flatten(slope), rtol=1e-10, atol=1e-13)
            traced = Traced(network, layout, example.shape[2:])
            alone = jax.tree.map(jnp.asarray, trait).gradient(traced, jnp.asarray(theta[i, 0]))
        np.testing.assert_allclose(alone, gradient[i, 0], rtol=1e-10, atol=1e-13)


def test_margin_is_of_the_labels_over_the_mean():
    """f = θ: minus the label's output plus the mean of those that count."""
    trait = Margin(np.zeros((2, 1)), np.array([0, 1]), np.array([1.0, 1.0, 0.0]))
    assert float(trait.loss(lambda params, x: params, jnp.array([3.0, 1.0, 50.0]))) == pytest.approx(2.0 - 2.0)
    one = replace(trait, labels=np.array([0, 0]))
    assert float(one.loss(lambda params, x: params, jnp.array([3.0, 1.0, 50.0]))) == pytest.approx(2.0 - 3.0)


# What is judged


def test_claims_hold_and_their_controls_fail():
    """One seed of the tanh network; a verification has all."""
    setting = heads.settings()[0]
    for claim in heads.heads_alone_transmit, heads.random_heads_cancel:
        judged = lambda s, claim=claim: claim.check(claim.reads.sample(s, 0)).verdict  # noqa: E731
        assert judged(setting) is Verdict.HOLDS
        for control in claim.controls:
            assert judged(control.assumption.breaks(setting)) is Verdict.FAILS, control.assumption.name
