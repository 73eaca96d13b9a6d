"""Settings that are constructed: exact numbers in which a claim holds, or a broken assumption must show."""

__all__ = ["labels", "masks", "orbits", "orders", "sequences", "thresholds", "witnesses"]
__all__ = ["labels", "orbits", "orders", "processed", "sequences", "thresholds", "witnesses"]
