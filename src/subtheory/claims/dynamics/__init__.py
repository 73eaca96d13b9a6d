"""Beyond one step of descent: training, capacity, optimizers, generations, defences."""

from types import ModuleType

MODULES: tuple[ModuleType, ...] = ()
"""In the order of the theory."""

__all__ = ["MODULES"]
