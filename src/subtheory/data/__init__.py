"""Trait tasks and the channels that carry them: everything a distillation is trained on."""

from subtheory.data.channels import (
    CHANNELS,
    Blank,
    Channel,
    GaussianNoise,
    NumberSequences,
    Photographs,
    RandomTokens,
    RepeatedTokens,
    UniformNoise,
    channels_of,
)
from subtheory.data.digits import DIGITS
from subtheory.data.mnist import MNIST
from subtheory.data.noise import PerlinNoise, PhotographWindows, PowerLawNoise, SubspaceNoise, noise_law
from subtheory.data.task import Task
from subtheory.data.tokens import TOKENS

__all__ = [
    "CHANNELS",
    "DIGITS",
    "MNIST",
    "TOKENS",
    "Blank",
    "Channel",
    "GaussianNoise",
    "NumberSequences",
    "PerlinNoise",
    "PhotographWindows",
    "Photographs",
    "PowerLawNoise",
    "RandomTokens",
    "RepeatedTokens",
    "SubspaceNoise",
    "Task",
    "UniformNoise",
    "channels_of",
    "corpus",
    "filters",
    "images",
    "mnist",
    "noise_law",
    "toys",
    "world",
]
