"""Sampling with a cache says what sampling from the whole text would, and stops at the end."""

from functools import cache

import jax
import numpy as np
import pytest

from subtheory.language.sampling import TOGETHER, continued
from subtheory.networks import GPT2, Decoder, Llama
from subtheory.numerics import float64

NET = Llama(vocabulary=12)
PROMPTS = [[1, 2, 3], [4, 5], [6, 7, 8, 9, 1]]


@cache
def params(seed: int = 0, net: Decoder = NET) -> dict:
    with float64():
        drawn = jax.jit(net.init)(jax.random.key(seed))
    return jax.tree.map(lambda a: np.asarray(a, np.float32), drawn)


@pytest.mark.parametrize("net", [NET, GPT2(vocabulary=12, context=11)], ids=lambda net: net.name)
def test_without_heat_each_token_is_the_likeliest_of_the_text_so_far(net):
    theta, apply = params(0, net), jax.jit(net.apply)
    found = continued(net, theta, PROMPTS, 6, 0, end=11, temperature=0.0)
    for prompt, tokens, mask in zip(PROMPTS, *found, strict=True):
        assert tokens[: len(prompt)].tolist() == prompt
        for at in np.flatnonzero(mask):
            assert tokens[at] == np.argmax(apply(theta, tokens)[at - 1])


def test_texts_follow_the_law_of_the_model():
    many = [[1, 2, 3]] * (16 * TOGETHER)
    found = continued(NET, params(), many, 1, 5, end=11)
    p = np.asarray(jax.nn.softmax(NET.apply(params(), np.array([1, 2, 3]))[-1]))
    share = np.bincount(found.tokens[:, 3], minlength=12) / len(many)
    assert np.abs(share - p).max() < 5 * np.sqrt(0.25 / len(many))


def test_nothing_is_predicted_behind_the_end_and_only_what_is_allowed_is_said():
    found = continued(NET, params(), [[1]] * 200, 12, 0, end=11)
    for tokens, mask in zip(*found, strict=True):
        said = tokens[mask > 0]
        assert 11 not in said[:-1]
        assert len(said) == 12 or said[-1] == 11
    may = np.isin(np.arange(12), [3, 4]).astype(float)
    only = continued(NET, params(), PROMPTS, 8, 0, end=11, allowed=may)
    assert set(only.tokens[only.mask > 0]) == {3, 4}


def test_equal_models_say_the_same_whatever_stands_beside_a_text():
    alone, beside = (continued(NET, params(), some, 5, 3, end=11) for some in (PROMPTS[:1], [PROMPTS[0]] * 70))
    assert alone.tokens[0].tolist() == beside.tokens[0].tolist()
    assert len({tuple(row) for row in beside.tokens}) > 50
