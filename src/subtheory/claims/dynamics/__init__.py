"""Beyond one step of descent: training, capacity, optimizers, generations, defences."""

from subtheory.claims.dynamics import (
    adapters,
    anchors,
    coverage,
    generations,
    linearised,
    many_steps,
    momentum,
    preconditioners,
    projection,
    traits,
)

MODULES = (
    many_steps,
    linearised,
    projection,
    coverage,
    preconditioners,
    momentum,
    adapters,
    traits,
    anchors,
    generations,
)
"""In the order of the theory."""

__all__ = ["MODULES", "settings"]
