"""After the first step: exact and linearised training, generations, anchors, optimizers with a state, adapters."""

__all__ = ["adapters", "linearised", "spectrum"]
__all__ = ["anchors", "linearised", "spectrum"]
