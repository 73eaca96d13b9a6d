"""Both programs of every built-in network lower for CPU, CUDA and TPU, in float64, without such a machine."""

from unittest.mock import patch

import jax
import jax.numpy as jnp
import pytest
from jax import export

from subtheory import setting as module
from subtheory.init import Start
from subtheory.measurement import measure_batch
from subtheory.networks import NETWORKS
from subtheory.numerics import float64
from subtheory.setting import Setting, distillations
from subtheory.theory.losses import LOSSES
from subtheory.theory.teachers import TEACHERS

PLATFORMS = ("cpu", "cuda", "tpu")


def lowered(function, *args):
    """Export for all platforms, which lowers but compiles nothing; True if it computes in double precision."""
    out = export.export(jax.jit(function), platforms=PLATFORMS)(*args)
    assert out.platforms == PLATFORMS
    assert "f64" in out.mlir_module() and "f32" not in out.mlir_module()


@pytest.mark.parametrize("network", NETWORKS.values(), ids=list(NETWORKS))
def test_both_programs_lower_for_every_platform(network):
    s = Setting(network, examples=2, trait_examples=2, eps=(1e-2, 1e-3))
    with float64():
        raw = jax.ShapeDtypeStruct((1, 2), jnp.uint32)
        w, eps = (jax.ShapeDtypeStruct((n,), jnp.float64) for n in (network.task.outputs, 2))
        relative = jax.ShapeDtypeStruct((), jnp.bool)
        keys = lambda raw: jax.random.wrap_key_data(raw)  # noqa: E731
        x, trait = jax.eval_shape(lambda r: module._data(keys(r), s.origin, s.channel, 2, 2), raw)

        def prepare(raw, x, trait, w, eps, relative):
            return module._prepare(keys(raw), x, trait, w, eps, relative, None, network, s.origin, TEACHERS)

        lowered(prepare, raw, x, trait, w, eps, relative)
        ready = jax.eval_shape(prepare, raw, x, trait, w, eps, relative)

        def made(x, trait, w, ready):
            start = Start(ready["theta0"], ready["other"], x, w[None], trait, network)
            with patch.object(module, "_prepared", lambda *_: (start, ready, None)):
                return distillations(s, (0,))

        d, reference = jax.eval_shape(made, x, trait, w, ready)
        lowered(lambda *leaves: measure_batch(jax.tree.unflatten(jax.tree.structure(d), leaves[1:]), leaves[0],
                                              tuple(LOSSES.values())), reference, *jax.tree.leaves(d))  # fmt: skip
