"""A chain of students, each taught by the one before: what every generation keeps of the first teacher's displacement.

Generation 0 is the teacher at θ0 + εΔ. To first order in ε generation k stands at θ0 + εA_k ... A_1Δ, where
A = I − (I − αG)ˢ is what s steps of rate α make of a displacement through the channel of matrix G.
"""

from collections.abc import Sequence
from typing import Any

from subtheory.theory.dynamics.spectrum import Modes, Spectrum, applied, gained
from subtheory.theory.losses import namespace


def moments(found: Spectrum, rate: Any, steps: int, count: int) -> Any:
    """r_k = ΔᵀAᵏΔ = Σ c_i² a_iᵏ for k = 0 ... count through one channel, (..., count + 1). Predictions P28 and P47.

    None is below 0, and r_{k+1}/r_k never falls, for αλ ≤ 1.
    """
    a = gained(rate, steps)
    each = [found.form(lambda values, k=k: a(values) ** k) for k in range(count + 1)]  # type: ignore[misc]
    return namespace(found.values).stack(each, axis=-1)


def through(channels: Sequence[tuple[Modes, Any]], steps: int, delta: Any) -> Any:
    """A_k ... A_1Δ for k = 0 ... count through channels of their own modes and rates (...), (..., count + 1, P).

    ΔᵀA_2A_1Δ has either sign unless the two channels commute. Prediction P40.
    """
    found = [delta]
    for own in channels:
        found.append(_kept(own, steps, found[-1]))
    return namespace(delta).stack(found, axis=-2)


def continued(channels: Sequence[tuple[Modes, Any]], steps: int, delta: Any) -> Any:
    """Students that go on with one teacher: Δ, and Δ − (I − A_k) ... (I − A_1)Δ for k = 1 ... count.

    (..., count + 1, P). In each direction that some channel sees they tend to the teacher. Prediction P28.
    """
    found, rest = [delta], delta
    for own in channels:
        rest = rest - _kept(own, steps, rest)
        found.append(delta - rest)
    return namespace(delta).stack(found, axis=-2)


def _kept(channel: tuple[Modes, Any], steps: int, direction: Any) -> Any:
    """A of a direction (..., P)."""
    own, rate = channel
    return applied(own, gained(rate[..., None], steps), direction)


def retention(traits: Any) -> Any:
    """ρ_k = r_{k+1}/r_k of traits r_0 ... r_n, (..., n + 1): (..., n)."""
    return traits[..., 1:] / traits[..., :-1]
