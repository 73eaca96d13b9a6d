"""Every program of a built-in network lowers for CPU, CUDA and TPU, in float64, without such a machine."""

import re
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from shapes import SMOOTH

from subtheory.data import channels_of
from subtheory.instruments.first_order import record
from subtheory.kernels import compiled as kernels
from subtheory.kernels import draws as draws_module
from subtheory.kernels import functions
from subtheory.kernels.optimizing import PIECE
from subtheory.kernels.source import FromTask
from subtheory.kernels.stack import stack_of
from subtheory.networks import NETWORKS
from subtheory.numerics import float64
from subtheory.setting.setting import Setting
from subtheory.setting.teachers import OPTIMIZERS
from subtheory.theory.layout import Layout
from subtheory.theory.losses import LOSSES

PLATFORMS = ("cpu", "cuda", "tpu")
ROWS = 2


def lowered(function, *args):
    """Export for all platforms, which lowers but compiles nothing: double precision, and products without TF32."""
    out = export.export(jax.jit(function), platforms=PLATFORMS)(*args)
    assert out.platforms == PLATFORMS
    module = out.mlir_module()
    assert "f64" in module and "f32" not in module
    products = [line for line in module.splitlines() if re.search(r"stablehlo\.(dot_general|convolution)", line)]
    assert all(line.count("HIGHEST") == 2 for line in products)


def plain(program, **static):
    """What a compiled program computes, to compile otherwise."""
    return partial(program.__wrapped__, **static)


def shaped(*shape, dtype=jnp.float64):
    return jax.ShapeDtypeStruct(shape, dtype)


COUNT = shaped(dtype=jnp.int32)


@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_kernels_and_draws_module_a_network_lower_for_every_platform(network):
    task = network.task
    with float64():
        layout = Layout.of(jax.eval_shape(network.init, jax.random.key(0)))
        dtype = np.dtype(task.dtype)
        outputs = functions.output_shape(network, layout, task.shape, dtype.str)
        theta, x = shaped(ROWS, layout.size), shaped(ROWS, kernels.BLOCK, *task.shape, dtype=dtype)
        rows = {"values": (theta, x), "taylor": (theta, theta, x),
                "pulls": (theta, shaped(ROWS, kernels.BLOCK, *outputs), x),
                "grouped pulls": (theta, shaped(ROWS, kernels.BLOCK, kernels.GROUP, *outputs), x),
                "everything": (theta, theta, shaped(ROWS, kernels.BLOCK, *outputs), x)}  # fmt: skip
        if functions.has_kinks(network, layout, task.shape, dtype.str):
            rows["kink"] = theta, theta, x
        assert set(rows) <= set(kernels._ROW)
        for name, arrays in rows.items():
            lowered(plain(kernels._rows, name=name, network=network, layout=layout), COUNT, *arrays)

        def start(count, raw):
            keys = jax.random.wrap_key_data(raw)
            return draws_module._draw.__wrapped__(count, keys, draws_module._Draw(FromTask(task), "start", (network,)))

        lowered(start, COUNT, shaped(ROWS, 2, dtype=jnp.uint32))


@pytest.mark.parametrize(
    "task", dict.fromkeys(network.task for network in NETWORKS.values()), ids=lambda task: task.name
)
def test_data_lower_for_every_platform(task):
    channels = draws_module.siblings(channels_of(task)[0], task)
    assert set(channels_of(task)) <= set(channels)
    what = draws_module._Data(FromTask(task), channels, 3, 3)

    def draw(count, raw):
        return draws_module._draw.__wrapped__(count, jax.random.wrap_key_data(raw), what)

    with float64():
        out = export.export(jax.jit(draw), platforms=PLATFORMS)(COUNT, shaped(ROWS, 2, dtype=jnp.uint32))
    assert out.platforms == PLATFORMS and "f32" not in out.mlir_module()


@pytest.mark.parametrize("loss", LOSSES.values(), ids=list(LOSSES))
def test_losses_lower_for_every_platform(loss):
    with float64():
        points = shaped(kernels.POINTS // kernels.SOME, kernels.SOME, 5)
        lowered(plain(kernels._loss, loss=loss), COUNT, shaped(5), points, points, points, points)


def test_functions_of_the_parameters_and_optimizers_lower_for_every_platform():
    layout = Layout.of({"w": np.zeros(3)})
    with float64():
        lowered(plain(kernels._scalars, function=lambda p: jnp.sum(p["w"] ** 2), layout=layout), COUNT, shaped(ROWS, 3))
        for optimizer in OPTIMIZERS.values():
            memory = jax.eval_shape(optimizer.init, shaped(PIECE))
            lowered(lambda g, m, optimizer=optimizer: optimizer.update(g, m), shaped(PIECE), memory)


def test_a_record_that_is_compiled_as_a_whole_lowers_for_every_platform():
    """As a search for counterexamples does: every loss at once."""
    d = Setting(SMOOTH, examples=2, trait_examples=2, eps=(1e-2, 1e-3)).distillation(0)

    def whole(d):
        s = stack_of(d)
        return record(s, tuple(LOSSES.values()), s.trait.x)

    with float64():
        lowered(lambda *leaves: whole(jax.tree.unflatten(jax.tree.structure(d), leaves)), *jax.tree.leaves(d))
