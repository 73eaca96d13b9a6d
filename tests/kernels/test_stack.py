"""How far outputs may be off: what a change of some roundoffs does to them, beside dense sums and 50 digits."""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import mpmath as mp
import numpy as np
import pytest
from shapes import ATTENTION

import subtheory as st
from subtheory.claims import CLAIMS
from subtheory.instruments.first_order import FirstOrder
from subtheory.kernels.compiled import Kernels
from subtheory.kernels.stack import SHAKE, SHAKES, Stack, on_channel, shaken
from subtheory.numerics import ROUNDINGS, UNIT, float64
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting, ladder
from subtheory.setting.smallness import scales
from subtheory.setting.teachers import Random
from subtheory.theory.losses import SquaredError

JUDGED = (
    "alignment-by-one-jvp",
    "alignment-is-ggn-form",
    "alignment-to-second-order",
    "cosine-limit",
    "distance-has-a-critical-step",
    "alignment-is-positive",
    "trait-loss-falls",
)
WIDTH, INPUTS = 3, 4


def centred(h):
    c = h - jnp.mean(h)
    return c / jnp.sqrt(jnp.mean(c**2))


def normed(p, x):
    """A layer norm, without an offset under the root, of scaled and shifted inputs; a layer; logits that may cancel."""
    return jnp.tanh(p["gain"] * centred(p["into"] * x + p["shift"]) @ p["layer"]) @ p["out"]


@dataclass(frozen=True)
class Normed:
    """`normed` as a network."""

    name: str = "normed"

    def apply(self, params, x):
        return normed(params, x)


NORMED = Normed()


def exactly(p, x):
    """The same to 50 digits."""
    with mp.workdps(50):
        p = {name: mp.matrix(np.atleast_2d(leaf).tolist()) for name, leaf in p.items()}
        h = [p["into"][i] * mp.mpf(x[i]) + p["shift"][i] for i in range(WIDTH)]
        c = [each - mp.fsum(h) / WIDTH for each in h]
        size = mp.sqrt(mp.fsum(each**2 for each in c) / WIDTH)
        hidden = (mp.matrix([[p["gain"][0] * each / size for each in c]]) * p["layer"]).apply(mp.tanh)
        return list(hidden * p["out"])


@dataclass(frozen=True)
class Nearly:
    """Where the entries of the layer norm have a relative spread: in parameters, or in inputs that are shifted by 0."""

    spread: float
    inputs: bool

    def drawn(self, seed):
        rng = np.random.default_rng(seed)
        out = rng.normal(size=(4, 3))
        out[3] = -out[:3].sum(axis=0) * (1 + 1e-6)  # logits may all but cancel
        p = {"gain": np.ones(1), "layer": rng.normal(size=(WIDTH, 4)), "out": out, "shift": np.zeros(WIDTH)}
        near, far = 1 + self.spread * rng.normal(size=(INPUTS, WIDTH)), rng.normal(size=(INPUTS, 1))
        into, x = (np.ones(WIDTH), near) if self.inputs else (near[0], np.repeat(far, WIDTH, axis=1))
        return p | {"into": into}, x


NEARLY = [Nearly(10.0**-k, inputs) for k in (6, 9, 12) for inputs in (False, True)]


def judged(model, params, x, claims=JUDGED):
    """How many runs of true claims fail, and how many say something."""
    rng = np.random.default_rng(7)
    trait = np.broadcast_to(x[:1], (6, *x.shape[1:])) * (1 + 0.1 * rng.normal(size=(6, 1))), rng.integers(0, 3, 6)
    own = [replace(CLAIMS[name], controls=()) for name in claims]
    return st.verify(model, params, trait=trait, channel=x, loss="squared-error", claims=own, seeds=1).claims


@pytest.mark.parametrize("case", NEARLY, ids=str)
def test_a_layer_norm_of_nearly_equal_entries_refutes_no_true_claim(case):
    """It magnifies a roundoff of its inputs by the inverse of their spread."""
    found = judged(normed, *case.drawn(0))
    assert {one.name: one.failed for one in found} == dict.fromkeys(JUDGED, 0)
    if case.spread >= 1e-6:
        assert {"alignment-is-positive", "alignment-by-one-jvp"} <= {o.name for o in found if o.vacuous_fraction < 1}


def seen(network, params, x):
    """What a channel sees of a network and of a direction Δ = θ0, and the parameters θ0."""
    kernels = Kernels.of(network, params, x[0])
    theta = kernels.layout.flatten(params)
    rows = np.full(len(x), 1 / len(x))
    s = Stack(theta, theta, theta, x, rows, np.ones(3), np.ones(1), trait=None, alpha=1.0, functions=kernels)
    return on_channel(s), theta


def test_what_a_transformer_of_nearly_equal_embeddings_magnifies_is_rounding():
    """Entries of 4 that differ by 0.01: h″(0) is refuted if of_theta is taken for nothing."""
    s, claim = stack(Setting(ATTENTION, teacher=Random(), examples=4), range(12)), CLAIMS["alignment-to-second-order"]
    layout, theta = s.functions.layout, []
    for i, one in enumerate(s.theta0):
        p, rng = layout.unflatten(one), np.random.default_rng(i)
        places, words = (0.01 * rng.normal(size=a.shape) for a in (p["positions"], p["Embed_0"]["embedding"]))
        theta.append(layout.flatten(p | {"positions": places, "Embed_0": {"embedding": 4 + words}}))
    s = replace(s, theta0=(same := np.stack(theta)), student=same, known=None)
    s = replace(s, eps=scales(s)[0][:, None] * np.asarray(ladder(1e-2)))
    known = on_channel(s)

    def margins(of_theta):
        found = FirstOrder().record(replace(s, known=known._replace(of_theta=of_theta)), [SquaredError()], s.x)
        each = FirstOrder().read(found, [SquaredError()])["squared-error"]
        return [e.margin for m in each if not (e := claim.check_measurement(m)).vacuous]

    assert min(margins(known.of_theta)) > 0 and min(margins(0 * known.of_theta)) < -1


@pytest.mark.parametrize("case", NEARLY, ids=str)
def test_outputs_are_off_by_less_than_what_a_change_of_some_roundoffs_does(case):
    """|z − 50 digits| ≤ ROUNDINGS·u·(1 + |z| + of_theta); without of_theta it is off by far more."""
    p, x = case.drawn(1)
    known, _ = seen(NORMED, p, x)
    error = np.abs(known.taylor.z0 - np.array([exactly(p, one) for one in x], float))
    plain = ROUNDINGS * UNIT * (1 + np.abs(known.taylor.z0))
    assert np.all(error <= plain + ROUNDINGS * UNIT * known.of_theta)
    assert np.any(error > 100 * plain)


def test_a_change_of_roundoffs_shows_what_parameters_and_inputs_do():
    """Beside the Jacobian, entry by entry: below Σ|∂f/∂θ_i||θ_i| + Σ|∂f/∂x_j||x_j|, and a share of its size."""
    p, x = Nearly(1e-3, False).drawn(2)
    known, theta = seen(NORMED, p, x)
    layout = Kernels.of(NORMED, p, x[0]).layout
    with float64():
        both = jax.jacfwd(lambda t, x: normed(layout.unflatten(t), x), argnums=(0, 1))
        terms = [np.concatenate([abs(a) for a in (j * theta, k * one)], -1) for one in x for j, k in [both(theta, one)]]
    most, size = np.sum(terms, axis=-1), np.linalg.norm(terms, axis=-1)
    assert np.all(known.of_theta <= 1.5 * most) and np.all(known.of_theta >= size / 10)


def test_changes_differ_from_each_other_and_leave_zeros_and_whole_numbers():
    a = np.array([[1.0, 1.0, 0.0, -2.0]])
    moved = shaken(a, 1)
    assert moved.shape == (1, SHAKES, 4) and np.all(moved[..., 2] == 0)
    off = moved[..., [0, 1, 3]] / a[:, None, [0, 1, 3]] - 1
    assert np.all(np.abs(off) <= 1.1 * SHAKE) and len(np.unique(off)) > 6
    assert np.all(shaken(np.full((2, 5, 3), 7.0), 0).astype(int) == 7)
    assert shaken(np.arange(3), 0).dtype.kind == "i" and np.array_equal(shaken(np.arange(3), 0)[0], np.arange(3))
