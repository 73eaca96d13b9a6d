"""What the channel's Gauss-Newton matrix makes of a direction: its eigenvalues, and how much of Δ lies along each."""

from collections.abc import Callable, Iterator
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

    def one(self, i: int) -> "Spectrum":
        """That of entry i of the first axis."""
        return Spectrum(self.values[i], self.along[i], self.hidden[i])

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


def applied(found: Modes, function: Callable[[Any], Any], delta: Any) -> Any:
    """F(G)Δ, (..., P), for a function F of eigenvalues, on arrays (..., n): F(0)Δ where the channel sees nothing."""
    zero = function(namespace(found.values).zeros_like(found.values[..., :1]))
    along = (found.vectors * delta[..., None, :]).sum(axis=-1)
    seen = (function(found.values) - zero) * along
    return zero * delta + (seen[..., None] * found.vectors).sum(axis=-2)


def left(rate: Any, steps: int) -> Callable[[Any], Any]:
    """λ ↦ (1 − αλ)ᵗ: what t steps of rate α leave of a mode, θ_S(t) − θ0 = ε(I − (I − αG)ᵗ)Δ (prediction P21).

    α is a number, or (..., 1) beside eigenvalues.
    """
    return lambda values: (1 - rate * values) ** steps


def gained(rate: Any, steps: int) -> Callable[[Any], Any]:
    """λ ↦ 1 − (1 − αλ)ᵗ: what t steps take of a mode; `rate` as in `left`."""
    return lambda values: 1 - left(rate, steps)(values)


def cosine(found: Spectrum, rate: Any, steps: int) -> Any:
    """cos(t) = ΔᵀG(I − αG)ᵗΔ/(‖Δ‖‖G(I − αG)ᵗΔ‖), (...), of Δ and the step after t others (prediction P22)."""
    along = found.form(lambda values: values * left(rate, steps)(values))
    size = found.form(lambda values: (values * left(rate, steps)(values)) ** 2)
    return along / namespace(along).sqrt(size * found.form(namespace(along).ones_like))


def foreseen(rate: Any, slope: Any, found: Spectrum) -> Any:
    """T = 1 + 2|Σ m x|/Σ₊ |m| x², (...): the first step of rate α ≤ 1/λmax tells the sign of the next t < T (P53).

    Of the change −εΣ m(1 − (1 − x)ᵗ) of another loss L′, with x = αλ and m = gc, g = v · (−∇L′) its `slope`, (..., n);
    Σ₊ runs over the modes whose m has the sign of the first step's Σ m x. For tx ≥ 1 − (1 − x)ᵗ ≥ tx − t(t − 1)x²/2 on
    0 ≤ x ≤ 1: the modes on the winning side have lost no more than Σ₊ |m| t(t − 1)x²/2, and the others gained nothing.
    Infinite where no mode is on that side; `rate` as in `left`.
    """
    xp = namespace(found.values)
    x, m = rate * found.values, slope * found.along
    first = (m * x).sum(axis=-1)
    own = xp.where(m * first[..., None] > 0, abs(m), 0.0)
    lost = (own * x**2).sum(axis=-1)
    return xp.where(lost > 0, 1 + 2 * abs(first) / xp.where(lost > 0, lost, 1.0), xp.inf)


def without(found: Spectrum, rate: Any, steps: int) -> Iterator[Any]:
    """v · (Δ − d_t), (..., n), for t = 0 ... T: what is left to a student whose steps lose their part along Δ.

    d_{t+1} = d_t + α(1 − ΔΔᵀ/‖Δ‖²)G(Δ − d_t), so d_t · Δ = 0, and a = v · (Δ − d) becomes a − αλa + αcΣcλa/‖Δ‖².
    The quadratic form Σ λa² of its imitation loss falls all the same: to 0 if Δ has a part in null(G), else to no less
    than ‖Δ‖⁴/ΔᵀG⁺Δ, the least that a student at a right angle can have (prediction P22).
    """
    whole = found.form(namespace(found.values).ones_like)[..., None]
    a = found.along
    for _ in range(steps):
        yield a
        pulled = found.values * a
        a = a - rate * (pulled - found.along * (found.along * pulled).sum(axis=-1, keepdims=True) / whole)
    yield a
