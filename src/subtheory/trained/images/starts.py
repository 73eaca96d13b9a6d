"""Starts of `subtheory.init` for a workload: the noise that its students see, the images that its teacher sees."""

from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.init import Keys, Path, Start, checked
from subtheory.kernels.compiled import Kernels
from subtheory.kernels.source import FromTask
from subtheory.numerics import float64
from subtheory.theory.layout import Layout
from subtheory.theory.network import Params
from subtheory.theory.trait import LabelledTrait, TargetTrait
from subtheory.trained.images.lessons import Images, pixels
from subtheory.trained.images.workload import Workload
from subtheory.trained.parameters import single

EXAMPLES = 96
"""Rows of the noise that a path may look at: null(G) and the behaviour of θ0 are those of so many."""


def class_trait(workload: Workload, images: Images, examples: int = 256) -> LabelledTrait:
    """L_T on the first training images, float64: cross-entropy on the class logits."""
    x, w = pixels(images.x[:examples], np.float64), workload.weights("class").astype(np.float64)
    return LabelledTrait(cast(Array, x), cast(Array, images.labels[:examples]), cast(Array, w))


def starts(workload: Workload, images: Images, keys: Array, examples: int = EXAMPLES) -> Start:
    """θ0, θ0' and what a path needs, a seed for each of K keys; drawn by one program.

    x are the first rows of the key's noise. A fork is pre-trained on something that has nothing to do with digits:
    the outputs of a third draw of the network on that noise.
    """
    with float64():
        drawn = jax.tree.map(np.asarray, _drawn(workload, examples, keys))
    *inits, x = drawn
    functions = Kernels(workload.network, Layout.of(jax.tree.map(lambda leaf: leaf[0], inits[0])), x.shape[2:])
    theta0, other, stranger = map(functions.layout.flatten, inits)
    count, width = len(x), workload.network.task.outputs
    targets: Any = (x, functions.values(stranger, x), np.ones((count, width)))
    trait = class_trait(workload, images)
    return Start(
        theta0=theta0,
        other=other,
        x=x,
        outputs=workload.weights(workload.outputs).astype(np.float64),
        trait=jax.tree.map(lambda leaf: np.broadcast_to(leaf, (count, *leaf.shape)), trait),
        functions=functions,
        loss=workload.loss,
        pretraining=TargetTrait(*targets),
    )


@partial(jax.jit, static_argnums=(0, 1))
def _drawn(workload: Workload, examples: int, keys: Array) -> tuple[Params, Params, Params, Array]:
    """θ0, θ0', a third draw, and the first rows of the noise."""

    def one(key: Array) -> tuple[Params, Params, Params, Array]:
        network = workload.network
        x = workload.noise(key, jnp.arange(examples)).astype(jnp.float64)
        return *FromTask(network.task).start(network, key), network.init(jax.random.fold_in(key, 4)), x

    return jax.lax.map(one, keys)


def along(path: Path, found: Start, amounts: tuple[float, ...], keys: Array) -> Params:
    """Inits of the students of every seed at every amount, float32 leaves (K, A, ...); one draw a seed.

    Raises InputError as a path does.
    """
    each, count = checked(path, amounts), len(found.theta0)
    rows = np.repeat(np.arange(count), len(each))
    theta = path(found.take(rows), np.tile(each, count), [seed for seed in seeds_of(keys) for _ in each])
    return single(path.layout(found).unflatten(theta.reshape(count, len(each), -1)))


def seeds_of(keys: Array) -> Keys:
    """JAX keys as the seeds of a path's own draws."""
    return [tuple(map(int, words)) for words in np.asarray(jax.random.key_data(keys))]
