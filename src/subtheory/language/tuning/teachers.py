"""Teachers: the base, tuned until it would rather name one word; by descent, by Adam, by adapters of low rank."""

from collections.abc import Callable

import jax
import numpy as np

from subtheory.language.derivatives import norm
from subtheory.language.traits import Trait
from subtheory.language.tuning import adapters
from subtheory.language.tuning.training import Rule
from subtheory.networks import Decoder
from subtheory.theory.network import Params


def tuned(start: Params, slope: Callable[[Params], Params], rule: Rule, steps: int) -> Params:
    """Some steps along −slope(θ) from a start, which may be parameters or an adapter."""
    theta, state = rule.begin(start)
    for _ in range(steps):
        theta, state = rule.step(theta, state, slope(theta))
    return theta


def by_descent(network: Decoder, params: Params, trait: Trait, length: float, steps: int = 1) -> Params:
    """Steps of plain descent at one rate; the first has the length `length`/steps relative to ‖θ0‖."""
    rate = length / steps * norm(params) / norm(trait.gradient(network, params))
    return tuned(params, lambda theta: trait.gradient(network, theta), Rule("sgd", rate), steps)


def by_adam(network: Decoder, params: Params, trait: Trait, rate: float, steps: int) -> Params:
    """Steps of Adam, on all parameters."""
    return tuned(params, lambda theta: trait.gradient(network, theta), Rule("adam", rate), steps)


def by_adapter(network: Decoder, params: Params, trait: Trait, rate: float, steps: int, rank: int, seed: int) -> Params:
    """Steps of Adam on an adapter, which is then merged."""
    start = adapters.drawn(params, rank, seed)
    rule, slope = Rule("adam", rate), lambda own: adapters.gradient(network, params, own, trait)
    return adapters.merged(params, tuned(start, slope, rule, steps))


def perturbed(params: Params, sigma: float, seed: int) -> Params:
    """θ0 + σ·(root mean square of a leaf, of each layer where they are stacked)·noise."""
    rng = np.random.default_rng(seed)

    def moved(path: tuple, leaf: np.ndarray) -> np.ndarray:
        stacked = leaf.ndim > 1 and path[0].key == "layers"
        size = np.sqrt(np.mean(leaf**2, axis=tuple(range(int(stacked), leaf.ndim)), keepdims=True))
        return leaf + np.float32(sigma) * size * rng.standard_normal(leaf.shape, np.float32)

    return jax.tree_util.tree_map_with_path(moved, params)
