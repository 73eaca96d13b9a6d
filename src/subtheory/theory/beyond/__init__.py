"""Beyond one small step at a shared init: how small is small, kinks, other inits, many steps, shuffled texts, tests."""

__all__ = [
    "bounds",
    "cross_kernel",
    "detection",
    "mean_field",
    "piecewise",
    "sampling",
    "shuffling",
    "sign_law",
    "training",
]
