"""Paths of inits against dense oracles: where they start, what they keep, and controls that break it."""

import doctest
from dataclasses import replace
from functools import lru_cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
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
from subtheory.init.path import apart
from subtheory.init.symmetry import Rescaling, StreamRescaling, Symmetry, Turn, act, cycle
from subtheory.init.training import OPTIMIZERS, trained
from subtheory.kernels.compiled import Kernels
from subtheory.kernels.source import Given
from subtheory.networks import MLP, NETWORKS, ConvNet, Linear, Transformer, VisionTransformer, adapt
from subtheory.numerics import ROUNDINGS, UNIT, float64
from subtheory.theory.layout import Layout
from subtheory.theory.losses import CrossEntropy, Quartic, SquaredError
from subtheory.theory.trait import Bowl, FunctionTrait, LabelledTrait
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
    """A start of one seed with every parameter, inputs and labels normal or uniform, gains and biases included."""
    rng = np.random.default_rng(seed)
    layout = Layout.of(jax.eval_shape(network.init, jax.random.key(0)))
    draw = lambda: rng.normal(size=(1, layout.size)) / 2  # noqa: E731
    size = network.task.outputs

    def inputs(n):
        shape = (n, *network.task.shape)
        if network.task.vocabulary:
            return rng.integers(0, size, shape).astype(np.int32)
        return rng.uniform(-1, 1, shape)

    theta0, other = draw(), draw()
    labels = rng.choice(network.task.group("class"), (1, 16)).astype(np.int32)
    trait = LabelledTrait(inputs(16)[None], labels, network.task.weights("class")[None])
    functions = Kernels(network, layout, network.task.shape)
    return Start(theta0, other, inputs(examples)[None], network.task.weights("aux"), trait, functions)


def own(network, theta0, x, w, other=None, **more):
    """A start of one seed with parameters, inputs and weights of one's own."""
    functions = Kernels.of(network, theta0, x[0])
    flat = [functions.layout.flatten(tree)[None] for tree in (theta0, theta0 if other is None else other)]
    return Start(*flat, x[None], w, FunctionTrait(np.sum), functions, **more)


def stacked(network, seeds=(0, 1, 2)):
    """Starts of several seeds."""
    starts = [made(network, seed) for seed in seeds]
    joined = lambda *leaves: np.concatenate(leaves)  # noqa: E731
    arrays = {name: joined(*(getattr(s, name) for s in starts)) for name in ("theta0", "other", "x")}
    return replace(starts[0], **arrays, trait=jax.tree.map(joined, *(s.trait for s in starts)))


def first(start, name="theta0"):
    """θ0 or θ0' of the first seed as a pytree."""
    return start.layout.unflatten(getattr(start, name)[0])


KEYS = (1, 2)


def grid(path):
    """Amount 0, one in the middle, and the last."""
    return (0.0, path.amounts[len(path.amounts) // 2], path.amounts[-1])


@lru_cache
def ran(path, network):
    """Students and teachers on the grid of a path."""
    start = made(network)
    return students(path, start, grid(path), KEYS), teachers(path, start, grid(path), KEYS)


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
    found, teacher = ran(path, home(path))
    if not path.reaches_start:
        assert gap(at(found, 2, 0), first(start, "other")) == 0 < gap(at(found, 0, 0), at(teacher, 0, 0))
        return
    assert gap(at(found, 0), at(teacher, 0)) <= ROUNDINGS * UNIT
    assert gap(at(found, 2), at(teacher, 2)) > 0.1 if name != "fork" else gap(at(found, 2), at(teacher, 2)) > 1e-4
    if name != "fork":
        assert gap(at(teacher, 1, 1), first(start)) == 0


def test_names_and_sentences():
    for name, path in PATHS.items():
        assert path.name == name and name == name.lower() and " " not in name
        assert path.says.endswith(".") and path.says.count(". ") == 0
        assert path.amounts[0] == 0 and list(path.amounts) == sorted(path.amounts) and path.amounts[-1] <= path.largest
        assert hash(path) == hash(type(path)(**{f: getattr(path, f) for f in path.__dataclass_fields__}))


@pytest.mark.parametrize("name", PATHS)
def test_a_stack_is_its_rows_and_a_draw_depends_on_its_own_key_alone(name):
    """Seeds of one call as of calls of their own, with amounts of their own, in any company."""
    path = PATHS[name]
    starts, amounts, keys = stacked(home(path)), np.array(grid(path)), [3, (4, 1), 5]
    found, teacher = apart(path, starts, amounts, keys)
    assert found.shape == teacher.shape == starts.theta0.shape
    for k in range(3):
        alone = starts.take(slice(k, k + 1))
        for whole, one in zip((found, teacher), apart(path, alone, amounts[k], keys[k : k + 1]), strict=True):
            assert np.allclose(whole[k], one[0], rtol=0, atol=ROUNDINGS * UNIT)
    backwards = path(starts.take(np.array([2, 1, 1])), amounts[[2, 1, 1]], [5, (4, 1), (4, 1)])
    assert np.allclose(backwards, found[[2, 1, 1]], rtol=0, atol=ROUNDINGS * UNIT)


DRAWN = (
    "noise", "tensor-noise", "null-noise", "seen-noise", "partial-reinit", "permutation", "relu-rescaling",
    "gain-rescaling", "stream-rescaling", "fork",
)  # fmt: skip


@pytest.mark.parametrize("name", DRAWN)
def test_another_key_is_another_draw(name):
    found, _ = ran(PATHS[name], home(PATHS[name]))
    assert gap(at(found, 1, 0), at(found, 1, 1)) > (1e-6 if name == "fork" else 1e-2)


def test_a_path_compiles_nothing_but_the_outputs_and_pullbacks_of_its_network():
    network = MLP(width=3)
    start = made(network)
    chosen = [path for path in PATHS.values() if fits(path, start)]
    before = TRACES.copy()
    kernels = {"null-noise", "seen-noise", "fork", "behaviour-matched", "behaviour-matched-on-trait"}
    for path in chosen:
        if path.name not in kernels:
            students(path, start, grid(path), KEYS)
    assert TRACES == before
    for path in chosen:
        students(path, start, grid(path), KEYS)
    assert TRACES - before == {"values mlp": 1, "pulls mlp": 1, "grouped pulls mlp": 1}
    for path in chosen:
        students(path, replace(start, theta0=start.other), grid(path)[1:], (3, 4, 5))
    assert TRACES - before == {"values mlp": 1, "pulls mlp": 1, "grouped pulls mlp": 1}


@pytest.mark.parametrize("name", PATHS)
def test_whether_a_path_fits_is_a_matter_of_shapes(name):
    """Of starts that hold only zeros, of any number of seeds."""
    blank = lambda leaf: np.broadcast_to(np.zeros((), leaf.dtype), (5, *leaf.shape[1:]))  # noqa: E731
    for network in (TANH, RELU, VIT):
        start = made(network)
        arrays = {field: blank(getattr(start, field)) for field in ("theta0", "other", "x")}
        empty = replace(start, **arrays, trait=jax.tree.map(blank, start.trait))
        assert fits(PATHS[name], empty) == fits(PATHS[name], start)


def test_rows_of_a_start():
    starts = stacked(TANH)
    taken = replace(starts, pretraining=starts.trait).take(np.array([2, 0]))
    for name in ("theta0", "other", "x"):
        assert np.array_equal(getattr(taken, name), getattr(starts, name)[[2, 0]])
    for trait in (taken.trait, taken.pretraining):
        assert gap(trait, jax.tree.map(lambda leaf: leaf[[2, 0]], starts.trait)) == 0
    whole, each = (jax.tree.map(np.asarray, starts.layout.unflatten(starts.theta0[rows])) for rows in (0, slice(3)))
    assert gap(replace(starts, trait=Bowl(whole, whole)).take([1]).trait.bottom, whole) == 0
    assert gap(replace(starts, trait=Bowl(each, each)).take([1]).trait.bottom, at(each, [1])) == 0
    with pytest.raises(InputError, match="start"):
        students(PATHS["linear"], starts, (0.5,), KEYS)


@pytest.mark.parametrize(("name", "amount"), [("linear", 1.1), ("linear", -0.1), ("noise", -1.0), ("noise", np.nan)])
def test_amounts_out_of_range_are_refused(name, amount):
    with pytest.raises(InputError, match="amount"):
        students(PATHS[name], made(TANH), (0.0, amount), [0])
    with pytest.raises(InputError, match="amount"):
        apart(PATHS[name], made(TANH), amount, [0])


def test_begin_is_where_a_setting_begins():
    from subtheory.setting.preparation import start as prepared
    from subtheory.setting.setting import Setting

    network, sizes = Linear(), {"examples": 5, "trait_examples": 6}
    start = begin(network, 3, outputs="aux", loss=CrossEntropy(), **sizes)
    wanted = prepared(Setting(network, CrossEntropy(), outputs="aux", **sizes), (3,))
    for name in ("theta0", "other", "x", "outputs", "trait"):
        assert gap(getattr(start, name), getattr(wanted, name)) == 0
    assert start.outputs.sum() == 3 and start.loss == CrossEntropy() and start.functions == wanted.functions
    assert gap(start.theta0, begin(network, 4, **sizes).theta0) > 0.1


def test_begin_with_parameters_of_ones_own():
    network, theta = adapt(lambda theta, x: theta["a"] * x, {"a": np.arange(1.0, 4.0)})
    source = Given(theta, np.ones((5, 3)), FunctionTrait(np.sum), 3, deterministic=True)
    start = begin(network, 3, source=source, outputs=(0,))
    assert np.array_equal(start.theta0, [theta["a"]]) and start.x.shape == (1, 5, 3)
    assert np.array_equal(start.other, source.another(3)["a"][None]) and np.array_equal(start.outputs, [1, 0, 0])


def test_the_docstring_runs():
    with jax.enable_x64(False):  # a notebook's precision
        found = doctest.testmod(init)
    assert found.failed == 0 < found.attempted


# Noise


def test_isotropic_noise_is_uniform_on_the_sphere():
    """δ·v/r has the law of one coordinate of a unit vector in R^P: its square is Beta(1/2, (P − 1)/2)."""
    network, theta0 = adapt(lambda theta, x: theta * x, np.arange(1.0, 5.0))
    start = own(network, theta0, np.ones((1, 4)), np.ones(4))
    found = students(IsotropicNoise(), start, (0.3,), range(4000))[0] - theta0
    r = 0.3 * np.linalg.norm(theta0)
    assert np.allclose(np.linalg.norm(found, axis=1), r, rtol=ROUNDINGS * UNIT)
    for v in np.eye(4):
        assert stats.kstest((found @ v / r) ** 2, stats.beta(0.5, 1.5).cdf).pvalue > 1e-4
    assert stats.kstest(np.asarray(found[:, 0] / r) ** 2, stats.beta(0.5, 2.0).cdf).pvalue < 1e-4  # control: P = 5


def test_tensor_noise_is_normal_relative_to_each_tensor():
    theta0 = {"a": np.array([3.0, -4.0]), "b": np.array([0.01]), "zero": np.zeros(2)}
    network, _ = adapt(lambda theta, x: theta["a"] * x, theta0)
    start = own(network, theta0, np.ones((1, 2)), np.ones(2))
    found = students(TensorNoise(), start, (0.5,), range(3000))
    for name, rms in (("a", np.sqrt(12.5)), ("b", 0.01)):
        drawn = (found[name][0] - theta0[name]).ravel() / rms
        assert stats.kstest(drawn, stats.norm(scale=0.5).cdf).pvalue > 1e-4
        assert stats.kstest(drawn, stats.norm(scale=0.6).cdf).pvalue < 1e-4  # control: 20 % off
    assert not found["zero"].any()


def dense_ggn(start):
    """G with P² entries: J by reverse mode, M by differentiating the loss twice."""
    (theta0,), (x,) = start.theta0, start.x
    f = lambda theta: values(start.network, start.layout.unflatten(theta), x)  # noqa: E731
    z = f(theta0)
    J = np.asarray(jax.jit(jax.jacrev(f))(theta0)).reshape(-1, z.shape[-1], theta0.size)
    rows = z.reshape(-1, z.shape[-1])
    curve = lambda y: jax.hessian(lambda o: start.loss.value(o, y, start.outputs))(y)  # noqa: E731
    M = jax.jit(jax.vmap(curve))(rows)
    return np.einsum("nip,nij,njq->pq", J, np.asarray(M), J) / len(rows)


def sequence(n=2):
    """n outputs (T, V) = (2, 3) of 21 parameters, so that G averages over positions and its rank is clear."""
    rng = np.random.default_rng(5)
    draw = lambda: {"a": rng.normal(size=(4, 3)), "b": rng.normal(size=(3, 3))}  # noqa: E731
    network, theta0 = adapt(lambda theta, x: jnp.tanh(x @ theta["a"]) @ theta["b"], draw())
    return own(network, theta0, rng.normal(size=(n, 2, 4)), np.array([1.0, 0.5, 2.0]), draw())


@pytest.mark.parametrize(("loss", "n"), [(SquaredError(), 2), (CrossEntropy(), 2), (CrossEntropy(), 6)])
def test_noise_in_the_null_space_of_g_and_in_its_complement(loss, n):
    """With fewer outputs than parameters, and with more."""
    start, paths = replace(sequence(n), loss=loss), (NullNoise(), SeenNoise(), IsotropicNoise())
    G = dense_ggn(start)
    values_, vectors = np.linalg.eigh(G)
    kept = values_ > 1e-9 * values_[-1]
    assert kept.any() and values_[~kept][-1] < 1e-13 * values_[-1], "the rank of this G is not clear-cut"
    (theta0,) = start.theta0
    null, seen, any_ = (path(start, 0.1, [0])[0] - theta0 for path in paths)
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
    start, keys = own(network, theta0, np.ones((2, 3)), np.ones(3)), [0]
    filled = students(NullNoise(), start, (0.0, 0.1), keys)
    assert np.array_equal(filled[0, 0], theta0) and np.isnan(filled[1]).all()  # G has full rank
    assert np.isfinite(students(NullNoise(), replace(start, outputs=np.array([1.0, 0, 1])), (0.0, 0.1), keys)).all()
    blind = replace(start, loss=Quartic())
    assert np.isnan(students(SeenNoise(), blind, (0.1,), keys)).all()  # G = 0
    assert np.isfinite(students(NullNoise(), blind, (0.1,), keys)).all()
    assert not fits(NullNoise(), replace(start, x=np.ones((1, 3000, 3)))) and fits(IsotropicNoise(), start)


# Mixing


def test_lines_arcs_and_correlations_end_at_the_independent_init():
    for name in ("linear", "spherical", "correlated", "partial-reinit"):
        assert gap(at(ran(PATHS[name], TANH)[0], 2, 1), first(made(TANH), "other")) <= 4 * UNIT, name


def test_an_arc_keeps_norms_and_divides_the_angle():
    rng = np.random.default_rng(0)
    a, b = (v / np.linalg.norm(v) * 3 for v in rng.normal(size=(2, 20)))
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
    start = own(network, theta0, np.ones((1, 1)), np.ones(1), other)
    found = students(PATHS["correlated"], start, (0.3,), [0])[0, 0]
    assert stats.kstest(found, stats.norm.cdf).pvalue > 1e-4
    assert stats.kstest(0.7 * theta0 + 0.3 * other, stats.norm.cdf).pvalue < 1e-4  # control: the line
    low, high = np.tanh(np.arctanh(np.corrcoef(found, theta0)[0, 1]) + np.array([-4, 4]) / np.sqrt(len(found)))
    assert low < 0.7 < high and np.array_equal(found[:10], theta0[:10])


def test_partial_reinit_replaces_an_exact_nested_set():
    (found, _), amounts = ran(PATHS["partial-reinit"], TANH), grid(PATHS["partial-reinit"])
    (theta0,), (other,) = made(TANH).theta0, made(TANH).other
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


@pytest.mark.parametrize(("name", "network"), CASES, ids=lambda case: case if isinstance(case, str) else case.name)
def test_a_symmetry_keeps_the_function_and_can_be_undone(name, network):
    path, start = PATHS[name], made(network)
    broken = replace(path, spec=tuple(replace(group, outgoing=()) for group in path.groups(start)))
    for amount in (path.amounts[len(path.amounts) // 2], path.amounts[-1]):
        student, stray = path(start, amount, [1]), broken(start, amount, [1])
        made_of = [start.layout.unflatten(theta[0]) for theta in (start.theta0, student, stray)]
        z, same, changed = (values(network, theta, start.x[0]) for theta in made_of)
        rounding = 2 * ROUNDINGS * UNIT * (1 + float(np.abs(z).max()))
        assert gap(student, start.theta0) > 0.1
        assert np.allclose(path.undo(start, amount, [1], student), start.theta0, rtol=8 * UNIT, atol=0)
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
    turn = lambda c: (Turn(np.arange(1), np.full(1, c)),)  # noqa: E731
    off = []
    for K in (4.0, 16.0):
        large = act(groups, turn(K), first(start))
        off.append(gap(values(VIT, act(groups, turn(3.0), large), start.x[0]), values(VIT, large, start.x[0])))
    assert 0 < off[0] < 1e-6
    assert np.isclose(np.log(off[0] / off[1]) / np.log(4), 2, atol=1e-3)


@pytest.mark.parametrize("size", [1, 2, 7])
def test_a_cycle_moves_as_many_units_as_it_should(size):
    amounts = np.linspace(0, 1, 21)
    every = np.array([[cycle(size, a, np.random.default_rng(key)) for key in range(20)] for a in amounts])
    for amount, orders in zip(amounts, every, strict=True):
        moved = int(np.round(amount * size))
        assert np.array_equal(np.sort(orders), np.broadcast_to(np.arange(size), orders.shape))
        assert set((orders != np.arange(size)).sum(axis=1)) == {0 if size == 1 else 2 if moved == 1 else moved}
    # Control: at amount 1 every unit may come from every other one, and never from itself.
    found = {(i, j) for order in every[-1] for i, j in enumerate(order)}
    assert size != 2 or found == {(0, 1), (1, 0)}


def test_sign_flips_and_permutations_move_a_fraction_of_the_units():
    start = made(TANH)
    for turn in SignFlip().turns(start, 0.4, KEYS):
        assert ((turn.factor < 0).sum(axis=1) == 2).all() and np.array_equal(turn.order, [np.arange(5)] * 2)
    below, above = Permutation().turns(start, 1.0, KEYS)
    assert (below.order != np.arange(5)).all() and not np.array_equal(below.order, above.order)
    assert len({tuple(turn.factor[0]) for key in range(9) for turn in SignFlip().turns(start, 0.4, [key])}) > 3


def test_an_image_is_linear_and_undone_on_stacks_of_any_rank():
    """(S, K, P) row by row; T(a − b) = Ta − Tb."""
    starts, rng = stacked(RELU), np.random.default_rng(0)
    theta = rng.normal(size=(3, 2, starts.layout.size))
    for path in (Permutation(), ReluRescaling()):
        moved = path.image(starts, 0.5, (1, 2, 3), theta)
        assert np.array_equal(path.image(starts, 0.5, (1, 2, 3), theta[:, 1]), moved[:, 1])
        assert np.array_equal(path.image(starts, 0.5, (1, 2, 3), starts.theta0), path(starts, 0.5, (1, 2, 3)))
        difference = path.image(starts, 0.5, (1, 2, 3), theta[:, 1] - theta[:, 0])
        assert np.allclose(difference, moved[:, 1] - moved[:, 0], rtol=0, atol=1e-13)
        assert np.allclose(path.undo(starts, 0.5, (1, 2, 3), moved), theta, rtol=8 * UNIT, atol=0)
        assert gap(path.undo(starts, 0.5, (1, 2, 4), moved)[2], theta[2]) > 0.1  # control: another key


def test_only_rescalings_have_a_metric():
    """Diagonal of the dense TTᵀ, column by column of T."""
    for path in PATHS.values():
        start = made(home(path))
        metric = path.metric(start, path.amounts[-1], KEYS)
        assert (metric is not None) == isinstance(path, Rescaling)
        if isinstance(path, Symmetry):
            every = np.broadcast_to(np.eye(start.layout.size), (2, *[start.layout.size] * 2))
            T = np.swapaxes(path.image(start, path.amounts[-1], KEYS, every), 1, 2)
            square = T @ np.swapaxes(T, 1, 2)
            expected = np.ones((2, start.layout.size)) if metric is None else metric
            assert np.allclose(square, expected[..., None] * every, rtol=1e-14, atol=0)
            assert metric is None or gap(metric, np.ones_like(metric)) > 0.1


def test_orthogonal_symmetries_carry_gradients_along_and_rescalings_do_not():
    """∇L(Tθ) = T∇L(θ) for orthogonal T; a rescaling turns the gradient by T⁻¹ instead."""

    @partial(jax.jit, static_argnames="network")
    def gradient(network, theta, trait):
        return jax.grad(lambda p: trait.loss(network.apply, p))(theta)

    for path, network, holds in ((Permutation(), TANH, True), (SignFlip(), TANH, True), (ReluRescaling(), RELU, False)):
        start = made(network)
        amount, layout = path.amounts[-1], start.layout
        trees = [layout.unflatten(theta[0]) for theta in (path(start, amount, [1]), start.theta0)]
        slopes = [gradient(network, tree, at(start.trait, 0)) for tree in trees]
        moved, original = (np.asarray(layout.flatten(slope))[None] for slope in slopes)
        assert (gap(path.undo(start, amount, [1], moved), original) < 1e-13) == holds
        if not holds:
            carried = path.undo(start, amount, [1], original)
            assert gap(carried, moved) < 1e-12 * (1 + np.abs(moved).max())


def test_units_of_a_network_of_ones_own():
    network, theta = adapt(lambda theta, x: theta[1] @ jnp.tanh(theta[0] @ x), [np.eye(3) + 0.1, np.ones((2, 3))])
    start = own(network, theta, np.ones((2, 3)), np.ones(2))
    with pytest.raises(InputError, match="units"):
        units(network, theta)
    spec = (Units("hidden", 3, (Place(("0",), 0),), (Place(("1",), 1),), "tanh"),)
    for path in (Permutation(spec), SignFlip(spec)):
        student = at(students(path, start, (1.0,), [0]), 0, 0)
        assert gap(student, theta) > 0.5
        assert gap(values(network, student, start.x[0]), values(network, theta, start.x[0])) < ROUNDINGS * UNIT
    for place in (Place(("7",), 0), Place(("0",), 0, 2)):
        with pytest.raises(InputError, match="units"):
            act((Units("hidden", 3, (place,), ()),), (Turn(np.arange(3), np.ones(3)),), theta)
        assert not fits(Permutation((Units("hidden", 3, (place,), ()),)), start)
    assert fits(Permutation(spec), start)


# Training


def test_a_fork_is_two_trainings_that_share_their_first_batches():
    path, start = Fork(steps=6, batch=4), made(TANH)
    amounts = (0.0, 0.5, 1.0)
    found, taught = students(path, start, amounts, KEYS), teachers(path, start, amounts, KEYS)
    ours, theirs = (order[0] for order in path.orders(start, KEYS))
    for order in (ours, theirs):  # an epoch is a permutation of the 16 examples
        assert order.shape == (6, 4) and sorted(order[:4].ravel()) == list(range(16))
    assert not np.array_equal(ours, theirs)

    gradient = jax.jit(jax.grad(lambda theta, trait: trait.loss(TANH.apply, theta)))

    def descend(order):
        theta, trait = first(start), at(start.trait, 0)
        for rows in order:
            part = replace(trait, x=trait.x[rows], labels=trait.labels[rows])
            theta = optax.tree.add_scale(theta, -path.rate, gradient(theta, part))
        return theta

    for i, order in enumerate((ours, np.concatenate([ours[:3], theirs[3:]]), theirs)):
        assert gap(at(found, i, 0), descend(order)) < ROUNDINGS * UNIT
        assert gap(at(taught, i, 0), descend(ours)) < ROUNDINGS * UNIT
    assert gap(at(found, 1, 0), descend(theirs)) > 1e-4  # control: nothing shared


def test_a_fork_on_a_loss_of_its_own_and_what_it_refuses():
    start = made(TANH)
    data = replace(start.trait, labels=(start.trait.labels + 1) % 10)
    path = Fork(steps=2, batch=4)
    other, default = (students(path, s, (0.5,), [1]) for s in (replace(start, pretraining=data), start))
    assert gap(other, default) > 1e-4
    adaptive = students(replace(path, optimizer="adam"), start, (0.5,), [1])
    assert gap(adaptive, default) > 1e-4
    functional = replace(start, trait=FunctionTrait(np.sum))
    assert not fits(path, functional) and fits(path, replace(functional, pretraining=data))
    assert not fits(Fork(batch=16), start)  # one order only
    for wrong in ({"optimizer": "lion"}, {"steps": 0}, {"rate": 0.0}, {"batch": 0}):
        with pytest.raises(InputError, match=next(iter(wrong))):
            Fork(**wrong)


def test_a_behaviour_matched_student_behaves_like_the_base_where_it_was_matched():
    for on, x in (("channel", made(TANH).x[0]), ("trait", made(TANH).trait.x[0])):
        path, start = PATHS["behaviour-matched" if on == "channel" else "behaviour-matched-on-trait"], made(TANH)
        assert path == BehaviourMatched(on=on)
        found, _ = ran(path, TANH)
        base = values(TANH, first(start), x)
        far = [float(np.mean((values(TANH, at(found, i, 0), x) - base) ** 2)) for i in range(3)]
        assert far[0] < far[1] < far[2] and far[0] < 0.1 * far[2]
        assert gap(at(found, 0, 0), first(start)) > 0.5  # behaviour is shared, weights are not
    with pytest.raises(InputError, match="on"):
        BehaviourMatched(on="noise")
    with pytest.raises(InputError, match="steps"):
        BehaviourMatched(steps=0)
    functional = replace(made(TANH), trait=FunctionTrait(np.sum))
    assert fits(BehaviourMatched(), functional) and not fits(BehaviourMatched(on="trait"), functional)


def test_behaviour_is_matched_at_every_position_by_adam():
    """Against JAX's gradient and optax on outputs (T, V), a few steps; the rows stop at their own amounts."""
    start, path = sequence(), BehaviourMatched(steps=6)
    base = values(start.network, first(start), start.x[0])

    @jax.jit
    def step(theta, state):
        loss = lambda t: jnp.mean(jnp.sum((values(start.network, t, start.x[0]) - base) ** 2, axis=-1))  # noqa: E731
        change, state = optax.adam(path.rate).update(jax.grad(loss)(theta), state)
        return optax.apply_updates(theta, change), state

    theta = first(start, "other")
    state, ends = optax.adam(path.rate).init(theta), [theta]
    for _ in range(path.steps):
        theta, state = step(theta, state)
        ends.append(theta)
    found = students(path, start, (0.0, 0.5, 1.0), [0])
    for i, taken in enumerate((6, 3, 0)):
        assert gap(at(found, i, 0), ends[taken]) < ROUNDINGS * UNIT


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_updates_are_those_of_optax(name):
    """Seven steps on a quartic in 30 dimensions; a row whose steps are over stays."""
    rng = np.random.default_rng(0)
    theta, scale = rng.normal(size=(2, 15)), rng.uniform(0.5, 2, (2, 15))
    gradient = lambda theta, j: scale * theta**3 + j  # noqa: E731
    optimizer = getattr(optax, name)(0.03)
    wanted, state, ends = theta, optimizer.init(theta), []
    for j in range(7):
        change, state = optimizer.update(gradient(wanted, j), state)
        wanted = wanted + np.asarray(change)
        ends.append(wanted)
    found = trained(theta, gradient, OPTIMIZERS[name], 0.03, np.array([[7.0], [3.0]]))
    assert gap(found, np.stack([ends[6][0], ends[2][1]])) < 16 * UNIT
    assert gap(trained(theta, gradient, OPTIMIZERS[name], 0.03, 0), theta) == 0


# Other networks


def test_another_network_has_parameters_of_its_own():
    start = made(TANH)
    wide = others(TANH)["width"]
    assert wide.network == replace(TANH, width=10) and not wide.shares_parameters and wide.name == "another-mlp"
    found, layout = wide(start, 1.0, [4, 5]), wide.layout(start)
    assert gap(layout.unflatten(found[0]), wide.network.init(wide.key(4))) == 0 < gap(found[0], found[1])
    assert students(wide, start, (1.0,), [4, 5])["head"]["kernel"].shape == (1, 2, 10, 13)
    assert {name: path.network.name for name, path in others(TANH).items()} == {
        "width": "mlp", "depth": "mlp", "activation": "mlp-gelu", "family": "vit",
    }  # fmt: skip
    assert set(others(CONV)) == {"width", "activation", "family"} and set(others(DECODER)) == {"width", "depth"}
    assert set(others(VIT)) == {"width", "depth", "family"} and set(others(Linear())) == {"family"}
    for network in (TANH, CONV):
        assert all(fits(path, made(network)) for path in others(network).values())
    assert not fits(Another(DECODER), start) and not fits(Another(TANH), made(DECODER))
