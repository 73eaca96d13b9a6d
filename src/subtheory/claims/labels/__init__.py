"""What labels carry: sampled, filtered, rounded, shuffled, mixed, greedy ones, and who could see it."""

from subtheory.claims.labels import filters, rows, shuffling

MODULES = (filters, rows, shuffling)
"""In the order of the theory."""

__all__ = ["MODULES", "settings"]
