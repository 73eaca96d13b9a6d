"""The mathematics of subliminal learning: pure functions of arrays, matrix-free, one noun a module."""

__all__ = [
    "alignment",
    "beyond",
    "curvature",
    "distillation",
    "dynamics",
    "forecast",
    "layout",
    "linearize",
    "losses",
    "network",
    "part",
    "rule",
    "trains",
    "trait",
    "views",
]
