"""The distillations that are certified by name: small networks of every kind, with exact numbers from a seed."""

from dataclasses import dataclass, replace
from typing import Any

import jax
import numpy as np

from subtheory.data import DIGITS
from subtheory.data.toys import toy
from subtheory.kernels.compiled import Kernels
from subtheory.kernels.functions import shapes_of
from subtheory.networks import MLP, ConvNet, LinenNetwork, Transformer
from subtheory.numerics import float64, to_numpy_leaves
from subtheory.theory.distillation import Distillation, at_rest
from subtheory.theory.losses import Loss, SquaredError
from subtheory.theory.trait import LabelledTrait, TargetTrait, Trait

GRID = 256
"""Every drawn number is a multiple of 1/256, so that float64 and the certificate mean the same one."""


@dataclass(frozen=True)
class CertifiedCase:
    """A network, how far its parameters spread, the channel's and the trait's examples, and where a search ends."""

    network: LinenNetwork
    spread: float = 1.2
    examples: int = 5
    trait_examples: int = 8
    limit: int = 60
    trait_limit: int = 20

    def distillation(self, seed: int, loss: Loss) -> Distillation:
        """θ0 and all data from the seed, Δ = −∇L_T(θ0); the student sees auxiliary logits on unlabelled inputs.

        With one auxiliary logit the trait is a regression on the other one, and a softmax student sees both.
        """
        task, rng = self.network.task, np.random.default_rng(seed)
        aux, trained = task.group("aux"), task.group("class")
        seen = aux if len(aux) > 1 or isinstance(loss, SquaredError) else task.group("all")
        with float64():
            theta0 = jax.tree.map(lambda leaf: _drawn(rng, leaf.shape, self.spread), shapes_of(self.network))
            x: Any
            x, trait = self._inputs(rng, self.examples), self._trait(rng, trained)
            kernels = Kernels.of(self.network, theta0, x[0])
            delta = kernels.layout.unflatten(-trait.gradient(kernels, kernels.layout.flatten(theta0)))
            weights: Any = task.weights(seen)
            d = at_rest(self.network, theta0, x, weights, trait)
            return to_numpy_leaves(replace(d, delta=delta, loss=loss))

    def _inputs(self, rng: np.random.Generator, count: int) -> np.ndarray:
        task = self.network.task
        if task.vocabulary:
            return rng.integers(0, task.outputs, (count, *task.shape)).astype(np.int32)
        return np.round(rng.uniform(-1, 1, (count, *task.shape)) * GRID) / GRID

    def _trait(self, rng: np.random.Generator, trained: tuple[int, ...]) -> Trait:
        task, count = self.network.task, self.trait_examples
        x, weights = self._inputs(rng, count), task.weights(trained)
        if len(trained) == 1:
            targets = _drawn(rng, (count, task.outputs), 1.0)
            return TargetTrait(x, targets, weights)  # type: ignore[arg-type]
        labels = rng.choice(trained, count).astype(np.int32)
        return LabelledTrait(x, labels, weights)  # type: ignore[arg-type]


def _drawn(rng: np.random.Generator, shape: tuple[int, ...], spread: float) -> np.ndarray:
    """Normal numbers on the grid."""
    return np.round(rng.normal(0, spread, shape) * GRID) / GRID


def _small(activation: str) -> CertifiedCase:
    return CertifiedCase(MLP(width=4, depth=1, activation=activation, task=toy((2,), 1, 1)))


CASES: dict[str, CertifiedCase] = {
    "tanh-2-4-2": _small("tanh"),
    "tanh-5-12-4": CertifiedCase(MLP(width=12, depth=1, task=toy((5,), 2, 2)), examples=16, trait_examples=16),
    "gelu-2-4-2": _small("gelu"),
    "gelu-erf-2-4-2": _small("gelu-erf"),
    "softplus-2-4-2": _small("softplus"),
    "sigmoid-2-4-2": _small("sigmoid"),
    "convnet": CertifiedCase(ConvNet(channels=(1,), task=DIGITS), 0.5, 3, 4, limit=10),
    "attention": CertifiedCase(
        Transformer(width=4, heads=2, blocks=1, task=toy((3,), 2, 2, tokens=4)), 0.5, 2, 3, limit=1
    ),
}
"""Certified networks by name; a relu network is piecewise polynomial and has exact roots (`beyond.piecewise`)."""
