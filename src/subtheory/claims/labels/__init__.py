"""What labels carry: sampled, filtered, rounded, shuffled, mixed, greedy ones, and who could see it."""

from subtheory.claims.labels import filters, masks, mixtures, rows, shuffling

MODULES = (filters, masks, mixtures, rows, shuffling)
"""In the order of the theory."""

__all__ = ["MODULES", "settings"]
