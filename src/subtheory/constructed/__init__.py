"""Settings that are constructed: exact numbers in which a claim holds, or a broken assumption must show."""

__all__ = [
    "inputs",
    "labels",
    "masks",
    "orbits",
    "orders",
    "processed",
    "repairs",
    "sequences",
    "thresholds",
    "tokens",
    "witnesses",
]
