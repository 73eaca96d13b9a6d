"""Paths of inits against dense oracles: where they start, what they keep, and controls that break it."""

import doctest
from dataclasses import replace
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from scipy import stats

import subtheory.init as init
from subtheory.errors import InputError
from subtheory.init import (
    PATHS,
    Another,
    BehaviourMatched,
    Fork,
    IsotropicNoise,
    NullNoise,
    Permutation,
    Place,
    ReluRescaling,
    SeenNoise,
    ShareFirst,
    ShareLast,
    ShareParts,
    ShareSubtree,
    SignFlip,
    Start,
    TensorNoise,
    Units,
    begin,
    called,
    fits,
    layers,
    others,
    students,
    teachers,
    units,
)
from subtheory.init.mixing import slerp
from subtheory.init.symmetry import StreamRescaling, Symmetry, Turn, act, cycle
from subtheory.networks import MLP, NETWORKS, ConvNet, Linear, Transformer, VisionTransformer, adapt
from subtheory.numerics import ROUNDINGS, UNIT, float64
from subtheory.setting import _data
from subtheory.source import FromTask
from subtheory.theory.losses import CrossEntropy, Quartic, SquaredError
from subtheory.theory.trait import FunctionTrait, LabelledTrait
from subtheory.traces import TRACES

TANH, RELU, SINE, GELU = (MLP(width=5, activation=a) for a in ("tanh", "relu", "sine", "gelu"))
CONV = ConvNet(channels=(2, 3))
CONV_RELU = ConvNet(channels=(2, 3), activation="relu")
DECODER, VIT = Transformer(width=4, blocks=2), VisionTransformer(width=4)
EXAMPLES = 3


@pytest.fixture(autouse=True)
def double():
    with float64():
        yield


@lru_cache
def made(network, seed=0, examples=EXAMPLES):
    """A start with every parameter, inputs and labels normal or uniform, gains and biases included."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(network.init, jax.random.key(0))
    draw = lambda: jax.tree.map(lambda leaf: rng.normal(size=leaf.shape) / 2, shapes)  # noqa: E731
    size = network.task.outputs

    def inputs(n):
        shape = (n, *network.task.shape)
        if network.task.vocabulary:
            return rng.integers(0, size, shape).astype(np.int32)
        return rng.uniform(-1, 1, shape)

    trait = LabelledTrait(inputs(16), rng.integers(0, size, 16).astype(np.int32), network.task.weights("class"))
    w = network.task.weights("aux")
    return Start(draw(), draw(), inputs(examples), w, trait, network, SquaredError())


KEYS = 2


def grid(path):
    """Amount 0, one in the middle, and the last."""
    return (0.0, path.amounts[len(path.amounts) // 2], path.amounts[-1])


@lru_cache
def together(paths, network):
    """Students and teachers of several paths on their grids, in one program: compiling is what tests cost."""

    @jax.jit
    def each(start, keys):
        return [(students(path, start, grid(path), keys), teachers(path, start, grid(path), keys)) for path in paths]

    return dict(zip(paths, each(made(network), jax.random.split(jax.random.key(1), KEYS)), strict=True))


def ran(path, network):
    """Amounts, keys, students and teachers; paths with a name run together on the network where they are at home."""
    named = tuple(each for each in PATHS.values() if home(each) == network)
    found = together(named, network) if path in named else together((path,), network)
    return (grid(path), jax.random.split(jax.random.key(1), KEYS), *found[path])


@partial(jax.jit, static_argnames="network")
def values(network, params, x):
    return jax.vmap(lambda example: network.apply(params, example))(x)


def at(tree, *index):
    return jax.tree.map(lambda leaf: np.asarray(leaf)[index], tree)


def gap(a, b):
    return max(
        float(np.max(np.abs(np.asarray(x) - np.asarray(y)))) for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True)
    )


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@lru_cache
def home(path):
    """The cheapest network that a path fits."""
    return next(network for network in (TANH, RELU, VIT) if fits(path, made(network)))


# Every path


@pytest.mark.parametrize("name", PATHS)
def test_amount_zero_is_the_teachers_init_and_the_last_amount_is_not(name):
    path = PATHS[name]
    start = made(home(path))
    _, _, found, teacher = ran(path, home(path))
    if not path.reaches_start:
        assert gap(at(found, 2, 0), start.other) == 0 < gap(at(found, 0, 0), at(teacher, 0, 0))
        return
    assert gap(at(found, 0), at(teacher, 0)) <= ROUNDINGS * UNIT
    assert gap(at(found, 2), at(teacher, 2)) > 0.1 if name != "fork" else gap(at(found, 2), at(teacher, 2)) > 1e-4
    if name != "fork":
        assert gap(at(teacher, 1, 1), start.theta0) == 0


def test_names_and_sentences():
    for name, path in PATHS.items():
        assert path.name == name and name == name.lower() and " " not in name
        assert path.says.endswith(".") and path.says.count(". ") == 0
        assert path.amounts[0] == 0 and list(path.amounts) == sorted(path.amounts) and path.amounts[-1] <= path.largest
        assert hash(path) == hash(type(path)(**{f: getattr(path, f) for f in path.__dataclass_fields__}))


def test_one_program_serves_all_amounts_keys_and_inits():
    path, start = PATHS["partial-reinit"], made(TANH)
    students(path, start, (0.3, 0.0, 1.0), jax.random.split(jax.random.key(6), 2))
    before = TRACES["init partial-reinit"]
    students(path, start, (0.1, 0.2, 0.3), jax.random.split(jax.random.key(7), 2))
    students(path, replace(start, theta0=start.other), (0.5, 0.2, 0.3), jax.random.split(jax.random.key(8), 2))
    assert TRACES["init partial-reinit"] == before
    students(path, start, (0.1, 0.2), jax.random.split(jax.random.key(7), 2))  # control: another shape
    assert TRACES["init partial-reinit"] == before + 1


@pytest.mark.parametrize(("name", "amount"), [("linear", 1.1), ("linear", -0.1), ("noise", -1.0), ("noise", np.nan)])
def test_amounts_out_of_range_are_refused(name, amount):
    with pytest.raises(InputError, match="amount"):
        students(PATHS[name], made(TANH), (0.0, amount), jax.random.split(jax.random.key(0), 1))


def test_begin_is_where_a_setting_begins():
    network, key = Linear(), jax.random.key(3)
    source = FromTask(network.task)
    begun = partial(begin, network, outputs="aux", examples=5, trait_examples=6, loss=CrossEntropy())
    start, (theta0, other) = jax.jit(lambda key: (begun(key), source.start(network, key)))(key)
    x, trait = _data(key[None], source, None, 5, 6)
    assert gap((start.theta0, start.other, start.x), (theta0, other, x[0])) == 0
    assert gap(start.trait, at(trait, 0)) == 0 and start.outputs.sum() == 3 and start.loss == CrossEntropy()


def test_the_docstring_runs():
    found = doctest.testmod(init)
    assert found.failed == 0 < found.attempted


# Noise


def test_isotropic_noise_is_uniform_on_the_sphere():
    """δ·v/r has the law of one coordinate of a unit vector in R^P: its square is Beta(1/2, (P − 1)/2)."""
    network, theta0 = adapt(lambda theta, x: theta * x, np.arange(1.0, 5.0))
    start = Start(theta0, theta0, np.ones((1, 4)), np.ones(4), FunctionTrait(np.sum), network)
    found = students(IsotropicNoise(), start, (0.3,), jax.random.split(jax.random.key(0), 4000))[0] - theta0
    r = 0.3 * np.linalg.norm(theta0)
    assert np.allclose(np.linalg.norm(found, axis=1), r, rtol=ROUNDINGS * UNIT)
    for v in np.eye(4):
        assert stats.kstest((found @ v / r) ** 2, stats.beta(0.5, 1.5).cdf).pvalue > 1e-4
    assert stats.kstest(np.asarray(found[:, 0] / r) ** 2, stats.beta(0.5, 2.0).cdf).pvalue < 1e-4  # control: P = 5


def test_tensor_noise_is_normal_relative_to_each_tensor():
    theta0 = {"a": np.array([3.0, -4.0]), "b": np.array([0.01]), "zero": np.zeros(2)}
    network, _ = adapt(lambda theta, x: theta["a"] * x, theta0)
    start = Start(theta0, theta0, np.ones((1, 2)), np.ones(2), FunctionTrait(np.sum), network)
    found = students(TensorNoise(), start, (0.5,), jax.random.split(jax.random.key(0), 3000))
    for name, rms in (("a", np.sqrt(12.5)), ("b", 0.01)):
        drawn = (found[name][0] - theta0[name]).ravel() / rms
        assert stats.kstest(drawn, stats.norm(scale=0.5).cdf).pvalue > 1e-4
        assert stats.kstest(drawn, stats.norm(scale=0.6).cdf).pvalue < 1e-4  # control: 20 % off
    assert not found["zero"].any()


def dense_ggn(start):
    """G with P² entries: J by reverse mode, M by differentiating the loss twice."""
    theta0, unravel = ravel_pytree(start.theta0)
    f = lambda theta: values(start.network, unravel(theta), start.x)  # noqa: E731
    z = f(theta0)
    J = np.asarray(jax.jit(jax.jacrev(f))(theta0)).reshape(-1, z.shape[-1], theta0.size)
    rows = z.reshape(-1, z.shape[-1])
    curve = lambda y: jax.hessian(lambda o: start.loss.value(o, y, start.outputs))(y)  # noqa: E731
    M = jax.jit(jax.vmap(curve))(rows)
    return np.einsum("nip,nij,njq->pq", J, np.asarray(M), J) / len(rows)


def sequence():
    """Outputs (T, V) = (2, 3) of 21 parameters, so that G averages over positions and its rank is clear."""
    rng = np.random.default_rng(5)
    draw = lambda: {"a": rng.normal(size=(4, 3)), "b": rng.normal(size=(3, 3))}  # noqa: E731
    network, theta0 = adapt(lambda theta, x: jnp.tanh(x @ theta["a"]) @ theta["b"], draw())
    return Start(theta0, draw(), rng.normal(size=(2, 2, 4)), np.array([1.0, 0.5, 2.0]), FunctionTrait(np.sum), network)


@pytest.mark.parametrize("loss", [SquaredError(), CrossEntropy()], ids=lambda loss: loss.name)
def test_noise_in_the_null_space_of_g_and_in_its_complement(loss):
    start, paths = replace(sequence(), loss=loss), (NullNoise(), SeenNoise(), IsotropicNoise())
    G = dense_ggn(start)
    values_, vectors = np.linalg.eigh(G)
    kept = values_ > 1e-9 * values_[-1]
    assert kept.any() and values_[~kept][-1] < 1e-13 * values_[-1], "the rank of this G is not clear-cut"
    theta0 = flat(start.theta0)
    drawn = jax.jit(lambda key: [ravel_pytree(path(start, 0.1, key))[0] for path in paths])(jax.random.key(0))
    null, seen, any_ = (np.asarray(student) - theta0 for student in drawn)
    # Eigenvectors are off by the rounding of G over its smallest eigenvalue.
    tolerance = ROUNDINGS * UNIT * values_[-1] / values_[kept][0]
    top, r = values_[-1], 0.1 * np.linalg.norm(theta0)
    for delta in (null, seen, any_):
        assert np.isclose(np.linalg.norm(delta), r, rtol=1e-12)
    assert np.linalg.norm(G @ null) < tolerance * top * r
    assert np.linalg.norm(G @ any_) > 1e3 * tolerance * top * r  # control: isotropic noise is seen
    inside = vectors[:, kept] @ (vectors[:, kept].T @ any_)
    assert np.allclose(seen, r * inside / np.linalg.norm(inside), atol=tolerance * r)
    assert np.allclose(null, r * (any_ - inside) / np.linalg.norm(any_ - inside), atol=tolerance * r)


def test_noise_without_room_is_nan_and_too_many_outputs_are_refused():
    network, theta0 = adapt(lambda theta, x: theta * x, np.arange(1.0, 4.0))
    start = Start(theta0, theta0, np.ones((2, 3)), np.ones(3), FunctionTrait(np.sum), network)
    keys = jax.random.split(jax.random.key(0), 1)
    filled = students(NullNoise(), start, (0.0, 0.1), keys)
    assert np.array_equal(filled[0, 0], theta0) and np.isnan(filled[1]).all()  # G has full rank
    assert np.isfinite(students(NullNoise(), replace(start, outputs=np.array([1.0, 0, 1])), (0.0, 0.1), keys)).all()
    blind = replace(start, loss=Quartic())
    assert np.isnan(students(SeenNoise(), blind, (0.1,), keys)).all()  # G = 0
    assert np.isfinite(students(NullNoise(), blind, (0.1,), keys)).all()
    assert not fits(NullNoise(), replace(start, x=np.ones((3000, 3)))) and fits(IsotropicNoise(), start)


# Mixing


def test_lines_arcs_and_correlations_end_at_the_independent_init():
    for name in ("linear", "spherical", "correlated", "partial-reinit"):
        assert gap(at(ran(PATHS[name], TANH)[2], 2, 1), made(TANH).other) <= 4 * UNIT, name


def test_an_arc_keeps_norms_and_divides_the_angle():
    rng = np.random.default_rng(0)
    a, b = (v / np.linalg.norm(v) * 3 for v in rng.normal(size=(2, 4, 5)))
    omega = np.arccos(np.sum(a * b) / 9)
    for t in (0.25, 0.5, 0.9):
        point = np.asarray(slerp(t, a, b))
        assert np.isclose(np.linalg.norm(point), 3, rtol=1e-14)
        assert np.isclose(np.arccos(np.sum(a * point) / 9), t * omega, rtol=1e-12)
        assert abs(np.linalg.norm((1 - t) * a + t * b) - 3) > 0.1  # control: the line
        for c in (a, -a, 0 * a):  # no arc: the line
            assert np.allclose(slerp(t, a, c), (1 - t) * a + t * c, rtol=1e-14, atol=1e-15)


def test_correlated_inits_keep_the_law_and_have_the_correlation():
    rng = np.random.default_rng(1)
    theta0, other = rng.normal(size=(2, 20000))
    other[:10] = theta0[:10]
    network, _ = adapt(lambda theta, x: theta[:1] * x, theta0)
    start = Start(theta0, other, np.ones((1, 1)), np.ones(1), FunctionTrait(np.sum), network)
    found = np.asarray(students(PATHS["correlated"], start, (0.3,), jax.random.split(jax.random.key(0), 1)))[0, 0]
    assert stats.kstest(found, stats.norm.cdf).pvalue > 1e-4
    assert stats.kstest(0.7 * theta0 + 0.3 * other, stats.norm.cdf).pvalue < 1e-4  # control: the line
    low, high = np.tanh(np.arctanh(np.corrcoef(found, theta0)[0, 1]) + np.array([-4, 4]) / np.sqrt(len(found)))
    assert low < 0.7 < high and np.array_equal(found[:10], theta0[:10])


def test_partial_reinit_replaces_an_exact_nested_set():
    amounts, _, found, _ = ran(PATHS["partial-reinit"], TANH)
    start = made(TANH)
    theta0, other = flat(start.theta0), flat(start.other)
    moved = [flat(at(found, i, 0)) != theta0 for i in range(3)]
    assert [m.sum() for m in moved] == [round(a * len(theta0)) for a in amounts]
    assert not (moved[1] & ~moved[2]).any() and np.array_equal(flat(at(found, 1, 0))[moved[1]], other[moved[1]])
    assert (moved[1] != (flat(at(found, 1, 1)) != theta0)).any()  # control: another key, another set


# Sharing


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
    paths = tuple(path for path, _ in SHARES)
    found = together(paths, TANH)[path] if path in paths else ran(path, TANH)[2:]
    return jax.tree.map(np.equal, at(found[0], 2, 0), made(TANH).theta0)


def test_first_and_last_layers_are_shared():
    for path, kept in (*SHARES[:-1], (ShareFirst(1), {"Dense_0"}), (ShareLast(2), {"Dense_1", "head"})):
        for name, subtree in shared(path).items():
            assert all(leaf.all() == leaf.any() == (name in kept) for leaf in jax.tree.leaves(subtree)), path
    leaf = shared(SHARES[-1][0])
    assert leaf["Dense_1"]["bias"].all() and not leaf["Dense_1"]["kernel"].any()
    half = at(ran(ShareFirst(1), TANH)[2], 1, 0)
    mean = jax.tree.map(lambda a, b: (a + b) / 2, made(TANH).theta0, made(TANH).other)
    assert gap(half["head"], mean["head"]) <= 4 * UNIT and gap(half["Dense_0"], made(TANH).theta0["Dense_0"]) == 0


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
    start = Start(theta, theta, np.ones((1, 4)), w, FunctionTrait(np.sum), network)
    assert np.array_equal(ShareParts(distilled=True).shared(start)["out"], w[:, None] > 0)


@pytest.mark.parametrize(
    "make", [lambda: ShareFirst(-1), lambda: ShareLast(4).shared(made(TANH)), lambda: ShareFirst(9).shared(made(TANH)),
             lambda: ShareSubtree((("Dense_7",),)).shared(made(TANH))],
)  # fmt: skip
def test_parts_that_are_not_there_are_refused(make):
    with pytest.raises(InputError):
        make()


# Symmetries

SYMMETRIES = [name for name, path in PATHS.items() if isinstance(path, Symmetry)]
EXACT = [name for name in SYMMETRIES if name != "stream-rescaling"]
FITTING = [
    (name, network)
    for network in (TANH, RELU, SINE, GELU, CONV, CONV_RELU, DECODER, VIT)
    for name in {
        "tanh": ["permutation", "sign-flip"], "sine": ["permutation", "sign-flip"], "gelu": ["permutation"],
        "relu": ["permutation", "relu-rescaling"],
        "block": ["permutation", "head-permutation", "gain-rescaling", "stream-rescaling"],
    }[getattr(network, "activation", "block")]
]  # fmt: skip
DEEP = MLP(width=3, depth=4)
CASES = [
    ("permutation", DEEP), ("permutation", CONV_RELU), ("permutation", VIT), ("head-permutation", VIT),
    ("sign-flip", TANH), ("sign-flip", SINE), ("relu-rescaling", RELU), ("relu-rescaling", CONV_RELU),
    ("gain-rescaling", DECODER), ("stream-rescaling", VIT),
]  # fmt: skip


@partial(jax.jit, static_argnames=("path", "broken"))
def turned(path, broken, start, amount, key):
    """The student, the student taken back, the outputs of init and student, and of one whose readers stay."""
    student, stray = path(start, amount, key), broken(start, amount, key)
    z = [jax.vmap(partial(start.network.apply, theta))(start.x) for theta in (start.theta0, student, stray)]
    return student, path.undo(start, amount, key, student), z


@pytest.mark.parametrize(("name", "network"), CASES, ids=lambda case: case if isinstance(case, str) else case.name)
def test_a_symmetry_keeps_the_function_and_can_be_undone(name, network):
    path, start = PATHS[name], made(network)
    broken = replace(path, spec=tuple(replace(group, outgoing=()) for group in path.groups(start)))
    for amount in (path.amounts[len(path.amounts) // 2], path.amounts[-1]):
        student, back, (z, same, changed) = turned(path, broken, start, jnp.asarray(amount), jax.random.key(1))
        rounding = 2 * ROUNDINGS * UNIT * (1 + float(np.abs(z).max()))
        assert gap(student, start.theta0) > 0.1
        for found, theta in zip(*map(jax.tree.leaves, (back, start.theta0)), strict=True):
            assert np.allclose(found, theta, rtol=8 * UNIT, atol=0)
        if name in EXACT:
            assert gap(same, z) < rounding
            assert gap(changed, z) > 1e3 * rounding  # control: a group whose readers do not follow


def test_each_symmetry_fits_only_where_it_holds():
    networks = (TANH, RELU, SINE, GELU, CONV, CONV_RELU, DECODER, VIT)
    expected = set(FITTING)
    for name in SYMMETRIES:
        for network in networks:
            assert fits(PATHS[name], made(network)) == ((name, network) in expected), (name, network)
    assert not fits(PATHS["permutation"], made(Linear()))
    assert not fits(PATHS["head-permutation"], made(Transformer(width=4, heads=1)))
    with pytest.raises(InputError, match="units"):
        SignFlip().groups(made(RELU))


def test_stream_rescaling_is_broken_by_the_constant_of_the_norms_alone():
    """f_{Tθ} − f_θ = O(ε_LN/σ²): K times larger weights, σ² larger by K², the difference smaller by K²."""
    start = made(VIT)
    groups = StreamRescaling().groups(start)
    turn = lambda c: (Turn(jnp.arange(1), jnp.full(1, c)),)  # noqa: E731
    off = []
    for K in (4.0, 16.0):
        large = act(groups, turn(K), start.theta0)
        off.append(gap(values(VIT, act(groups, turn(3.0), large), start.x), values(VIT, large, start.x)))
    assert 0 < off[0] < 1e-6
    assert np.isclose(np.log(off[0] / off[1]) / np.log(4), 2, atol=1e-3)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_cycle_moves_as_many_units_as_it_should(size):
    amounts, keys = np.linspace(0, 1, 21), jax.random.split(jax.random.key(0), 20)
    every = jax.jit(jax.vmap(lambda a: jax.vmap(lambda key: cycle(size, a, key))(keys)))(amounts)
    for amount, orders in zip(amounts, np.asarray(every), strict=True):
        moved = int(np.round(amount * size))
        assert np.array_equal(np.sort(orders), np.broadcast_to(np.arange(size), orders.shape))
        assert set((orders != np.arange(size)).sum(axis=1)) == {0 if size == 1 else 2 if moved == 1 else moved}
    # Control: at amount 1 every unit may come from every other one, and never from itself.
    found = {(i, j) for order in np.asarray(every)[-1] for i, j in enumerate(order)}
    assert size != 2 or found == {(0, 1), (1, 0)}


def test_sign_flips_and_permutations_move_a_fraction_of_the_units():
    start, key = made(TANH), jax.random.key(0)
    for turn in SignFlip().turns(start, 0.4, key):
        assert (turn.factor < 0).sum() == 2 and np.array_equal(turn.order, np.arange(5))
    first, second = Permutation().turns(start, 1.0, key)
    assert (first.order != np.arange(5)).all() and not np.array_equal(first.order, second.order)


def test_orthogonal_symmetries_carry_gradients_along_and_rescalings_do_not():
    """∇L(Tθ) = T∇L(θ) for orthogonal T; a rescaling turns the gradient by T⁻¹ instead."""

    @partial(jax.jit, static_argnames="network")
    def gradient(network, theta, start):
        return jax.grad(lambda p: start.trait.loss(network.apply, p))(theta)

    for path, network, holds in ((Permutation(), TANH, True), (SignFlip(), TANH, True), (ReluRescaling(), RELU, False)):
        start = made(network)
        amounts, keys, found, _ = ran(path, network)
        moved = gradient(network, at(found, 2, 0), start)
        back = path.undo(start, amounts[2], keys[0], moved)
        original = gradient(network, start.theta0, start)
        assert (gap(back, original) < 1e-13) == holds
        if not holds:
            inverse = tuple(turn.inverse for turn in path.turns(start, amounts[2], keys[0]))
            carried = act(path.groups(start), inverse, original)
            assert gap(carried, moved) < 1e-12 * (1 + np.abs(flat(moved)).max())


def test_units_of_a_network_of_ones_own():
    network, theta = adapt(lambda theta, x: theta[1] @ jnp.tanh(theta[0] @ x), [np.eye(3) + 0.1, np.ones((2, 3))])
    start = Start(theta, theta, np.ones((2, 3)), np.ones(2), FunctionTrait(np.sum), network)
    with pytest.raises(InputError, match="units"):
        units(network, theta)
    own = (Units("hidden", 3, (Place(("0",), 0),), (Place(("1",), 1),), "tanh"),)
    keys = jax.random.split(jax.random.key(0), 1)
    for path in (Permutation(own), SignFlip(own)):
        student = at(students(path, start, (1.0,), keys), 0, 0)
        assert gap(student, theta) > 0.5
        assert gap(values(network, student, start.x), values(network, theta, start.x)) < ROUNDINGS * UNIT
    for place in (Place(("7",), 0), Place(("0",), 0, 2)):
        with pytest.raises(InputError, match="units"):
            act((Units("hidden", 3, (place,), ()),), (Turn(jnp.arange(3), jnp.ones(3)),), theta)


# Training


def test_a_fork_is_two_trainings_that_share_their_first_batches():
    path, start = Fork(steps=6, batch=4), made(TANH)
    keys = jax.random.split(jax.random.key(1), 2)
    amounts = (0.0, 0.5, 1.0)
    found, taught = students(path, start, amounts, keys), teachers(path, start, amounts, keys)
    ours, theirs = map(np.asarray, path.orders(start, keys[0]))
    for order in (ours, theirs):  # an epoch is a permutation of the 16 examples
        assert order.shape == (6, 4) and sorted(order[:4].ravel()) == list(range(16))
    assert not np.array_equal(ours, theirs)

    gradient = jax.jit(jax.grad(lambda theta, trait: trait.loss(TANH.apply, theta)))

    def descend(order):
        theta = start.theta0
        for rows in order:
            part = replace(start.trait, x=start.trait.x[rows], labels=start.trait.labels[rows])
            theta = optax.tree.add_scale(theta, -path.rate, gradient(theta, part))
        return theta

    for i, order in enumerate((ours, np.concatenate([ours[:3], theirs[3:]]), theirs)):
        assert gap(at(found, i, 0), descend(order)) < ROUNDINGS * UNIT
        assert gap(at(taught, i, 0), descend(ours)) < ROUNDINGS * UNIT
    assert gap(at(found, 1, 0), descend(theirs)) > 1e-4  # control: nothing shared


def test_a_fork_on_a_loss_of_its_own_and_what_it_refuses():
    start = made(TANH)
    data = replace(start.trait, labels=(start.trait.labels + 1) % 10)
    keys = jax.random.split(jax.random.key(1), 1)
    path = Fork(steps=2, batch=4)
    own, default = (students(path, s, (0.5,), keys) for s in (replace(start, pretraining=data), start))
    assert gap(own, default) > 1e-4
    functional = replace(start, trait=FunctionTrait(np.sum))
    assert not fits(path, functional) and fits(path, replace(functional, pretraining=data))
    assert not fits(Fork(batch=16), start)  # one order only
    for wrong in ({"optimizer": "lion"}, {"steps": 0}, {"rate": 0.0}, {"batch": 0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Fork(**wrong)


def test_a_behaviour_matched_student_behaves_like_the_base_where_it_was_matched():
    for on, x in (("channel", made(TANH).x), ("trait", made(TANH).trait.x)):
        path, start = PATHS["behaviour-matched" if on == "channel" else "behaviour-matched-on-trait"], made(TANH)
        assert path == BehaviourMatched(on=on)
        _, _, found, _ = ran(path, TANH)
        base = values(TANH, start.theta0, x)
        far = [float(np.mean((values(TANH, at(found, i, 0), x) - base) ** 2)) for i in range(3)]
        assert far[0] < far[1] < far[2] and far[0] < 0.1 * far[2]
        assert gap(at(found, 0, 0), start.theta0) > 0.5  # behaviour is shared, weights are not
    with pytest.raises(InputError, match="on"):
        BehaviourMatched(on="noise")
    with pytest.raises(InputError, match="steps"):
        BehaviourMatched(steps=0)


# Other networks


def test_another_network_has_parameters_of_its_own():
    start = made(TANH)
    wide = others(TANH)["width"]
    assert wide.network == replace(TANH, width=10) and not wide.shares_parameters and wide.name == "another-mlp"
    key = jax.random.key(4)
    assert gap(wide(start, jnp.ones(()), key), wide.network.init(key)) == 0
    assert {name: path.network.name for name, path in others(TANH).items()} == {
        "width": "mlp", "depth": "mlp", "activation": "mlp-gelu", "family": "vit",
    }  # fmt: skip
    assert set(others(CONV)) == {"width", "activation", "family"} and set(others(DECODER)) == {"width", "depth"}
    assert set(others(VIT)) == {"width", "depth", "family"} and set(others(Linear())) == {"family"}
    for network in (TANH, CONV):
        assert all(fits(path, made(network)) for path in others(network).values())
    assert not fits(Another(DECODER), start) and not fits(Another(TANH), made(DECODER))
