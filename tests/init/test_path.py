"""Every path: where it starts, what it compiles, which networks it fits, and what it refuses."""

import doctest
from dataclasses import replace

import jax
import numpy as np
import pytest
from starts import CONV, DECODER, KEYS, RELU, TANH, VIT, at, first, gap, grid, home, made, ran, stacked

import subtheory.init as init
from subtheory.errors import InputError
from subtheory.init import PATHS, Another, begin, fits, others, students
from subtheory.init.path import apart
from subtheory.kernels.source import Given
from subtheory.networks import MLP, Linear, adapt
from subtheory.numerics import ROUNDINGS, UNIT
from subtheory.theory.losses import CrossEntropy
from subtheory.theory.trait import Bowl, FunctionTrait
from subtheory.traces import TRACES

pytestmark = pytest.mark.usefixtures("double")


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
