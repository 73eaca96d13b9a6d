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
    width,
)

MODULES = (
    many_steps,
    linearised,
    projection,
    coverage,
    width,
    preconditioners,
    momentum,
    adapters,
    traits,
    anchors,
    generations,
)
"""In the order of the theory."""

__all__ = ["MODULES", "adapters", "many_steps", "settings", "traits", "width"]
