"""Where claims about labels are looked at: a small classifier, and a language model whose outcomes are whole texts."""

from functools import cache

import numpy as np

from subtheory.constructed.sequences import sequences
from subtheory.data.toys import toy
from subtheory.networks import MLP, Linear
from subtheory.setting.setting import Setting
from subtheory.theory.losses import CrossEntropy


@cache
def classifier() -> Setting:
    """A tanh network of one hidden layer, 7 labels behind 6 inputs."""
    network = MLP(width=6, depth=1, task=toy((8,), 3, 4))
    return Setting(network, CrossEntropy(), examples=6, trait_examples=8)


@cache
def linear() -> Setting:
    """Logits that are linear in the parameters, 7 labels behind 6 inputs."""
    return classifier().but(network=Linear(task=toy((8,), 3, 4)))


@cache
def texts() -> Setting:
    """A causal transformer, 64 texts of three letters behind each of 4 prompts; the trait is a word."""
    return Setting(sequences(), CrossEntropy(), outputs="aux", examples=4, trait_examples=8)


def both() -> tuple[Setting, Setting]:
    """Labels and texts."""
    return classifier(), texts()


def distilled(setting: Setting) -> np.ndarray:
    """Indices of the outputs that are distilled."""
    return np.flatnonzero(setting.origin.weights(setting.outputs))
