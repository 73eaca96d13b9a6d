"""What labels carry: sampled, filtered, rounded, shuffled, mixed, greedy ones, and who could see it."""

from subtheory.claims.labels import (
    detection,
    filters,
    greedy,
    inputs,
    masks,
    mixtures,
    rounding,
    rows,
    sampling,
    shuffling,
    transformed,
)

MODULES = (
    sampling,
    filters,
    greedy,
    masks,
    mixtures,
    rounding,
    rows,
    shuffling,
    detection,
    transformed,
    inputs,
)
"""In the order of the theory."""

__all__ = ["MODULES", "detection", "greedy", "rounding", "sampling", "settings"]
