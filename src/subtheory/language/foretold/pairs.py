"""A base and its teacher, both of them pretrained models: what they say to the same prompts, and what a step does."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import jax
import numpy as np

from subtheory.errors import InputError
from subtheory.language import channels, checkpoint, derivatives, sampling, traits
from subtheory.language.texts import Texts
from subtheory.ledger.parts import kept_arrays
from subtheory.numerics import float64

NUMBERS = 4
"""Of a prompt."""


@dataclass(frozen=True, eq=False)
class Pair:
    """θ0, θ_T and the trait that is between them."""

    base: checkpoint.Checkpoint
    theta0: Any
    teacher: Any
    trait: traits.Trait

    def said(self, which: str, rows: int, tokens: int, seed: int) -> Texts:
        """How "teacher" or "base" goes on with lists of numbers."""
        rng, encode = np.random.default_rng(seed), self.base.tokenizer.encode
        begun = [", ".join(channels.numbers(rng).split(", ")[:NUMBERS]) + "," for _ in range(rows)]
        params = self.teacher if which == "teacher" else self.theta0
        end, prompts = self.base.tokenizer.end, [encode(line) for line in begun]
        found = kept_arrays(
            f"said {which}",
            lambda: sampling.continued(self.base.network, params, prompts, tokens, seed, end=end)._asdict(),
        )
        return Texts(**found)

    def changed(self, step: Any, alpha: float = 1.0) -> float:
        """L_T(θ0 + α·step) − L_T(θ0), float64: of so small a change single precision leaves too little."""
        moved = jax.tree.map(lambda p, d: np.asarray(p, float) + alpha * np.asarray(d), self.theta0, step)
        return self._loss(moved) - self._before

    @cached_property
    def _before(self) -> float:
        return self._loss(jax.tree.map(lambda p: np.asarray(p, float), self.theta0))

    def _loss(self, theta: Any) -> float:
        with float64():
            return self.trait.value(self.base.network, theta)


@lru_cache(maxsize=1)
def pair(model: str, trait: str, lessons: int, lesson: float) -> Pair:
    """The teacher descends the trait loss by `lessons` steps, each of so much of the length of the weights.

    Raises InputError on "lesson" where steps as long as that leave nothing to descend.
    """
    base = checkpoint.load(model)
    learned = traits.TRAITS[trait].trait(base.tokenizer)
    theta0 = jax.tree.map(jax.numpy.asarray, base.params)
    teacher = theta0
    for _ in range(lessons):
        g = learned.gradient(base.network, teacher)
        length, slope = lesson * derivatives.norm(theta0), derivatives.norm(g)
        if not slope > 0:
            raise InputError("lesson", lesson, "must be so small that the trait loss still has a slope after it")
        teacher = derivatives.moved(teacher, -length / slope, g)
    return Pair(base, theta0, teacher, learned)
