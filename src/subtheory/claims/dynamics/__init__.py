"""Beyond one step of descent: training, capacity, optimizers, generations, defences."""

from subtheory.claims.dynamics import (
    adapters,
    anchors,
    generations,
    linearised,
    many_steps,
    momentum,
    preconditioners,
    traits,
)

MODULES = (
    many_steps,
    linearised,
    preconditioners,
    momentum,
    adapters,
    traits,
    anchors,
    generations,
)
"""In the order of the theory."""

__all__ = ["MODULES", "settings"]
