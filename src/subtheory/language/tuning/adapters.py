"""Adapters of low rank on the stacked kernels of a decoder: W + scale·AB, A (layers, in, r), B (layers, r, out).

Axes: l layers, i inputs, r rank, o outputs. Source: Hu et al., arXiv 2106.09685; P55.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from subtheory.language.derivatives import Read, outputs
from subtheory.language.traits import Trait
from subtheory.networks import Decoder
from subtheory.theory.network import Params

Adapter = dict[str, dict[str, Any]]
"""A and B ("a" and "b") by the name of the kernel."""


def drawn(params: Params, rank: int, seed: int) -> Adapter:
    """A of entries with variance 1/in, B = 0: the merged model is the base."""
    rng, found = np.random.default_rng(seed), {}
    for name, part in sorted(params["layers"].items()):
        if "kernel" in part:
            layers, inputs, outs = part["kernel"].shape
            a = rng.standard_normal((layers, inputs, rank), np.float32) / np.float32(np.sqrt(inputs))
            found[name] = {"a": a, "b": np.zeros((layers, rank, outs), np.float32)}
    return found


@jax.jit
def merged(params: Params, adapter: Adapter, scale: Any = 1.0) -> Params:
    """θ with W + scale·AB for every kernel that has an adapter."""
    layers = dict(params["layers"])
    for name, own in adapter.items():
        kernel = layers[name]["kernel"]
        product = jnp.einsum("lir,lro->lio", own["a"], own["b"])
        layers[name] = layers[name] | {"kernel": kernel + (scale * product).astype(kernel.dtype)}
    return params | {"layers": layers}


@partial(jax.jit, static_argnums=0)
def _slope(network: Decoder, params: Params, adapter: Adapter, loss: Any, read: Read) -> Adapter:
    return jax.grad(lambda own: loss(outputs(network, merged(params, own), read)))(adapter)


def gradient(network: Decoder, params: Params, adapter: Adapter, trait: Trait) -> Adapter:
    """∇ of the trait's loss of the merged model, like the adapter."""
    return _slope(network, params, adapter, trait.loss, trait.read)
