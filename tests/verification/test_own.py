"""`verify` on a network of one's own: what is taken, what comes back, and what is refused in which words."""

import json
from dataclasses import dataclass

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from owned import LABELS, PARAMS, X, apply, verify

import subtheory as st
from subtheory.theory.losses import _Regular


@pytest.fixture(scope="module")
def found():
    """All claims that speak of a pure function with float32 parameters, both default losses."""
    return verify(claims=None, loss=None, outputs=(0, 1, 2))


def test_every_claim_about_a_network_holds_on_a_users_own(found):
    assert found.ok and found.messages[0] == "parameters: upcast from float32 to float64"
    spoken = {c.name for c in found.claims}
    other_loss = {
        "quartic-loss-aligns-at-third-order", "absolute-loss-steps-at-order-one", "kl-order-chooses-the-init-of-m",
    }  # fmt: skip
    # The guessed units are those of a tanh: they change places and signs, and may not be stretched.
    other_network = {"carried-metric-undoes-rescaling"}
    assert (
        spoken == {name for name, c in st.CLAIMS.items() if c.spread or c.settings is None} - other_loss - other_network
    )
    for claim in found.claims:
        # Only another architecture is not there to be tried on a network from outside.
        broken = {control.without for control in claim.controls} | {"same-architecture"}
        assert broken >= {a.name for a in st.CLAIMS[claim.name].assumptions}
        assert claim.runs > 0 and claim.verdict is st.Verdict.HOLDS


def test_the_result_in_all_its_forms(found):
    assert found["alignment-is-ggn-form"].measured == pytest.approx(1, abs=0.1)
    with pytest.raises(KeyError, match="nonsense"):
        found["nonsense"]
    text = found.summary()
    assert found.messages[0] in text and "alignment-is-ggn-form" in text and "shared-init" in text
    data = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert data["schema"] == 2 and data["ok"] is True and len(data["claims"]) == len(found)
    assert data["provenance"]
    latex = found.to_latex()
    assert r"\toprule" in latex and "alignment-is-ggn-form" in latex
    assert "<table" in found._repr_html_() and "ok" in repr(found)


def test_without_an_assumption(found):
    broken = verify(without="shared-init", claims="alignment-is-ggn-form")
    assert not broken.ok and broken["alignment-is-ggn-form"].verdict is st.Verdict.FAILS


class Linen(nn.Module):
    """Default float32 modules."""

    @nn.compact
    def __call__(self, x):
        return nn.Dense(4)(jnp.tanh(nn.Dense(5)(x)))


def test_linen():
    model = Linen()
    assert verify(model, model.init(jax.random.key(0), X[0])).ok


def test_nnx():
    nnx = pytest.importorskip("flax.nnx")

    class Model(nnx.Module):
        def __init__(self, rngs):
            self.one, self.two = nnx.Linear(3, 5, rngs=rngs), nnx.Linear(5, 4, rngs=rngs)

        def __call__(self, x):
            return self.two(jnp.tanh(self.one(x)))

    # A trait that is any function of the parameters, and a loss object.
    trait = lambda theta: jnp.sum(jnp.cos(theta["one"]["kernel"])) + jnp.sum(jnp.sin(theta["two"]["kernel"]))  # noqa: E731
    assert verify(Model(nnx.Rngs(0)), None, trait=trait, loss=st.KL(temperature=3.0)).ok


def test_equinox():
    eqx = pytest.importorskip("equinox")
    make = lambda key: eqx.nn.MLP(3, 4, 5, 1, activation=jnp.tanh, key=key)  # noqa: E731
    _, static = eqx.partition(make(jax.random.key(0)), eqx.is_inexact_array)
    init = lambda key: eqx.filter(make(key), eqx.is_inexact_array)  # noqa: E731
    assert verify((init, lambda theta, x: eqx.combine(theta, static)(x)), None).ok


def nan(array):
    return np.where(np.arange(array.size).reshape(array.shape) == 1, np.nan, array)


def single(params, x):
    return jnp.tanh(x.astype(jnp.float32) @ params["W"].astype(jnp.float32)).astype(jnp.float64) @ params["V"]


@jax.custom_jvp
def square(w):
    return w**2


square.defjvp(lambda w, t: (w[0] ** 2, (2 * w[0] * t[0]).astype(jnp.float32).astype(w[0].dtype)))


@jax.custom_jvp
def rounded(w):
    return jnp.round(4 * w) / 4


rounded.defjvp(lambda w, t: (rounded(w[0]), t[0]))


@dataclass(frozen=True)
class Broken(_Regular):
    """log(z − y + |z − y|) is −∞ at the match."""

    name = "broken"

    def value(self, z, y, w):
        return jnp.sum(w * jnp.log(z - y + jnp.abs(z - y)), axis=-1)

    def hessian(self, y, v, w):
        return v


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"params": PARAMS | {"W": nan(PARAMS["W"])}}, "params: .*finite.*nan.*W"),
        ({"params": {}}, "params: must hold at least one"),
        ({"channel": nan(X)}, "channel: must be finite, got nan"),
        ({"channel": X[:0]}, "channel: must hold at least one input"),
        ({"channel": np.array(["a"])}, "channel: must hold numbers"),
        ({"channel": X[:, :2]}, r"apply: must accept one example .*\(2,\)"),
        ({"trait": (nan(X), LABELS)}, "trait: must be finite"),
        ({"trait": (X, LABELS[:-1])}, "trait: needs 8 integer labels"),
        ({"trait": (X, LABELS.astype(float))}, "trait: needs 8 integer labels"),
        ({"trait": (X, LABELS + 1)}, "trait: labels must lie in 0 ... 3, got 4"),
        ({"trait": (X, LABELS - 1)}, "trait: labels must lie in 0 ... 3, got -1"),
        ({"trait": lambda theta: jnp.nan}, "trait: must be a finite number"),
        (
            {"trait": lambda theta: jnp.sum(theta["W"].astype(jnp.float32))},
            "trait: must compute in float64.*test_own.py",
        ),
        (
            {"trait": lambda theta: jnp.sum(square(theta["W"]))},
            "derivative of trait: must compute in float64, got float32",
        ),
        ({"trait": lambda theta: theta["b"]}, "trait: must be a finite number.*got float64.4."),
        ({"trait": lambda theta: theta["Q"]}, "trait: must be a function of the parameters .KeyError"),
        (
            {"trait": lambda theta: jnp.sum(rounded(theta["W"]) ** 2)},
            "derivative of trait: what rounded at",
        ),
        ({"trait": "loss"}, "trait: must be a function"),
        ({"eps": 0.0}, "eps: must be a positive number, got 0"),
        ({"eps": -1e-3}, "eps: must be a positive number"),
        ({"eps": np.nan}, "eps: must be a positive number"),
        ({"seeds": 0}, "seeds: must be at least 1"),
        ({"examples": 0}, "examples: must be at least 1"),
        ({"outputs": (4,)}, "outputs: must be 'all' or indices below 4"),
        ({"outputs": (True, False)}, "outputs: must have one truth value for each of 4"),
        ({"without": "shared-inti", "claims": "cosine-limit"}, "without: unknown, did you mean 'shared-init'"),
        ({"without": "same-architecture", "claims": "trait-loss-falls"}, "without: cannot be broken on this network"),
        ({"claims": []}, "claims: must be at least one"),
        ({"loss": [], "claims": None}, "loss: must be at least one"),
        ({"loss": [st.KL(2.0), st.KL(3.0)]}, "loss: must not be the name of two losses: .*got 'kl'"),
        ({"loss": st.KL}, "loss: must be a loss such as KL.., not a class"),
        ({"loss": Broken()}, "loss: must be finite, with its derivatives, where z = y, got broken: l = -inf"),
        ({"units": [3]}, "units: must be of subtheory.init.Units"),
        ({"loss": "squarederror"}, "loss: unknown, did you mean 'squared-error'"),
        ({"loss": "zzz"}, "loss: must be one of squared-error, "),
        ({"claims": "alignment-is-ggn"}, "claim: unknown, did you mean 'alignment-is-ggn-form'"),
        ({"model": single}, "apply: must compute in float64, got float32 in .*test_own.py"),
        ({"model": lambda params, x: apply(params, x) / 0.0}, "apply: must return finite outputs"),
        ({"model": 3}, "model: must be a Flax module"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_bad_inputs_are_refused_by_field_and_value(changes, words):
    with pytest.raises(st.InputError, match=words) as refused:
        verify(**changes)
    assert "\n" not in str(refused.value)


def row_of(*bad, at=5):
    """The channel with something else in one row."""
    return np.where(np.arange(8)[:, None] == at, np.resize(bad, 3), X)


def dead(params, x):
    """Weight normalisation, whose derivative is NaN where a column is 0."""
    return jnp.tanh(x @ (params["W"] / (1e-9 + jnp.linalg.norm(params["W"], axis=0)))) @ params["V"]


# Numbers that are not finite are found wherever they are, before a claim is judged: a row, a derivative of f or of L_T,
# the second one. Each line names what it is, the row or the leaf, and the value.
NOT_FINITE = [
    ({"channel": row_of(np.nan)}, "channel: must be finite, got nan in row 5"),
    ({"trait": (row_of(np.inf, at=2), LABELS)}, "trait: must be finite, got inf in row 2"),
    (
        {"model": lambda p, x: apply(p, x) + jnp.log(x[0] + 50), "channel": row_of(-60.0)},
        "apply: must return finite outputs, got nan for row 5 of the channel",
    ),
    (
        {"model": lambda p, x: apply(p, x) / (x[0] - 1), "trait": (row_of(1.0, at=3), LABELS)},
        "apply: must return finite outputs, got -?inf for row 3 of the trait",
    ),
    (
        {"model": lambda p, x: jnp.sqrt(jnp.abs(x @ p["W"])) @ p["V"], "channel": row_of(0.0)},
        r"derivative of apply: must be finite, got nan at \['W'\]\[0, 0\] for row 5 of the channel",
    ),
    (
        {"model": dead, "params": PARAMS | {"W": np.where(np.arange(5) == 2, 0.0, PARAMS["W"])}},
        r"derivative of apply: must be finite, got nan at \['W'\]\[0, 2\] for row 0",
    ),
    (
        {"model": lambda p, x: jnp.abs(x @ p["W"]) ** 1.5 @ p["V"], "channel": row_of(0.0)},
        "second derivative of apply: must be finite, got nan for row 5",
    ),
    ({"model": lambda p, x: 1e200 * apply(p, x)}, "apply: must return outputs of a size below 1e.150"),
    ({"trait": lambda p: jnp.sum(jnp.sqrt(jnp.abs(p["b"] - p["b"][0])))}, r"derivative of trait: .* at \['b'\]\[0\]"),
]


@pytest.mark.parametrize(("changes", "words"), NOT_FINITE, ids=lambda value: "")
def test_numbers_that_are_not_finite_are_found_before_anything_is_judged(changes, words):
    with pytest.raises(st.InputError, match=words) as refused:
        verify(**{"claims": "alignment-is-positive", "seeds": 1} | changes)
    assert "\n" not in str(refused.value)


@jax.custom_vjp
def reversed_gradient(h):
    return h


reversed_gradient.defvjp(lambda h: (h, None), lambda _, g: (-g,))


@pytest.mark.parametrize("act", [reversed_gradient, rounded])
def test_what_is_no_derivative_does_not_refute_a_claim(act):
    with pytest.raises(st.InputError, match=f"derivative of apply: what {act.__name__} at .*test_own.py"):
        verify(lambda p, x: act(x @ p["W"]) @ p["V"])


def test_a_gradient_that_is_stopped_is_no_derivative_unless_it_changes_nothing():
    with pytest.raises(st.InputError, match=r"derivative of apply: what stop_gradient \(.*test_own.py:\d+\) says"):
        verify(lambda p, x: jnp.tanh(x @ jax.lax.stop_gradient(p["W"])) @ p["V"])
    # A softmax stops the gradient of its maximum, which leaves the derivative as it is.
    assert verify(lambda p, x: jax.nn.softmax(x @ p["W"]) @ p["V"], claims="cosine-limit").ok
