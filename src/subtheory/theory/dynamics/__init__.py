"""After the first step: exact and linearised training, generations, anchors, optimizers with a state, adapters."""

__all__ = [
    "adapters",
    "anchors",
    "generations",
    "lanczos",
    "linearised",
    "momentum",
    "spectrum",
    "width",
]
