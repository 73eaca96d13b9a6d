"""What rows of text say at a language model's θ0: scores along directions, gradients, and log-ratios, by chunks.

Rows go through the model with others of about their length, so many that POSITIONS tokens are read at once: logits of
as many positions and the whole vocabulary are all that is held beside a few vectors of parameters.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from subtheory.language.derivatives import norm
from subtheory.language.texts import Texts
from subtheory.networks import Decoder
from subtheory.theory import forecast as theory
from subtheory.theory.network import Params

POSITIONS = 512
"""Tokens that are read at once: 0.1 GiB of logits of a vocabulary of 50,000."""
SHORTEST = 16

Told = Callable[[int, int], None]
"""Called with how many rows are done, and of how many."""


class Chunk(NamedTuple):
    """Rows of about one length, filled up with rows that count nothing."""

    rows: np.ndarray
    """Which rows they are, (r,), of the first r of the arrays."""
    x: np.ndarray
    """(n, T) tokens that are read."""
    y: np.ndarray
    """(n, T) tokens that come next."""
    mask: np.ndarray
    """(n, T), 1 where one is predicted."""


def widths(length: int) -> int:
    """The width at which a row of that length is read: 16, 24, 32, 48, 64, 96, ... so that few programs are compiled.

    >>> [widths(n) for n in (3, 16, 17, 30, 65)]
    [16, 16, 24, 32, 96]
    """
    width = SHORTEST
    while width < length:
        width = width * 3 // 2 if width & (width - 1) == 0 else width * 4 // 3
    return width


def chunks(texts: Texts, positions: int = POSITIONS) -> Iterator[Chunk]:
    """All rows of texts, by their widths, so many at once that about `positions` tokens are read, and at least one."""
    length = np.array([np.flatnonzero(row)[-1] + 1 if row.any() else 1 for row in texts.asked])
    width = np.array([widths(int(n)) for n in length])
    for own in np.unique(width):
        together = max(1, positions // int(own))
        of = np.flatnonzero(width == own)
        for begin in range(0, len(of), together):
            rows = of[begin : begin + together]
            fill = ((0, together - len(rows)), (0, max(0, int(own) - texts.x.shape[1])))
            x, y, mask = (np.pad(a[rows, :own], fill) for a in (texts.x, texts.y, texts.asked))
            yield Chunk(rows, x, y, mask)


def placed(theta: Params) -> Params:
    """The same on the device: what lies elsewhere would be taken there for every chunk."""
    return jax.tree.map(jnp.asarray, theta)


class Along(NamedTuple):
    """What every row says along a direction, and the size of what its score is made of, (N,) each."""

    known: theory.Rows
    felt: Any
    """Σ_t m_t(|u_y| + E_p|u|), by roundings of which a score may be off."""
    moved: Any
    """Σ_t m_t E_p u²."""


@dataclass(frozen=True, eq=False)
class Here:
    """A model at θ0, and the rows that it reads."""

    network: Decoder
    params: Params
    texts: Texts

    def of(self, texts: Texts) -> "Here":
        """The same model before other rows."""
        return Here(self.network, self.params, texts)

    @property
    def size(self) -> int:
        """N."""
        return len(self.texts.tokens)

    def _each(self, compute: Callable[[Chunk], Any], told: Told | None = None) -> Any:
        """A result of arrays (n,) of every chunk, put together in the order of the rows, float64."""
        whole: Any = None
        done = 0
        for chunk in chunks(self.texts):
            found = jax.tree.map(lambda a, r=len(chunk.rows): np.asarray(a)[:r].astype(float), compute(chunk))
            if whole is None:
                whole = jax.tree.map(lambda a: np.zeros(self.size), found)
            for into, part in zip(jax.tree.leaves(whole), jax.tree.leaves(found), strict=True):
                into[chunk.rows] = part
            done += len(chunk.rows)
            if told is not None:
                told(done, self.size)
        return whole

    def along(self, delta: Params, told: Told | None = None) -> Along:
        """Scores and what belongs to them along Δ: one forward derivative."""
        found: Along = self._each(lambda c: _along(self.network, self.params, delta, c.x, c.y, c.mask), told)
        return found

    def ratios(self, other: Params) -> tuple[np.ndarray, np.ndarray]:
        """log p_θ′ − log p0 of every row, and Σ_t KL(p_θ′ ‖ p0), (N,) each."""
        found = self._each(lambda c: _ratios(self.network, self.params, other, c.x, c.y, c.mask))
        return found[0], found[1]

    def step(self, positions: int = POSITIONS) -> Params:
        """Δθ_S = (1/n) Σ_i ∇log p0(y_i|x_i), n the tokens that are predicted; by pullbacks."""
        n = float(self.texts.asked.sum())
        total = jax.tree.map(jnp.zeros_like, self.params)
        for c in chunks(self.texts, positions):
            total = _pulled(self.network, self.params, total, c.x, c.y, c.mask, 1 / n)
        return total

    def norms(self, rows: np.ndarray) -> np.ndarray:
        """‖∇log p0‖ of some rows, one pullback each; NaN for the others, (N,)."""
        found = np.full(self.size, np.nan)
        for i in rows:
            one = self.of(Texts(self.texts.tokens[i : i + 1], self.texts.mask[i : i + 1]))
            # Of a mean over n tokens.
            found[i] = one.texts.asked.sum() * norm(one.step(positions=1))
        return found


@partial(jax.jit, static_argnums=0)
def _along(network: Decoder, params: Params, delta: Params, x: Array, y: Array, mask: Array) -> Along:
    z, u = jax.jvp(lambda p: _logits(network, p, x), (params,), (delta,))
    w, m = jnp.ones(z.shape[-1], z.dtype), mask.astype(z.dtype)
    p = jax.nn.softmax(z)
    felt = jnp.abs(theory.picked(u, y)) + jnp.sum(p * jnp.abs(u), axis=-1)
    square = jnp.sum(p * u * u, axis=-1)
    return Along(theory.rows(z, u, y, w, m), theory.by_row(m * felt), theory.by_row(m * square))


@partial(jax.jit, static_argnums=0)
def _ratios(network: Decoder, params: Params, other: Params, x: Array, y: Array, mask: Array) -> tuple[Array, Array]:
    z, z1 = _logits(network, params, x), _logits(network, other, x)
    w, m = jnp.ones(z.shape[-1], z.dtype), mask.astype(z.dtype)
    ratio = theory.log_likelihoods(z1, y, w) - theory.log_likelihoods(z, y, w)
    return theory.by_row(m * ratio), theory.by_row(m * theory.token_divergences(z, z1, w))


@partial(jax.jit, static_argnums=0, donate_argnums=2)
def _pulled(network: Decoder, params: Params, total: Params, x: Array, y: Array, mask: Array, factor: Any) -> Params:
    def log_p(theta: Params) -> Array:
        z = _logits(network, theta, x)
        w = jnp.ones(z.shape[-1], z.dtype)
        return jnp.sum(mask.astype(z.dtype) * theory.log_likelihoods(z, y, w)) * jnp.asarray(factor, z.dtype)

    return jax.tree.map(jnp.add, total, jax.grad(log_p)(params))


def _logits(network: Decoder, params: Params, x: Array) -> Array:
    return jax.vmap(lambda row: network.apply(params, row))(x)


# Directions of the null -------------------------------------------------------------------------------


def signed(delta: Params, rng: np.random.Generator) -> Params:
    """σ∘Δ with independent signs σ."""

    def turned(leaf: Any) -> np.ndarray:
        signs = 1 - 2 * rng.integers(0, 2, np.shape(leaf), np.int8)
        return np.asarray(leaf) * signs.astype(np.asarray(leaf).dtype)

    return jax.tree.map(turned, delta)
