"""The mathematics of subliminal learning: pure functions of arrays, matrix-free, one noun a module."""

__all__ = [
    "alignment",
    "bounds",
    "cross_kernel",
    "curvature",
    "distillation",
    "kernel",
    "layout",
    "linearize",
    "losses",
    "mean_field",
    "network",
    "part",
    "piecewise",
    "rule",
    "sign_law",
    "training",
    "trains",
    "trait",
    "view",
]
