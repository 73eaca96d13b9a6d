"""Which layers and heads are shared."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from starts import TANH, at, first, gap, made, own, ran

from subtheory.errors import InputError
from subtheory.init import PATHS, ShareFirst, ShareLast, ShareParts, ShareSubtree, called, layers
from subtheory.networks import MLP, NETWORKS, adapt
from subtheory.numerics import UNIT

pytestmark = pytest.mark.usefixtures("double")


@pytest.mark.parametrize("network", [*NETWORKS.values(), MLP(width=2, depth=11)], ids=lambda n: f"{n.name}")
def test_layers_are_in_the_order_of_the_program(network):
    params = jax.eval_shape(network.init, jax.random.key(0))
    names = layers(params)
    assert names == called(network, params, network.example) and names[-1] == "head"
    if getattr(network, "depth", 0) == 11:
        assert names != tuple(sorted(params))  # control: "Dense_10" sorts before "Dense_2"


def test_layers_of_a_network_with_names_of_its_own():
    @jax.jit
    def apply(theta, x):
        narrow = theta["z"].astype(jnp.float32).T  # looked at first, used last
        return jnp.tanh(x @ theta["m"]) @ theta["a"] @ narrow.astype(x.dtype)

    theta = {name: np.ones((3, 3)) for name in ("a", "m", "unused", "z")}
    network, _ = adapt(apply, theta)
    assert called(network, theta, np.ones(3)) == ("unused", "m", "a", "z")
    assert layers(theta) == ("a", "m", "unused", "z")  # names alone do not tell


SHARES = (
    (ShareFirst(2), {"Dense_0", "Dense_1"}),
    (ShareFirst(0), set()),
    (ShareLast(1), {"head"}),
    (ShareLast(0), set()),
    (ShareFirst(3), {"Dense_0", "Dense_1", "head"}),
    (ShareSubtree((("Dense_1",),)), {"Dense_1"}),
    (ShareSubtree((("Dense_1", "bias"),)), None),
)


def shared(path):
    """Which entries stay at the last amount."""
    return jax.tree.map(np.equal, at(ran(path, TANH)[0], 2, 0), first(made(TANH)))


def test_first_and_last_layers_are_shared():
    for path, kept in (*SHARES[:-1], (ShareFirst(1), {"Dense_0"}), (ShareLast(2), {"Dense_1", "head"})):
        for name, subtree in shared(path).items():
            assert all(leaf.all() == leaf.any() == (name in kept) for leaf in jax.tree.leaves(subtree)), path
    leaf = shared(SHARES[-1][0])
    assert leaf["Dense_1"]["bias"].all() and not leaf["Dense_1"]["kernel"].any()
    half, theta0 = at(ran(ShareFirst(1), TANH)[0], 1, 0), first(made(TANH))
    mean = jax.tree.map(lambda a, b: (a + b) / 2, theta0, first(made(TANH), "other"))
    assert gap(half["head"], mean["head"]) <= 4 * UNIT and gap(half["Dense_0"], theta0["Dense_0"]) == 0


@pytest.mark.parametrize("body", [False, True])
@pytest.mark.parametrize("distilled", [False, True])
@pytest.mark.parametrize("silent", [False, True])
def test_body_and_heads_are_shared_separately(body, distilled, silent):
    path = ShareParts(body, distilled, silent)
    start = made(TANH)
    mask = path.shared(start)
    columns = np.where(start.outputs > 0, distilled, silent)
    assert np.array_equal(mask["head"]["bias"], columns) and np.array_equal(mask["head"]["kernel"], columns)
    assert all(bool(leaf) == body for name in ("Dense_0", "Dense_1") for leaf in mask[name].values())
    assert path.name == {
        (False, False, False): "share-nothing", (True, False, False): "share-body",
        (False, True, True): "share-heads", (True, True, True): "share-body-and-heads",
        (False, True, False): "share-distilled-head", (False, False, True): "share-silent-head",
        (True, True, False): "share-body-and-distilled-head", (True, False, True): "share-body-and-silent-head",
    }[body, distilled, silent]  # fmt: skip


def test_heads_and_body_are_complements_and_rows_count_as_outputs_too():
    heads, body = (shared(PATHS[name]) for name in ("share-heads", "share-body"))
    assert all(np.all(a != b) for a, b in zip(jax.tree.leaves(heads), jax.tree.leaves(body), strict=True))
    network, theta = adapt(
        lambda theta, x: theta["out"] @ (theta["in"] @ x), {"in": np.ones((2, 4)), "out": np.ones((3, 2))}
    )
    w = np.array([1.0, 0.0, 0.0])
    start = own(network, theta, np.ones((1, 4)), w)
    assert np.array_equal(ShareParts(distilled=True).shared(start)["out"], w[:, None] > 0)


@pytest.mark.parametrize(
    "make", [lambda: ShareFirst(-1), lambda: ShareLast(4).shared(made(TANH)), lambda: ShareFirst(9).shared(made(TANH)),
             lambda: ShareSubtree((("Dense_7",),)).shared(made(TANH))],
)  # fmt: skip
def test_parts_that_are_not_there_are_refused(make):
    with pytest.raises(InputError):
        make()
