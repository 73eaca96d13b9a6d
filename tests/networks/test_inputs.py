"""Inputs that are pytrees of arrays with one leading axis: read once, packed exactly, or refused in one line."""

from collections import namedtuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import subtheory as st
from subtheory.errors import InputError
from subtheory.networks import adapt
from subtheory.networks.inputs import Form, Packed, example_of, packed, rows_of
from subtheory.numerics import float64

RNG = np.random.default_rng(3)
X = RNG.standard_normal((6, 3))
PARAMS = {"W": RNG.standard_normal((3, 4)), "V": RNG.standard_normal((4, 3))}
Text = namedtuple("Text", "tokens mask")

TREES = {
    "dict": {"a": X, "scale": np.ones(6)},
    "tuple": (X, np.ones((6, 2, 2))),
    "tokens with a mask": Text(np.arange(12, dtype=np.int32).reshape(6, 2), np.arange(12).reshape(6, 2) % 2 == 0),
    "nested": {"image": {"pixels": np.arange(24, dtype=np.uint8).reshape(6, 2, 2)}, "at": [X, np.arange(6)]},
    "truth values": X > 0,
}


@pytest.mark.parametrize("rows", TREES.values(), ids=TREES)
def test_a_row_holds_a_structured_input_exactly(rows):
    form, read = Form.of(rows_of("channel", rows)), rows_of("channel", rows)
    with float64():
        back = [form.unpack(jnp.asarray(row)) for row in form.pack(read)]
    for i, one in enumerate(back):
        wanted = example_of(rows, i)
        assert jax.tree.structure(one) == jax.tree.structure(wanted)
        for a, b in zip(*map(jax.tree.leaves, (one, wanted)), strict=True):
            assert a.dtype == b.dtype and np.array_equal(a, b)


def test_equal_structures_make_equal_networks():
    network, _ = adapt(lambda p, x: x["a"] @ p["W"], PARAMS)
    both = [packed(network, {"channel": rows_of("channel", TREES["dict"])})[0] for _ in range(2)]
    assert isinstance(both[0], Packed) and both[0] == both[1] and hash(both[0]) == hash(both[1])
    same, rows = packed(network, {"channel": X, "trait": X})
    assert same is network and rows["channel"] is X, "an array stays as it is"


def both_ways(example):
    return True


ROWS = list(X)
BAD = {
    "ragged": ({"a": X, "b": X[:5]}, r"one leading axis of one length .*\['a'\]: 6, \['b'\]: 5"),
    "a scalar": ({"a": X, "b": 1.0}, r"channel\['b'\]: must hold at least one input"),
    "text": ({"a": X, "b": np.array(["x"] * 6)}, r"channel\['b'\]: must hold numbers"),
    "nan in a part": ((X, np.where(np.arange(6) == 4, np.nan, 1.0)), r"channel\[1\]: must be finite, got nan in row 4"),
    "inf": (np.where(X == X[2], np.inf, X), "channel: must be finite, got inf in row 2"),
    "nothing": ({}, "must hold at least one input"),
    "none": (None, "must hold at least one input"),
    "no numbers": (np.zeros((4, 0)), "at least one number an input"),
    "a mask of numpy's": (np.ma.masked_array(X, X > 0), "a mask would be lost"),
    "an object": (object(), "must hold numbers, got object"),
    "complex": (X + 1j, "must hold numbers, got dtype complex128"),
    "ragged numbers": ([[1.0, 2.0], [3.0]], "must be an array"),
    "ragged rows": ([X[0], X[1, :2]], "one leading axis of one length"),
    "a key": (jax.random.split(jax.random.key(0), 4), "must be an array, or a pytree"),
    "a list that may be both": ([X, X], "must be one array .np.stack. .* got a list of 2 ndarrays"),
}


@pytest.mark.parametrize(("values", "words"), BAD.values(), ids=BAD)
def test_what_is_no_input_is_refused_by_part(values, words):
    with pytest.raises(InputError, match=words) as refused:
        rows_of("channel", values, both_ways)
    assert "\n" not in str(refused.value)


def test_lists_are_read_as_the_network_takes_them():
    vectors = lambda example: np.shape(example) == (3,)  # noqa: E731
    for values in (ROWS, X.tolist(), list(map(tuple, X.tolist())), [jnp.asarray(row) for row in X]):
        np.testing.assert_allclose(rows_of("channel", values, vectors), X, rtol=1e-6)
    dicts = rows_of("channel", [{"a": row, "scale": 1.0} for row in X], lambda e: isinstance(e, dict))
    jax.tree.map(np.testing.assert_array_equal, dicts, TREES["dict"])
    parts = rows_of("channel", [X, X], lambda example: isinstance(example, list))
    assert isinstance(parts, list) and parts[0].shape == (6, 3)
    # A network that broadcasts takes one example, and a batch of them too: nobody knows what two arrays are.
    with pytest.raises(InputError, match="must be one array"):
        rows_of("channel", [X, X], lambda example: np.shape(example)[-1:] == (3,))


@pytest.mark.parametrize(
    ("trait", "words"),
    [
        (X, "trait: must have inputs of the form of the channel's"),
        ({"a": X[:, :2], "scale": np.ones(6)}, "trait: must have inputs of the form"),
        ({"a": X, "scale": np.ones(6, int)}, "trait: must have the dtypes"),
        ({"a": X, "scale": np.ones(6), "more": X}, "trait: must have inputs of the form"),
    ],
)
def test_the_trait_has_inputs_like_the_channels(trait, words):
    network, _ = adapt(lambda p, x: x["a"] @ p["W"], PARAMS)
    with pytest.raises(InputError, match=words):
        packed(network, {"channel": rows_of("channel", TREES["dict"]), "trait": rows_of("trait", trait)})


def test_whole_numbers_that_no_float_holds():
    network, _ = adapt(lambda p, x: x["a"] @ p["W"], PARAMS)
    with pytest.raises(InputError, match="channel: must hold whole numbers up to"):
        packed(network, {"channel": rows_of("channel", {"a": X, "id": np.full(6, 2**60)})})


def test_verify_sees_the_same_network_through_a_structure():
    """To rounding, the numbers are those of the plain network on plain inputs; margins to what is allowed for it."""
    labels = np.arange(6) % 3
    plain = st.verify(
        lambda p, x: jnp.tanh(x[:3] @ p["W"] + x[3]) @ p["V"], PARAMS, claims="cosine-limit", seeds=1, loss="kl",
        channel=np.c_[X, np.ones(6)], trait=(np.c_[X, np.ones(6)], labels),
    )["cosine-limit"]  # fmt: skip
    rows = {"a": X, "flag": np.ones(6, bool)}
    found = st.verify(
        lambda p, x: jnp.tanh(x["a"] @ p["W"] + x["flag"]) @ p["V"], PARAMS, claims="cosine-limit", seeds=1, loss="kl",
        channel=rows, trait=(rows, labels),
    )["cosine-limit"]  # fmt: skip
    assert found.verdict is plain.verdict is st.Verdict.HOLDS
    assert found.measured == pytest.approx(plain.measured, rel=1e-9)
    assert found.margin == pytest.approx(plain.margin, abs=1e-3)  # other parameters are shaken otherwise


def test_strategies_say_that_they_draw_no_structures():
    from subtheory.cases import strategies

    network, _ = adapt(lambda p, x: x["a"] @ p["W"], PARAMS)
    with pytest.raises(InputError, match=r"networks: must have a task, .* no structured inputs"):
        strategies.distillations(networks=[network])
