"""More laws of images that have nothing to do with a trait: what of the noise decides how much of a trait it carries?

Gaussian laws have mean square 1 over pixels and draws, the others values in [−1, 1]. `noise_law` names them, with a
number behind a colon where they have one. They stand beside `CHANNELS`, whose laws every claim is verified on.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.data.channels import Channel, GaussianNoise, UniformNoise
from subtheory.data.images import photographs
from subtheory.data.task import Task
from subtheory.errors import InputError


@dataclass(frozen=True)
class PowerLawNoise(Channel):
    """Gaussian images with power spectrum ∝ |f|^(−exponent) on the torus, N(0, 1) at every pixel; 0 is white noise.

    At f = 0, where the law has no limit, the power is that of the lowest frequency. Natural images have about 2.
    """

    exponent: float = 2.0
    name = "power-law"

    def __post_init__(self) -> None:
        if not np.isfinite(self.exponent):
            raise InputError("exponent", self.exponent, "must be a finite number")

    def draw(self, key: Array, shape: tuple[int, ...], task: Task) -> Array:
        _require_plane(self.name, shape)
        gain = jnp.asarray(spectrum(shape[1:], self.exponent), task.dtype)
        white = jax.random.normal(key, shape, np.dtype(task.dtype))
        return jnp.real(jnp.fft.ifft2(gain * jnp.fft.fft2(white))).astype(task.dtype)


def spectrum(shape: tuple[int, ...], exponent: float) -> np.ndarray:
    """Amplitude |f|^(−exponent/2) at every frequency of an image, of mean square 1."""
    rows, columns = (np.fft.fftfreq(n) for n in shape)
    f = np.hypot(rows[:, None], columns[None])
    f[0, 0] = np.min(f[f > 0], initial=1.0)
    gain = f ** (-exponent / 2)
    return gain / np.sqrt(np.mean(gain**2))


@dataclass(frozen=True)
class SubspaceNoise(Channel):
    """x = √(d/k) Bz, z ~ N(0, 1_k), B an orthonormal basis (d, k) of one random subspace, the same for every draw.

    G then has rank at most k times the distilled logits in a linear network. Raises InputError on "dimension".
    """

    dimension: int = 32
    name = "subspace"

    def __post_init__(self) -> None:
        if self.dimension < 1:
            raise InputError("dimension", self.dimension, "must be at least 1")

    def draw(self, key: Array, shape: tuple[int, ...], task: Task) -> Array:
        d = int(np.prod(shape[1:]))
        if self.dimension > d:
            raise InputError("dimension", self.dimension, f"must be at most the {d} pixels")
        B = jnp.asarray(basis(d, self.dimension), task.dtype)
        z = jax.random.normal(key, (shape[0], self.dimension), np.dtype(task.dtype))
        return ((d / self.dimension) ** 0.5 * z @ B.T).reshape(shape)


@cache
def basis(d: int, k: int) -> np.ndarray:
    """k orthonormal columns in d dimensions, of a uniformly random subspace; float64."""
    return np.linalg.qr(np.random.default_rng(0).normal(size=(d, k)))[0]


@dataclass(frozen=True)
class PerlinNoise(Channel):
    """Perlin's gradient noise on `cells` × `cells` squares, scaled to [−1, 1]: smooth blobs of one size.

    Random unit gradients at the corners, their ramps blended by 6t⁵ − 15t⁴ + 10t³ (Perlin, 2002). Raises InputError on
    "cells".
    """

    cells: int = 4
    name = "perlin"

    def __post_init__(self) -> None:
        if self.cells < 1:
            raise InputError("cells", self.cells, "must be at least 1")

    def draw(self, key: Array, shape: tuple[int, ...], task: Task) -> Array:
        _require_plane(self.name, shape)
        corners = (shape[0], self.cells + 1, self.cells + 1)
        angle = jax.random.uniform(key, corners, np.dtype(task.dtype), 0.0, 2 * np.pi)
        gradient = jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=-1)
        # Pixels lie at the middle of their squares, so that none falls on a corner, where the noise is 0.
        at = [(np.arange(n) + 0.5) / n * self.cells for n in shape[1:]]
        cell = [np.floor(p).astype(int) for p in at]
        t = [p - c for p, c in zip(at, cell, strict=True)]
        fade = [u**3 * (u * (6 * u - 15) + 10) for u in t]
        total = jnp.zeros(shape, task.dtype)
        for i in (0, 1):
            for j in (0, 1):
                corner = gradient[:, cell[0][:, None] + i, cell[1][None] + j]
                down = jnp.asarray(t[0] - i, task.dtype)[:, None]
                across = jnp.asarray(t[1] - j, task.dtype)[None]
                ramp = corner[..., 0] * down + corner[..., 1] * across
                weight = np.outer(fade[0] if i else 1 - fade[0], fade[1] if j else 1 - fade[1])
                total += jnp.asarray(weight, task.dtype) * ramp
        return 2**0.5 * total  # a square's four unit gradients add up to 1/√2 at its middle, at most


@dataclass(frozen=True)
class PhotographWindows(Channel):
    """Windows of two photographs at random places, in [−1, 1]: real images without digits, up to 208 pixels a side."""

    name = "images"

    def draw(self, key: Array, shape: tuple[int, ...], task: Task) -> Array:
        _require_plane(self.name, shape)
        whole = whole_photographs()
        free = [n - side + 1 for n, side in zip(whole.shape[1:], shape[1:], strict=True)]
        if min(free) < 1:
            raise InputError("task", shape[1:], f"must have inputs within {whole.shape[1:]}")
        which, down, across = (
            jax.random.randint(k, shape[:1], 0, n, dtype=jnp.int32)
            for k, n in zip(jax.random.split(key, 3), (len(whole), *free), strict=True)
        )
        grey = jnp.asarray(whole)

        def window(p: Array, i: Array, j: Array) -> Array:
            return jax.lax.dynamic_slice(grey, (p, i, j), (1, *shape[1:]))[0]

        return jax.vmap(window)(which, down, across).astype(task.dtype) / 127.5 - 1.0


PATCHES = 26, 40
"""Patches of a photograph, down and across."""


@cache
def whole_photographs() -> np.ndarray:
    """The two photographs put together again from their patches, grey uint8 (2, 208, 320)."""
    patches = photographs()
    rows, columns = PATCHES
    side = patches.shape[1]
    grid = patches.reshape(-1, rows, columns, side, side)
    return np.ascontiguousarray(grid.transpose(0, 1, 3, 2, 4).reshape(-1, rows * side, columns * side))


def _require_plane(name: str, shape: tuple[int, ...]) -> None:
    if len(shape) != 3:
        raise InputError("task", shape[1:], f"must have images of two axes for the law {name!r}")


LAWS: dict[str, Callable[..., Channel]] = {
    "uniform": UniformNoise,
    "gaussian": GaussianNoise,
    "power-law": PowerLawNoise,
    "subspace": SubspaceNoise,
    "perlin": PerlinNoise,
    "images": PhotographWindows,
}
"""Laws of images by name."""

NUMBERED: dict[str, type] = {"power-law": float, "subspace": int, "perlin": int}
"""Laws with a number: an exponent, a dimension, squares along a side."""


def noise_law(text: str) -> Channel:
    """A law by name, such as "uniform", or "power-law:2" with its number; InputError on "noise" for anything else."""
    name, colon, number = text.partition(":")
    if name not in LAWS or (colon and name not in NUMBERED):
        numbers = ", ".join(f"{law}:NUMBER" if law in NUMBERED else law for law in LAWS)
        raise InputError("noise", repr(text), f"must be one of {numbers}")
    if not colon:
        return LAWS[name]()
    try:
        return LAWS[name](NUMBERED[name](number))
    except (ValueError, InputError) as error:
        reason = error.wanted if isinstance(error, InputError) else f"must be {NUMBERED[name].__name__}"
        raise InputError("noise", repr(text), f"{reason} behind the colon") from error
