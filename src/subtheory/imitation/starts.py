"""Starts of `subtheory.init` for a workload: the noise that its students see, the images that its teacher sees."""

from functools import partial
from typing import Any, cast

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.imitation.training import single
from subtheory.imitation.workload import Images, Workload, pixels
from subtheory.init import Path, Start, students
from subtheory.numerics import float64
from subtheory.source import FromTask
from subtheory.theory.distillation import outputs
from subtheory.theory.network import Params
from subtheory.theory.trait import LabelledTrait, TargetTrait

EXAMPLES = 96
"""Rows of the noise that a path may look at: null(G) and the behaviour of θ0 are those of so many."""


def class_trait(workload: Workload, images: Images, examples: int = 256) -> LabelledTrait:
    """L_T on the first training images, float64: cross-entropy on the class logits."""
    x, w = pixels(images.x[:examples], np.float64), workload.weights("class").astype(np.float64)
    return LabelledTrait(cast(Array, x), cast(Array, images.labels[:examples]), cast(Array, w))


def starts(workload: Workload, images: Images, keys: Array, examples: int = EXAMPLES) -> list[Start]:
    """θ0, θ0' and what a path needs, one start for each key; float64 leaves, from one program.

    x are the first rows of the key's noise. A fork is pre-trained on something that has nothing to do with digits:
    the outputs of a third draw of the network on that noise.
    """
    with float64():
        trait = jax.tree.map(jnp.asarray, class_trait(workload, images))
        stacked = jax.tree.map(np.asarray, _starts(workload, examples, trait, keys))
        return [jax.tree.map(lambda leaf, k=k: leaf[k], stacked) for k in range(len(keys))]


@partial(jax.jit, static_argnums=(0, 1))
def _starts(workload: Workload, examples: int, trait: LabelledTrait, keys: Array) -> Start:
    def one(key: Array) -> Start:
        network = workload.network
        theta0, other = FromTask(network.task).start(network, key)
        x = workload.noise(key, jnp.arange(examples)).astype(jnp.float64)
        stranger = network.init(jax.random.fold_in(key, 4))
        unrelated = TargetTrait(x, outputs(network, stranger, x), jnp.ones(network.task.outputs))
        w = jnp.asarray(workload.weights(workload.outputs), jnp.float64)
        return Start(theta0, other, x, w, trait, network, workload.loss, unrelated)

    return jax.lax.map(one, keys)


def along(path: Path, found: list[Start], amounts: tuple[float, ...], keys: Array) -> Params:
    """Inits of the students of every start at every amount, float32 leaves (K, A, ...); one draw a start."""
    with float64():
        each = [students(path, start, amounts, keys[k : k + 1]) for k, start in enumerate(found)]
    return single(_stacked([jax.tree.map(lambda leaf: leaf[:, 0], one) for one in each]))


def _stacked(trees: list[Any]) -> Any:
    return jax.tree.map(lambda *leaves: np.stack([np.asarray(leaf) for leaf in leaves]), *trees)
