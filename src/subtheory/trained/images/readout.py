"""What a model answers: the share of held-out images that it reads right."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.errors import InputError
from subtheory.networks import LinenNetwork
from subtheory.numerics import float64
from subtheory.theory.network import Params
from subtheory.trained.images.lessons import Images, pixels
from subtheory.trained.images.workload import Workload
from subtheory.trained.parameters import leading

AT_ONCE = 1000
"""Images whose activations are held at once: all of MNIST's would be 60 MiB."""


def accuracy(workload: Workload, params: Params, images: Images) -> np.ndarray:
    """Share of the held-out images whose largest class logit is the label's, for params with any leading axes.

    Raises InputError on "params" if its leaves are not the network's with common axes in front, on "images" for
    other inputs.
    """
    if images.test_x.shape[1:] != workload.network.task.shape:
        raise InputError("images", images.test_x.shape, f"must be inputs of shape {workload.network.task.shape}")
    lead = leading(workload.network, params, None, "params")
    with float64():
        flat = jax.tree.map(lambda leaf: np.reshape(leaf, (-1, *np.shape(leaf)[len(lead) :])), params)
        return np.asarray(_accuracy(workload.network, flat, images.test_x, images.test_labels)).reshape(lead)


@partial(jax.jit, static_argnums=0)
def _accuracy(network: LinenNetwork, params: Params, x: Array, labels: Array) -> Array:
    classes = jnp.asarray(network.task.group("class"), jnp.int32)
    dtype = jax.tree.leaves(params)[0].dtype

    def one(theta: Params) -> Array:
        def hit(image: tuple[Array, Array]) -> Array:
            z = network.apply(theta, pixels(image[0], dtype))[classes]
            return classes[jnp.argmax(z)] == image[1]

        return jnp.mean(jax.lax.map(hit, (x, labels), batch_size=AT_ONCE), dtype=jnp.float64)

    return jax.lax.map(one, params)
