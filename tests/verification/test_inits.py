"""Where an independent init comes from: what is said of it, what is taken, and what is refused."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from owned import LABELS, PARAMS, X, apply, verify

import subtheory as st
from subtheory.init import PATHS, begin
from subtheory.networks import adapt, upcast
from subtheory.numerics import alike
from subtheory.theory.trait import LabelledTrait
from subtheory.verification.inits import independent
from subtheory.verification.own import Own

ONE = {"claims": "alignment-is-ggn-form", "seeds": 2}
DRAWN = [{name: np.random.default_rng(i).normal(size=leaf.shape) for name, leaf in PARAMS.items()} for i in range(3)]


def another(init=None, params=PARAMS, model=apply, seeds=(0, 1)):
    network, given = adapt(model, params)
    return independent(model, network, given, init, seeds)


def normal(key):
    return {name: jax.random.normal(jax.random.fold_in(key, i), PARAMS[name].shape) for i, name in enumerate(PARAMS)}


@pytest.mark.parametrize(
    ("model", "init", "said"),
    [
        (apply, None, "the entries of each leaf of params in another order"),
        ((normal, apply), None, "drawn by the network's own init"),
        (apply, normal, "drawn by init="),
        ((normal, apply), DRAWN, "the parameter sets of init=, one for each of 2 seeds"),
    ],
)
def test_the_source_of_an_independent_init_is_said_and_used(model, init, said):
    found = verify(model, init=init, **ONE)
    assert f"independent init: {said}" in found.messages and found.provenance["independent init"] == said
    assert said in found.summary()
    (control,) = [c for c in found["alignment-is-ggn-form"].controls if c.without == "shared-init"]
    assert found.ok and control.tried and control.failed_fraction == 1
    drawn = another(init, model=model).draw(1)
    if init is DRAWN:
        assert all(np.array_equal(drawn[name], DRAWN[1][name]) for name in PARAMS)
    elif said.startswith("the entries"):
        assert all(np.array_equal(np.sort(drawn[n], None), np.sort(np.float64(PARAMS[n]), None)) for n in PARAMS)
    else:
        with st.float64():
            wanted = normal(jax.random.fold_in(jax.random.key(1), 1))
        assert all(np.array_equal(drawn[name], wanted[name]) for name in PARAMS)


@pytest.mark.parametrize("path", ["linear", "spherical", "correlated", "partial-reinit"])
def test_paths_between_inits_end_at_the_init_that_is_given(path):
    found = another(DRAWN, seeds=(0, 1, 2))
    own = Own(upcast(PARAMS)[0], X, LabelledTrait(X, LABELS, np.ones(4)), 4, draw=found.draw)
    start = begin(adapt(apply, PARAMS)[0], 2, source=own)
    end = start.layout.unflatten(PATHS[path](start, 1.0, [5])[0])
    assert all(np.allclose(end[name], DRAWN[2][name], rtol=1e-15) for name in PARAMS)


class Net(nn.Module):
    @nn.compact
    def __call__(self, x):
        return nn.Dense(4)(jnp.tanh(nn.Dense(5)(x)))


def libraries():
    eqx, nnx = pytest.importorskip("equinox"), pytest.importorskip("flax.nnx")

    class Model(nnx.Module):
        def __init__(self, rngs):
            self.one, self.two = nnx.Linear(3, 5, rngs=rngs), nnx.Linear(5, 4, rngs=rngs)

        def __call__(self, x):
            return self.two(jnp.tanh(self.one(x)))

    mlp = lambda key: eqx.nn.MLP(3, 4, 5, 1, activation=jnp.tanh, key=key)  # noqa: E731
    yield Net(), Net().init(jax.random.key(0), X[0]), lambda key: Net().init(key, X[0])
    yield Model(nnx.Rngs(0)), None, lambda key: Model(nnx.Rngs(key))
    yield mlp(jax.random.key(0)), None, mlp


def test_a_module_drawn_by_a_function_is_adapted_like_the_model():
    for model, params, init in libraries():
        network, given = adapt(model, params)
        found = independent(model, network, given, lambda key, init=init: init(key), (0, 1))
        start, drawn = jax.tree.leaves(upcast(given)[0]), jax.tree.leaves(found.draw(0))
        assert [a.shape for a in start] == [a.shape for a in drawn] and not found.fixed
        assert {a.dtype for a in drawn} == {np.dtype(np.float64)}


def test_float32_is_upcast_and_told():
    sets = [{name: leaf.astype(np.float32) for name, leaf in one.items()} for one in DRAWN]
    assert another(sets).notes == ("init: upcast from float32 to float64",)
    assert another(sets).draw(0)["W"].dtype == np.float64


def test_a_leaf_of_equal_entries_is_not_redrawn_by_rounding():
    assert np.std(np.full(3, 0.1) + np.array([0, 1.4e-17, 0])) > 0
    for leaf, unit in (([0.1, 0.1 + 1.4e-17, 0.1], 2.0**-53), ([1.0, 1 - 2.0**-24], 2.0**-24)):
        assert alike(leaf, np.mean(leaf), unit)
    assert not alike([0.1, 0.1 + 1e-14], 0.1) and not alike([0.0, 1e-300], 0.0)
    params = PARAMS | {"b": np.float32(0.1) * (1 + np.float32([0, 1e-7, 0, -1e-7])), "W": np.full((3, 5), 0.1)}
    found = another(params=params)
    assert found.held == {"['V']": False, "['W']": True, "['b']": True} and not found.fixed
    assert found.said.endswith("in another order; as in params: ['W'], ['b']")
    assert np.array_equal(found.draw(0)["b"], np.float64(params["b"]))


def test_a_few_entries_never_come_back_in_the_order_that_they_were_in():
    for seed in range(8):
        found = another(params={"w": np.array([1.0, 2.0])}, model=lambda p, x: x[:2] * p["w"], seeds=(seed,))
        assert found.draw(seed)["w"].tolist() == [2.0, 1.0]


def scaled(params, x):
    return jnp.tanh(x * params["a"]) * params["c"]


EQUAL = {"a": np.full(3, 0.1), "c": np.array([0.7])}


@pytest.mark.parametrize(
    ("init", "why"),
    [
        (None, "no leaf of params has entries that differ, give init="),
        (lambda key: EQUAL, "every draw of init= is params"),
        ([EQUAL] * 2, "every draw of init= is params"),
    ],
)
def test_without_another_init_a_shared_one_cannot_be_broken_and_that_is_said(init, why):
    what = {"model": scaled, "params": EQUAL, "init": init, "seeds": 2, "trait": (X, np.arange(8) % 3)}
    found = verify(**what, claims=("alignment-is-positive", "cross-kernel-is-the-trait-part"))
    controls = {c.without: c for c in found["alignment-is-positive"].controls}
    assert not controls["shared-init"].tried and controls["shared-init"].reason.endswith(why)
    assert found.ok and why in found.summary()
    assert any(line.endswith("shared-init cannot be broken") for line in found.messages)
    # Paths to an independent init lead nowhere: none of them is walked.
    assert found["cross-kernel-is-the-trait-part"].runs > 0
    with pytest.raises(st.InputError, match=r"without: cannot be broken on this network: .* init="):
        verify(**what, claims="alignment-is-positive", without="shared-init")


def test_another_init_of_equal_entries_breaks_it():
    found = verify(scaled, EQUAL, init=lambda key: {"a": jax.random.normal(key, (3,)), "c": jnp.ones(1)}, seeds=2,
                   trait=(X, np.arange(8) % 3), claims="alignment-is-ggn-form")  # fmt: skip
    (control,) = [c for c in found["alignment-is-ggn-form"].controls if c.without == "shared-init"]
    assert control.tried and control.failed_fraction == 1


def raises(key):
    return PARAMS["Q"]


REFUSED = [
    (DRAWN[:1], "init: must hold one for each of 2 seeds, got 1 parameter sets"),
    ([], "init: must hold one for each of 2 seeds, got 0"),
    ([DRAWN[0], PARAMS], "init: must be other parameters, got params themselves for seed 1"),
    (
        [DRAWN[0], DRAWN[1] | {"W": np.full((3, 5), np.inf)}],
        r"init: every entry must be finite, got inf at \['W'\] for",
    ),
    (
        lambda key: PARAMS | {"b": np.full(4, np.nan)},
        r"init: every entry must be finite, got nan at \['b'\] for seed 0",
    ),
    (
        lambda key: {"W": np.ones((3, 5))},
        r"init: must draw parameters like params, shape \(5, 4\) at \['V'\], got no leaf",
    ),
    (lambda key: PARAMS | {"c": 1.0}, r"init: must draw parameters like params, no leaf at \['c'\], got shape \(\)"),
    (lambda key: PARAMS | {"b": np.ones(3)}, r"shape \(4,\) at \['b'\], got shape \(3,\) for seed 0"),
    (lambda key: PARAMS | {"b": np.arange(4)}, r"init: every leaf must be a float array, got int64 at \['b'\]"),
    (raises, "init: must draw the parameters of a key, got KeyError: 'Q'"),
    (lambda: PARAMS, "init: must draw the parameters of a key, got .*takes 0 positional arguments"),
    (DRAWN[0], "init: must be a function of a key, or a list of parameter sets, one for each seed, got {'W'"),
    (Net(), "init: must be a function of a key, or a list of parameter sets"),
    ("normal", "init: must be a function of a key, or a list of parameter sets"),
]


@pytest.mark.parametrize(("init", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_independent_init_is_refused_in_one_line(init, words):
    with pytest.raises(st.InputError, match=words) as refused:
        verify(init=init, **ONE)
    assert "\n" not in str(refused.value)


def test_an_init_of_the_pair_is_looked_at_alike():
    with pytest.raises(st.InputError, match="init: every entry must be finite"):
        verify((lambda key: PARAMS | {"b": np.full(4, np.nan)}, apply), **ONE)
