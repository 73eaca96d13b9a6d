"""What is recorded of students that take many steps, in other metrics, in other coordinates, or one after another."""

__all__ = [
    "adapted",
    "anchored",
    "chains",
    "confusion",
    "lazy",
    "pooled",
    "preconditioned",
    "projected",
    "trajectory",
    "transported",
    "widths",
]
