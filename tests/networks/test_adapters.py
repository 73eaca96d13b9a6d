"""Networks of a user's own: what is taken, what is upcast, and what is refused by name."""

import subprocess
import sys

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subtheory.errors import InputError
from subtheory.networks import MLP, adapt, require_float64, upcast
from subtheory.numerics import float64
from subtheory.theory.network import Network

X = np.linspace(-1.0, 1.0, 6).astype(np.float32)


class Attention(nn.Module):
    """The default float32 modules of a user: dense, attention, layer norm."""

    @nn.compact
    def __call__(self, x):
        h = nn.Dense(8)(x.reshape(3, 2))
        h = h + nn.MultiHeadDotProductAttention(num_heads=2)(nn.LayerNorm()(h))
        return nn.Dense(4)(h.mean(axis=0))


def outputs(network, params, x=X):
    """f_θ(x) in float64."""
    with float64():
        return np.asarray(network.apply(params, jnp.asarray(x, jnp.float64)))


def through(model, params=None, **options):
    """Adapt, upcast and check a model, as a user's own network goes."""
    network, raw = adapt(model, params, **options)
    double, message = upcast(raw)
    require_float64(network, double, X)
    assert isinstance(network, Network) and hash(network) == hash(network)
    return network, double, message


def check_init(network, params):
    """A fresh draw is float64, of the same structure, and differs."""
    with float64():
        fresh, other = (jax.tree.map(np.asarray, network.init(jax.random.key(seed))) for seed in (3, 4))
    assert jax.tree.structure(fresh) == jax.tree.structure(params)
    assert {leaf.dtype for leaf in jax.tree.leaves(fresh)} == {np.dtype(np.float64)}
    differs = [not np.array_equal(a, b) for a, b in zip(*map(jax.tree.leaves, (fresh, other)), strict=True)]
    assert any(differs)
    return fresh


def test_default_linen_module_is_upcast():
    model = Attention()
    variables = model.init(jax.random.key(0), X)
    network, params, message = through(model, variables)
    assert message == "parameters: upcast from float32 to float64"
    np.testing.assert_allclose(outputs(network, params), model.apply(variables, X), rtol=1e-4, atol=1e-5)
    inner, same, _ = through(model, variables["params"])
    np.testing.assert_array_equal(outputs(inner, same), outputs(network, params))
    check_init(network, params)


def test_linen_module_drawn_on_an_example():
    network, params, _ = through(nn.Dense(4), example=X, seed=1)
    with float64():
        expected = nn.Dense(4).init(jax.random.key(1), X.astype(np.float64))["params"]
    jax.tree.map(np.testing.assert_array_equal, params, jax.tree.map(np.asarray, expected))
    fresh = check_init(network, params)
    assert not np.isin(fresh["kernel"], params["kernel"]).any()


def test_batch_statistics_stay_constant():
    class Normed(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.BatchNorm(use_running_average=True)(nn.Dense(4)(x))

    variables = Normed().init(jax.random.key(0), X)
    variables["batch_stats"]["BatchNorm_0"]["mean"] += 1.0
    network, params, _ = through(Normed(), variables)
    assert set(params) == {"Dense_0", "BatchNorm_0"}
    np.testing.assert_allclose(outputs(network, params), Normed().apply(variables, X), rtol=1e-5, atol=1e-6)


def test_nnx_module():
    nnx = pytest.importorskip("flax.nnx")

    class Model(nnx.Module):
        def __init__(self, rngs):
            self.layers = nnx.List([nnx.Linear(6, 5, rngs=rngs), nnx.Linear(5, 5, rngs=rngs)])
            self.dropout = nnx.Dropout(0.5, rngs=rngs)
            self.norm = nnx.BatchNorm(5, rngs=rngs)
            self.head = nnx.Linear(5, 4, rngs=rngs)

        def __call__(self, x):
            for layer in self.layers:
                x = jnp.tanh(layer(x))
            return self.head(self.norm(self.dropout(x)))

    model = Model(nnx.Rngs(0))
    model.eval()
    network, params, message = through(model)
    assert message == "parameters: upcast from float32 to float64"
    assert isinstance(params, dict) and set(params) == {"layers", "norm", "head"}
    np.testing.assert_allclose(outputs(network, params), model(X), rtol=1e-4, atol=1e-5)
    check_init(network, params)
    with float64():
        gradient = jax.jit(jax.grad(lambda p: jnp.sum(network.apply(p, jnp.asarray(X, float)))))(params)
    np.testing.assert_allclose(gradient["head"]["bias"], np.ones(4))
    # Applying with other params leaves the model itself alone.
    outputs(network, jax.tree.map(np.zeros_like, params))
    np.testing.assert_allclose(outputs(network, params), model(X), rtol=1e-4, atol=1e-5)


def test_equinox_through_the_pure_pair():
    eqx = pytest.importorskip("equinox")

    def build(key):
        return eqx.partition(eqx.nn.MLP(6, 4, 5, 2, key=key), eqx.is_inexact_array)

    model, static = build(jax.random.key(0))

    def apply(params, x):
        return eqx.combine(params, static)(x)

    network, params, message = through((lambda key: build(key)[0], apply), model)
    assert message == "parameters: upcast from float32 to float64" and network.name == "apply"
    np.testing.assert_allclose(outputs(network, params), apply(model, X), rtol=1e-4, atol=1e-5)
    check_init(network, params)


def test_pure_pair_draws_its_own_params():
    def init(key):
        return {"w": jax.random.normal(key, (6, 4), jnp.float32)}

    network, params, message = through((init, lambda p, x: x @ p["w"]), seed=7)
    assert message is None, "init is cast by the network"
    np.testing.assert_array_equal(params["w"], np.asarray(init(jax.random.key(7))["w"], np.float64))
    assert network.name == "lambda"


def test_function_with_params_permutes_their_entries():
    params = {"w": np.arange(24.0).reshape(6, 4), "b": np.zeros(4)}
    network, same, message = through(lambda p, x: x @ p["w"] + p["b"], params, name="mine")
    assert network.name == "mine" and message is None and same["w"] is not None
    fresh = check_init(network, same)
    np.testing.assert_array_equal(np.sort(np.ravel(fresh["w"])), np.arange(24.0))
    np.testing.assert_array_equal(fresh["b"], np.zeros(4))


def test_a_network_is_returned_as_it_is():
    network, params = adapt(MLP(), seed=2)
    assert network == MLP()
    with float64():
        expected = MLP().init(jax.random.key(2))
    jax.tree.map(np.testing.assert_array_equal, params, jax.tree.map(np.asarray, expected))


@pytest.mark.parametrize("model", [3, lambda p, x: x, (len,), (1, 2)], ids=["int", "no params", "one", "values"])
def test_other_models_are_refused(model):
    with pytest.raises(InputError, match="model: must be a Flax module"):
        adapt(model)


@pytest.mark.parametrize("name", [3, np.ones(2), jax.random.key(0)], ids=["int", "array", "key"])
def test_a_name_is_a_text(name):
    with pytest.raises(InputError, match=r"^name: must be a text"):
        adapt(lambda w, x: x @ w, np.ones((6, 4)), name=name)


def first(params, x):
    return x @ params["w"]


def second(params, x):
    return x @ params["w"]


PARAMS = {"w": np.arange(24.0).reshape(6, 4)}


def test_what_computes_the_same_is_equal():
    """So that a function that is adapted twice is compiled once; another function never passes for it."""
    one, again, other = (adapt(f, PARAMS)[0] for f in (first, first, second))
    assert one == again and hash(one) == hash(again) and one != other and one != first
    assert adapt(first, {"w": np.ones((6, 4))})[0] == one, "parameters are no part of a network"
    model = Attention()
    same, twin = (adapt(m, m.init(jax.random.key(0), X))[0] for m in (model, Attention()))
    wide = adapt(nn.Dense(5), nn.Dense(5).init(jax.random.key(0), X))[0]
    assert same == twin and hash(same) == hash(twin) and same != wide
    narrow = adapt(nn.Dense(4), nn.Dense(4).init(jax.random.key(0), X))[0]
    assert narrow != wide
    assert adapt(lambda p, x: x @ p["w"], PARAMS)[0] != adapt(lambda p, x: x @ p["w"], PARAMS)[0]


def test_modules_with_constants_of_their_own_are_told_apart():
    """Two sets of batch statistics are two functions, though the module is one."""

    class Normed(nn.Module):
        @nn.compact
        def __call__(self, x):
            return nn.BatchNorm(use_running_average=True)(nn.Dense(4)(x))

    variables = Normed().init(jax.random.key(0), X)
    moved = jax.tree.map(lambda a: a, variables)
    moved["batch_stats"]["BatchNorm_0"]["mean"] += 1.0
    assert adapt(Normed(), variables)[0] != adapt(Normed(), moved)[0]


def test_a_module_that_cannot_be_hashed_is_a_network_all_the_same():
    class Scaled(nn.Module):
        by: np.ndarray

        @nn.compact
        def __call__(self, x):
            return nn.Dense(4)(x * self.by)

    model = Scaled(np.linspace(1, 2, 6))
    variables = model.init(jax.random.key(0), X)
    network, params, _ = through(model, variables)
    np.testing.assert_allclose(outputs(network, params), model.apply(variables, X), rtol=1e-5, atol=1e-6)
    other = Scaled(np.linspace(2, 3, 6))
    assert network != adapt(other, other.init(jax.random.key(0), X))[0]


def test_an_adapted_network_has_a_law_of_inits_as_every_other():
    """Shapes without numbers, as a path to another network asks for them."""
    for network in (adapt(first, PARAMS)[0], adapt(Attention(), example=X)[0]):
        with float64():
            shapes = jax.eval_shape(network.init, jax.random.key(0))
        assert {leaf.dtype for leaf in jax.tree.leaves(shapes)} == {np.dtype(np.float64)}


@pytest.mark.parametrize("params", [None, np.zeros(3)], ids=["none", "array"])
def test_linen_without_variables_is_refused(params):
    with pytest.raises(InputError) as caught:
        adapt(nn.Dense(2), params)
    assert caught.value.field == "params"


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"a": {"b": np.array([1.0, np.nan])}}, r"must be finite, got nan at \['a'\]\['b'\]"),
        ([np.ones(2), np.array(-np.inf, np.float32)], r"must be finite, got -inf at \[1\]"),
        ({"steps": np.arange(3)}, r"must be a float array, got int64 at \['steps'\]"),
        ({"f": jnp.tanh}, r"must be a float array, got object at \['f'\]"),
        ({"key": jax.random.key(0)}, r"must be a float array, got key<fry> at \['key'\]"),
        ({}, r"must hold at least one float array, got \{\}"),
    ],
    ids=["nan", "inf", "integers", "function", "key", "empty"],
)
def test_upcast_refuses_by_name(params, message):
    with pytest.raises(InputError, match=f"params: .*{message}"):
        upcast(params)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
def test_upcast_is_exact(dtype):
    narrow = jnp.asarray([0.1, -3.0, 1e-3]).astype(dtype) if dtype != "float64" else np.array([0.1])
    double, message = upcast({"w": narrow, "scale": 1.0})
    assert double["w"].dtype == double["scale"].dtype == np.float64
    np.testing.assert_array_equal(double["w"], np.asarray(narrow).astype(np.float64))
    assert message == (None if dtype == "float64" else f"parameters: upcast from {dtype} to float64")


def test_explicit_float32_module_is_refused():
    model = nn.Dense(4, dtype=jnp.float32)
    network, params = adapt(model, model.init(jax.random.key(0), X))
    with pytest.raises(InputError, match=r"apply: must compute in float64, got float32 in \w+ \(.*flax.*py:\d+\)"):
        require_float64(network, upcast(params)[0], X)


def inside_jit(w, x):
    return jax.jit(lambda a: jnp.sin(a.astype(jnp.float32)))(x @ w)


def inside_cond(w, x):
    return jax.lax.cond(x[0] > 0, lambda a: a, lambda a: a.astype(jnp.float32).astype(jnp.float64), x @ w)


def inside_scan(w, x):
    def step(carry, _):
        return (carry * 2.0).astype(jnp.bfloat16).astype(jnp.float64), None

    return jax.lax.scan(step, x @ w, length=2)[0]


def inside_custom_derivative(w, x):
    @jax.custom_jvp
    def f(a):
        return a.astype(jnp.float32).astype(jnp.float64)

    f.defjvp(lambda primals, tangents: (f(*primals), tangents[0]))
    return f(x @ w)


NESTED = [
    pytest.param(inside_jit, "float32", id="jit"),
    pytest.param(inside_cond, "float32", id="cond"),
    pytest.param(inside_scan, "bfloat16", id="scan"),
    pytest.param(inside_custom_derivative, "float32", id="custom derivative"),
]


@pytest.mark.parametrize(("function", "dtype"), NESTED)
def test_nested_narrow_floats_are_found_with_their_line(function, dtype):
    network, params = adapt(function, np.ones((6, 4)))
    with pytest.raises(InputError) as caught:
        require_float64(network, params, X)
    operation, _, place = str(caught.value).partition(" (")
    assert operation == f"apply: must compute in float64, got {dtype} in convert_element_type"
    path, line = place.rstrip(")").rsplit(":", 1)
    assert path.endswith("test_adapters.py")
    code = function.__code__
    assert code.co_firstlineno <= int(line) <= code.co_firstlineno + 8


@pytest.mark.parametrize("mode", ["jvp", "vjp"])
def test_narrow_custom_derivative_is_found(mode):
    def narrow(a):
        return a.astype(jnp.float32).astype(jnp.float64)

    if mode == "jvp":
        f = jax.custom_jvp(jnp.tanh)
        f.defjvp(lambda primals, tangents: (f(*primals), narrow(tangents[0])))
    else:
        f = jax.custom_vjp(jnp.tanh)
        f.defvjp(lambda a: (f(a), None), lambda _, g: (narrow(g),))
    network, params = adapt(lambda w, x: f(x @ w), np.ones((6, 4)))
    with pytest.raises(InputError, match=r"^derivative of apply: must compute in float64, got float32 in"):
        require_float64(network, params, X)


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda w, x: jnp.argmax(x @ w, keepdims=True), r"int64\[1\]"),
        (lambda w, x: (x @ w).sum(), r"float64\[\]"),
        (lambda w, x: (x, x @ w), r"float64\[6\], float64\[4\]"),
    ],
    ids=["integers", "scalar", "two"],
)
def test_outputs_must_be_one_array_of_logits(function, got):
    network, params = adapt(function, np.ones((6, 4)))
    with pytest.raises(InputError, match=f"apply: must return one float64 array, .*, got {got}"):
        require_float64(network, params, X)


def test_params_that_were_not_upcast_are_refused():
    network, params = adapt(lambda p, x: x @ p["w"], {"w": np.ones((6, 4), np.float32)})
    with pytest.raises(InputError, match=r"params: must be float64 \(see upcast\), got float32 at \['w'\]"):
        require_float64(network, params, X)


def test_integer_inputs_stay_integers():
    network, params = adapt(lambda p, x: p[x], np.ones((6, 4)))
    require_float64(network, params, np.arange(3, dtype=np.int32))


def test_nnx_is_not_imported():
    code = "import sys, subtheory.networks; sys.exit('flax.nnx' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
