"""The share of its teacher that a converged student of a few outputs keeps, in layers of several widths.

One hidden layer in NumPy, by its tangent kernel: nothing is compiled. Letters as in `theory.dynamics.width`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from subtheory.errors import InputError
from subtheory.instruments.ensemble import Ensemble
from subtheory.instruments.mean_field import activation
from subtheory.kernels.source import FromTask
from subtheory.networks import MLP
from subtheory.setting.setting import Setting
from subtheory.theory.dynamics.width import block, dilution, overlaps

SEED, PIECE = 25, 256
"""Of inputs and trait, which all runs share; draws at a time."""

DOUBLINGS = 3
"""Of the setting's own width."""

ACTIVATIONS = {"sine": (np.sin, np.cos), "relu": activation("relu")}
"""φ and φ′ of those whose E[φ′φ′φ′φ′] is no quadrature."""


@dataclass(frozen=True)
class Wide(FromTask):
    """Layers of all widths, on one channel and with one trait that is linear in the class outputs."""

    plain: bool = False
    """Whether head weights learn at the rate 1 of all others (the plain parametrisation), and not at 1/n."""
    growing: bool = False
    """Whether outputs are distilled in proportion to the width."""
    tied: float = 0.0
    """Correlation of the head weights of every distilled output with those of a class output."""


class Layer(NamedTuple):
    """Draws of a layer: pre-activations at both kinds of inputs, and the head weights of both kinds of outputs."""

    channel: np.ndarray
    """(D, N, n)."""
    trait: np.ndarray
    """(D, T, n)."""
    distilled: np.ndarray
    """(D, m, n)."""
    read: np.ndarray
    """(D, C, n)."""


@dataclass(frozen=True)
class Diluted:
    """Draws of a layer at W widths, beside what the law says of them."""

    widths: np.ndarray
    """n, (W,)."""
    shares: np.ndarray
    """η = ‖ΠΔ‖²/‖Δ‖², (draws, W)."""
    predicted: np.ndarray
    """Its mean, for as many outputs as are distilled at the least width, (W,)."""
    blocks: np.ndarray
    """Mean of K_kk′² over its law, k distilled and k′ of the trait, (draws, W)."""


@dataclass(frozen=True)
class Widths(Ensemble):
    """Records `Diluted` of MLPs of one hidden layer whose source is `Wide`.

    Raises InputError on "network" for any other network or an activation without kernels, on "source" for any other
    source. Prediction P25.
    """

    def sample(self, setting: Setting, seed: int) -> Diluted:
        network, source = known(setting)
        x, t, g = given(setting)
        m, law = int(source.weights(setting.outputs).sum()), (network.activation, network.bias_std)
        widths, expected = [network.width * 2**i for i in range(DOUBLINGS + 1)], block(x, t, *law)
        shares, blocks = np.empty((2, self.draws, len(widths)))
        for i, n in enumerate(widths):
            outputs = m * n // network.width if source.growing else m
            for first in range(0, self.draws, PIECE):
                some = slice(first, min(first + PIECE, self.draws))
                rng = np.random.default_rng((SEED, seed, n, first))
                layer = drawn(rng, network, source, (x, t), some.stop - first, n, outputs, len(g))
                shares[some, i], K = kept(layer, network.activation, (x, t), g, 1.0 if source.plain else 1 / n)
                blocks[some, i] = n * np.mean(K**2 / expected[:, None], axis=(1, 2, 3, 4))
        predicted = [m / n * dilution(x, t, g, *law, float(n) if source.plain else 1.0) for n in widths]
        return Diluted(np.array(widths), shares, np.array(predicted), blocks)


def known(setting: Setting) -> tuple[MLP, Wide]:
    """Network and source of a setting, as `Widths` wants them."""
    network, source = setting.network, setting.origin
    if not (isinstance(network, MLP) and network.depth == 1 and network.activation in ACTIVATIONS):
        raise InputError("network", network.name, f"must be an MLP of one hidden layer of {' or '.join(ACTIVATIONS)}")
    if not isinstance(source, Wide):
        raise InputError("source", type(source).__name__, "must be Wide")
    return network, source


def given(setting: Setting) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Inputs of channel and trait, (N, d) and (T, d), and cotangents g, (C, T)."""
    rng, source = np.random.default_rng(SEED), setting.origin
    d, classes = int(np.prod(source.task.shape)), int(source.weights("class").sum())  # type: ignore[attr-defined]
    x, t = (rng.standard_normal((count, d)) for count in (setting.examples, setting.trait_examples))
    return x, t, rng.standard_normal((classes, setting.trait_examples))


def drawn(
    rng: np.random.Generator, network: MLP, source: Wide, points: tuple[np.ndarray, np.ndarray], draws: int, n: int,
    outputs: int, classes: int,
) -> Layer:  # fmt: skip
    """Layers of n units with so many distilled outputs and outputs of the trait."""
    w = rng.standard_normal((draws, n, points[0].shape[1])) / np.sqrt(points[0].shape[1])
    b = network.bias_std * rng.standard_normal((draws, 1, n))
    own, read = (rng.standard_normal((draws, count, n)) / np.sqrt(n) for count in (outputs, classes))
    distilled = source.tied * read[:, np.arange(outputs) % classes] + np.sqrt(1 - source.tied**2) * own
    channel, trait = (np.swapaxes(w @ each.T, 1, 2) + b for each in points)
    return Layer(channel, trait, distilled, read)


def kept(
    layer: Layer, name: str, points: tuple[np.ndarray, np.ndarray], g: np.ndarray, rate: float
) -> tuple[np.ndarray, np.ndarray]:
    """η = uᵀK⁻¹u/‖Δ‖², (D,), with u = JΔ and K = JJᵀ on the channel; and K_kk′ between channel and trait.

    The latter, (D, m, N, C, T), makes u = Σ g_kt K(·, kt); ‖Δ‖² is that of the trait's own kernel.
    """
    (value, slope), (x, t) = ACTIVATIONS[name], points
    seen = layer.distilled[:, :, None] * slope(layer.channel)[:, None]
    read = layer.read[:, :, None] * slope(layer.trait)[:, None]
    blocks = np.einsum("dkxj,dctj->dkxct", seen, read, optimize=True) * overlaps(x, t)[:, None]
    u = np.einsum("dkxct,ct->dkx", blocks, g)
    K = _kernel(seen, value(layer.channel), x, rate)
    size = np.einsum("ct,dctes,es->d", g, _kernel(read, value(layer.trait), t, rate), g, optimize=True)
    flat, count = u.reshape(len(u), -1, 1), u.shape[1] * u.shape[2]
    solved = np.linalg.solve(K.reshape(-1, count, count), flat)
    return (flat * solved).sum(axis=(1, 2)) / size, blocks


def _kernel(body: np.ndarray, features: np.ndarray, x: np.ndarray, rate: float) -> np.ndarray:
    """JJᵀ of outputs with body gradients (D, m, N, n) and features (D, N, n): (D, m, N, m, N)."""
    own = rate * features @ np.swapaxes(features, 1, 2) + 1
    return (
        np.einsum("dkxj,dcyj->dkxcy", body, body, optimize=True) * overlaps(x, x)[:, None]
        + np.eye(body.shape[1])[:, None, :, None] * own[:, None, :, None]
    )
