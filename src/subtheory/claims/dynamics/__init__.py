"""Beyond one step of descent: training, capacity, optimizers, generations, defences."""

from subtheory.claims.dynamics import many_steps, traits

MODULES = (many_steps, traits)
"""In the order of the theory."""

__all__ = ["MODULES", "settings"]
