"""Built-in networks: one example in, float64 logits out, hashable by value, with the stated initial laws."""

from dataclasses import FrozenInstanceError, replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from subtheory.data import DIGITS, TOKENS, Blank
from subtheory.errors import InputError
from subtheory.kernels.draws import inits, layout_of, normal_law
from subtheory.kernels.source import FromTask
from subtheory.networks import MLP, NETWORKS, ConvNet, Linear, Transformer, VisionTransformer, require_float64
from subtheory.numerics import float64
from subtheory.theory.network import Network

CASES = [pytest.param(network, id=name) for name, network in NETWORKS.items()]


@cache
def drawn(network, seed=0):
    """Parameters as NumPy."""
    with float64(), jax.numpy_dtype_promotion("strict"):
        return jax.tree.map(np.asarray, jax.jit(network.init)(jax.random.key(seed)))


@cache
def batch(task, n=3):
    with float64():
        return np.asarray(task.labelled(jax.random.key(1), n)[0])


@pytest.mark.parametrize("network", CASES)
def test_init_is_small_float64_and_random(network):
    params = drawn(network)
    leaves = jax.tree.leaves(params)
    assert {leaf.dtype for leaf in leaves} == {np.dtype(np.float64)}
    assert sum(leaf.size for leaf in leaves) <= 5500
    assert "head" in params and params["head"]["bias"].shape == (network.task.outputs,)
    assert not np.array_equal(params["head"]["bias"], drawn(network, seed=1)["head"]["bias"])


@pytest.mark.parametrize("network", CASES)
def test_strictly_float64_and_batched_by_vmap(network):
    params, x = drawn(network), batch(network.task)
    require_float64(network, params, x[0])
    with float64(), jax.numpy_dtype_promotion("strict"):
        outputs = np.asarray(jax.jit(jax.vmap(network.apply, (None, 0)))(params, x))
        gradient = jax.eval_shape(jax.grad(lambda p: jnp.sum(network.apply(p, x[0]))), params)
    sequence = network.task.shape if network.task is TOKENS else ()
    assert outputs.shape == (3, *sequence, network.task.outputs) and outputs.dtype == np.float64
    assert np.isfinite(outputs).all() and np.std(outputs) > 0.05
    assert {leaf.dtype for leaf in jax.tree.leaves(gradient)} == {np.dtype(np.float64)}


@pytest.mark.parametrize("network", CASES)
def test_networks_are_values(network):
    twin = replace(network)
    assert twin is not network and twin == network and hash(twin) == hash(network)
    assert isinstance(network, Network)
    with pytest.raises(FrozenInstanceError):
        network.task = DIGITS


def test_networks_are_listed_by_name():
    order = ["linear", "mlp", "mlp-gelu", "mlp-softplus", "mlp-relu", "convnet", "vit", "transformer"]
    assert list(NETWORKS) == order
    assert all(network.name == name for name, network in NETWORKS.items())
    assert len(set(NETWORKS.values())) == len(order)


def test_equal_networks_share_one_compilation():
    traces = []

    def outputs(network, params, x):
        traces.append(network)
        return network.apply(params, x)

    compiled = jax.jit(outputs, static_argnums=0)
    with float64():
        for network in (Linear(), Linear(), replace(Linear())):
            compiled(network, drawn(Linear()), batch(DIGITS)[0])
    assert len(traces) == 1


def test_linear_network_is_linear_in_its_parameters():
    first, second, x = drawn(Linear()), drawn(Linear(), seed=1), batch(DIGITS)[0]
    with float64():
        f = jax.jit(Linear().apply)
        mixed = f(jax.tree.map(lambda a, b: 2 * a - 3 * b, first, second), x)
        np.testing.assert_allclose(mixed, 2 * f(first, x) - 3 * f(second, x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("activation", ["tanh", "gelu", "softplus", "relu"])
@pytest.mark.parametrize("depth", [1, 3])
def test_mlp_against_its_definition(activation, depth):
    """W_L φ(... φ(W_1 x + b_1)) + b_L, in NumPy; gelu in its tanh form."""
    phi = {
        "tanh": np.tanh,
        "gelu": lambda z: z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3))) / 2,
        "softplus": lambda z: np.log1p(np.exp(z)),
        "relu": lambda z: np.maximum(z, 0),
    }[activation]
    network = MLP(width=7, depth=depth, activation=activation)
    params, x = drawn(network), batch(DIGITS)[0]
    h = x.ravel()
    for i in range(depth):
        layer = params[f"Dense_{i}"]
        h = phi(h @ layer["kernel"] + layer["bias"])
    expected = h @ params["head"]["kernel"] + params["head"]["bias"]
    with float64():
        np.testing.assert_allclose(jax.jit(network.apply)(params, x), expected, rtol=1e-12, atol=1e-13)


def test_initial_law_of_the_mlp():
    """Variances 1/fan_in and bias_std², within five standard errors."""
    network = MLP(width=200, depth=2, bias_std=0.5)
    layer = drawn(network)["Dense_1"]
    for leaf, variance in ((layer["kernel"], 1 / 200), (layer["bias"], 0.25)):
        assert abs(leaf.var() - variance) <= 5 * variance * np.sqrt(2 / leaf.size)


@pytest.mark.parametrize("bias_std", [0.0, 0.1])
def test_blank_input_sits_on_every_kink_without_biases(bias_std):
    network = MLP(activation="relu", bias_std=bias_std)
    with float64():
        blank = Blank().inputs(jax.random.key(0), 1, DIGITS)[0]
        kinks = network.preactivations(drawn(network), blank)
    assert [z.shape for z in kinks] == [(24,), (24,)]
    assert all((np.asarray(z) == 0).all() == (bias_std == 0) for z in kinks)


def test_preactivations_are_what_enters_each_relu():
    network, x = MLP(activation="relu", depth=3), batch(DIGITS)[0]
    params = drawn(network)
    with float64():
        measured = network.preactivations(params, x)
    h = x.ravel()
    assert len(measured) == 3
    for i, z in enumerate(measured):
        expected = h @ params[f"Dense_{i}"]["kernel"] + params[f"Dense_{i}"]["bias"]
        np.testing.assert_allclose(z, expected, rtol=0, atol=1e-13)
        h = np.maximum(expected, 0)


def test_preactivations_of_other_networks():
    relu = ConvNet(activation="relu")
    with float64():
        sizes = [z.shape for z in relu.preactivations(drawn(relu), batch(DIGITS)[0])]
        assert sizes == [(8 * 8 * 4,), (4 * 4 * 8,)]
        for network in (Linear(), MLP()):
            assert network.preactivations(drawn(network), batch(DIGITS)[0]) == ()


def test_transformer_is_causal():
    """Changing token t leaves the outputs before t as they are, and changes those from t on."""
    network = Transformer()
    params, x = drawn(network), batch(TOKENS)[0]
    with float64():
        apply = jax.jit(network.apply)
        before, t = np.asarray(apply(params, x)), 6
        changed = x.copy()
        changed[t] = (x[t] + 1) % TOKENS.outputs
        after = np.asarray(apply(params, changed))
    np.testing.assert_array_equal(before[:t], after[:t])
    assert (np.abs(before[t:] - after[t:]).max(axis=1) > 1e-6).all()


def test_vit_cuts_the_image_into_its_squares():
    from subtheory.networks.vit import patches

    x = np.arange(64.0).reshape(8, 8)
    cut = np.asarray(patches(jnp.asarray(x), 4))
    expected = [x[r : r + 4, c : c + 4].ravel() for r in (0, 4) for c in (0, 4)]
    np.testing.assert_array_equal(cut, expected)


def test_convnet_halves_by_means():
    from subtheory.networks.convnet import halve

    x = np.arange(32.0).reshape(4, 4, 2)
    expected = [[x[r : r + 2, c : c + 2].mean(axis=(0, 1)) for c in (0, 2)] for r in (0, 2)]
    np.testing.assert_allclose(halve(jnp.asarray(x)), expected)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: MLP(activation="step"), "activation"),
        (lambda: MLP(width=0), "width"),
        (lambda: MLP(depth=0), "depth"),
        (lambda: MLP(bias_std=-1.0), "bias_std"),
        (lambda: MLP(bias_std=float("nan")), "bias_std"),
        (lambda: ConvNet(channels=()), "channels"),
        (lambda: ConvNet(channels=(2, 2, 2, 2)), "channels"),
        (lambda: ConvNet(activation="step"), "activation"),
        (lambda: Transformer(heads=3), "heads"),
        (lambda: Transformer(blocks=0), "blocks"),
        (lambda: Transformer(task=DIGITS), "task"),
        (lambda: VisionTransformer(patch=3), "patch"),
        (lambda: VisionTransformer(heads=5), "heads"),
        (lambda: VisionTransformer(task=TOKENS), "patch"),
    ],
)
def test_impossible_networks_are_refused(make, field):
    with pytest.raises(InputError) as caught:
        make()
    assert caught.value.field == field


@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_a_law_read_off_is_that_of_the_module(network):
    """Mean, deviation and bound of every entry, against 200 inits of both: a mean's error is σ/√200, five of them."""
    law, seeds = normal_law(network), tuple(range(200))
    _, drawn, other = inits(network, FromTask(network.task), seeds)
    with float64():
        made = jax.jit(jax.vmap(network.init))(jax.vmap(jax.random.key)(np.arange(200)))
    layout = layout_of(network, FromTask(network.task))
    theirs = layout.flatten(jax.tree.map(np.asarray, made))
    for params in (drawn, other, theirs):
        off = np.abs(params - law.mean)
        assert np.all(off <= law.bound * law.deviation * (1 + 1e-12))
        free = law.deviation > 0
        assert np.all(np.abs(np.mean(params, axis=0) - law.mean)[free] < 6 * law.deviation[free] / np.sqrt(200))
        for bound in np.unique(law.bound):
            some = free & (law.bound == bound)
            squares = (off[:, some] / law.deviation[some]) ** 2
            kept = stats.truncnorm(-bound, bound).var() if bound < 10 else 1.0
            assert abs(squares.mean() - kept) < 6 * squares.std() / np.sqrt(squares.size)
