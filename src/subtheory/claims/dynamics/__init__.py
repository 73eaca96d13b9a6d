"""Beyond one step of descent: training, capacity, optimizers, generations, defences."""

from subtheory.claims.dynamics import (
    adapters,
    linearised,
    many_steps,
    traits,
)

MODULES = (
    many_steps,
    linearised,
    adapters,
    traits,
)
"""In the order of the theory."""

__all__ = ["MODULES", "settings"]
