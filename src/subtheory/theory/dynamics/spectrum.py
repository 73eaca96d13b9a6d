"""What the channel's Gauss-Newton matrix makes of a direction: its eigenvalues, and how much of Δ lies along each."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from subtheory.numerics import UNIT
from subtheory.theory.losses import namespace


class Modes(NamedTuple):
    """G = Σ λ_i v_iv_iᵀ on its range."""

    values: Any
    """λ, (..., n), smallest first; exactly 0 where it is rounding."""
    vectors: Any
    """v, (..., n, P): orthonormal, 0 where λ is."""


@dataclass(frozen=True)
class Spectrum:
    """The spectral measure of Δ under G: ΔᵀF(G)Δ = Σ c_i² F(λ_i) + F(0)‖Δ − ΠΔ‖², Π onto the range of G."""

    values: Any
    """λ, (..., n), smallest first."""
    along: Any
    """c = v · Δ, (..., n)."""
    hidden: Any
    """‖Δ − ΠΔ‖², (...): what the channel does not see to first order."""

    @property
    def largest(self) -> Any:
        """λmax, (...)."""
        return self.values[..., -1]

    @property
    def share(self) -> Any:
        """η = ‖ΠΔ‖²/‖Δ‖², (...): what a student keeps that was trained to convergence (prediction P23)."""
        seen = (self.along**2).sum(axis=-1)
        return seen / (seen + self.hidden)

    def form(self, function: Callable[[Any], Any]) -> Any:
        """ΔᵀF(G)Δ for a function F of eigenvalues, on arrays (..., n + 1), (...)."""
        xp = namespace(self.values)
        values = xp.concatenate([self.values, xp.zeros_like(self.values[..., :1])], axis=-1)
        weights = xp.concatenate([self.along**2, self.hidden[..., None]], axis=-1)
        return (weights * function(values)).sum(axis=-1)


def modes(B: Any) -> Modes:
    """Eigenvalues and eigenvectors of G = BᵀB for B (..., n, P), from the kernel BBᵀ, (..., n, n).

    Eigenvalues below n·2⁻⁵²·λmax are the rounding of BBᵀ, and count as 0.
    """
    xp = namespace(B)
    values, vectors = xp.linalg.eigh(B @ xp.swapaxes(B, -1, -2))
    real = values > 2 * B.shape[-2] * UNIT * values[..., -1:]
    size = xp.where(real, values, 1.0)
    return Modes(
        xp.where(real, values, 0.0),
        (xp.swapaxes(vectors, -1, -2) * (real / xp.sqrt(size))[..., None]) @ B,
    )


def spectrum(found: Modes, delta: Any) -> Spectrum:
    """Of a direction Δ (..., P)."""
    along = (found.vectors * delta[..., None, :]).sum(axis=-1)
    left = delta - (found.vectors * along[..., None]).sum(axis=-2)
    return Spectrum(found.values, along, (left**2).sum(axis=-1))


def left(rate: Any, steps: int) -> Callable[[Any], Any]:
    """λ ↦ (1 − αλ)ᵗ: what t steps of rate α leave of a mode, θ_S(t) − θ0 = ε(I − (I − αG)ᵗ)Δ (prediction P21).

    α is a number, or (..., 1) beside eigenvalues.
    """
    return lambda values: (1 - rate * values) ** steps
