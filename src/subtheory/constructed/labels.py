"""Where claims about labels are looked at: a small classifier, and a language model whose outcomes are whole texts."""

from functools import cache

import numpy as np

from subtheory.constructed.sequences import Sequences, sequences
from subtheory.data.toys import toy
from subtheory.networks import MLP, Linear
from subtheory.setting.preparation import stack
from subtheory.setting.setting import Setting
from subtheory.statistics import n_grams
from subtheory.theory.losses import CrossEntropy

ELSEWHERE = 2**16
"""First seed of inits that no verification draws."""


@cache
def classifier() -> Setting:
    """A tanh network of one hidden layer, 7 labels behind 6 inputs."""
    network = MLP(width=6, depth=1, task=toy((8,), 3, 4))
    return Setting(network, CrossEntropy(), examples=6, trait_examples=8)


@cache
def slopes() -> np.ndarray:
    """The root mean square of ∇L_T of the classifier over inits that no verification draws, (P,)."""
    s = stack(classifier(), tuple(range(ELSEWHERE, ELSEWHERE + 16)))
    return np.sqrt(np.mean(s.trait.gradient(s.functions, s.theta0) ** 2, axis=0))


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


def alike(setting: Setting, order: int = 1) -> tuple[int, ...]:
    """The class of every output for a reader of n-grams, who takes texts with the same counts for the same text.

    Of labels that are no texts such a reader takes the last two that are distilled for the same.
    """
    width, network = len(setting.origin.weights(setting.outputs)), setting.network
    if not isinstance(network, Sequences):
        one, other = distilled(setting)[-2:]
        return tuple(one if i == other else i for i in range(width))
    texts = network.texts
    grams = n_grams(texts, np.ones(texts.shape), network.letters, order).toarray()
    classes = np.unique(grams, axis=0, return_inverse=True)[1] + 1
    return (*(0,) * (width - len(texts)), *classes.ravel().tolist())


def letters(setting: Setting) -> tuple[int, ...]:
    """`alike` for who counts the letters of a text."""
    return alike(setting)
