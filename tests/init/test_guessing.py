"""Guessed units: those of the three libraries' stacks, and none where moving them would change the function."""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from shapes import ATTENTION, CONV, KINKED, SMOOTH

from subtheory.errors import InputError
from subtheory.init import Place, Units, begin, units
from subtheory.init.guessing import between, guessed, require_kept
from subtheory.kernels.compiled import Kernels
from subtheory.networks import adapt, upcast
from subtheory.numerics import float64

RNG = np.random.default_rng(2)
ROWS, IMAGES, SEQUENCES = (RNG.standard_normal((5, *shape)) for shape in ((5,), (2, 6, 6), (4, 6)))
WIDE = {"W": RNG.normal(size=(5, 8)), "b": np.zeros(8), "V": RNG.normal(size=(8, 8)), "c": np.zeros(8),
        "U": RNG.normal(size=(8, 1))}  # fmt: skip


def said(model, params, x):
    """Guesses in words, with the activation; the functions and θ0 that they were made of."""
    network, params = adapt(model, params, example=x[0])
    params, _ = upcast(params)
    functions = Kernels.of(network, params, x[0])
    with float64():
        theta = np.asarray(functions.layout.flatten(params))
    found = guessed(functions, theta, x)
    require_kept(functions, theta, x, found)
    return [f"{between(one)} {one.activation}".strip() for one in found]


def deep(p, x):
    return jnp.tanh(jnp.tanh(x @ p["W"] + p["b"]) @ p["V"] + p["c"]) @ p["U"]


def stretched(p, x):
    return jax.nn.relu(jax.nn.relu(x @ p["W"] + p["b"]) @ p["V"] + p["c"]) @ p["U"]


def residual(p, x):
    h = x @ p["W"] + p["b"]
    return (h + jnp.tanh(h @ p["V"])) @ p["U"]


def tied(p, x):
    """What makes the units reads them too, at another place."""
    h = jnp.tanh(x @ p["W"])
    return jnp.tanh(h @ p["V"]) @ p["W"].T


def fixed(p, x):
    """Every unit has an activation of its own."""
    return (jnp.tanh(x @ p["W"]) * jnp.arange(1.0, 9.0)) @ p["V"]


@pytest.mark.parametrize(
    ("apply", "names", "found"),
    [
        (deep, "WbVcU", ["8 between W and V tanh", "8 between V and U tanh"]),
        (stretched, "WbVcU", ["8 between W and V relu", "8 between V and U relu"]),
        (lambda p, x: x @ p["W"] @ p["V"], "WV", ["8 between W and V linear"]),
        (lambda p, x: jax.nn.gelu(x @ p["W"]) @ p["V"], "WV", ["8 between W and V"]),
        (residual, "WbVU", []),
        (tied, "WV", []),
        (fixed, "WV", []),
        (lambda p, x: x @ p["W"], "W", []),
    ],
)
def test_plain_functions(apply, names, found):
    assert said(apply, {name: WIDE[name] for name in names}, ROWS) == found


class Image(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = nn.relu(nn.Conv(3, (3, 3), name="up")(jnp.moveaxis(x, 0, -1)))
        return nn.Dense(2, name="out")(jnp.ravel(nn.tanh(nn.Conv(4, (3, 3), name="mid")(x))))


class Block(nn.Module):
    @nn.compact
    def __call__(self, x):
        h = nn.Dense(8, name="in")(x)
        h = h + nn.MultiHeadDotProductAttention(num_heads=4, name="mix")(nn.LayerNorm()(h))
        return nn.Dense(2, name="out")(jnp.mean(h + nn.Dense(8, name="b")(nn.gelu(nn.Dense(16, name="a")(h))), 0))


def test_linen_stacks():
    assert said(Image(), None, IMAGES) == [
        "3 between up/kernel and mid/kernel relu",
        "4 between mid/kernel and out/kernel tanh",
    ]
    assert said(Block(), None, SEQUENCES) == [
        "16 between a/kernel and b/kernel", "4 heads between mix/query/kernel and mix/out/kernel"
    ]  # fmt: skip


def test_nnx_stack():
    nnx = pytest.importorskip("flax.nnx")

    class Model(nnx.Module):
        def __init__(self, rngs):
            self.one, self.two = nnx.Linear(5, 8, rngs=rngs), nnx.Linear(8, 3, rngs=rngs)

        def __call__(self, x):
            return self.two(nnx.tanh(self.one(x)))

    assert said(Model(nnx.Rngs(0)), None, ROWS) == ["8 between one/kernel and two/kernel tanh"]


def test_equinox_stacks():
    eqx = pytest.importorskip("equinox")
    key = jax.random.key(0)
    found = said(eqx.nn.MLP(5, 3, 8, 2, activation=jax.nn.relu, key=key), None, ROWS)
    assert found == [f"8 between layers/{i}/weight and layers/{i + 1}/weight relu" for i in range(2)]

    class Image(eqx.Module):
        conv: eqx.nn.Conv2d
        out: eqx.nn.Linear

        def __call__(self, x):
            return self.out(jnp.ravel(jnp.tanh(self.conv(x))))

    class Mixed(eqx.Module):
        mix: eqx.nn.MultiheadAttention
        out: eqx.nn.Linear

        def __call__(self, x):
            return self.out(jnp.mean(jnp.tanh(self.mix(x, x, x) + x), 0))

    image = Image(eqx.nn.Conv2d(2, 4, 3, key=key), eqx.nn.Linear(64, 3, key=key))
    assert said(image, None, IMAGES) == ["4 between conv/weight and out/weight tanh"], "channels come before places"
    mixed = Mixed(eqx.nn.MultiheadAttention(3, 6, key=key), eqx.nn.Linear(6, 3, key=key))
    assert said(mixed, None, SEQUENCES) == ["3 heads between mix/query_proj/weight and mix/output_proj/weight"]


@pytest.mark.parametrize("network", [SMOOTH, KINKED, CONV, ATTENTION], ids=["smooth", "kinked", "conv", "attention"])
def test_built_in_networks_are_guessed_as_they_are_known(network):
    """Against the units that are written down by the names of the layers."""
    start = begin(network, 0)
    params = start.layout.unflatten(start.theta0[0])

    def places(groups):
        kept = [one for one in groups if one.kind in ("hidden", "heads") and one.size > 1]
        return [(one.kind, one.size, {p.leaf for p in one.incoming}, {p.leaf for p in one.outgoing}) for one in kept]

    found = guessed(start.functions, start.theta0[0], start.x[0])
    assert places(found) == places(units(network, params)) and found


@pytest.mark.parametrize(
    ("group", "words"),
    [
        (Units("hidden", 8, (Place(("W",), 1),), (Place(("V",), 0),)), "units: must leave the outputs as they are"),
        (Units("hidden", 8, (Place(("Q",), 1),), ()), "units: must name a leaf"),
        (Units("hidden", 7, (Place(("W",), 1),), ()), "units: must split into 7 units"),
    ],
)
def test_units_that_are_declared_and_wrong_are_refused(group, words):
    """The first lacks the bias of the units, which is zero at θ0 and not where students go."""
    params = {name: WIDE[name] for name in "WbVcU"}
    functions = Kernels.of(adapt(deep, params)[0], params, ROWS[0])
    with pytest.raises(InputError, match=words):
        require_kept(functions, functions.layout.flatten(params), ROWS, [group])
