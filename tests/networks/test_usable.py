"""Models from outside: training mode, draws, single precision, foreign derivatives, settings; a line for each."""

import random
import re
from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subtheory.errors import InputError
from subtheory.kernels.compiled import Kernels
from subtheory.networks import adapt, upcast
from subtheory.networks.derivatives import Reversed
from subtheory.networks.tracing import traced
from subtheory.networks.usable import require_pure, usable
from subtheory.numerics import float64, require_eager

nnx = pytest.importorskip("flax.nnx")
eqx = pytest.importorskip("equinox")

KEY = jax.random.key(0)
RNG = np.random.default_rng(5)
X = RNG.standard_normal(5)
PARAMS = {"W": RNG.standard_normal((5, 4)), "V": RNG.standard_normal((4, 3))}


def net(p, x, act=jnp.tanh):
    return act(x @ p["W"]) @ p["V"]


def through(model, params=None, x=X):
    """A model as `verify` takes it."""
    network, raw = adapt(model, params)
    double, _ = upcast(raw)
    return (*usable(network, double, x), double)


def refused(model, params=None, x=X):
    """The one line with which a model is refused."""
    with pytest.raises(InputError) as error:
        through(model, params, x)
    assert "\n" not in str(error.value)
    return str(error.value)


# Training mode ------------------------------------------------------------------------------------


class Drop(nn.Module):
    deterministic: bool | None = None

    @nn.compact
    def __call__(self, x):
        return nn.Dense(3)(nn.Dropout(0.5, deterministic=self.deterministic)(x))


class Norm(nn.Module):
    average: bool | None = None

    @nn.compact
    def __call__(self, x):
        return nn.Dense(3)(nn.BatchNorm(use_running_average=self.average)(x))


DROP, NORM = Drop(True).init(KEY, X), Norm(True).init(KEY, X)


@pytest.mark.parametrize(
    ("model", "variables", "words"),
    [
        (Drop(False), DROP, "deterministic=True.*Dropout_0 needs PRNG"),
        (Drop(), DROP, "deterministic=True"),
        (lambda p, x: Drop(False).apply(p, x, rngs={"dropout": KEY}), DROP, "deterministic=True.*random_bits.*py:"),
        (Norm(False), NORM, "use_running_average=True.*batch_stats"),
        (Norm(), NORM, "use_running_average=True"),
        (Norm(True), {"params": NORM["params"]}, "all variables.*batch_stats"),
        (Norm(True), NORM["params"], "all variables"),
        (nn.Dense(3), {"kernel": np.ones((5, 3))}, 'init returned.*"bias"'),
        (nn.Dense(3), {"kernel": np.ones((5, 4)), "bias": np.ones(3)}, "of the shapes.*kernel"),
    ],
)  # fmt: skip
def test_linen_models_in_training_mode(model, variables, words):
    assert re.search(words, refused(model, variables))


class Part(nnx.Module):
    def __init__(self, part):
        self.a, self.part = nnx.Linear(5, 3, rngs=nnx.Rngs(0)), part

    def __call__(self, x):
        return self.part(self.a(x))


class Counter(nnx.Module):
    def __init__(self):
        self.calls = nnx.Variable(jnp.zeros(()))

    def __call__(self, x):
        self.calls.set_value(self.calls.get_value() + 1)
        return x


@pytest.mark.parametrize(
    "part", [nnx.Dropout(0.5, rngs=nnx.Rngs(1)), nnx.Dropout(0.5), nnx.BatchNorm(3, rngs=nnx.Rngs(1)), Counter()]
)  # fmt: skip
def test_nnx_models_in_training_mode(part):
    model = Part(part)
    assert "model.eval()" in refused(model)
    if not isinstance(part, Counter):
        model.eval()
        through(model)


def test_a_closed_over_nnx_model_is_not_to_change_its_state():
    model = Part(nnx.Dropout(0.5, rngs=nnx.Rngs(1)))
    assert "model.eval()" in refused(lambda p, x: model(x) + p["b"], {"b": np.zeros(3)})


def test_equinox_models_in_training_mode():
    model = eqx.nn.Sequential([eqx.nn.Linear(5, 3, key=KEY), eqx.nn.Dropout(0.5)])
    params, rest = eqx.partition(model, eqx.is_inexact_array)
    assert "inference=True" in refused(model)
    assert "inference=True" in refused(lambda p, x: eqx.combine(p, rest)(x, key=KEY), params)
    norm, state = eqx.nn.make_with_state(eqx.nn.BatchNorm)(5, axis_name="batch", mode="batch")
    own, rest_of_it = eqx.partition(norm, eqx.is_inexact_array)
    assert "inference=True" in refused(lambda p, x: eqx.combine(p, rest_of_it)(x, state)[0], own)
    network, _, params = through(eqx.nn.inference_mode(model))
    with float64():
        np.testing.assert_allclose(network.apply(params, X), eqx.nn.inference_mode(model)(X), rtol=1e-5)


CALLS = [0]


def counting(p, x):
    CALLS[0] += 1
    return net(p, x) * CALLS[0]


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda p, x: net(p, x + jax.random.normal(KEY, x.shape)), "draws random numbers.*_bits .*test_usable.py"),
        (lambda p, x: net(p, x * jax.random.bernoulli(jax.random.PRNGKey(0), 0.5, x.shape)), "draws random numbers"),
        (lambda p, x: net(p, x + np.random.default_rng().normal(size=5)), "one function"),
        (lambda p, x: net(p, x) * random.random(), "one function"),
        (counting, "one function"),
    ],
)  # fmt: skip
def test_functions_that_draw_or_count(function, words):
    assert re.search(words, refused(function, PARAMS))


def test_trait_functions_that_draw():
    for draw in (np.random.default_rng(0).normal, random.random):
        programs = [traced("trait", lambda p, draw=draw: jnp.sum(p["W"]) * draw(), PARAMS) for _ in range(2)]
        with pytest.raises(InputError, match="trait: must be one function"):
            require_pure(*programs, "trait")


# Precision ----------------------------------------------------------------------------------------


@jax.custom_jvp
def narrow_rule(h):
    return h**2


narrow_rule.defjvp(lambda p, t: (p[0] ** 2, (2 * p[0] * t[0]).astype(jnp.float32).astype(p[0].dtype)))


@pytest.mark.parametrize(
    "function",
    [
        partial(net, act=lambda h: h.astype(jnp.bfloat16).astype(jnp.float64)),
        partial(net, act=lambda h: jax.lax.reduce_precision(h, 8, 23)),
        partial(net, act=lambda h: jnp.abs(h.astype(jnp.complex64)).astype(jnp.float64)),
        partial(net, act=narrow_rule),
        lambda p, x: jnp.dot(x @ p["W"], p["V"], preferred_element_type=jnp.float32).astype(jnp.float64),
        lambda p, x: jax.lax.scan(lambda c, w: (c + w, c), jnp.zeros(4, jnp.float32), p["W"].astype("f4"))[1] * 1.0,
    ],
)  # fmt: skip
def test_hidden_single_precision_is_refused_with_its_line(function):
    line = refused(function, PARAMS)
    assert "must compute in float64" in line and "test_usable.py:" in line


class Fixed(nnx.Module):
    """Embeddings, whose dtype is fixed when they are made, and a head that may have been given one."""

    def __init__(self, dtype=None, param_dtype=jnp.float32):
        rngs = nnx.Rngs(0)
        self.embed = nnx.Embed(7, 5, param_dtype=param_dtype, rngs=rngs)
        self.head = nnx.Linear(5, 5, dtype=dtype, rngs=rngs)

    def __call__(self, tokens):
        return self.embed.attend(self.head(self.embed(tokens).mean(0)))


@pytest.mark.parametrize("param_dtype", [jnp.float32, jnp.bfloat16])
def test_tied_embeddings_compute_in_the_precision_of_their_parameters(param_dtype):
    model, tokens = Fixed(param_dtype=param_dtype), np.arange(4)
    network, _, params = through(model, x=tokens)
    with float64():
        assert network.apply(params, tokens).dtype == np.float64
    assert model.embed.dtype == param_dtype, "the user's own is left alone"


def test_a_layer_of_fixed_precision_is_named_with_a_cure_that_cures():
    model = Fixed(dtype=jnp.float32)
    assert "set model.head.dtype = None" in refused(model, x=np.arange(4))
    model.head.dtype = None
    through(model, x=np.arange(4))


# Derivatives --------------------------------------------------------------------------------------


@jax.custom_vjp
def gate(h):
    return jnp.tanh(h)


gate.defvjp(lambda h: (jnp.tanh(h), h), lambda h, g: (g * (1 - jnp.tanh(h) ** 2),))


@jax.custom_vjp
def clipped(h):
    return h


clipped.defvjp(lambda h: (h, None), lambda _, g: (jnp.clip(g, -1, 1),))


def test_a_function_with_reverse_mode_alone_has_the_derivatives_of_its_twin():
    (own, rules, params), (twin, none, _) = through(partial(net, act=gate), PARAMS), through(net, PARAMS)
    assert isinstance(own, Reversed) and not none and rules[0].startswith("gate at ")
    x, delta = RNG.standard_normal((3, 5)), RNG.standard_normal(32)
    kernels = [Kernels.of(each, params, X) for each in (own, twin)]
    theta = kernels[0].layout.flatten(params)
    for found, wanted in zip(*(k.taylor(theta, delta, x) for k in kernels), strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (clipped, "linear in the cotangent.*clipped at .*test_usable.py"),
        (lambda h: jax.lax.while_loop(lambda h: jnp.sum(h**2) > 1, lambda h: h / 2, h), "while .*test_usable.py"),
        (lambda h: jax.pure_callback(np.tanh, h, h, vmap_method="sequential"), "pure_callback of tanh .*py:"),
        (lambda h: jax.pure_callback(np.tanh, h, h), "jax.vmap"),
        (np.tanh, "must accept one example"),
        (lambda h: h if h[0] > 0 else -h, "must accept one example"),
        (lambda h: {}["missing"], "must accept one example .KeyError"),
    ],
)  # fmt: skip
def test_functions_without_derivatives_are_named(act, words):
    assert re.search(words, refused(partial(net, act=act), PARAMS))


def test_what_needs_no_derivative_may_be_anything():
    """A loop or a callback of the input alone, and parameters that are indexed as JAX arrays."""
    loop = lambda x: jax.lax.while_loop(lambda h: jnp.sum(h**2) > 1, lambda h: h / 2, x)  # noqa: E731
    call = lambda x: jax.pure_callback(np.tanh, x, x, vmap_method="sequential")  # noqa: E731
    for function in (loop, call, lambda x: x.at[0].set(0.0)):
        through(lambda p, x, function=function: net(p, function(x)), PARAMS)
    network, _ = adapt(lambda p, x: net(p | {"V": p["V"].at[0].set(0.0)}, x), PARAMS)
    with float64():
        assert network.apply(PARAMS, X).shape == (3,)


@pytest.mark.parametrize("z", [{"z": 1.0}, (1.0, 2.0), 1.0, None, np.zeros(0), np.arange(3)])
def test_outputs_that_are_no_logits(z):
    assert "must return one float64 array" in refused(lambda p, x: z, PARAMS)


# The user's JAX -----------------------------------------------------------------------------------

SETTINGS = {
    "jax_numpy_rank_promotion": "raise", "jax_transfer_guard": "disallow",
    "jax_debug_nans": True, "jax_debug_infs": True, "jax_numpy_dtype_promotion": "strict",
    "jax_default_prng_impl": "rbg", "jax_default_matmul_precision": "bfloat16",
}  # fmt: skip


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_the_user_do_not_reach_inside(name):
    before = getattr(jax.config, name)
    jax.config.update(name, SETTINGS[name])
    try:
        with float64():
            value = jnp.ones((2, 3)) * np.ones(3) + np.float32(1) * jnp.asarray(np.inf) - jnp.inf
            draw = jax.random.normal(jax.random.key(3), (2,))
        require_eager("here")
    finally:
        jax.config.update(name, before)
    with float64():
        np.testing.assert_array_equal(draw, jax.random.normal(jax.random.key(3), (2,)))
    assert value.dtype == np.float64 and np.isnan(np.asarray(value)).all()


def test_inside_jit_there_are_no_numbers():
    for transform in (jax.jit, jax.make_jaxpr):
        with pytest.raises(InputError, match="here: must be called outside of jit"):
            transform(lambda: require_eager("here"))()
    with pytest.raises(InputError, match="params: must be numbers: call this outside of jit"):
        jax.jit(upcast)(PARAMS)
