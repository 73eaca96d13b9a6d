"""Decoders of language models: what a cache keeps, what their parts do, and what they refuse."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from subtheory.errors import InputError
from subtheory.networks import GPT2, Decoder, Llama
from subtheory.numerics import float64
from subtheory.theory.network import Network

NET = Llama(layers=3, heads=4, key_heads=2)
FAMILY = [
    NET, replace(NET, tied=False), replace(NET, biased=True), replace(NET, normed_heads=True, remat=False),
    GPT2(context=12),
]  # fmt: skip
NAMES = ["Llama", "untied", "biased, as Qwen2", "normed heads, as Qwen3", "GPT-2"]


@cache
def drawn(net: Decoder) -> tuple:
    with float64():
        params = jax.tree.map(np.asarray, jax.jit(net.init)(jax.random.key(0)))
    rng = np.random.default_rng(1)
    return jax.tree.map(lambda a: a + 0.1 * rng.normal(size=a.shape), params), rng.permutation(64)[:9].astype(np.int32)


@cache
def apply(net: Decoder) -> Callable:
    return jax.jit(net.apply)


@cache
def step(net: Decoder) -> Callable:
    return jax.jit(net.step)


@pytest.mark.parametrize("net", FAMILY, ids=NAMES)
def test_a_cache_gives_the_logits_of_the_whole_text(net):
    params, x = drawn(net)
    with float64():
        whole = np.asarray(apply(net)(params, x))
        z, kept = step(net)(params, jnp.asarray(x[:6]), net.cache(12, jnp.float64), 0, 4)
        found = [z]  # of a prompt of 5, padded to 6: the next token writes over the padding
        for at in range(5, 9):
            z, kept = step(net)(params, jnp.asarray(x[at : at + 1]), kept, at, 0)
            found.append(z)
    np.testing.assert_allclose(found, whole[4:], atol=1e-12)


@pytest.mark.parametrize("net", FAMILY, ids=NAMES)
def test_a_text_is_read_from_left_to_right_and_by_position(net):
    params, x = drawn(net)
    with float64():
        z, other = apply(net)(params, x), apply(net)(params, np.where(np.arange(9) < 6, x, 3))
        turned = apply(net)(params, x[[1, 0, *range(2, 9)]])
    np.testing.assert_array_equal(z[:6], other[:6])
    assert np.abs(turned[2:] - z[2:]).max() > 1e-3


@pytest.mark.parametrize("net", FAMILY, ids=NAMES)
def test_float32_stays_float32_and_is_as_good_as_it_can_be(net):
    params, x = drawn(net)
    narrow = jax.tree.map(lambda a: np.asarray(a, np.float32), params)
    with float64():
        wide = np.asarray(apply(net)(params, x))
        found = apply(net)(narrow, x)
        assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, wide, atol=3e-5 * np.abs(wide).max())
    np.testing.assert_allclose(apply(net)(narrow, x), wide, atol=3e-5 * np.abs(wide).max())


def test_what_is_computed_again_changes_no_derivative_and_a_steering_vector_is_zero_at_first():
    params, x = drawn(NET)

    def slope(net: Llama, params: dict) -> dict:
        return jax.jit(jax.grad(lambda p: net.apply(p, x).std()))(params)

    with float64():
        kept, again = slope(replace(NET, remat=False), params), slope(NET, params)
        steered = replace(NET, steered=True)
        vectors = {"steering": np.zeros((3, NET.width))}
        shown = apply(steered)(params | {"layers": params["layers"] | vectors}, x)
        np.testing.assert_array_equal(shown, apply(NET)(params, x))
        assert jax.eval_shape(steered.init, jax.random.key(0))["layers"]["steering"].shape == (3, NET.width)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), kept, again)


def test_it_is_a_network_that_compares_by_value():
    assert isinstance(NET, Network)
    assert replace(NET) == NET
    assert hash(replace(NET)) == hash(NET)


@pytest.mark.parametrize(
    ("net", "field", "value"),
    [
        (NET, "layers", 0), (NET, "width", 1.5), (NET, "key_heads", 3), (NET, "head", 7), (NET, "vocabulary", -1),
        (GPT2(), "heads", 3), (GPT2(), "context", 0),
    ],
)  # fmt: skip
def test_sizes_that_do_not_fit_are_refused(net, field, value):
    with pytest.raises(InputError, match=f"{field}.*{value}"):
        replace(net, **{field: value})


def test_a_text_longer_than_the_learned_positions_is_refused_and_not_wrapped():
    net = GPT2(context=12)
    params = drawn(net)[0]
    with pytest.raises(InputError, match="text: must have at most 12 for gpt2, got 13 tokens"):
        net.apply(params, np.zeros(13, np.int32))
    with pytest.raises(InputError, match="got 14 tokens"):
        net.step(params, jnp.zeros(1, jnp.int32), net.cache(14, jnp.float32), 0, 0)
